#!/usr/bin/python3
"""Writes tests/fixtures/train/*.txt: what the PyTorch module of tools/torch_step.py computes for
formula weights and data, in configurations other than the usual one. Every tensor of gradients
and of parameters after three steps is kept as its norm and its product with a formula vector, so
the files are a few kilobytes. Needs python3-torch; the tests need the files only."""
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from torch_step import Model, losses  # noqa: E402  (found by the line above)

CASES = {  # C, S, M, L, K, T, B
    'vector': (24, 10, 3, 1, 24, 4, 3),
    'scalar': (20, 12, 8, 3, 1, 6, 5),
    'single': (16, 8, 1, 2, 16, 8, 2),
}
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'fixtures', 'train')


def formula(key, shape):
    """u(i) in [-1, 1): SplitMix64 of FNV-1a(key) + i, exact in fp32."""
    h = 0xcbf29ce484222325
    for byte in key.encode():
        h = (h ^ byte) * 0x100000001b3 % 2 ** 64
    with np.errstate(over='ignore'):
        x = np.arange(int(np.prod(shape)), dtype=np.uint64)
        x += np.uint64(h) + np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(30)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(27)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    u = (x >> np.uint64(40)).astype(np.float64) / 8388608 - 1
    return torch.tensor(u.astype(np.float32).reshape(shape))


def weights(model):
    for name, p in model.named_parameters():
        u = formula(name, tuple(p.shape))
        if p.dim() >= 2 and 'cfc' not in name:
            u = u * np.float32(1 / np.sqrt(p.shape[-1]))
        elif name.endswith('weight') or 'gate' in name:
            u = 1 + u * np.float32(0.1)
        else:
            u = u * np.float32(0.5)
        p.data = u


def summary(name, t):
    r = formula('probe ' + name, tuple(t.shape)).double()
    t = t.detach().double()
    return f'{name} {t.norm().item():.9g} {(t * r).sum().item():.9g}\n'


def write(case, C, S, M, L, K, T, B):
    model = Model(C, S, L, M, K, drop=0)
    weights(model)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=5e-4)
    text = f'{C} {S} {M} {L} {K} {T} {B}\n'
    for step in range(3):
        f = 10 * formula(f'features {step}', (B, 2 * T, C))
        style = formula(f'style {step}', (B, 2 * T, S, 2))
        centre, memory, _, _ = losses(model, f, style, formula('centres', (B, C)))
        optimiser.zero_grad()
        (centre + memory).backward()
        text += f'loss {centre.item():.9g} {memory.item():.9g}\n'
        if step == 0:
            text += ''.join(summary(n, p.grad) for n, p in model.named_parameters())
        optimiser.step()
    text += ''.join(summary(n, p) for n, p in model.named_parameters())
    bn, norm = model.style_maker.bn, model.norm_emb.norm_bn
    text += summary('running_mean', bn.running_mean) + summary('running_var', bn.running_var)
    text += f'norms {norm.running_mean.item():.9g} {norm.running_var.item():.9g}\n'
    with open(os.path.join(OUT, case + '.txt'), 'w', encoding='utf-8') as out:
        out.write(text)


os.makedirs(OUT, exist_ok=True)
for case, numbers in CASES.items():
    write(case, *numbers)
