"""Feature sets: read, written, mapped."""

import pickle

import numpy as np
import pytest

import caface

from conftest import SAMPLE


def test_the_sample(probes, gallery):
    assert len(probes) == 3552 and probes.C == 128 and probes.S == 192
    assert probes.features.shape == (3552, 128) and probes.styles.shape == (3552, 192, 2)
    assert probes.compact is None
    assert np.array_equal(
        probes.features, np.load(SAMPLE / "probes" / "features.npy").astype(np.float32)
    )
    lines = (SAMPLE / "probes" / "index.tsv").read_text().splitlines()
    assert probes.columns == lines[0].split("\t")
    column = probes.columns.index("label")
    assert probes.column("label") == [line.split("\t")[column] for line in lines[1:]]
    assert probes.integers("template").tolist() == [int(x) for x in probes.column("template")]
    with pytest.raises(KeyError):
        probes.column("nothing")
    with pytest.raises(KeyError):
        probes.integers("nothing")
    assert probes.valid().all() and probes.valid().dtype == bool
    first, styles = probes.read(100, 3)
    assert np.array_equal(first, probes.features[100:103])
    assert np.array_equal(styles, probes.styles[100:103])
    for rows in ((3550, 3), (-1, 2), (0, -1), (0, 2**60)):
        with pytest.raises((ValueError, MemoryError)):
            probes.read(*rows)


def test_what_is_written_is_read(faces, tmp_path):
    names = [f"gesicht-ä-{i}" for i in range(64)]
    caface.FeatureSet.write(
        tmp_path / "set", *faces, columns={"name": names, "template": range(64)}, backbone="b0"
    )
    back = caface.FeatureSet(tmp_path / "set")
    assert np.array_equal(back.features, faces[0]) and np.array_equal(back.styles, faces[1])
    assert back.column("name") == names and back.info["backbone"] == "b0" and back.info["is_complete"]
    with caface.FeatureWriter.extend(tmp_path / "set") as writer:
        writer.append(*faces, columns={"name": names})
    longer = caface.FeatureSet(tmp_path / "set")
    assert len(longer) == 128 and longer.column("template")[64:] == [""] * 64
    with pytest.raises(ValueError):
        longer.integers("template")
    assert np.array_equal(longer.features[64:], faces[0])
    again = pickle.loads(pickle.dumps(longer))
    assert np.array_equal(again.features, longer.features)
    memory = pickle.loads(pickle.dumps(caface.FeatureSet.from_arrays(*faces)))
    assert np.array_equal(memory.styles, faces[1])


def test_compact_styles(model, faces, tmp_path):
    compact = model.compact(faces[1])
    caface.FeatureSet.write(tmp_path / "set", faces[0], compact, fusion=model.hash)
    back = caface.FeatureSet(tmp_path / "set")
    assert back.S == 0 and back.styles is None and np.array_equal(back.compact, compact)
    assert np.array_equal(caface.fuse_many(back, model=model).templates[0], model.fuse(*faces))
    assert np.array_equal(back.read(3, 2)[1], compact[3:5])


def test_single_files(model, faces, tmp_path):
    np.save(tmp_path / "f.npy", faces[0])
    np.save(tmp_path / "s.npy", faces[1])
    np.save(tmp_path / "short.npy", faces[1][:5])
    opened = caface.FeatureSet.from_files(tmp_path / "f.npy", tmp_path / "s.npy")
    assert np.array_equal(caface.fuse_many(opened, model=model).templates[0], model.fuse(*faces))
    assert caface.FeatureSet.from_files(tmp_path / "f.npy").styles is None
    with pytest.raises(ValueError, match="64.*5|5.*64"):
        caface.FeatureSet.from_files(tmp_path / "f.npy", tmp_path / "short.npy")
    np.save(tmp_path / "big.npy", faces[0].astype(">f4"))
    swapped = caface.FeatureSet.from_files(tmp_path / "big.npy")
    assert np.array_equal(swapped.features, faces[0])


def test_a_writer_that_fails_leaves_nothing(faces, tmp_path):
    with pytest.raises(RuntimeError):
        with caface.FeatureWriter(tmp_path / "set", C=128, S=192) as writer:
            writer.append(*faces)
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError):
        writer.append(*faces)
    writer = caface.FeatureWriter(tmp_path / "set", C=128, S=192, columns=["name"])
    for wrong in (
        lambda: writer.append(faces[0]),
        lambda: writer.append(faces[0][:, :5], faces[1]),
        lambda: writer.append(*faces, columns={"other": range(64)}),
        lambda: writer.append(*faces, columns={"name": range(63)}),
    ):
        with pytest.raises(ValueError):
            wrong()
    del writer
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(OSError, match="thesis"):
        caface.FeatureSet.write(tmp_path / "precious", *faces)
