"""What a call from Python costs over the same call from C: medians of rounds by turns.

    python_bench.py LIBRARY RESULTS.md BACKBONE...    LIBRARY: of python_calls.c
"""

import ctypes
import os
import sys
import time

import numpy as np

import caface

MODEL = "data/sample/model.safetensors"


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def inner(opened, name):
    """What C calls a model or an encoder of Python's: the first member of what its capsule holds."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p.from_address(get(opened._handle, name))


def load(path):
    lib = ctypes.CDLL(path)
    for name in ("bench_fuse", "bench_encode"):
        getattr(lib, name).restype = ctypes.c_double
    return lib


def timed(call, count):
    began = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - began


def by_turns(from_c, from_python, count, rounds):
    """Medians of seconds a call of both; and over neighbouring rounds the medians of their ratio, of
    their difference, and of the ratio of processor time, which says more on a busy machine."""
    from_c(1), timed(from_python, 1)
    sides = [from_c, lambda k: timed(from_python, k)]
    wall, processor = np.zeros((2, rounds)), np.zeros((2, rounds))
    for i in range(rounds):
        for side in ((0, 1) if i % 2 else (1, 0)):
            began = time.process_time()
            wall[side, i] = sides[side](count) / count
            processor[side, i] = (time.process_time() - began) / count
    if wall.min() < 0:
        sys.exit("the C side failed")
    c, python = np.median(wall, axis=1)
    return c, python, np.median(wall[1] / wall[0]), np.median(wall[1] - wall[0]), np.median(processor[1] / processor[0])


def fusion_rows(lib):
    model = caface.FusionModel(MODEL)
    probes = caface.FeatureSet("data/sample/probes")
    features = np.tile(probes.features, (2, 1))
    styles = np.tile(probes.styles, (2, 1, 1))
    size_t = ctypes.c_size_t
    for n, count, rounds in ((1, 20, 400), (256, 1, 200), (512, 1, 100)):
        f, s = features[:n].copy(), styles[:n].copy()
        yield f"fuse {n}", by_turns(
            lambda k: lib.bench_fuse(
                inner(model, b"caface.model"), pointer(f), pointer(s), size_t(n), size_t(128), size_t(k)
            ),
            lambda: model.fuse(f, s),
            count,
            rounds,
        )
    one = features[:1].copy()
    yield "average of 1", by_turns(
        lambda k: lib.bench_fuse(None, pointer(one), None, size_t(1), size_t(128), size_t(k)),
        lambda: caface._core.fuse(None, one, None, None, "average", -1, 0, False),
        200,
        400,
    )


def encoding_rows(lib, backbones):
    crops = np.random.default_rng(1).integers(0, 256, (64, 112, 112, 3), dtype=np.uint8)
    size_t = ctypes.c_size_t
    for path in backbones:
        encoder = caface.Encoder(path)
        name = "small network of the tests" if path.endswith(".onnx") else encoder.info["family"]
        for n in {"small": (64,), "ir_50": (1, 8)}.get(name.split()[0], (1, 8, 64)):
            some = crops[:n].copy()
            once = timed(lambda: encoder(some), 1)
            yield f"encode {n}, {name}", by_turns(
                lambda k: lib.bench_encode(
                    inner(encoder, b"caface.encoder"), pointer(some), size_t(n), size_t(k)
                ),
                lambda: encoder(some),
                1,
                max(9, min(400, int(8 / once))),
            )


def main(library, out, *backbones):
    lib = load(library)
    lines = [
        "# What Python costs",
        "",
        f"`./run bench python`: medians of rounds by turns in one process, of one build and on the same model and "
        f"encoder, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. Ratio and over C: medians over "
        "neighbouring rounds. The backbones have random weights.",
        "",
        "| call | C, us | Python, us | ratio | over C, us | ratio of processor time |",
        "|---|---|---|---|---|---|",
    ]
    for rows in (fusion_rows(lib), encoding_rows(lib, backbones)):
        for name, (c, python, ratio, extra, processor) in rows:
            lines.append(
                f"| {name} | {1e6 * c:.1f} | {1e6 * python:.1f} | {ratio:.3f} | {1e6 * extra:.1f} | {processor:.3f} |"
            )
            print(lines[-1], flush=True)
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
