#!/usr/bin/python3
"""Writes tests/fixtures/onnx: small random CNNs exported by PyTorch, with the
inputs and outputs PyTorch computes. A tool for developers; the tests only read
what is committed. PyTorch's exporter needs no onnx package.

    tools/make_onnx_fixtures.py [FOLDER]
"""
import os
import sys
import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.manual_seed(20)


def stir(net):
    """Random weights and running statistics, so that nothing is 0 or 1."""
    g = torch.Generator().manual_seed(7)
    for name, t in net.state_dict().items():
        if not t.dtype.is_floating_point:
            continue
        if name.endswith("running_var"):
            t.copy_(1 + 0.3 * torch.rand(t.shape, generator=g))
        elif t.dim() > 1:
            fan = t[0].numel()
            t.copy_(torch.randn(t.shape, generator=g) * (1.5 / fan) ** 0.5)
        else:
            t.copy_(0.5 + 0.2 * torch.randn(t.shape, generator=g))
    return net.eval()


class Block(nn.Module):
    """An IResNet block: BN, conv, BN, PReLU, conv, BN, plus the shortcut."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(i), nn.Conv2d(i, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o), nn.PReLU(o),
            nn.Conv2d(o, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o))
        self.short = None
        if stride != 1 or i != o:
            self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        return self.body(x) + (self.short(x) if self.short else x)


class Face(nn.Module):
    """A face backbone in small: 112x112 in, 16 numbers out, residual sums at
    56, 28, 14 and 7 pixels."""

    def __init__(self, normalise=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.PReLU(6))
        self.stage1 = nn.Sequential(Block(6, 6, 1))
        self.stage2 = nn.Sequential(Block(6, 8, 2), Block(8, 8, 1))
        self.stage3 = nn.Sequential(Block(8, 12, 2), Block(12, 12, 1))
        self.stage4 = nn.Sequential(Block(12, 12, 2))
        self.bn = nn.BatchNorm2d(12)
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(12 * 7 * 7, 16)
        self.features = nn.BatchNorm1d(16)
        self.normalise = normalise

    def forward(self, x):
        x = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        x = torch.flatten(self.drop(self.bn(x)), 1)
        x = self.features(self.fc(x))
        return F.normalize(x) if self.normalise else x


class Wide(nn.Module):
    """Enough channels for int8, which leaves thinner convolutions alone."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.PReLU(16))
        self.stage2 = nn.Sequential(Block(16, 16, 2))
        self.stage3 = nn.Sequential(Block(16, 16, 2))
        self.fc = nn.Linear(16, 16)

    def forward(self, x):
        return self.fc(self.stage3(self.stage2(self.stem(x))).mean((2, 3)))


class Mobile(nn.Module):
    """Depthwise, Clip, squeeze-and-excite, hard activations, fixed reshape."""

    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6(), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Hardswish())
        self.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Hardsigmoid())
        self.b = nn.Sequential(nn.Conv2d(8, 12, 1), nn.LeakyReLU(0.1), nn.Conv2d(12, 12, 3, 1, 2, dilation=2, groups=4), nn.Sigmoid())
        self.c = nn.Conv2d(12, 10, 1, bias=False)

    def forward(self, x):
        x = self.a(x)
        x = self.b(x * self.se(x))
        x = F.max_pool2d(x, 3, 2, 1) + F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        x = self.c(F.pad(x, (1, 0, 2, 1), value=0.25))
        return x.mean((2, 3)).view(x.size(0), -1)


class Pyramid(nn.Module):
    """A detector in small: resize, concat, transpose, reshape, softmax, slices."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 6, 3, 2, 1)
        self.b = nn.Conv2d(6, 6, 3, 2, 1)
        self.cls = nn.Conv2d(6, 4, 1)
        self.box = nn.Conv2d(12, 8, 1)

    def forward(self, x):
        hi = F.relu(self.a(x))
        lo = torch.tanh(self.b(hi))
        up = F.interpolate(lo, scale_factor=2, mode="nearest")
        both = torch.cat([hi, up], 1)
        cls = self.cls(hi + up)
        n = x.shape[0]
        cls = F.softmax(cls.permute(0, 2, 3, 1).reshape(n, -1, 2), -1)
        box = self.box(both).permute(0, 2, 3, 1).reshape(n, -1, 4)
        left, right = box[:, :, :2] * 2 - 1, torch.exp(0.1 * box[:, :, 2:])
        lin = F.interpolate(both, size=(5, 7), mode="bilinear", align_corners=False)
        return cls, torch.cat([left, right], 2), lin.flatten(2).transpose(1, 2)


class Anchors(nn.Module):
    """SCRFD's tail: a batch of one that is folded away."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, 2, 1)
        self.b = nn.Conv2d(4, 2 * 4, 3, 1, 1)

    def forward(self, x):
        x = F.relu(self.a(x))
        y = self.b(x)
        return torch.sigmoid(y[:, :2].permute(2, 3, 0, 1).reshape(-1, 1)), y.permute(2, 3, 0, 1).reshape(-1, 4)


class Odd(nn.Module):
    """Arithmetic: broadcasts, gathers, splits, norms, matrix products."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 6, 3, 3)
        self.w = nn.Parameter(torch.randn(5, 6))
        self.scale = nn.Parameter(torch.rand(6, 1, 1) + 0.5)
        self.fc = nn.Parameter(torch.randn(6, 9))

    def forward(self, x):
        x = x[:, [2, 1, 0]]
        x = (self.a(x) - 0.1) / self.scale
        p, q = torch.split(x, [2, 4], 1)
        x = torch.cat([q.abs(), -p], 1)
        g = x.amax((2, 3)) - x.mean((2, 3))
        g = g / g.norm(dim=1, keepdim=True)
        m = torch.matmul(self.w.t() @ self.w, x.flatten(2)).sum(2)
        s = torch.sqrt(x.flatten(2).pow(2).sum(2) + 1e-3)
        return torch.matmul(g + 0.1 * m + s, self.fc), x[:, 1::2, -1, :]


class Transformer(nn.Module):
    """A vision transformer: patches, attention, LayerNorm, GELU; with a class token or none."""

    class Layer(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

        def forward(self, x):
            n, tokens, width = x.shape
            q, k, v = self.qkv(self.first(x)).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            weights = (q @ k.transpose(-2, -1) * 0.5).softmax(-1)
            x = x + self.out((weights @ v).transpose(1, 2).reshape(n, tokens, width))
            return x + self.mlp(self.second(x))

    def __init__(self, token=False, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.place = nn.Parameter(torch.randn(1, 16 + token, width))
        self.token = nn.Parameter(torch.randn(1, 1, width)) if token else None
        self.layers = nn.Sequential(*[self.Layer(width, 2) for _ in range(2)])
        self.norm, self.fc = nn.LayerNorm(width), nn.Linear(width if token else 16 * width, 12)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        x = self.norm(self.layers(x + self.place))
        return self.fc(x[:, 0] if self.token is not None else x.flatten(1))


class Encoder(nn.Module):
    """torch's own encoder, which turns tokens to [L,N,C] and heads to [N*heads,L,d] inside; a class token and the
    norm in front, or neither, and then attention of learned queries over the tokens."""

    def __init__(self, batch_first, token, width=8):
        super().__init__()
        self.batch_first = batch_first
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.place = nn.Parameter(torch.randn(1, 16 + token, width))
        self.token = nn.Parameter(torch.randn(1, 1, width)) if token else None
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(
            width, 2, 12, 0.0, "gelu" if token else "relu", batch_first=batch_first, norm_first=token), 1)
        self.pool = nn.MultiheadAttention(width, 2, bias=False, batch_first=batch_first)
        self.query = None if token else nn.Parameter(torch.randn(1, 2, width))
        self.norm, self.fc = nn.LayerNorm(width), nn.Linear(width, 10)

    def turn(self, x):
        return x if self.batch_first else x.transpose(0, 1)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        n = x.shape[0]
        if self.token is not None:
            x = torch.cat([self.token.expand(n, -1, -1), x], 1)
        x = self.layers(self.turn(x + self.place))
        if self.token is not None:
            return self.fc(self.turn(x)[:, 0])
        query = self.turn(self.norm(self.query).expand(n, -1, -1))
        return self.fc(self.turn(self.pool(query, x, x)[0]).mean(1))


class Windows(nn.Module):
    """Attention in shifted windows, folded into the batch: partition, roll, position bias, mask, merging."""

    def __init__(self, width=6, side=8, window=4, traced=False):
        super().__init__()
        self.side, self.window, self.traced = side, window, traced
        self.patches, self.norm = nn.Conv2d(3, width, 2, 2), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, 2))
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None, :] + window - 1
        self.register_buffer("index", apart[0] * (2 * window - 1) + apart[1])
        self.merge, self.fc = nn.Linear(4 * width, 8, bias=False), nn.Linear(8, 10)

    def mask(self, x):
        s, w = self.side, self.window
        regions = x.new_zeros((s, s))
        for i, rows in enumerate((slice(0, -w), slice(-w, -2), slice(-2, None))):
            for j, columns in enumerate((slice(0, -w), slice(-w, -2), slice(-2, None))):
                regions[rows, columns] = 3 * i + j
        regions = regions.view(s // w, w, s // w, w).permute(0, 2, 1, 3).reshape(-1, w * w)
        apart = regions.unsqueeze(1) - regions.unsqueeze(2)
        return apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)

    def attend(self, x, shift):
        n, s, w, c = int(x.shape[0]) if self.traced else x.shape[0], self.side, self.window, x.shape[-1]
        if shift:
            x = torch.roll(x, (-2, -2), (1, 2))
        x = x.view(n, s // w, w, s // w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, c)
        q, k, v = self.qkv(x).reshape(-1, w * w, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        a = q @ k.transpose(-2, -1) + self.table[self.index.view(-1)].view(w * w, w * w, 2).permute(2, 0, 1).unsqueeze(0)
        if shift:
            mask = self.mask(x)
            a = a.view(-1, mask.shape[0], 2, w * w, w * w) + mask.unsqueeze(1).unsqueeze(0)
            a = a.view(-1, 2, w * w, w * w)
        x = self.out((a.softmax(-1) @ v).transpose(1, 2).reshape(-1, w * w, c))
        x = x.view(n, s // w, s // w, w, w, -1).permute(0, 1, 3, 2, 4, 5).reshape(n, s, s, -1)
        return torch.roll(x, (2, 2), (1, 2)) if shift else x

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1)
        x = x + self.attend(self.norm(x), False)
        x = x + self.attend(self.norm(x), True)
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.fc(self.merge(x).mean((1, 2)))


class Mixed(nn.Module):
    """What else hybrids do: attention across channels with normalised queries, positions that are counted and
    projected, a BatchNorm over [N*L,C], lines of tokens convolved, groups normalised, Where, Einsum."""

    def __init__(self, width=8, einsum=True):
        super().__init__()
        self.patches, self.group = nn.Conv2d(3, width, 4, 4), nn.GroupNorm(2, width)
        self.project, self.norm = nn.Conv2d(4, width, 1), nn.LayerNorm(width)
        self.qkv, self.heat = nn.Linear(width, 3 * width), nn.Parameter(torch.ones(2, 1, 1))
        self.flat, self.line = nn.BatchNorm1d(width), nn.Conv1d(width, width, 3, padding=1, groups=2)
        self.tokens, self.fc = nn.Parameter(torch.randn(16, 16)), nn.Linear(width, 10)
        self.register_buffer("later", torch.triu(torch.ones(16, 16, dtype=torch.bool), 1))
        self.einsum = einsum

    def positions(self, n, h, w):
        ones = torch.ones(n, h, w)
        at = torch.stack([ones.cumsum(1) / h, ones.cumsum(2) / w], 3) * 6.28
        return self.project(torch.cat([at.sin(), at.cos()], 3).permute(0, 3, 1, 2))

    def forward(self, x):
        x = self.group(self.patches(x))
        n, c, h, w = x.shape
        x = (x + self.positions(n, h, w)).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(x)).reshape(n, h * w, 3, 2, c // 2).permute(2, 0, 3, 4, 1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        a = ((q @ k.transpose(-2, -1)) * self.heat).softmax(-1)
        x = x + (a @ v).permute(0, 3, 1, 2).reshape(n, h * w, c)
        x = self.flat(x.flatten(0, 1)).reshape_as(x)
        x = x + self.line(x.transpose(1, 2)).transpose(1, 2)
        near = (torch.einsum("bnc,bmc->bnm", x, x) if self.einsum else x @ x.transpose(1, 2)).masked_fill(self.later, float("-inf"))
        x = near.softmax(-1) @ x + (torch.einsum("bnc,nm->bmc", x, self.tokens) if self.einsum else x)
        return self.fc(torch.max(x[:, ::2], x[:, 1::2]).mean(1))


class Activations(nn.Module):
    """Each of them of the same map."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, 2, 1)
        self.all = [nn.ELU(0.7), nn.SELU(), nn.CELU(0.6), nn.Softplus(), nn.Mish(), nn.Softsign(), nn.SiLU(), nn.LogSigmoid()]

    def forward(self, x):
        x = 3 * self.conv(x)
        return torch.stack([f(x).mean((2, 3)) for f in self.all], 1)


CASES = [
    # name, network, input size, opset, open axes, batch it is traced with[, pictures shown]
    ("face_9", Face(), (112, 112), 9, None, 1),
    ("face_13", Face(), (112, 112), 13, {0: "n"}, 2),
    ("face_norm_16", Face(True), (112, 112), 16, {0: "n"}, 2),
    ("mobile_10", Mobile(), (30, 26), 10, None, 1),
    ("mobile_14", Mobile(), (30, 26), 14, {0: "n"}, 3),
    ("mobile_17", Mobile(), (30, 26), 17, None, 4),
    ("pyramid_11", Pyramid(), (16, 24), 11, None, 1),
    ("pyramid_12", Pyramid(), (16, 24), 12, {0: "n", 2: "h", 3: "w"}, 2),
    ("pyramid_17", Pyramid(), (16, 24), 17, {0: "n"}, 2),
    ("anchors_11", Anchors(), (12, 20), 11, {2: "h", 3: "w"}, 1),
    ("odd_13", Odd(), (18, 15), 13, {0: "n"}, 2),
    ("odd_11", Odd(), (18, 15), 11, None, 1),
    ("vit_11", Transformer(), (16, 16), 11, {0: "n"}, 3),
    ("vit_17", Transformer(), (16, 16), 17, None, 2),
    ("vit_token_14", Transformer(True), (16, 16), 14, {0: "n"}, 2),
    ("vit_token_17", Transformer(True), (16, 16), 17, None, 2),
    ("wide_13", Wide(), (112, 112), 13, None, 1),
    ("encoder_11", Encoder(False, False), (16, 16), 11, {0: "n"}, 2, 3),
    ("encoder_14", Encoder(True, True), (16, 16), 14, None, 2, 3),
    ("encoder_17", Encoder(True, False), (16, 16), 17, None, 1, 3),
    ("encoder_first_17", Encoder(False, True), (16, 16), 17, {0: "n"}, 1, 3),
    ("windows_11", Windows(), (16, 16), 11, {0: "n"}, 1, 3),
    ("windows_13", Windows(), (16, 16), 13, None, 2, 3),
    ("windows_traced_17", Windows(traced=True), (16, 16), 17, {0: "n"}, 2, 3),
    ("mixed_11", Mixed(einsum=False), (16, 16), 11, None, 1, 3),
    ("mixed_13", Mixed(), (16, 16), 13, {0: "n"}, 2, 3),
    ("mixed_17", Mixed(), (16, 16), 17, None, 2, 3),
    ("activations_14", Activations(), (10, 8), 14, {0: "n"}, 1, 3),
]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "onnx")
    os.makedirs(folder, exist_ok=True)
    for name, net, (h, w), opset, axes, batch, *more in CASES:
        pictures = more[0] if more else batch
        with torch.no_grad():
            net = stir(net)
            x = torch.randn(pictures, 3, h, w, generator=torch.Generator().manual_seed(opset))
            x = (x * 8).round() / 16  # few bits, so that the arrays compress
            out = net(x)
            out = out if isinstance(out, tuple) else (out,)
        names = ["out%d" % i for i in range(len(out))]
        # Not under no_grad, where torch's encoder is one operator that no opset has.
        torch.onnx.export(net, x[:batch], os.path.join(folder, name + ".onnx"), opset_version=opset,
                          input_names=["input"], output_names=names, dynamic_axes={"input": axes} if axes else None)
        arrays = {"input": x.numpy()}
        arrays.update({n: o.numpy() for n, o in zip(names, out)})
        np.savez_compressed(os.path.join(folder, name + ".npz"), **arrays)


main()
