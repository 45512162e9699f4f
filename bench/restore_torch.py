#!/usr/bin/python3
"""The training step of the restoring fusion (exchange, whole sets) in PyTorch, for
bench/restore.

  restore_torch.py SIZE THREADS SECONDS   median seconds of a step and its AdamW update
  restore_torch.py FOLDER                 losses, and the worst gradient against ours in FOLDER
"""
import json
import math
import statistics
import struct
import sys
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy, dropout, gelu, linear

C, S, H, RANK, RANK2, K, G, ROWS, CLASSES = 128, 192, 64, 64, 32, 3, 32, 1024, 759


def safetensors(path):
    with open(path, 'rb') as f:
        data = f.read()
    size, = struct.unpack_from('<Q', data)
    header = json.loads(data[8:8 + size])
    out = {}
    for name, t in header.items():
        if name != '__metadata__':
            first, end = t['data_offsets']
            flat = np.frombuffer(data[8 + size + first:8 + size + end], np.float32)
            out[name.removeprefix('restore.')] = torch.tensor(flat.reshape(t['shape']))
    return out


def unit(x):
    return x / (x.norm(dim=-1, keepdim=True) + 1e-8)


def layer(p, name, x):
    return linear(x, p[name + '.weight'], p.get(name + '.bias'))


def exchange(p, u, L, h):
    """u [B][N][C], L [B][N][1], h [B][N][H] -> log weights after the comparison"""
    N = u.shape[1]
    n = unit(u)
    L0 = L - L.detach().max(1, keepdim=True).values
    w, b = L0.exp(), (0.3 * L0).exp()
    agree = []
    for x in (w, b):
        rest = (x * n).sum(1, keepdim=True) - x * n
        agree.append((n * unit(rest)).sum(-1, keepdim=True))
    off = 1 - torch.eye(N, dtype=u.dtype)
    bt = b.transpose(1, 2) * off
    d = (((6 * n @ n.transpose(1, 2)).exp() * bt).sum(-1) / bt.sum(-1)).log()[..., None] / 6
    share = L0 - w.sum(1, keepdim=True).log() + math.log(N)
    coherence = (b * n).sum(1, keepdim=True).norm(dim=-1, keepdim=True) / b.sum(1, keepdim=True)
    one = torch.ones_like(L)
    x = torch.cat([2 * agree[0], 2 * agree[1], 2 * d, 0.3 * share, coherence * one,
                   0.3 * math.log(N) * one, h], -1)
    return L + (4 * layer(p, 'e2.0', gelu(layer(p, 'e1.0', x)))).clamp(-12, 3)


def losses(p, stats, data, drop):
    f, s, shown, targets, centres, other, own = data
    B, N, _ = f.shape
    length = f.norm(dim=-1, keepdim=True).clamp(min=1e-5)
    v = f / length
    l = length.log() - stats['nm']
    q = l / stats['ns']
    z = dropout(((s - stats['sm']) / stats['ss']).clamp(-5, 5), drop)
    x = torch.cat([q.clamp(-4, 4), (q * q).clamp(max=9) - 1, layer(p, 'sp', z),
                   layer(p, 'fp', dropout(math.sqrt(C) * v, drop))], -1)
    h = dropout(gelu(layer(p, 't2', gelu(layer(p, 't1', x)))), drop)
    L = (p['pw'] * l + layer(p, 'hg', h)).clamp(-15, 12)
    u = v + layer(p, 'b2', layer(p, 'b1', dropout(v, drop)) * layer(p, 'bg', h))
    L = exchange(p, u, L, h)
    w = L.clamp(-15, 12).exp()
    wk = (L * p['hb'] + layer(p, 'hh', h)).clamp(-15, 12).exp()
    sums, W, mass = wk.transpose(1, 2) @ u, wk.sum(1), w.sum(1)
    quality = torch.cat([(w * h).sum(1) / mass, 0.3 * mass.log()], -1)
    c = unit(sums)
    pair = [2 * (c[:, i] * c[:, j]).sum(-1, keepdim=True) for i in range(K) for j in range(i + 1, K)]
    x = torch.cat(pair + [0.3 * (W.log() - W.log().mean(-1, keepdim=True)), sums.norm(dim=-1) / W,
                          quality], -1)
    a = layer(p, 'm2', gelu(layer(p, 'm1', x))).softmax(-1)
    c = unit((a[..., None] * c).sum(1))
    t = unit(c + layer(p, 'c2', layer(p, 'c1', c) * layer(p, 'cg', quality)))
    logits = t @ centres.T
    logits = 24 * (logits - 0.1 * torch.nn.functional.one_hot(own, CLASSES))
    return (1 - (t * targets).sum(-1).mean(), cross_entropy(logits, own),
            1 - (unit(u) * shown).sum(-1).mean(), ((w[..., 0] * other).sum(1) / mass[:, 0]).mean())


def total(parts):
    return parts[0] + 0.3 * parts[1] + 0.5 * parts[2] + 0.3 * parts[3]


def others(size):
    rows = torch.arange(ROWS // size * size)
    return (rows % 11 == 3).double().reshape(-1, size), torch.arange(ROWS // size) % CLASSES


def compare(folder):
    p = {k: v.double().requires_grad_() for k, v in safetensors(folder + '/model.safetensors').items()}
    wanted = safetensors(folder + '/gradients.safetensors')
    stats = {k: p.pop(k).detach() for k in ('sm', 'ss', 'nm', 'ns')}
    f, s, shown, targets, centres = (torch.tensor(np.load(f'{folder}/{n}.npy')).double() for n in
                                     ('features', 'styles', 'shown', 'targets', 'centres'))
    data = (f.reshape(-1, 16, C), s.reshape(-1, 16, 2 * S), shown.reshape(-1, 16, C), targets,
            centres) + others(16)
    parts = losses(p, stats, data, 0.0)
    total(parts).backward()
    # a gradient that is zero by symmetry is rounding noise in both
    worst = max(((wanted[k] - v.grad).norm() / v.grad.norm()).item() for k, v in p.items()
                if v.grad.norm() > 1e-5)
    print(json.dumps({'losses': [x.item() for x in parts], 'gradient': worst}))


def measure(size, threads, budget):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    shapes = {'sp': (H, 2 * S), 'fp': (H, C), 't1': (H, 2 + 2 * H), 't2': (H, H), 'hg': (1, H),
              'b1': (RANK, C), 'bg': (RANK, H), 'b2': (C, RANK), 'hh': (K, H),
              'm1': (G, K * (K - 1) // 2 + 2 * K + H + 1), 'm2': (K, G), 'e1.0': (G, 6 + H),
              'e2.0': (1, G), 'c1': (RANK2, C), 'cg': (RANK2, H + 1), 'c2': (C, RANK2)}
    p = {k + '.weight': torch.randn(v) / math.sqrt(v[1]) for k, v in shapes.items()}
    p.update({k + '.bias': torch.zeros(v[0]) for k, v in shapes.items()
              if k not in ('b1', 'b2', 'c1', 'c2')})
    p.update({'pw': torch.tensor(4.0), 'hb': torch.tensor([0.3, 0.6, 1.0])})
    p = {k: v.requires_grad_() for k, v in p.items()}
    stats = {'sm': torch.zeros(2 * S), 'ss': torch.ones(2 * S), 'nm': 2.4, 'ns': 0.2}
    optimiser = torch.optim.AdamW(p.values(), lr=1e-4, weight_decay=0.01)
    B = ROWS // size
    other, own = others(size)
    data = (torch.randn(B, size, C), torch.randn(B, size, 2 * S), unit(torch.randn(B, size, C)),
            unit(torch.randn(B, C)), unit(torch.randn(CLASSES, C)), other.float(), own)
    times, start = [], None
    while len(times) < 2 or time.monotonic() - start < budget:
        begin = time.monotonic()
        loss = total(losses(p, stats, data, 0.3))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 5)
        optimiser.step()
        if start is None:  # the first step also allocates
            start = time.monotonic()
        else:
            times.append(time.monotonic() - begin)
    print(statistics.median(times))


if len(sys.argv) == 2:
    compare(sys.argv[1])
else:
    measure(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
