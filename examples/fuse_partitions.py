#!/usr/bin/env python3
"""Fuses a feature set partition by partition: states made in the workers, merged by the driver.

    fuse_partitions.py MODEL SET OUT.npz [PROCESSES]

The templates of the set's ids (its column "template"), as `caface fuse --input SET -o OUT.npz` writes
them. Nothing but pickling and += passes between processes, so Spark, Dask and joblib do the
same (docs/python.md).
"""

import multiprocessing
import sys

import numpy as np

import caface


def fuse(part):
    """{id: FaceSet} of rows first .. last of a set."""
    model_path, set_path, first, last = part
    model = caface.FusionModel(model_path)
    features = caface.FeatureSet(set_path)
    ids = features.integers("template")
    faces, styles = features.read(first, last - first)
    sets = {}
    for who in np.unique(ids[first:last]):
        rows = ids[first:last] == who
        sets[int(who)] = model.new_set()
        sets[int(who)].push(faces[rows], styles[rows])
    return sets


def main(model, path, out, processes=2):
    count = len(caface.FeatureSet(path))
    ends = np.linspace(0, count, 4 * int(processes) + 1).astype(int)
    parts = [(model, path, int(a), int(b)) for a, b in zip(ends, ends[1:])]
    total = {}
    with multiprocessing.Pool(int(processes)) as pool:
        for sets in pool.imap_unordered(fuse, parts):
            for who, s in sets.items():
                if who in total:
                    total[who] += s
                else:
                    total[who] = s
    ids = sorted(total)
    np.savez(out, template_ids=ids, templates=np.stack([total[i].template() for i in ids]))
    print(f"{len(ids)} templates of {count} faces, from {len(parts)} partitions")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
