#!/usr/bin/env python3
"""paired_models.py CAFACE MODEL[,MODEL...] REFERENCE FRAMES[,FRAMES...] SET...

TAR of two fusion models on the same degraded probes, and their difference with its 95 % interval
over people. Several MODELs, trained alike with different seeds, count as their mean, and the interval
is over people and seeds. SET: from `caface prepare probes`, of the same people with different seeds, whose
pairs are taken together: one set's FAR of 1e-4 is two or three pairs. FRAMES: so many frames of
each probe. Needs NumPy.
"""
import csv
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy

SEED, RESAMPLES = 1, 300
FARS = (1e-4, 1e-3, 1e-2)
METHODS = ("caface@0", "caface@4")
HARDEST = 20000  # impostors that can lie above a threshold; the others count in the total alone


def cut(source, frames, to):
    """The set with at most so many frames of a probe; rows of its index."""
    with open(source / "index.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    seen, keep = {}, []
    for i, row in enumerate(rows):
        if row["kind"] != "clean":
            seen[row["template"]] = seen.get(row["template"], 0) + 1
        if row["kind"] == "clean" or seen[row["template"]] <= frames:
            keep.append(i)
    to.mkdir()
    for name in ("features.npy", "styles.npy"):
        numpy.save(to / name, numpy.load(source / name)[keep])
    for name in ("set.json", "pairs.txt"):
        shutil.copy(source / name, to)
    with open(to / "index.tsv", "w", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0].keys(), delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows[i] for i in keep)
    return [rows[i] for i in keep]


def scores(tool, model, folder):
    """[methods][pairs]"""
    out = str(folder / "scores.npy")
    subprocess.run([tool, "eval", "verify", "-q", "-f", folder, "-m", model, "--pairs", folder / "pairs.txt",
                    "--method", ",".join(METHODS), "--bootstrap", "0", "--scores", out],
                   check=True, stdout=subprocess.DEVNULL)
    return numpy.load(out)


def rates(score, one, other, same, weights):
    """TAR at each FAR for each weighting of people: a pair weighs as its people, a genuine one once."""
    order = numpy.argsort(-score[~same])[:HARDEST]
    impostor = score[~same][order]
    genuine = score[same]
    out = []
    for w in weights:
        mass = w[one] * w[other]
        above = numpy.cumsum(mass[~same][order])
        w_genuine = w[one][same]
        row = []
        for far in FARS:
            k = numpy.searchsorted(above, far * mass[~same].sum(), side="right")
            row.append((w_genuine * (genuine > impostor[min(k, len(order) - 1)])).sum() / w_genuine.sum())
        out.append(row)
    return 100 * numpy.array(out)


def main():
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    tool, models, sets = sys.argv[1], sys.argv[2].split(","), [pathlib.Path(s) for s in sys.argv[5:]]
    models.append(sys.argv[3])
    seeds = len(models) - 1
    rng = numpy.random.default_rng(SEED)
    for frames in map(int, sys.argv[4].split(",")):
        number, pairs, score = {}, [], [[] for _ in models]
        with tempfile.TemporaryDirectory() as work:
            for k, source in enumerate(sets):
                folder = pathlib.Path(work) / str(k)
                who = {int(r["template"]): r["label"] for r in cut(source, frames, folder)}
                for label in sorted(set(who.values())):
                    number.setdefault(label, len(number))
                for a, b, same in numpy.loadtxt(folder / "pairs.txt", dtype=int):
                    pairs.append((number[who[a]], number[who[b]], same))
                for m, model in enumerate(models):
                    score[m].append(scores(tool, model, folder))
        one, other, same = numpy.array(pairs).T
        weights, parts = [numpy.ones(len(number))], [numpy.full(seeds, 1 / seeds)]
        for _ in range(RESAMPLES):
            drawn = rng.integers(0, len(number), len(number))
            weights.append(numpy.bincount(drawn, minlength=len(number)).astype(float))
            parts.append(numpy.bincount(rng.integers(0, seeds, seeds), minlength=seeds) / seeds)
        parts = numpy.array(parts)
        score = [numpy.concatenate(s, 1) for s in score]
        for r, method in enumerate(METHODS):
            tar = [rates(s[r], one, other, same == 1, weights) for s in score]
            ours = numpy.einsum("rs,srf->rf", parts, tar[:-1])
            difference = ours - tar[-1]
            low, high = numpy.percentile(difference[1:], [2.5, 97.5], axis=0)
            for i, far in enumerate(FARS):
                print(f"{frames} frames, {method}, FAR {far:g}: {ours[0][i]:.1f} and {tar[-1][0][i]:.1f}, "
                      f"{difference[0][i]:+.1f} [{low[i]:.1f}, {high[i]:.1f}]"
                      + (f", alone {[round(float(t[0][i]), 1) for t in tar[:-1]]}" if seeds > 1 else ""), flush=True)


if __name__ == "__main__":
    main()
