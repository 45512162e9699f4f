"""Training: the tool's model file and log, bit for bit; stopped and resumed."""

import csv
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

import caface

from conftest import ROOT

try:
    from caface import _system

    _system.load("_train")
except caface.MissingLibraryError as reason:
    pytest.skip(str(reason), allow_module_level=True)

MAKER = pathlib.Path(os.environ.get("CAFACE_TOOL", ROOT / "build" / "cli" / "caface")).parents[1] / "tests" / "cli" / "train-tool"
OPTIONS = dict(epochs=2, batch=9, group=8, lr=3e-3, clusters=3, save_every=2, log_every=2)
WORDS = ["--epochs", 2, "--batch", 9, "--group", 8, "--lr", "3e-3", "--clusters", 3, "--save-every", 2, "--log-every", 2]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Data of people who are random numbers, made by the program that the tool's tests use."""
    if not MAKER.exists():
        pytest.skip("the tool's tests are not built: ./run build")
    path = tmp_path_factory.mktemp("train") / "store"
    subprocess.run([str(MAKER), "make", str(path)], check=True)
    return path


def train(store, output, **more):
    return caface.train(store, output, centers=store / "centers.safetensors", **{**OPTIONS, **more})


def test_the_model_is_the_tools(tool, store, tmp_path):
    tool("train", "--data", store, "--centers", store / "centers.safetensors", *WORDS, "-o", tmp_path / "tool", "--quiet")
    rows = []
    run = train(store, tmp_path / "mine", report=rows.append)
    for name in ("last.safetensors", "best.safetensors", "log.csv"):
        assert (tmp_path / "mine" / name).read_bytes() == (tmp_path / "tool" / name).read_bytes()
    assert run.last == str(tmp_path / "mine" / "last.safetensors")
    assert caface.FusionModel(run.best).method == "caface"
    with open(run.log) as file:
        logged = list(csv.DictReader(file))
    assert [int(row["step"]) for row in logged] == [row["updates"] for row in rows]
    assert run.progress["done"] == run.progress["all"] > 0 and run.progress["epoch"] == 2
    assert np.isfinite(run.progress["loss"])


def test_a_run_goes_on_with_the_same_bits(store, tmp_path):
    whole = train(store, tmp_path / "whole")
    cut = train(store, tmp_path / "cut", stop_after=3)
    assert cut.progress["updates"] == 3
    with pytest.raises(ValueError):
        train(store, tmp_path / "cut")  # holds a run

    class Enough(Exception):
        pass

    def stop(row):
        raise Enough

    with pytest.raises(Enough):
        train(store, tmp_path / "cut", resume=True, report=stop)
    with pytest.raises(caface.Error) as caught:
        train(store, tmp_path / "cut", resume=True, report=lambda row: False)
    assert caught.value.status == "ECANCELLED"
    again = train(store, tmp_path / "cut", resume=True, threads=1)
    for a, b in ((whole.last, again.last), (whole.best, again.best), (whole.log, again.log)):
        assert pathlib.Path(a).read_bytes() == pathlib.Path(b).read_bytes()


INTERRUPTED = """
import signal, sys, caface
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    caface.train(sys.argv[1], sys.argv[2], centers=sys.argv[1] + "/centers.safetensors", epochs=100000, batch=9,
                 group=8, lr=3e-3, clusters=3, log_every=1, report=lambda row: print(row["updates"], flush=True))
except KeyboardInterrupt as error:
    print(error, flush=True)
"""


def test_ctrl_c_says_how_to_go_on(store, tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(store), str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    for _ in range(3):
        assert child.stdout.readline().strip().isdigit()
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=120)
    assert "resume=True" in out.splitlines()[-1] and child.returncode == 0
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_wrong_options(store, tmp_path):
    for more, kind in (
        ({"lr": -1}, ValueError), ({"optimizer": "magic"}, ValueError), ({"steps": 3}, ValueError),
        ({"epochs": -1}, ValueError), ({"seed": -1}, ValueError), ({"unknown": 1}, TypeError),
        ({"epochs": "two"}, TypeError), ({"lr": "fast"}, TypeError), ({"fusion": "average"}, ValueError),
        ({"fusion": "best"}, ValueError), ({"optimizer": 3}, TypeError), ({"milestones": 3}, TypeError),
        ({"milestones": [1] * 65}, ValueError), ({"epochs": 1.5}, TypeError), ({"init": "nothing"}, OSError),
    ):  # fmt: skip
        with pytest.raises(kind):
            train(store, tmp_path / "out", **more)
    with pytest.raises(OSError):
        train(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(TypeError):
        caface.train(3, tmp_path / "out")
    assert not (tmp_path / "out" / "last.safetensors").exists()


def test_milestones(tool, store, tmp_path):
    tool("train", "--data", store, "--centers", store / "centers.safetensors", *WORDS, "--milestones", "1",
         "-o", tmp_path / "tool", "--quiet")  # fmt: skip
    train(store, tmp_path / "mine", milestones=[1])
    assert (tmp_path / "mine" / "last.safetensors").read_bytes() == (tmp_path / "tool" / "last.safetensors").read_bytes()
