#!/usr/bin/python3
"""sample_pairs.py FOLDER OUT: FOLDER/gallery and FOLDER/probes (data/sample, say) as one feature
set OUT with OUT/templates.txt and OUT/pairs.txt, for `caface eval verify`: every probe set
against every person of the gallery. Subjects are named, so intervals are over people."""
import csv
import os
import sys

import numpy as np

folder, out = sys.argv[1:]
os.makedirs(out, exist_ok=True)
rows, arrays, sides = [], {'features': [], 'styles': []}, []
for side in ('gallery', 'probes'):
    with open(f'{folder}/{side}/index.tsv', encoding='utf-8', newline='') as f:
        part = list(csv.DictReader(f, delimiter='\t'))
    for name, parts in arrays.items():
        parts.append(np.load(f'{folder}/{side}/{name}.npy'))
    rows += [(side, r['template'], r['label']) for r in part]
for name, parts in arrays.items():
    np.save(f'{out}/{name}.npy', np.concatenate(parts))
numbers, lines = {}, []
for i, (side, template, label) in enumerate(rows):
    # a person's gallery rows are one template
    key = (side, label if side == 'gallery' else template, label)
    numbers.setdefault(key, len(numbers))
    lines.append(f'{i} {numbers[key]} {i} {label}\n')
with open(f'{out}/templates.txt', 'w', encoding='utf-8') as f:
    f.writelines(lines)
with open(f'{out}/pairs.txt', 'w', encoding='utf-8') as f:
    for (side, _, label), a in numbers.items():
        for (other, _, person), b in numbers.items():
            if side == 'probes' and other == 'gallery':
                f.write(f'{b} {a} {int(label == person)}\n')
