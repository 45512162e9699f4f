"""What docs/python.md shows is run as it stands, from the top of the repository."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT, SAMPLE


def blocks():
    text = (ROOT / "docs" / "python.md").read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def test_the_tutorial_runs(tmp_path):
    pytest.importorskip("matplotlib")
    for module in ("caface._vision", "caface._gallery"):  # in a build without their libraries
        pytest.importorskip(module)
    code = "\n".join(blocks())
    assert code.count("fuse_many") > 3 and "follow" in code
    code = code.replace('"roc.png"', repr(str(tmp_path / "roc.png")))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rank-1" in done.stdout and (tmp_path / "roc.png").stat().st_size > 5000


def test_partitions_give_the_templates(model, tmp_path):
    shutil.copy(ROOT / "examples" / "fuse_partitions.py", tmp_path)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "fuse_partitions.py"), str(SAMPLE / "model.safetensors"),
         str(SAMPLE / "probes"), str(tmp_path / "out.npz")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    import caface

    whole = caface.fuse_many(caface.FeatureSet(SAMPLE / "probes"), model=model)
    with np.load(tmp_path / "out.npz") as out:
        assert np.array_equal(out["template_ids"], whole.ids)
        # sets that a partition cut in two saw each other in two chunks: not the same bits
        cosines = (out["templates"] * whole.templates).sum(1)
        assert cosines.min() > 0.9 and (cosines > 0.99999).mean() > 0.9
