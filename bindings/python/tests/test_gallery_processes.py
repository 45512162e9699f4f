"""Galleries in threads, in other processes, interrupted and damaged; and that nothing is left behind."""

import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import caface

from conftest import SAMPLE, needs

needs("_gallery")


def test_threads_wait_for_each_other(people, sets):
    expected = people.search(sets[0][:9], 2)
    wrong = []

    def work(k):
        for _ in range(10):
            if people.search(sets[0][:9], 2) != expected:
                wrong.append(k)
            len(people)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def search_in(args):
    people, template = args
    return people.search(template, 3)


def test_processes(people, sets):
    template = sets[0][3].template()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.apply(search_in, ((people, template),)) == people.search(template, 3)
    again = pickle.loads(pickle.dumps(people))
    assert list(again) == list(people)
    reader, writer = multiprocessing.Pipe(False)
    pid = os.fork()
    if pid == 0:
        try:
            len(people)
            writer.send("no error")
        except RuntimeError as error:
            writer.send(str(error))
        os._exit(0)
    os.waitpid(pid, 0)
    assert "spawn" in reader.recv()
    assert len(people) == 111


def test_a_file_from_elsewhere(people, gallery_path):
    people.close()
    db = sqlite3.connect(gallery_path)
    db.execute("update template set vector = x'00' where person = 3")
    db.commit()
    db.close()
    damaged = caface.Gallery(gallery_path)
    with pytest.raises(ValueError) as caught:
        damaged.people()
    assert caught.value.status == "EFORMAT"
    gallery_path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises((ValueError, OSError)):
        len(caface.Gallery(gallery_path))


INTERRUPTED = """
import signal, sys
import numpy as np, caface
signal.signal(signal.SIGINT, signal.default_int_handler)
people = caface.Gallery.create(sys.argv[1])
rng = np.random.default_rng(1)
with people.transaction():
    for i in range(1000):
        people.add(str(i), rng.normal(size=(1, 32)).astype('f'))
probes = rng.normal(size=(200000, 32)).astype('f')
work = {
    'calibrate': lambda: people.calibrate(resamples=10000),
    'search': lambda: [people._module.gallery_search(people._handle, probes, 1) for _ in range(50)],
    'index': lambda: [caface.Index(probes).search(probes, 1) for _ in range(50)],
}[sys.argv[2]]
print('ready', flush=True)
try:
    work()
    print('finished')
except KeyboardInterrupt:
    print('KeyboardInterrupt', people.calibrations() == [], len(people), flush=True)
"""


@pytest.mark.parametrize("what", ["calibrate", "search", "index"])
def test_ctrl_c_stops_long_work(gallery_path, what):
    child = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(gallery_path), what], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=120)
    assert out == "KeyboardInterrupt True 1000\n"


def test_nothing_is_left_behind(people, sets, tmp_path, faces):
    probe, s = sets[0][0].template(), sets[0][0]

    def work(n):
        for _ in range(n):
            people.search(probe, 3), people.search(s), people["51"], people.set("51")
            people.pictures("51"), people.calibrations(), len(people), repr(people)
            for wrong in (lambda: people.search(probe[:3]), lambda: people.remove("nobody"),
                          lambda: people.add("x", faces[0], sides=[1]), lambda: people["nobody"]):  # fmt: skip
                with pytest.raises((ValueError, KeyError)):
                    wrong()
            caface.Index(faces[0]).search(faces[0][:2], 2)

    def resident():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    people.calibrate(*sets, resamples=0)
    work(30)
    before, references = resident(), sys.getrefcount(probe)
    work(300)
    assert sys.getrefcount(probe) == references
    assert resident() - before < 4 << 20  # 300 leaks of a hit list and a set are more
    files = len(os.listdir("/proc/self/fd"))
    for i in range(20):
        caface.Gallery.create(tmp_path / f"{i}.gallery")
        with pytest.raises(ValueError):
            caface.Gallery(SAMPLE / "model.safetensors")
    import gc

    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= files + 3
