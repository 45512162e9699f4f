"""The fusion network as a plain PyTorch module, and its times: the peer of bench/fusion.

    fusion_torch.py make DIR           random weights, random faces, PyTorch's templates
    fusion_torch.py inputs DIR         the same without the templates, which take minutes
    fusion_torch.py time DIR THREADS   one JSON object of seconds on stdout
    fusion_torch.py open DIR           seconds of torch.load for the big checkpoint

Module names follow the checkpoint's keys, so load_state_dict does the reading.
"""
import json
import math
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional


class Mlp(nn.Module):
    def __init__(self, width, hidden, out):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x)))


class StyleMaker(nn.Module):
    def __init__(self, channels, out=64):
        super().__init__()
        self.cfc = nn.Parameter(torch.zeros(channels, 2))
        self.relu = nn.PReLU()
        self.linear = nn.Linear(channels, out)
        self.bn = nn.BatchNorm1d(out)

    def forward(self, style):  # [B][N][S][2]
        x = self.linear(self.relu((style * self.cfc).sum(-1)))
        return self.bn(x.flatten(0, 1)).view(x.shape)


class NormEmbedding(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.1))
        self.register_buffer('pe', torch.zeros(61, width))
        self.norm_bn = nn.BatchNorm1d(1, affine=False)

    def forward(self, norm):  # [B][N][1]
        z = self.norm_bn(norm.flatten(0, 1)).view(norm.shape[:2])
        return self.pe[(z.clamp(-3, 3) * 10).long() + 30] * self.scale


class Attention(nn.Module):
    def __init__(self, width, heads=8):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).softmax(-1)
        return self.proj((a @ v).transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Assign(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)

    def forward(self, centres, x):
        scores = self.q_proj(centres) @ self.k_proj(x).transpose(-2, -1)
        return (scores * x.shape[-1] ** -0.5).softmax(-2)


class Mixer(nn.Module):
    def __init__(self, centres, width):
        super().__init__()
        self.skip_connect_gate = nn.Parameter(torch.tensor(1.0))
        self.ln = nn.LayerNorm(width)
        self.tokens_mlp_block = Mlp(centres, 2 * centres, centres)
        self.channels_mlp_block = Mlp(width, width // 2, width)

    def forward(self, x):
        tokens = self.tokens_mlp_block(self.ln(x).transpose(1, 2)).transpose(1, 2)
        x = x * self.skip_connect_gate + tokens
        return x + self.channels_mlp_block(self.ln(x))


class Fusion(nn.Module):
    """features [B][N][C], styles [B][N][S][2] -> the state (mass, mean feature, mean style) of
    every set; states merge by weighted means; finish() makes templates [B][C]."""

    def __init__(self, C=512, S=384, D=128, M=4, L=2, K=512):
        super().__init__()
        self.style_maker = StyleMaker(S)
        self.norm_emb = NormEmbedding()
        self.fusion_net = nn.Module()
        layer = self.fusion_net.clustering_layer = nn.Module()
        layer.group_token = nn.Parameter(torch.zeros(1, M, D))
        layer.blocks = nn.ModuleList(Block(D) for _ in range(L))
        layer.cluster_block = nn.Module()
        layer.cluster_block.norm_tokens = nn.LayerNorm(D)
        layer.cluster_block.norm_x = nn.LayerNorm(D)
        layer.cluster_block.assign = Assign(D)
        self.fusion_net.conf_mlp = nn.ModuleList([Mixer(M, 2 * D) for _ in range(L)] +
                                                 [Mlp(2 * D, 2 * D, K)])

    def cluster(self, features, styles):
        layer = self.fusion_net.clustering_layer
        block = layer.cluster_block
        norm = features.norm(dim=-1, keepdim=True)
        x = torch.cat([self.style_maker(styles), self.norm_emb(norm)], -1)
        centres = layer.group_token.expand(len(x), -1, -1)
        n = x.shape[1]
        x = torch.cat([x, centres], 1)
        for b in layer.blocks:
            x = b(x)
        x = block.norm_x(x[:, :n])
        a = block.assign(block.norm_tokens(centres), x)
        mass = a.sum(-1, keepdim=True)
        a = a / mass.clamp(min=1)
        return mass, a @ (features / (norm + 1e-5)), a @ x

    def finish(self, state):
        _, feature, style = state
        x = torch.cat([self.fusion_net.clustering_layer.group_token.expand(len(style), -1, -1),
                       style], -1)
        for b in self.fusion_net.conf_mlp:
            x = b(x)
        out = (feature * x.softmax(1)).sum(1)
        return out / (out.norm(dim=-1, keepdim=True) + 1e-8)

    def stream(self, features, styles, chunk):
        """One set [N][...] in consecutive chunks."""
        state = None
        for i in range(0, len(features), chunk):
            state = merge(state, self.cluster(features[None, i:i + chunk],
                                              styles[None, i:i + chunk]))
        return self.finish(state)


def merge(old, new):
    if old is None:
        return new
    total = (old[0] + new[0]).clamp(min=1e-6)
    return (old[0] + new[0], (old[0] * old[1] + new[0] * new[1]) / total,
            (old[0] * old[2] + new[0] * new[2]) / total)


def random_model(seed):
    """Weights of an ordinary size, every tensor moved away from its initial value."""
    torch.manual_seed(seed)
    model = Fusion()
    for name, p in model.named_parameters():
        with torch.no_grad():
            if name.endswith('group_token'):
                p.normal_()
            elif name.endswith('cfc'):
                p.normal_(0, 0.5)
            elif p.dim() > 1:
                p.normal_(0, p.shape[1] ** -0.5)
            elif name.endswith('weight') and p.numel() > 1 or name.endswith('gate'):
                p.normal_(1, 0.1)
            elif name.endswith('bias'):
                p.normal_(0, 0.1)
    model.style_maker.bn.running_mean.normal_(0, 0.3)
    model.style_maker.bn.running_var.uniform_(0.5, 1.5)
    model.norm_emb.norm_bn.running_mean.fill_(20)
    model.norm_emb.norm_bn.running_var.fill_(25)
    place = torch.arange(61)[:, None] * torch.exp(torch.arange(0, 64, 2) *
                                                  (-math.log(10000.0) / 64))
    model.norm_emb.pe[:, 0::2] = place.sin()
    model.norm_emb.pe[:, 1::2] = place.cos()
    return model.eval()


def save_checkpoint(model, path, extra=None):
    """The layout of the release's checkpoints."""
    state = {'aggregator.' + k: v for k, v in model.state_dict().items()}
    state['aggregator.style_maker.cfcs.0'] = state['aggregator.style_maker.cfc']
    state.update(extra or {})
    torch.save({'state_dict': state,
                'hyper_parameters': {'decoder_name': 'catv9_g4_conf512_small',
                                     'style_index': [3, 5]}}, path)


def save_restore(path, rng, heads, exchange, C=512, S=384, H=64, R=64, R2=32):
    """A restoring fusion of the trained sizes with random weights; docs/restore.md has the names."""
    def linear(name, J, K, bias=True):
        p[name + '.weight'] = rng.standard_normal((J, K)) / math.sqrt(K)
        if bias:
            p[name + '.bias'] = 0.1 * rng.standard_normal(J)

    p = {'nm': 3.0, 'ns': 0.2, 'pw': 4.0, 'sm': numpy.zeros(2 * S), 'ss': numpy.ones(2 * S)}
    linear('sp', H, 2 * S)
    linear('fp', H, C)
    linear('t1', H, 2 + 2 * H)
    linear('t2', H, H)
    linear('hg', 1, H)
    linear('b1', R, C, False)
    linear('b2', C, R, False)
    linear('bg', R, H)
    linear('c1', R2, C, False)
    linear('c2', C, R2, False)
    linear('cg', R2, H + 1)
    if heads:
        p['hb'] = numpy.array([0.3, 0.6, 1.0])
        linear('hh', 3, H)
        linear('m1', 32, 3 + 6 + H + 1)
        linear('m2', 3, 32)
    if exchange:
        linear('e1.0', 32, H + 6)
        linear('e2.0', 1, 32)
    numpy.savez(path, **{k: numpy.asarray(v, 'f4') for k, v in p.items()})


FACES = 100_000
SETS = (1, 16, 64, 512, 4096, FACES)


def inputs(folder):
    """Weights and faces into the folder; the model, features and styles."""
    model = random_model(7)
    save_checkpoint(model, folder + '/fusion.ckpt')
    # What an IResNet-101 checkpoint holds beside the fusion: 65 million numbers of no use here.
    big = {f'model.layer{i}.weight': torch.randn(1_000_000) for i in range(65)}
    save_checkpoint(model, folder + '/big.ckpt', big)
    rng = numpy.random.default_rng(11)
    features = rng.standard_normal((FACES, 512), numpy.float32)
    styles = rng.standard_normal((FACES, 384, 2), numpy.float32)
    numpy.save(folder + '/features.npy', features)
    numpy.save(folder + '/styles.npy', styles)
    for form, heads, exchange in (('plain', 0, 0), ('heads', 1, 0), ('exchange', 1, 1)):
        save_restore(f'{folder}/{form}.npz', rng, heads, exchange)
    return model, features, styles


def make(folder):
    model, features, styles = inputs(folder)
    f, s = torch.from_numpy(features), torch.from_numpy(styles)
    with torch.inference_mode():
        for n in SETS:
            for chunk in (256, 512):
                numpy.save(f'{folder}/template_{n}_{chunk}.npy',
                           model.stream(f[:n], s[:n], chunk).numpy())


def seconds_of(work, at_least):
    """Median of a few runs after one to warm up."""
    work()
    times = []
    began = time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - began < at_least and len(times) < 1000):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def measure(folder, threads):
    torch.set_num_threads(threads)
    model = Fusion().eval()
    state = torch.load(folder + '/fusion.ckpt')['state_dict']
    model.load_state_dict({k[len('aggregator.'):]: v for k, v in state.items()
                           if not k.endswith('cfcs.0')})
    f = torch.from_numpy(numpy.load(folder + '/features.npy', mmap_mode='r')[:8192].copy())
    s = torch.from_numpy(numpy.load(folder + '/styles.npy', mmap_mode='r')[:8192].copy())
    out = {}
    with torch.inference_mode():
        for n in (1, 16, 64, 512, 4096):
            for chunk in (256, 512):
                out[f'set {n} chunk {chunk}'] = seconds_of(
                    lambda n=n, chunk=chunk: model.stream(f[:n], s[:n], chunk), 0.15)
        # 100,000 faces are the same chunks again and again: 8,192 faces are timed.
        for chunk in (256, 512):
            out[f'set {FACES} chunk {chunk}'] = FACES / 8192 * seconds_of(
                lambda chunk=chunk: model.stream(f, s, chunk), 0)
        batch = f[:2048].view(8, 256, 512), s[:2048].view(8, 256, 384, 2)
        out['8 sets of 256'] = seconds_of(lambda: model.finish(model.cluster(*batch)), 0.3)
        a, b = torch.randn(2048, 1024), torch.randn(1024, 1024)
        out['sgemm'] = 2.0 * 2048 * 1024 * 1024 / seconds_of(lambda: a @ b, 0.2)
    print(json.dumps(out))


if __name__ == '__main__':
    if sys.argv[1] == 'make':
        make(sys.argv[2])
    elif sys.argv[1] == 'inputs':
        inputs(sys.argv[2])
    elif sys.argv[1] == 'open':
        print(json.dumps({'torch_seconds': seconds_of(
            lambda: torch.load(sys.argv[2] + '/big.ckpt', map_location='cpu'), 0)}))
    else:
        measure(sys.argv[2], int(sys.argv[3]))
