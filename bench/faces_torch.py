"""Detectors as plain PyTorch modules, and their times: the peer of bench/faces.

    faces_torch.py retinaface FILE.pth PICTURE.ppm THREADS
    faces_torch.py yunet FILE.onnx PICTURE.ppm THREADS
    faces_torch.py mtcnn FOLDER PICTURE.ppm THREADS
    faces_torch.py export FILE.pth OUT.onnx        RetinaFace's network alone, for bench/onnxruntime.js

One JSON object on stdout: faces [[x1, y1, x2, y2, score]] and pictures a second. From the pixels
to the faces, decoding and suppression included. MTCNN is the authors' cascade with torch's resizing
in place of Pillow's, which is the faster.
"""
import json
import math
import statistics
import sys
import time

import numpy
import torch
from torch.nn import functional as F

RUNS = 9


def read_ppm(path):
    data = open(path, 'rb').read()
    _, size, _, pixels = data.split(b'\n', 3)
    width, height = map(int, size.split())
    picture = torch.from_numpy(numpy.frombuffer(pixels, numpy.uint8).copy())
    return picture.reshape(height, width, 3).permute(2, 0, 1)[None].float()


def retinaface(path):
    state = {k.replace('module.', ''): v for k, v in torch.load(path, map_location='cpu').items()}

    def unit(name, first, x, stride=1, relu=True):
        weight = state[f'{name}.{first}.weight']
        groups = len(weight) if weight.shape[1] == 1 and len(weight) > 1 and x.shape[1] > 1 else 1
        x = F.conv2d(x, weight, None, stride, int(weight.shape[2]) // 2, 1, int(groups))
        norm = f'{name}.{first + 1}.'
        x = F.batch_norm(x, *(state[norm + k] for k in
                              ('running_mean', 'running_var', 'weight', 'bias')))
        return F.relu(x) if relu else x

    def heads(x):
        """Scores, boxes and landmarks of every level."""
        x = unit('body.stage1.0', 0, x, 2)
        maps = []
        for stage, first, strides in ((1, 1, '12121'), (2, 0, '211111'), (3, 0, '21')):
            for number, stride in enumerate(strides, first):
                name = f'body.stage{stage}.{number}'
                x = unit(name, 3, unit(name, 0, x, int(stride)))
            maps.append(x)
        a, b, c = (unit(f'fpn.output{i + 1}', 0, m) for i, m in enumerate(maps))
        b = unit('fpn.merge2', 0, b + F.interpolate(c, size=b.shape[2:]))
        a = unit('fpn.merge1', 0, a + F.interpolate(b, size=a.shape[2:]))
        for i, m in enumerate((a, b, c)):
            name = f'ssh{i + 1}.'
            narrow = unit(name + 'conv5X5_1', 0, m)
            x = F.relu(torch.cat([
                unit(name + 'conv3X3', 0, m, 1, False), unit(name + 'conv5X5_2', 0, narrow, 1, False),
                unit(name + 'conv7x7_3', 0, unit(name + 'conv7X7_2', 0, narrow), 1, False)], 1))
            maps[i] = [F.conv2d(x, state[f'{h}Head.{i}.conv1x1.weight'],
                                state[f'{h}Head.{i}.conv1x1.bias'])
                       for h in ('Class', 'Bbox', 'Landmark')]
        return maps

    def network(picture):
        x = picture.flip(1) - torch.tensor([104.0, 117.0, 123.0]).reshape(1, 3, 1, 1)
        boxes, scores = [], []
        for (score, box, _), stride, sides in zip(heads(x), (8, 16, 32),
                                                  ((10, 20), (32, 64), (128, 256))):
            score = score[0].reshape(2, 2, *score.shape[2:]).softmax(1)[:, 1]
            box = box[0].reshape(2, 4, *box.shape[2:])
            anchor, row, col = (score > 0.4).nonzero().T
            side = torch.tensor(sides, dtype=torch.float)[anchor]
            box = box[anchor, :, row, col]
            centre = (torch.stack([col, row], 1) + 0.5) * stride + 0.1 * side[:, None] * box[:, :2]
            size = side[:, None] * torch.exp(0.2 * box[:, 2:])
            boxes.append(torch.cat([centre - size / 2, centre + size / 2], 1))
            scores.append(score[anchor, row, col])
        return best(torch.cat(boxes), torch.cat(scores), 0.4, 0)

    network.heads = heads
    return network


def suppress(boxes, scores, threshold, edge=1, smaller=False):
    boxes = boxes.numpy()
    areas = (boxes[:, 2] - boxes[:, 0] + edge) * (boxes[:, 3] - boxes[:, 1] + edge)
    order, keep = scores.argsort(descending=True).numpy(), []
    while len(order):
        i, rest = order[0], order[1:]
        keep.append(i)
        w = numpy.minimum(boxes[i, 2], boxes[rest, 2]) - numpy.maximum(boxes[i, 0], boxes[rest, 0]) + edge
        h = numpy.minimum(boxes[i, 3], boxes[rest, 3]) - numpy.maximum(boxes[i, 1], boxes[rest, 1]) + edge
        both = w.clip(0) * h.clip(0)
        whole = numpy.minimum(areas[i], areas[rest]) if smaller else areas[i] + areas[rest] - both
        order = rest[both / whole <= threshold]
    return keep


def best(boxes, scores, threshold, edge, smaller=False):
    keep = suppress(boxes, scores, threshold, edge, smaller)
    return torch.cat([boxes[keep], scores[keep][:, None]], 1).tolist()


def yunet(path):
    import onnx
    from onnx import numpy_helper

    # The weights in the order of the graph's convolutions; BatchNorm is folded into them.
    graph = onnx.load(path).graph
    values = {v.name: torch.from_numpy(numpy_helper.to_array(v).copy()) for v in graph.initializer}
    convolutions = [(values[n.input[1]], values[n.input[2]]) for n in graph.node
                    if n.op_type == 'Conv']

    def network(picture):
        left = iter(convolutions)

        def conv(x, stride=1):
            weight, bias = next(left)
            groups = len(weight) if weight.shape[1] == 1 else 1
            return F.conv2d(x, weight, bias, stride, weight.shape[2] // 2, 1, groups)

        def unit(x):
            return F.relu(conv(conv(x)))

        x = F.max_pool2d(unit(F.relu(conv(picture.flip(1), 2))), 2)
        x = F.max_pool2d(unit(unit(unit(unit(x)))), 2)
        a = unit(unit(x))
        b = unit(unit(F.max_pool2d(a, 2)))
        c = unit(unit(unit(F.max_pool2d(b, 2))))
        b = unit(b + F.interpolate(c, scale_factor=2))
        a = unit(a + F.interpolate(b, scale_factor=2))
        maps = [unit(m) for m in (a, b, c)]
        cls, box, obj, _ = ([conv(conv(m)) for m in maps] for _ in range(4))
        boxes, scores = [], []
        for level, stride in enumerate((8, 16, 32)):
            score = (cls[level].sigmoid() * obj[level].sigmoid())[0, 0].sqrt()
            row, col = (score > 0.6).nonzero().T
            t = box[level][0][:, row, col].T
            centre = (torch.stack([col, row], 1) + t[:, :2]) * stride
            size = torch.exp(t[:, 2:]) * stride
            boxes.append(torch.cat([centre - size / 2, centre + size / 2], 1))
            scores.append(score[row, col])
        return best(torch.cat(boxes), torch.cat(scores), 0.3, 0)

    return network


def mtcnn(folder):
    p, r, o = ({k: torch.from_numpy(v) for k, v in
                numpy.load(f'{folder}/{n}.npy', allow_pickle=True)[()].items()}
               for n in ('pnet', 'rnet', 'onet'))

    def body(w, x, pools):
        for i, pool in enumerate(pools, 1):
            x = F.conv2d(x, w[f'features.conv{i}.weight'], w[f'features.conv{i}.bias'])
            x = F.prelu(x, w[f'features.prelu{i}.weight'])
            x = F.max_pool2d(x, pool, 2, ceil_mode=True) if pool else x
        return x

    def decide(w, x, pools, last, head):
        """Scores of a face, and offsets."""
        x = body(w, x, pools).transpose(2, 3).flatten(1)
        x = F.linear(x, w[f'features.conv{last}.weight'], w[f'features.conv{last}.bias'])
        x = F.prelu(x, w[f'features.prelu{last}.weight'])
        s, t = (F.linear(x, w[f'{head}_{k}.weight'], w[f'{head}_{k}.bias']) for k in (1, 2))
        return s.softmax(1)[:, 1], t

    def cut(x, boxes, size):
        padded = F.pad(x, (320, 320, 320, 320), value=-127.5 / 128)
        out = []
        for x1, y1, x2, y2 in (boxes + 320).int().tolist():
            piece = padded[:, :, max(y1, 0):y2 + 1, max(x1, 0):x2 + 1]
            out.append(F.interpolate(piece, (size, size), mode='bilinear', antialias=True))
        return torch.cat(out)

    def move(boxes, offsets):
        size = boxes[:, 2:] - boxes[:, :2] + 1
        return boxes + torch.cat([size, size], 1) * offsets

    def square(boxes):
        size = boxes[:, 2:] - boxes[:, :2] + 1
        side = size.max(1, keepdim=True)[0]
        first = boxes[:, :2] + size / 2 - side / 2
        return torch.cat([first, first + side - 1], 1).round()

    def clip(boxes):
        low, high = torch.zeros(4), torch.tensor([639.0, 479.0, 639.0, 479.0])
        return torch.minimum(torch.maximum(boxes, low), high)

    def network(picture):
        x = (picture - 127.5) / 128
        boxes, scores, offsets = [], [], []
        scale = 0.6
        while 480 * scale > 12:
            small = F.interpolate(x, (math.ceil(480 * scale), math.ceil(640 * scale)),
                                  mode='bilinear', antialias=True)
            y = body(p, small, (2, 0, 0))
            s = F.conv2d(y, p['conv4_1.weight'], p['conv4_1.bias']).softmax(1)[0, 1]
            t = F.conv2d(y, p['conv4_2.weight'], p['conv4_2.bias'])[0]
            at = (s > 0.6).nonzero()
            if len(at):
                corner = at.flip(1).float() * 2 + 1
                b = torch.cat([corner / scale, (corner + 12) / scale], 1).round()
                k = suppress(b, s[at[:, 0], at[:, 1]], 0.5)
                boxes.append(b[k])
                scores.append(s[at[:, 0], at[:, 1]][k])
                offsets.append(t[:, at[:, 0], at[:, 1]].T[k])
            scale *= 0.85
        b, s, t = torch.cat(boxes), torch.cat(scores), torch.cat(offsets)
        k = suppress(b, s, 0.7)
        b = square(move(b[k], t[k]))
        s, t = decide(r, cut(x, b, 24), (3, 3, 0), 4, 'conv5')
        good = s > 0.7
        b, s, t = clip(b)[good], s[good], t[good]
        k = suppress(b, s, 0.7)
        b = square(move(b[k], t[k]))
        s, t = decide(o, cut(x, b, 48), (3, 3, 2, 0), 5, 'conv6')
        good = s > 0.9
        return best(move(clip(b)[good], t[good]), s[good], 0.7, 1, True)

    return network


def export(path, out):
    """RetinaFace's network alone, for pictures of 640x480, as ONNX."""
    heads = retinaface(path).heads

    class Heads(torch.nn.Module):
        def forward(self, x):
            return [m for level in heads(x) for m in level]

    with torch.no_grad():
        torch.onnx.export(Heads(), torch.zeros(1, 3, 480, 640), out, opset_version=12)


def main():
    if sys.argv[1] == 'export':
        export(*sys.argv[2:4])
        return
    torch.set_num_threads(int(sys.argv[4]))
    network = {'retinaface': retinaface, 'yunet': yunet, 'mtcnn': mtcnn}[sys.argv[1]](sys.argv[2])
    picture = read_ppm(sys.argv[3])
    times = []
    with torch.no_grad():
        faces = network(picture)
        for _ in range(RUNS):
            started = time.perf_counter()
            network(picture)
            times.append(time.perf_counter() - started)
    print(json.dumps({'faces': faces, 'images_per_second': 1 / statistics.median(times)}))


main()
