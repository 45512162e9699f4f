"""What the tests stand on: the sample of data/, the tool where it is built, a seed that is told."""

import os
import pathlib
import subprocess

import numpy as np
import pytest

import caface

ROOT = pathlib.Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "data" / "sample"
SHARED = ROOT.parent / "shared"
SEED = int(os.environ.get("CAFACE_TEST_SEED", np.random.SeedSequence().entropy % 2**32))


def pytest_report_header(config):
    return f"caface {caface.__version__} of {os.path.dirname(caface.__file__)}, CAFACE_TEST_SEED={SEED}"


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def model():
    return caface.FusionModel(SAMPLE / "model.safetensors")


@pytest.fixture(scope="session")
def restoring():
    return caface.FusionModel(SAMPLE / "restore.safetensors")


@pytest.fixture(scope="session")
def probes():
    return caface.FeatureSet(SAMPLE / "probes")


@pytest.fixture(scope="session")
def gallery():
    return caface.FeatureSet(SAMPLE / "gallery")


@pytest.fixture(scope="session")
def faces(probes):
    """Features and styles of 64 faces, the caller's own."""
    return probes.features[:64].copy(), probes.styles[:64].copy()


@pytest.fixture(scope="session")
def tool():
    """Runs the command-line tool, where the tree has one that is built."""
    path = pathlib.Path(os.environ.get("CAFACE_TOOL", ROOT / "build" / "cli" / "caface"))
    if not path.exists():
        pytest.skip("the tool is not built: ./run build")

    def run(*args):
        done = subprocess.run(
            [str(path), *map(str, args)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
