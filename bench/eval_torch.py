"""The evaluation as the authors' release does it, in NumPy and PyTorch: the peer of bench/eval.

    eval_torch.py DIR THREADS TEMPLATES PAIRS

DIR is what eval_generate made, with fusion.ckpt. Template by template: np.where for its rows, the
network as a batch of one, normalise; pairs in batches of 100,000 gathered rows; scikit-learn's
roc_curve. The release has a GPU for the network and the products; here all is on the processor.
TEMPLATES and PAIRS say how many are worked on (0: all); seconds of a part are also given per item.
The ROC is over all pairs, with the scores in DIR/scores.npy, which ours wrote. Prints one JSON object.
"""
import json
import sys
import time

import numpy
import sklearn.metrics
import torch
from torch import nn

import fusion_torch

CHUNK = 512
FARS = [10**-6, 10**-5, 10**-4, 10**-3, 10**-2, 10**-1]


class Compact(nn.Module):
    """Compact styles are made once, by the encoder; the network then takes them as they are."""

    def forward(self, x):
        return x


def load(folder):
    model = fusion_torch.Fusion().eval()
    state = torch.load(folder + '/fusion.ckpt')['state_dict']
    model.load_state_dict({k[len('aggregator.'):]: v for k, v in state.items()
                           if not k.endswith('cfcs.0')})
    model.style_maker = Compact()
    return model


def fuse(model, features, styles):
    state = None
    for part in numpy.array_split(numpy.arange(len(features)), -(-len(features) // CHUNK)):
        state = fusion_torch.merge(state, model.cluster(torch.tensor(features[None, part]),
                                                        torch.tensor(styles[None, part])))
    return model.finish(state)[0].numpy()


def make_templates(folder, model, rows, count):
    features = numpy.load(folder + '/set/features.npy', mmap_mode='r')
    styles = numpy.load(folder + '/set/compact.npy', mmap_mode='r')
    unique = numpy.unique(rows)
    out = numpy.zeros((len(unique), features.shape[1]))
    # an even choice, so that large and small templates are in it as in the whole
    chosen = range(len(unique)) if not count else \
        numpy.linspace(0, len(unique) - 1, count).astype(int)
    for t in chosen:
        (index,) = numpy.where(rows == unique[t])
        out[t] = fuse(model, features[index], styles[index])
    norm = numpy.linalg.norm(out, axis=1, keepdims=True)
    return unique, out / numpy.where(norm > 0, norm, 1), numpy.asarray(chosen)


def score_pairs(templates, place, pairs):
    templates = torch.tensor(templates)
    out = numpy.zeros(len(pairs))
    for i in range(0, len(pairs), 100000):
        a = templates[place[pairs[i:i + 100000, 0]]]
        b = templates[place[pairs[i:i + 100000, 1]]]
        out[i:i + 100000] = torch.sum(a * b, -1).numpy()
    return out


def tar_at_far(label, score):
    fpr, tpr, _ = sklearn.metrics.roc_curve(label, score)
    fpr, tpr = numpy.flipud(fpr), numpy.flipud(tpr)
    return [tpr[numpy.argmin(abs(fpr - far))] for far in FARS]


def main(folder, threads, templates, pairs):
    torch.set_num_threads(threads)
    out = {}

    def timed(name, work, *args):
        start = time.perf_counter()
        result = work(*args)
        out[name] = time.perf_counter() - start
        return result

    with open(folder + '/T.txt', encoding='utf-8') as f:
        rows = numpy.array([int(line.split()[1]) for line in f])
    listed = timed('read pairs', lambda: numpy.fromfile(folder + '/P.txt', numpy.int64,
                                                        sep=' ').reshape(-1, 3))
    model = load(folder)
    with torch.inference_mode():
        unique, made, chosen = timed('templates', make_templates, folder, model, rows, templates)
        place = numpy.zeros(unique.max() + 1, int)
        place[unique] = numpy.arange(len(unique))
        some = listed if not pairs else listed[:pairs]
        timed('scores', score_pairs, made, place, some)
    ours = numpy.load(folder + '/scores.npy', mmap_mode='r')[0]
    out['tar'] = timed('roc', tar_at_far, listed[:, 2], ours)
    out['templates each'] = out['templates'] / len(chosen)
    out['scores each'] = out['scores'] / len(some)
    out['template_count'], out['pair_count'] = len(unique), len(listed)
    # scores of the pairs whose templates were made, against ours
    is_made = numpy.zeros(len(unique), bool)
    is_made[chosen] = True
    both = numpy.flatnonzero(is_made[place[listed[:, 0]]] & is_made[place[listed[:, 1]]])
    out['compared'] = len(both)
    out['largest_difference'] = float(abs(score_pairs(made, place, listed[both]) - ours[both]).max())
    print(json.dumps(out))


if __name__ == '__main__':
    main(sys.argv[1], *map(int, sys.argv[2:5]))
