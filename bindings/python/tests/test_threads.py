"""Threads, processes, Ctrl-C, and memory that stays what it is."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import caface

from conftest import SAMPLE


def test_eight_threads_on_one_model(model, probes):
    starts = [(k * 97) % 3000 for k in range(64)]
    expected = [model.fuse(probes.features[i : i + 50], probes.styles[i : i + 50]) for i in starts]
    wrong = []

    def work(k):
        for j in range(k, 64, 8):
            i = starts[j]
            got = model.fuse(probes.features[i : i + 50], probes.styles[i : i + 50])
            s = model.new_set(expected=50)
            s.push(probes.features[i : i + 50], probes.styles[i : i + 50])
            if not (np.array_equal(got, expected[j]) and np.array_equal(s.template(), expected[j])):
                wrong.append(j)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_threads_that_share_a_set_wait_for_each_other(model, faces):
    s, other = model.new_set(), model.new_set()
    other.push(*faces)

    def push():
        for _ in range(20):
            s.push(faces[0][:10], faces[1][:10])
            s.template()
            len(s)

    def cross():  # two sets into each other, from both sides: no deadlock
        a, b = s.copy(), other
        for _ in range(5):
            a.merge(b)

    threads = [threading.Thread(target=push) for _ in range(6)]
    threads += [threading.Thread(target=cross) for _ in range(2)]
    [t.start() for t in threads]
    [t.join(120) for t in threads]
    assert not any(t.is_alive() for t in threads)
    assert len(s) == 6 * 20 * 10


def test_the_lock_of_the_interpreter_is_released(model, probes):
    features = np.tile(probes.features, (8, 1))
    styles = np.tile(probes.styles, (8, 1, 1))
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.monotonic()
    model.new_set().push(features, styles)
    ended = time.monotonic()
    done.set()
    thread.join()
    # without releasing it, not one tick would fall inside the call
    assert sum(began < t < ended for t in ticks) >= 2


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, caface
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
model = caface.FusionModel(sys.argv[1])
rng = np.random.default_rng(1)
f = rng.normal(size=(60000, 128)).astype('f')
s = rng.random((60000, 192, 2)).astype('f')
faces = caface.FaceSet(model)
faces.push(f[:3], s[:3])
before = faces.to_bytes()
scores, same = rng.random(300000).astype('f'), rng.random(300000) < 0.1
people = rng.integers(0, 3000, (2, 300000))
work = {
    'push': lambda: [faces.push(f, s) for _ in range(50)],
    'fuse': lambda: [model.fuse(f, s) for _ in range(50)],
    'fuse_many': lambda: [caface.fuse_many(f, s, np.arange(60000) // 7, model=model) for _ in range(50)],
    'verify': lambda: [caface.evaluate.verify(scores, same, people=people, resamples=5000) for _ in range(50)],
}[sys.argv[2]]
print('ready', flush=True)
try:
    work()
    print('finished')
except KeyboardInterrupt:
    print('KeyboardInterrupt', len(faces) % 60000 == 3, flush=True)
"""


@pytest.mark.parametrize("what", ["push", "fuse", "fuse_many", "verify"])
def test_ctrl_c_stops_long_work(what):
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(SAMPLE / "model.safetensors"), what],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=120)
    assert out == "KeyboardInterrupt True\n"
    assert child.returncode == 0


def test_a_signal_handler_that_uses_the_set_at_work_is_told(model, probes):
    s = model.new_set()
    features, styles = np.tile(probes.features, (40, 1)), np.tile(probes.styles, (40, 1, 1))
    seen = []

    def handler(number, frame):
        try:
            len(s)
        except RuntimeError as error:
            seen.append(str(error))

    old = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        s.push(features, styles)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert len(s) == len(features)
    assert all("very thread" in text for text in seen)


# --- processes


def part_of(args):
    model_path, rows = args
    model = caface.FusionModel(model_path)
    probes = caface.FeatureSet(SAMPLE / "probes")
    s = model.new_set(chunk=16)
    s.push(probes.features[rows], probes.styles[rows])
    return s


def template_of(s):
    return s.template()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_sets_travel_between_processes(model, probes, start):
    rows = [slice(i, i + 64) for i in range(0, 512, 64)]
    with multiprocessing.get_context(start).Pool(2) as pool:
        parts = pool.map(part_of, [(SAMPLE / "model.safetensors", r) for r in rows])
        total = model.new_set(chunk=16)
        for part in parts:
            total += part
        there = pool.apply(template_of, (total,))
    assert len(total) == 512
    whole = model.new_set(chunk=16)
    whole.push(probes.features[:512], probes.styles[:512])
    assert np.allclose(total.template(), whole.template(), atol=1e-6)  # rounding of merges
    assert np.array_equal(there, total.template())


def test_threads_of_a_set_do_not_cross_a_fork(model, faces):
    s = model.new_set(threads=2, chunk=8)
    s.push(*faces)
    reader, writer = multiprocessing.Pipe(False)
    pid = os.fork()
    if pid == 0:
        try:
            s.push(*faces)
            writer.send("no error")
        except RuntimeError as error:
            writer.send(str(error))
        os._exit(0)
    os.waitpid(pid, 0)
    assert "spawn" in reader.recv()
    s.push(*faces)


SUBINTERPRETER = """
import sys
import _xxsubinterpreters as interpreters

def tell(order):
    other = interpreters.create()
    interpreters.run_string(other, '''
for module in ("caface", "caface._vision", "caface._gallery", "caface._train"):
    try:
        __import__(module)
        print("imported", module)
    except ImportError as reason:
        print("refused" if "subinterpreter" in str(reason) else reason)
''')
    interpreters.destroy(other)

if sys.argv[1] == "first":
    tell(1)
import caface
caface._system.load("_vision")
if sys.argv[1] == "second":
    tell(2)
model = caface.FusionModel(sys.argv[2])
try:
    caface.FusionModel("nowhere")
except caface.Error as error:
    print(type(error).__name__, model.C)
"""


@pytest.mark.parametrize("order", ["first", "second"])
def test_a_subinterpreter_is_refused(order):
    pytest.importorskip("_xxsubinterpreters")
    pytest.importorskip("caface._vision")
    done = subprocess.run(
        [sys.executable, "-c", SUBINTERPRETER, order, str(SAMPLE / "model.safetensors")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split("\n") == ["refused"] * 4 + ["MissingFileError 128", ""], done.stderr


AT_EXIT = """
import sys, threading
import numpy as np
import caface
model = caface.FusionModel(sys.argv[1])
f, s = np.ones((20000, 128), "f"), np.ones((20000, 192, 2), "f")
faces = model.new_set(threads=2)
index = caface.Index(np.ones((50000, 128), "f"))
started = []

def again(work):
    work()
    started.append(work)
    while True:
        work()

jobs = [
    lambda: model.fuse(f[:3000], s[:3000]), lambda: faces.push(f[:3000], s[:3000]),
    lambda: caface.fuse_many(f, ids=np.arange(20000), method="average", progress=lambda n: None),
    lambda: index.search(f[:100]),
]
for job in jobs:
    threading.Thread(target=again, args=(job,), daemon=True).start()
while len(started) < len(jobs):
    pass
print("end")
"""


def test_the_interpreter_ends_while_threads_work():
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", AT_EXIT, str(SAMPLE / "model.safetensors")],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


# --- memory


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def call_everything(model, faces, state):
    f, st = faces
    model.fuse(f[:2], st[:2], weights=True)
    s = caface.FaceSet(model, keep_weights=True)
    s.push(f[:3], st[:3])
    s.template(), s.weights(), s.options, len(s)
    s += caface.FaceSet.from_bytes(state, model)
    caface.fuse_many(f[:4].astype("f8"), ids=["a", "b", "a", "b"], method="average")
    caface.FeatureSet.from_arrays(f, st).features
    for wrong in (
        lambda: model.fuse(f[:2], st[:3]), lambda: model.fuse("x"), lambda: s.push(f[:, :5]),
        lambda: caface.FusionModel("nowhere"), lambda: caface.FaceSet.from_bytes(b"x", model),
        lambda: model.fuse(np.full((1, 128), np.nan, "f"), st[:1]), lambda: s.merge(s),
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError, OSError)):
            wrong()


def test_ten_thousand_calls_leave_nothing_behind(model, faces):
    s = model.new_set()
    s.push(*faces)
    state = s.to_bytes()

    def loop(n):
        for _ in range(n):
            model.fuse(faces[0][:1], faces[1][:1], method="average")
            s2 = caface.FaceSet(model)
            s2.push(faces[0][:1], faces[1][:1])
            try:
                model.fuse(faces[0][:1], faces[1][:2])
            except ValueError:
                pass
        gc.collect()

    for _ in range(100):
        call_everything(model, faces, state)
    loop(200)
    before, objects = resident(), len(gc.get_objects())
    references = sys.getrefcount(model), sys.getrefcount(faces[0]), sys.getrefcount(None)
    for _ in range(300):
        call_everything(model, faces, state)
    loop(10000)
    after = sys.getrefcount(model), sys.getrefcount(faces[0]), sys.getrefcount(None)
    assert after[:2] == references[:2] and abs(after[2] - references[2]) < 100
    assert len(gc.get_objects()) - objects < 200
    assert resident() - before < 8 << 20  # 10,000 leaks of one template would be 5 MiB and more
