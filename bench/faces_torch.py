"""Detectors as plain PyTorch modules, and their times: the peer of bench/faces.

    faces_torch.py retinaface FILE.pth PICTURE.ppm THREADS
    faces_torch.py mtcnn FOLDER PICTURE.ppm THREADS

One JSON object on stdout. The picture is resized to 640x480 once. RetinaFace: the network and
the scores' softmax. MTCNN: the pyramid with P-Net, suppression, and R-Net and O-Net on what is
left, as the authors' demo does it but with torch's resizing in place of Pillow's, which is the faster.
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
    picture = picture.reshape(height, width, 3).permute(2, 0, 1)[None].float()
    return F.interpolate(picture, (480, 640), mode='bilinear', antialias=True)


def retinaface(path):
    state = {k.replace('module.', ''): v for k, v in torch.load(path, map_location='cpu').items()}

    def unit(name, first, x, stride=1, relu=True):
        weight = state[f'{name}.{first}.weight']
        groups = x.shape[1] if weight.shape[1] == 1 and x.shape[1] > 1 else 1
        x = F.conv2d(x, weight, None, stride, weight.shape[2] // 2, 1, groups)
        norm = f'{name}.{first + 1}.'
        x = F.batch_norm(x, *(state[norm + k] for k in
                              ('running_mean', 'running_var', 'weight', 'bias')))
        return F.relu(x) if relu else x

    def network(picture):
        x = picture.flip(1) - torch.tensor([104.0, 117.0, 123.0]).reshape(1, 3, 1, 1)
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
        found = 0
        for i, m in enumerate((a, b, c)):
            name = f'ssh{i + 1}.'
            narrow = unit(name + 'conv5X5_1', 0, m)
            x = F.relu(torch.cat([
                unit(name + 'conv3X3', 0, m, 1, False), unit(name + 'conv5X5_2', 0, narrow, 1, False),
                unit(name + 'conv7x7_3', 0, unit(name + 'conv7X7_2', 0, narrow), 1, False)], 1))
            scores, _, _ = (F.conv2d(x, state[f'{h}Head.{i}.conv1x1.weight'],
                                     state[f'{h}Head.{i}.conv1x1.bias'])
                            for h in ('Class', 'Bbox', 'Landmark'))
            found += int((scores.reshape(2, 2, -1).softmax(1)[:, 1] > 0.4).sum())
        return found

    return network


def suppress(boxes, scores, threshold):
    order = scores.argsort(descending=True).tolist()
    boxes = boxes.numpy()
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    order, keep = numpy.array(order), []
    while len(order):
        i, rest = order[0], order[1:]
        keep.append(i)
        w = numpy.minimum(boxes[i, 2], boxes[rest, 2]) - numpy.maximum(boxes[i, 0], boxes[rest, 0]) + 1
        h = numpy.minimum(boxes[i, 3], boxes[rest, 3]) - numpy.maximum(boxes[i, 1], boxes[rest, 1]) + 1
        both = w.clip(0) * h.clip(0)
        order = rest[both / (areas[i] + areas[rest] - both) <= threshold]
    return keep


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
        x = body(w, x, pools).transpose(2, 3).flatten(1)
        x = F.linear(x, w[f'features.conv{last}.weight'], w[f'features.conv{last}.bias'])
        x = F.prelu(x, w[f'features.prelu{last}.weight'])
        return [F.linear(x, w[f'{head}_{k}.weight'], w[f'{head}_{k}.bias']) for k in (1, 2)]

    def cut(x, boxes, size):
        padded = F.pad(x, (320, 320, 320, 320), value=-127.5 / 128)
        out = []
        for x1, y1, x2, y2 in (boxes + 320).int().tolist():
            piece = padded[:, :, max(y1, 0):y2 + 1, max(x1, 0):x2 + 1]
            out.append(F.interpolate(piece, (size, size), mode='bilinear', antialias=True))
        return torch.cat(out)

    def square(boxes, offsets):
        size = boxes[:, 2:] - boxes[:, :2] + 1
        boxes = boxes + torch.cat([size, size], 1) * offsets
        size = boxes[:, 2:] - boxes[:, :2] + 1
        side = size.max(1, keepdim=True)[0]
        first = boxes[:, :2] + size / 2 - side / 2
        return torch.cat([first, first + side - 1], 1).round()

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
        b = square(b[k], t[k])
        s, t = decide(r, cut(x, b, 24), (3, 3, 0), 4, 'conv5')
        s = s.softmax(1)[:, 1]
        good = s > 0.7
        k = suppress(b[good], s[good], 0.7)
        b = square(b[good][k], t[good][k])
        s, _ = decide(o, cut(x, b, 48), (3, 3, 2, 0), 5, 'conv6')
        return int((s.softmax(1)[:, 1] > 0.9).sum())

    return network


def main():
    torch.set_num_threads(int(sys.argv[4]))
    network = (retinaface if sys.argv[1] == 'retinaface' else mtcnn)(sys.argv[2])
    picture = read_ppm(sys.argv[3])
    times = []
    with torch.no_grad():
        found = network(picture)
        for _ in range(RUNS):
            started = time.perf_counter()
            network(picture)
            times.append(time.perf_counter() - started)
    print(json.dumps({'found': found, 'images_per_second': 1 / statistics.median(times)}))


main()
