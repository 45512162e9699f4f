"""One training step of the fusion model as a PyTorch module.

A second, independent statement of the training step (docs/training.md), used to make test
fixtures (tools/make_train_fixture.py) and as the peer of the benchmark (bench/train_torch.py).
Needs Debian's python3-torch; nothing of the build or of the tests needs it."""
import math

import torch
import torch.nn.functional as F
from torch import nn


class Mlp(nn.Module):
    def __init__(self, d, hidden, out):
        super().__init__()
        self.fc1 = nn.Linear(d, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) * (d // self.heads) ** -0.5, -1)
        return self.proj((a @ v).transpose(1, 2).reshape(b, n, d))


def drop_path(x, p, training):
    if p == 0 or not training:
        return x
    keep = x.new_empty(x.shape[0], 1, 1).bernoulli_(1 - p)
    return x * (keep / (1 - p))


class Block(nn.Module):
    def __init__(self, d, heads, drop):
        super().__init__()
        self.norm1 = nn.LayerNorm(d)
        self.attn = Attention(d, heads)
        self.norm2 = nn.LayerNorm(d)
        self.mlp = Mlp(d, 4 * d, d)
        self.drop = drop

    def forward(self, x):
        x = x + drop_path(self.attn(self.norm1(x)), self.drop, self.training)
        return x + drop_path(self.mlp(self.norm2(x)), self.drop, self.training)


class Assign(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q_proj = nn.Linear(d, d)
        self.k_proj = nn.Linear(d, d)


class ClusterBlock(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm_tokens = nn.LayerNorm(d)
        self.norm_x = nn.LayerNorm(d)
        self.assign = Assign(d)

    def forward(self, x, c, value):
        d = x.shape[-1]
        x = self.norm_x(x)
        q = self.assign.q_proj(self.norm_tokens(c))
        k = self.assign.k_proj(x)
        a = torch.softmax(q @ k.transpose(-1, -2) * d ** -0.5, -2)
        mass = a.sum(-1, keepdim=True)
        share = a / mass.detach().clamp(min=1)
        return mass, share @ value, share @ x


class Clustering(nn.Module):
    def __init__(self, d, L, M, heads, drop):
        super().__init__()
        rows = torch.randn(M, d)
        nn.init.orthogonal_(rows)
        self.group_token = nn.Parameter((rows / rows.norm(dim=-1, keepdim=True))[None])
        rates = [drop * i / max(L - 1, 1) for i in range(L)]
        self.blocks = nn.ModuleList(Block(d, heads, rates[i]) for i in range(L))
        self.cluster_block = ClusterBlock(d)

    def forward(self, tokens, value):
        c = self.group_token.expand(tokens.shape[0], -1, -1)
        x = torch.cat([tokens, c], 1)
        for block in self.blocks:
            x = block(x)
        return (c,) + self.cluster_block(x[:, :tokens.shape[1]], c, value)


class Mixer(nn.Module):
    def __init__(self, M, width):
        super().__init__()
        self.skip_connect_gate = nn.Parameter(torch.tensor(1.0))
        self.ln = nn.LayerNorm(width)
        self.tokens_mlp_block = Mlp(M, 2 * M, M)
        self.channels_mlp_block = Mlp(width, width // 2, width)

    def forward(self, x):
        y = self.tokens_mlp_block(self.ln(x).transpose(1, 2)).transpose(1, 2)
        x = self.skip_connect_gate * x + y
        return x + self.channels_mlp_block(self.ln(x))


class FusionNet(nn.Module):
    def __init__(self, d, L, M, K, heads, drop):
        super().__init__()
        self.clustering_layer = Clustering(d, L, M, heads, drop)
        self.conf_mlp = nn.Sequential(*[Mixer(M, 2 * d) for _ in range(L)], Mlp(2 * d, 2 * d, K))

    def forward(self, tokens, value, state):
        c, a, mu, s = self.clustering_layer(tokens, value)
        if state is not None:
            a0, mu0, s0 = state
            total = (a0 + a).clamp(min=1e-6)
            mu, s = (a0 * mu0 + a * mu) / total, (a0 * s0 + a * s) / total
            a = a0 + a
        w = torch.softmax(self.conf_mlp(torch.cat([c, s], -1)), -2)
        return (mu * w).sum(1), (a, mu, s)


class StyleMaker(nn.Module):
    def __init__(self, S):
        super().__init__()
        self.cfc = nn.Parameter(torch.zeros(S, 2))
        self.relu = nn.PReLU()
        self.linear = nn.Linear(S, 64)
        self.bn = nn.BatchNorm1d(64)

    def forward(self, style):
        y = self.linear(self.relu((style * self.cfc).sum(-1)))
        return self.bn(y.flatten(0, 1)).view(y.shape)


class NormEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm_bn = nn.BatchNorm1d(1, affine=False)
        self.scale = nn.Parameter(torch.tensor(0.1))
        freq = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angle = torch.arange(61)[:, None] * freq
        self.register_buffer('pe', torch.stack([angle.sin(), angle.cos()], -1).flatten(1))

    def forward(self, norm):
        z = self.norm_bn(norm.transpose(1, 2)).transpose(1, 2).clamp(-3, 3) * 10
        return self.scale * self.pe[z.long().squeeze(-1) + 30]


class Model(nn.Module):
    def __init__(self, C=512, S=384, L=2, M=4, K=None, heads=8, drop=0.1):
        super().__init__()
        self.style_maker = StyleMaker(S)
        self.fusion_net = FusionNet(128, L, M, K or C, heads, drop)
        self.norm_emb = NormEmbedding(64)
        for module in self.fusion_net.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def fuse(self, f, compact, state=None):
        norm = f.norm(dim=-1, keepdim=True)
        tokens = torch.cat([compact, self.norm_emb(norm)], -1)
        return self.fusion_net(tokens, f / (norm + 1e-5), state)


def cos_loss(x, y):
    x = x / (x.norm(dim=-1, keepdim=True) + 1e-5)
    y = y / (y.norm(dim=-1, keepdim=True) + 1e-5)
    return (1 - (x * y).sum(-1)).mean()


def losses(model, f, style, center):
    """f [B][2T][C], style [B][2T][S][2], center [B][C] -> centre loss, memory loss, two outputs."""
    B, rows = f.shape[:2]
    T = rows // 2
    g = [(f[:, :T], model.style_maker(style[:, :T])), (f[:, T:], model.style_maker(style[:, T:]))]
    prefix = [[], []]
    for i in range(2, T + 1, 2):
        for k in range(2):
            prefix[k].append(cos_loss(model.fuse(g[k][0][:, :i], g[k][1][:, :i])[0], center))
    state = model.fuse(*g[0])[1]
    memory = model.fuse(*g[1], state)[0]
    single = model.fuse(f, torch.cat([g[0][1], g[1][1]], 1))[0]
    means = [sum(p) / len(p) for p in prefix]
    centre = (means[0] + means[1] + cos_loss(memory, center) + cos_loss(single, center)) / 4
    return centre, cos_loss(memory, single) / B, memory, single
