"""What a call from Python costs over the same call from C: medians of rounds by turns."""

import ctypes
import os
import statistics
import sys
import time

import numpy as np

import caface

MODEL = "data/sample/model.safetensors"


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def load(path):
    lib = ctypes.CDLL(path)
    for name in ("bench_fuse", "bench_average", "bench_encode"):
        getattr(lib, name).restype = ctypes.c_double
    return lib


def timed(call, count):
    began = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - began


def by_turns(from_c, from_python, count, rounds):
    """Medians of seconds a call of both, and the median of the ratios of neighbouring rounds."""
    from_c(1), timed(from_python, 1)
    c, python = [], []
    for i in range(rounds):
        for side in ((0, 1) if i % 2 else (1, 0)):
            if side:
                python.append(timed(from_python, count) / count)
            else:
                c.append(from_c(count) / count)
    if min(c) < 0:
        sys.exit("the C side failed")
    ratio = statistics.median(p / x for p, x in zip(python, c))
    extra = statistics.median(p - x for p, x in zip(python, c))
    return statistics.median(c), statistics.median(python), ratio, extra


def rows(lib, backbone):
    model = caface.FusionModel(MODEL)
    probes = caface.FeatureSet("data/sample/probes")
    features = np.tile(probes.features, (2, 1))
    styles = np.tile(probes.styles, (2, 1, 1))
    size_t = ctypes.c_size_t
    for n, count, rounds in ((1, 20, 400), (256, 1, 100), (512, 1, 50)):
        f, s = features[:n].copy(), styles[:n].copy()
        yield f"fuse {n}", by_turns(
            lambda k: lib.bench_fuse(MODEL.encode(), pointer(f), pointer(s), size_t(n), size_t(k)),
            lambda: model.fuse(f, s),
            count,
            rounds,
        )
    one = features[:1].copy()
    yield "average of 1", by_turns(
        lambda k: lib.bench_average(pointer(one), size_t(1), size_t(128), size_t(k)),
        lambda: caface._core.fuse(None, one, None, None, "average", -1, 0, False),
        200,
        400,
    )
    encoder = caface.Encoder(backbone)
    crops = np.random.default_rng(1).integers(0, 256, (64, 112, 112, 3), dtype=np.uint8)
    yield f"encode 64 ({encoder.info['family']})", by_turns(
        lambda k: lib.bench_encode(os.fsencode(backbone), pointer(crops), size_t(64), size_t(k)),
        lambda: encoder(crops),
        1,
        100,
    )


def main(library, backbone, out):
    lines = [
        "# What Python costs",
        "",
        f"`./run bench python`: medians of many short rounds by turns in one process, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}. Ratio and over C: medians over neighbouring rounds.",
        "",
        "| call | C, us | Python, us | ratio | over C, us |",
        "|---|---|---|---|---|",
    ]
    for name, (c, python, ratio, extra) in rows(load(library), backbone):
        lines.append(f"| {name} | {1e6 * c:.1f} | {1e6 * python:.1f} | {ratio:.3f} | {1e6 * extra:.1f} |")
        print(lines[-1], flush=True)
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
