#!/usr/bin/env python3
"""realign.py CAFACE BACKBONE FACES DETECTOR[+LANDMARKS]...

How well detectors align: aligned crops (FACES, one folder a person) are turned, scaled and put on a
larger picture, found and aligned again by each detector, and encoded. Printed for each: how many are
found, the cosine of a face with the feature of its own crop, and the true accept rate of found faces
against the crops of other pictures, with 95 % intervals over people, on the faces that all of them
found. Needs NumPy and Pillow.
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

SEED, SIDE, RESAMPLES = 1, 320, 400
FARS = (1e-3, 1e-4)


def put(path, out, rng):
    """The crop, turned by up to 20 degrees and scaled by 0.7 to 1.5, on black."""
    turn, scale = rng.uniform(-20, 20) * numpy.pi / 180, rng.uniform(0.7, 1.5)
    c, s = numpy.cos(turn) / scale, numpy.sin(turn) / scale
    x, y = SIDE / 2, SIDE / 2
    inverse = (c, s, 56 - c * x - s * y, -s, c, 56 + s * x - c * y)
    with Image.open(path) as crop:
        crop.convert("RGB").transform((SIDE, SIDE), Image.AFFINE, inverse, Image.BILINEAR).save(out)


def encode(tool, backbone, out, *options):
    """The features of a set by picture, normalised: the best face of each."""
    done = subprocess.run([tool, "encode", "--model", *backbone, "--quiet", "-o", out, *options])
    if done.returncode not in (0, 3):
        sys.exit(f"realign.py: encode ends with {done.returncode}")
    features = numpy.load(f"{out}/features.npy").astype(numpy.float64)
    features /= numpy.linalg.norm(features, axis=1, keepdims=True)
    with open(f"{out}/index.tsv", encoding="utf-8") as index:
        rows = list(csv.DictReader(index, delimiter="\t"))
    found = {}
    for row, feature in zip(rows, features):
        found.setdefault(pathlib.Path(next(iter(row.values()))).stem, feature)
    return found


def rates(scores, same, other, person, rng):
    """TAR at each FAR: [rate, low, high], people drawn with replacement."""
    people = numpy.unique(person)
    where = {p: numpy.flatnonzero(person == p) for p in people}

    def once(weight):
        w = weight[:, None] * weight[None, :]
        impostor = numpy.sort(scores[other])[::-1] if weight is ones else None
        if impostor is None:
            order = numpy.argsort(-scores[other])
            total = numpy.cumsum(w[other][order])
            limits = [scores[other][order][numpy.searchsorted(total, far * total[-1])] for far in FARS]
        else:
            limits = [impostor[int(far * len(impostor))] for far in FARS]
        g, gw = scores[same], w[same]
        return [float((gw * (g > t)).sum() / gw.sum()) for t in limits], limits

    ones = numpy.ones(len(person))
    rate, limits = once(ones)
    drawn = []
    for _ in range(RESAMPLES):
        count = numpy.bincount(rng.integers(0, len(people), len(people)), minlength=len(people))
        weight = numpy.zeros(len(person))
        for p, n in zip(people, count):
            weight[where[p]] = n
        w = weight[:, None] * weight[None, :]
        drawn.append([(w[same] * (scores[same] > t)).sum() / w[same].sum() for t in limits])
    low, high = numpy.percentile(drawn, [2.5, 97.5], axis=0)
    return [(100 * r, 100 * a, 100 * b) for r, a, b in zip(rate, low, high)]


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    tool, backbone, faces = sys.argv[1], sys.argv[2].split(), pathlib.Path(sys.argv[3])
    rng = numpy.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as work:
        person = {}
        (pathlib.Path(work) / "crops").mkdir()
        (pathlib.Path(work) / "photographs").mkdir()
        for i, path in enumerate(sorted(p for p in faces.glob("*/*") if p.is_file())):
            name = f"{i:05d}"
            person[name] = path.parent.name
            with Image.open(path) as crop:
                crop.convert("RGB").save(f"{work}/crops/{name}.png")
            put(path, f"{work}/photographs/{name}.png", rng)
        crops = encode(tool, backbone, f"{work}/set", f"{work}/crops")
        sets = {}
        for k, detector in enumerate(sys.argv[4:]):
            options = ["--detector", detector.split("+")[0], "--face", "best", "--rotate", "none"]
            if "+" in detector:
                options += ["--landmarks", detector.split("+")[1]]
            sets[detector] = encode(tool, backbone, f"{work}/found{k}", *options, f"{work}/photographs")
        common = sorted(set(crops).intersection(*sets.values()))
        who = numpy.array([person[n] for n in common])
        gallery = numpy.array([crops[n] for n in common])
        same = who[:, None] == who[None, :]
        other = ~same
        numpy.fill_diagonal(same, False)
        print(f"{len(common)} of {len(person)} crops of {len(set(who))} people are found by all")
        for name, found in [("the crops themselves", crops), *sets.items()]:
            probe = numpy.array([found[n] for n in common])
            own = (probe * gallery).sum(1)
            figures = rates(probe @ gallery.T, same, other, who, numpy.random.default_rng(SEED))
            print(json.dumps({"detector": name, "found": len(found), "cosine": round(float(numpy.median(own)), 4),
                              "cosine_worst_tenth": round(float(numpy.quantile(own, 0.1)), 4),
                              **{f"tar_at_{far:g}": [round(x, 1) for x in f] for far, f in zip(FARS, figures)}}))


if __name__ == "__main__":
    main()
