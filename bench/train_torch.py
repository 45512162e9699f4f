#!/usr/bin/python3
"""The training step in PyTorch, for bench/train.

  train_torch.py BATCH THREADS SECONDS   median seconds of a step and its AdamW update
  train_torch.py FOLDER                  losses, and the worst gradient against ours in FOLDER
"""
import json
import os
import statistics
import struct
import sys
import time

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tools'))
from torch_step import Model, losses  # noqa: E402  (found by the line above)


def safetensors(path):
    with open(path, 'rb') as f:
        data = f.read()
    size, = struct.unpack_from('<Q', data)
    header = json.loads(data[8:8 + size])
    types = {'F32': np.float32, 'I64': np.int64}
    out = {}
    for name, t in header.items():
        if name == '__metadata__':
            continue
        first, end = t['data_offsets']
        flat = np.frombuffer(data[8 + size + first:8 + size + end], types[t['dtype']])
        out[name.removeprefix('aggregator.')] = torch.tensor(flat.reshape(t['shape']))
    return out


def compare(folder):
    state = safetensors(folder + '/model.safetensors')
    wanted = safetensors(folder + '/gradients.safetensors')
    state.pop('style_maker.cfcs.0')
    model = Model(drop=0)
    model.load_state_dict({k: v.reshape(model.state_dict()[k].shape) for k, v in state.items()})
    # in double: single precision is off by more than the tolerance in some tensors
    model.train().double()
    f, s, c = (torch.tensor(np.load(f'{folder}/{n}.npy')).double()
               for n in ('features', 'styles', 'centres'))
    centre, memory, _, _ = losses(model, f, s, c)
    (centre + memory).backward()
    worst = 0.0
    for name, p in model.named_parameters():
        ours = wanted[name].reshape(p.shape)
        # a gradient that is zero by symmetry is rounding noise in both
        if p.grad.norm() > 1e-7:
            worst = max(worst, ((ours - p.grad).norm() / p.grad.norm()).item())
    print(json.dumps({'centre': centre.item(), 'memory': memory.item(), 'gradient': worst}))


def measure(batch, threads, budget):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Model()
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=5e-4)
    f, s, c = torch.randn(batch, 32, 512), torch.randn(batch, 32, 384, 2), torch.randn(batch, 512)
    times = []
    start = None
    while len(times) < 2 or time.monotonic() - start < budget:
        begin = time.monotonic()
        centre, memory, _, _ = losses(model, f, s, c)
        optimiser.zero_grad()
        (centre + memory).backward()
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
