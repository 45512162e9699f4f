"""Backbones as plain PyTorch modules, and their times: the peer of bench/encode.

    encode_torch.py make DIR NAME...            random weights: DIR/NAME.pth, DIR/crops.npy
    encode_torch.py features DIR NAME THREADS   those of the crops, DIR/NAME.torch.npy
    encode_torch.py time DIR NAME BATCH THREADS WAY    one JSON object on stdout
    encode_torch.py export DIR NAME             the network of the features as DIR/NAME.onnx, any batch
    encode_torch.py peak                        FLOP/s of large fp32 products in one thread

WAY is eager, or frozen: torch.jit.trace, freeze and optimize_for_inference. NAME is ir_18, ir_50,
ir_101 or mobilefacenet. Module names follow the checkpoints' keys, so load_state_dict does the
reading.
"""
import json
import statistics
import sys
import time

import numpy
import torch
from torch import nn

COUNTS = {'ir_18': (2, 2, 2, 2), 'ir_50': (3, 4, 14, 3), 'ir_101': (3, 13, 30, 3)}


class IrBlock(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        if before == after:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False),
                                                nn.BatchNorm2d(after))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(before), nn.Conv2d(before, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after), nn.PReLU(after),
            nn.Conv2d(after, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        return self.res_layer(x) + self.shortcut_layer(x)


class Ir(nn.Module):
    def __init__(self, counts):
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False),
                                         nn.BatchNorm2d(64), nn.PReLU(64))
        blocks, before = [], 64
        for count, after in zip(counts, (64, 128, 256, 512)):
            for number in range(count):
                blocks.append(IrBlock(before, after, 1 if number else 2))
                before = after
        self.body = nn.Sequential(*blocks)
        self.taps = {sum(counts[:2]) - 1, sum(counts[:3]) - 1}
        self.output_layer = nn.Sequential(nn.BatchNorm2d(512), nn.Dropout(0.4), nn.Flatten(),
                                          nn.Linear(25088, 512), nn.BatchNorm1d(512, affine=False))

    def forward(self, x):
        x = self.input_layer(x)
        styles = []
        for number, block in enumerate(self.body):
            x = block(x)
            if number in self.taps:
                flat = x.flatten(2)
                styles.append(torch.stack((flat.mean(-1), flat.std(-1)), -1))
        return self.output_layer(x), torch.cat(styles, 1)


def unit(before, after, kernel, stride, groups=1):
    return nn.Sequential(nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups,
                                   bias=False), nn.BatchNorm2d(after), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, before, middle, after, stride):
        super().__init__()
        self.residual = stride == 1 and before == after
        self.conv = nn.Sequential(unit(before, middle, 1, 1), unit(middle, middle, 3, stride, middle),
                                  nn.Conv2d(middle, after, 1, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class DepthwiseFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(64, 64, 3, 1, 1, groups=64, bias=False)
        self.pointwise = nn.Conv2d(64, 64, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(64), nn.BatchNorm2d(64)

    def forward(self, x):
        return torch.relu(self.bn2(self.pointwise(torch.relu(self.bn1(self.depthwise(x))))))


class GlobalDepthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(512, 512, 7, groups=512, bias=False)
        self.bn = nn.BatchNorm2d(512)

    def forward(self, x):
        return self.bn(self.depthwise(x))


class MobileFaceNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = unit(3, 64, 3, 2)
        self.dw_conv = DepthwiseFirst()
        rows = [(64, 128, 64, 2)] + [(64, 128, 64, 1)] * 4 + [(64, 256, 128, 2)]
        rows += [(128, 256, 128, 1)] * 6 + [(128, 512, 128, 2)] + [(128, 256, 128, 1)] * 2
        self.features = nn.Sequential(*[Inverted(*row) for row in rows])
        self.conv2 = unit(128, 512, 1, 1)
        self.gdconv = GlobalDepthwise()
        self.conv3 = nn.Conv2d(512, 128, 1)
        self.bn = nn.BatchNorm2d(128)

    def forward(self, x):
        x = self.dw_conv(self.conv1(x))
        styles = []
        for number, block in enumerate(self.features):
            x = block(x)
            if number in (4, 11):
                flat = x.flatten(2)
                styles.append(torch.stack((flat.mean(-1), flat.std(-1)), -1))
        x = self.bn(self.conv3(self.gdconv(self.conv2(x))))
        return x.flatten(1), torch.cat(styles, 1)


def module(name):
    return (MobileFaceNet() if name == 'mobilefacenet' else Ir(COUNTS[name])).eval()


def inputs(name, crops):
    """u8 [n][112][112][3] RGB to what the family takes."""
    x = torch.from_numpy(crops.astype(numpy.float32)).permute(0, 3, 1, 2)
    if name == 'mobilefacenet':
        mean = torch.tensor([.485, .456, .406]).view(3, 1, 1)
        std = torch.tensor([.229, .224, .225]).view(3, 1, 1)
        return ((x / 255 - mean) / std).contiguous()
    return ((x.flip(1) / 255 - 0.5) / 0.5).contiguous()


def make(folder, names):
    generator = torch.Generator().manual_seed(1)
    for name in names:
        net = module(name)
        for key, value in net.state_dict().items():
            if value.dtype != torch.float32:
                continue
            noise = torch.rand(value.shape, generator=generator)
            if key.endswith('running_var'):
                value.copy_(0.7 + 0.6 * noise)
            elif value.ndim == 1 and not key.endswith('weight'):
                value.copy_(0.2 * noise - 0.1)
            elif value.ndim == 1:
                small = key.endswith('res_layer.5.weight')
                prelu = key.endswith(('res_layer.3.weight', 'input_layer.2.weight'))
                value.copy_((0.15 if small else 0.2 if prelu else 0.9) + 0.1 * noise)
            else:
                value.copy_((2 * noise - 1) * (3 / value[0].numel()) ** 0.5)
        torch.save(net.state_dict(), f'{folder}/{name}.pth')
    crops = numpy.random.default_rng(1).integers(0, 256, (32, 112, 112, 3), dtype=numpy.uint8)
    # Neighbouring pixels alike, as in pictures.
    for axis in (1, 2):
        crops = ((crops.astype(numpy.float32) + numpy.roll(crops, 1, axis)
                  + numpy.roll(crops, 2, axis)) / 3).astype(numpy.uint8)
    numpy.save(f'{folder}/crops.npy', crops)


def opened(folder, name, threads):
    """The network, and its input of all crops."""
    torch.set_num_threads(threads)
    net = module(name)
    net.load_state_dict(torch.load(f'{folder}/{name}.pth'))
    return net, inputs(name, numpy.load(f'{folder}/crops.npy'))


def features(folder, name, threads):
    net, x = opened(folder, name, threads)
    with torch.no_grad():
        numpy.save(f'{folder}/{name}.torch.npy', torch.cat([net(part)[0] for part in x.split(8)]))
    print('{}')


def measure(folder, name, batch, threads, way):
    net, x = opened(folder, name, threads)
    with torch.no_grad():
        x = x[:batch].contiguous()
        if way == 'frozen':
            net = torch.jit.freeze(torch.jit.trace(net, x))
            net = torch.jit.optimize_for_inference(net)
        for _ in range(2):
            net(x)
        runs, start = [], time.monotonic()
        while len(runs) < 3 or time.monotonic() - start < 2:
            before = time.monotonic()
            net(x)
            runs.append(time.monotonic() - before)
    print(json.dumps({'images_per_second': batch / statistics.median(runs)}))


def export(folder, name):
    net = module(name)
    net.load_state_dict(torch.load(f'{folder}/{name}.pth'))

    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)[0]

    torch.onnx.export(Features().eval(), torch.zeros(2, 3, 112, 112), f'{folder}/{name}.onnx',
                      opset_version=12, input_names=['x'], output_names=['y'],
                      dynamic_axes={'x': {0: 'n'}, 'y': {0: 'n'}})


def peak():
    torch.set_num_threads(1)
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    runs = []
    for _ in range(20):
        before = time.monotonic()
        a @ b
        runs.append(time.monotonic() - before)
    print(json.dumps({'flops': 2 * 2048 ** 3 / statistics.median(runs)}))


if sys.argv[1] == 'make':
    make(sys.argv[2], sys.argv[3:])
elif sys.argv[1] == 'time':
    measure(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])
elif sys.argv[1] == 'features':
    features(sys.argv[2], sys.argv[3], int(sys.argv[4]))
elif sys.argv[1] == 'export':
    export(*sys.argv[2:4])
else:
    peak()
