"""Types: the package and a program that uses it, checked by mypy; the stubs against the modules;
and docstrings for whoever types help(caface)."""

import inspect
import pathlib
import subprocess
import sys

import pytest

import caface

PROGRAM = """
from typing import Optional
import numpy as np
import caface

model: caface.FusionModel = caface.FusionModel("m")
s: caface.FaceSet = model.new_set(chunk=4)
s.push(np.zeros((1, 2), np.float32))
s += caface.FaceSet(width=3)
n: int = len(s)
fused: caface.Fused = caface.fuse_many(np.zeros((1, 2)), model=model)
found: caface.evaluate.Verification = caface.evaluate.verify([0.1], [True])
rate: float = found.tar(0.1)
with caface.FeatureWriter("x", C=3) as w:
    w.append(np.zeros((1, 3)))
"""
WRONG = """
import caface
caface.FusionModel(3)
caface.FaceSet(chunk="x")
n: str = len(caface.FaceSet())
"""


def mypy(*args, cwd):
    pytest.importorskip("mypy")
    # the folder that holds the package: mypy does not follow every kind of virtual environment
    env_args = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
                "--ignore-missing-imports", *args]
    return subprocess.run(env_args, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_package_is_well_typed(tmp_path):
    done = mypy(str(pathlib.Path(caface.__file__).parent), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_is_well_typed(tmp_path):
    (tmp_path / "good.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(WRONG)
    done = mypy("good.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert mypy("wrong.py", cwd=tmp_path).stdout.count("error") == 3


def test_the_stubs_are_what_is_there(tmp_path):
    pytest.importorskip("mypy")
    folder = pathlib.Path(caface.__file__).parent
    modules = [f"caface.{p.stem}" for p in folder.glob("*.pyi")]
    assert modules
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--ignore-missing-stub", *modules],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def public(thing, name=""):
    for key, value in vars(thing).items():
        if key.startswith("_"):
            continue
        yield f"{name}.{key}", value
        if inspect.isclass(value) and value.__module__.startswith("caface"):
            yield from public(value, f"{name}.{key}")


def test_everything_has_a_docstring():
    assert caface.__doc__ and "FusionModel" in caface.__doc__
    for name in caface.__all__:
        assert getattr(caface, name).__doc__, name
    for module in (caface, caface.evaluate):
        for name, value in public(module):
            if callable(value) or isinstance(value, property):
                if getattr(value, "__module__", "caface").startswith("caface"):
                    assert (inspect.getdoc(value) or "").strip(), name
