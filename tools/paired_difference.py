#!/usr/bin/python3
"""paired_difference.py CAFACE FOLDER MODEL...: the protocol of `caface demo` (probe sets against
the mean of each person's gallery rows), TAR at FAR 1e-2 of averaging and of each model with one
chunk and with chunks of 4, and the differences between them. Intervals are a bootstrap over
people, the same resamples for all. Needs python3-numpy."""
import csv
import os
import subprocess
import sys
import tempfile

import numpy as np

FAR = 1e-2
RESAMPLES = 2000


def labels_of(folder):
    with open(f'{folder}/index.tsv', encoding='utf-8', newline='') as f:
        return list(csv.DictReader(f, delimiter='\t'))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def tar(scores, same, weights):
    """The threshold admits the share FAR of the (weighted) impostors at most."""
    impostor, genuine = scores[~same], scores[same]
    wi, wg = weights[~same], weights[same]
    order = np.argsort(-impostor, kind='stable')
    passed = np.cumsum(wi[order])
    first_out = np.searchsorted(passed, FAR * passed[-1], side='right')
    return (wg * (genuine > impostor[order][first_out])).sum() / wg.sum()


caface, folder, *models = sys.argv[1:]
gallery = np.load(f'{folder}/gallery/features.npy').astype(np.float32)
names = [r['label'] for r in labels_of(f'{folder}/gallery')]
people = sorted(set(names))
means = unit(np.stack([gallery[[n == p for n in names]].mean(0) for p in people]))
owner = {r['template']: r['label'] for r in labels_of(f'{folder}/probes')}

templates = {}
with tempfile.TemporaryDirectory() as temp:
    def fuse(name, *options):
        out = os.path.join(temp, 'out.npz')
        subprocess.run([caface, 'fuse', '--input', f'{folder}/probes', '--quiet', '-o', out,
                        *options], check=True)
        with np.load(out) as data:
            templates[name] = (data['template_ids'], unit(data['templates']))

    fuse('average', '--method', 'average')
    for model in models:
        for chunk in ('0', '4'):
            fuse(f'{model}, chunk {chunk}', '--model', model, '--chunk', chunk)

ids = templates['average'][0]
subject = np.array([people.index(owner[str(i)]) for i in ids])
same = (subject[:, None] == np.arange(len(people))[None, :]).ravel()
draws = np.random.default_rng(1).multinomial(len(people), [1 / len(people)] * len(people), RESAMPLES)
figures, resampled = {}, {}
for name, (_, t) in templates.items():
    scores = (t @ means.T).ravel()
    figures[name] = tar(scores, same, np.ones(len(scores)))
    values = []
    for m in draws:
        w = m[subject][:, None] * m[None, :]
        w = np.where(same.reshape(w.shape), m[subject][:, None], w).ravel()
        values.append(tar(scores, same, w))
    resampled[name] = np.array(values)
for a in figures:
    low, high = np.percentile(resampled[a], [2.5, 97.5])
    print(f'{a}: TAR {100 * figures[a]:.2f} [{100 * low:.2f}, {100 * high:.2f}]')
    for b in figures:
        if list(figures).index(b) < list(figures).index(a):
            low, high = np.percentile(resampled[a] - resampled[b], [2.5, 97.5])
            print(f'  less {b}: {100 * (figures[a] - figures[b]):+.2f} '
                  f'[{100 * low:+.2f}, {100 * high:+.2f}]')
