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


def needs(*extensions):
    """Skips the whole module when an extension of the package lacks its library."""
    from caface import _system

    try:
        for name in extensions:
            _system.load(name)
    except caface.MissingLibraryError as reason:
        pytest.skip(str(reason), allow_module_level=True)


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


@pytest.fixture
def gallery_path(tmp_path):
    return tmp_path / "people.gallery"


@pytest.fixture
def people(gallery_path, restoring, gallery):
    """A gallery of everybody in the sample."""
    made = caface.Gallery.create(gallery_path, restoring)
    made.add_features(gallery)
    return made


@pytest.fixture(scope="module")
def sets(restoring, probes):
    """A FaceSet of each probe, and whose it is."""
    ids, first = np.unique(probes.integers("template"), return_index=True)
    made = []
    for number in ids:
        rows = probes.integers("template") == number
        s = caface.FaceSet(restoring, expected=int(rows.sum()))
        s.push(probes.features[rows], probes.styles[rows])
        made.append(s)
    return made, [probes.column("label")[i] for i in first]
