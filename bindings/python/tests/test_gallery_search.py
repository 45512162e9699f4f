"""Search and calibrations of galleries: the tool's answers, and those of plain NumPy."""

import json
import os
import warnings

import numpy as np
import pytest

import caface

from conftest import SAMPLE, needs

needs("_gallery")


def test_calibrating_and_searching_are_the_tools(tool, people, gallery_path, sets):
    found = people.calibrate(sets[0], sets[1], kind="cctv")
    shown = json.loads(tool("gallery", "search", gallery_path, "--input", SAMPLE / "probes", "--model",
                            SAMPLE / "restore.safetensors", "--top", 3, "--json"))  # fmt: skip
    told = json.loads(tool("gallery", "calibrate", gallery_path, "--input", SAMPLE / "probes", "--model",
                           SAMPLE / "restore.safetensors", "--kind", "cctv", "--json"))  # fmt: skip
    for mine, theirs in zip(found, told["thresholds"]):
        assert mine["far"] == theirs["far"] and mine["is_supported"] == theirs["supported"]
        for key in ("threshold", "low", "high"):
            value = theirs[key]
            assert mine[key] == value if value is not None else mine[key] != mine[key]
    verdicts = people.identify(sets[0])
    matches = people.search(sets[0], 3)
    assert len(shown["probes"]) == 222
    for verdict, found_here, theirs in zip(verdicts, matches, shown["probes"]):
        assert verdict.threshold == shown["threshold"]
        assert verdict.cannot_tell == theirs["cannot_tell"]
        if verdict.cannot_tell:
            assert verdict.name is None and verdict.best is not None
            continue
        assert [m.name for m in found_here] == [p["name"] for p in theirs["people"]]
        assert [np.float32(m.similarity) for m in found_here] == [
            np.float32(p["similarity"]) for p in theirs["people"]
        ]
        assert (verdict.name is not None) == theirs["people"][0]["match"]
        for m, p in zip(found_here, theirs["people"]):
            assert m.far == p["far"] if "far" in p else m.far == 0
    assert sum(v.cannot_tell for v in verdicts) == 11  # as docs/gallery.md tells
    one = people.identify(sets[0][0])
    assert one == verdicts[0]
    own = people.calibrate()
    told = json.loads(tool("gallery", "calibrate", gallery_path, "--json"))
    assert own.kind == "gallery" and own.pairs == told["pairs"] == 111 * 110 // 2
    assert own.rows[0]["threshold"] == told["thresholds"][0]["threshold"]


def test_search_against_plain_numpy(people, sets):
    names, templates = people.templates()
    probes = np.stack([s.template() for s in sets[0]])
    scores = probes.astype("d") @ templates.astype("d").T
    found = people.search(probes * 3, 4)  # of any length
    assert len(found) == 222
    for row, matches in zip(scores, found):
        best = np.argsort(-row, kind="stable")[:4]
        assert np.allclose([m.similarity for m in matches], row[best], atol=1e-6)
        assert [m.name for m in matches] == [names[i] for i in best]
        assert all(m.far is None and people[m.name].id == m.id for m in matches[:1])
    found = people.search(probes, 4)
    assert people.search(probes[5], 4) == found[5]
    assert people.search(list(probes[:3]), 4) == found[:3]
    assert len(people.search(probes[0], 10**6)) == 111  # all there are
    assert people.search(np.zeros(128)) == []
    assert people.search(probes[:0]) == []
    for wrong, word in ((lambda: people.search(probes, 0), "k ="), (lambda: people.search(probes[:, :5]), "5")):
        with pytest.raises(ValueError, match=word):
            wrong()
    probes[200, 0] = np.inf
    with pytest.raises(ValueError, match="200"):
        people.search(probes)
    empty = caface.Gallery.create(os.fspath(people._path) + ".empty")
    assert empty.search(probes[0]) == [] and empty.identify(probes[0]).name is None


def test_verdicts_without_a_calibration(people, sets):
    verdict = people.identify(sets[0][0])
    assert verdict.threshold == 0.35 and verdict.threshold_far != verdict.threshold_far
    assert not verdict.cannot_tell and verdict.best.far is None
    assert people.identify(sets[0][0], threshold=-1).name == verdict.best.name
    assert people.identify(sets[0][0], threshold=1).name is None
    for wrong in ({"far": 1e-3}, {"kind": "cctv"}, {"far": 1e-3, "threshold": 0.5}):
        with pytest.raises(ValueError):
            people.identify(sets[0][0], **wrong)
    mixed = [sets[0][0], caface.FaceSet(width=128)]
    mixed[1].push(np.ones(128))
    with pytest.raises(ValueError, match="different"):
        people.identify(mixed)


def test_calibrations(people, sets, restoring):
    assert people.calibrations() == [] and people.calibration("restore", restoring) is None
    found = people.calibrate(*sets, kind="cctv", resamples=20)
    assert found.method == "restore@512" and found.model == restoring.hash and found.faces == 16
    names, templates = people.templates()
    probes = np.stack([s.template() for s in sets[0]])
    scores = probes.astype("d") @ templates.astype("d").T
    impostors = scores[np.array(sets[1])[:, None] != np.array(names)[None]]
    assert found.pairs == impostors.size
    for far in (1e-2, 1e-3):
        t = found.threshold(far)
        assert (impostors >= t + 1e-6).mean() <= far  # scores agree to rounding
        assert abs((impostors >= t - 1e-6).mean() - far) < 2 / impostors.size + far * 0.01
    with pytest.raises(ValueError, match="too few"):
        found.threshold(1e-4)
    with pytest.raises(KeyError):
        found.threshold(0.5)
    assert found.threshold_near(1e-5) == (found.threshold(1e-3), 1e-3)
    assert found.far(2.0) == 0 and found.far(-2.0) == 1
    rates = found.far(np.array([[0.1, 0.3], [0.5, 0.2]]))
    assert rates.shape == (2, 2) and abs(rates[0, 1] - (impostors >= 0.3).mean()) < 1e-3
    assert people.search(sets[0][0])[0].far == found.far(people.search(sets[0][0])[0].similarity)
    assert "cctv" in repr(found) and json.dumps(found.to_dict())
    assert [c.kind for c in people.calibrations()] == ["cctv"]
    # the same by arrays
    again = people.calibrate(
        probes, sets[1], kind="cctv", model=restoring, method="restore", resamples=20,
        evidence=[s.evidence() for s in sets[0]], faces=[len(s) for s in sets[0]],
    )  # fmt: skip
    assert repr(again.rows) == repr(found.rows) and again.evidence == found.evidence
    for wrong in (
        lambda: people.calibrate(sets[0]), lambda: people.calibrate(sets[0], ["x"]),
        lambda: people.calibrate(*sets, kind="gallery"), lambda: people.calibrate(*sets, kind="a/b"),
        lambda: people.calibrate(*sets, resamples=-1), lambda: people.calibrate(*sets, method="restore"),
        lambda: people.calibrate(kind="x"), lambda: people.calibrate(probes[:, :3], sets[1]),
        lambda: people.calibrate(probes, sets[1], faces=[-1] * 222),
        lambda: people.calibrate(probes, sets[1], evidence=[1.0]),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()
    people.calibrate()
    few = people.calibrate(sets[0][:2], sets[1][:2], kind="few", resamples=0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        verdict = people.identify(sets[0][0], kind="few")
    assert len(seen) == 1 and "too few" in str(seen[0].message)
    assert few.pairs == 220 and verdict.threshold == 0.35


def test_a_calibration_travels(people, sets, tmp_path, faces):
    found = people.calibrate(*sets, kind="cctv", resamples=20)
    found.save(tmp_path / "cctv.json")
    loaded = caface.Calibration.load(tmp_path / "cctv.json")
    assert repr(loaded.to_dict()) == repr(found.to_dict())  # NaN is not itself
    assert np.array_equal(loaded.far(np.linspace(-1, 1, 99)), found.far(np.linspace(-1, 1, 99)))
    other = caface.Gallery.create(tmp_path / "other.gallery", width=128)
    other.add("Ann", faces[0])
    other.keep_calibration(loaded)
    assert repr([c.to_dict() for c in other.calibrations()]) == repr([found.to_dict()])
    with pytest.raises(OSError):
        caface.Gallery(tmp_path / "other.gallery").keep_calibration(loaded)
    with pytest.raises(TypeError, match="Calibration"):
        other.keep_calibration("cctv.json")
    with pytest.raises(FileNotFoundError):
        caface.Calibration.load(tmp_path / "nothing")
    with pytest.raises(OSError):
        found.save(tmp_path / "nowhere" / "x")
    (tmp_path / "bad").write_text((tmp_path / "cctv.json").read_text()[:-20])
    with pytest.raises(ValueError) as caught:
        caface.Calibration.load(tmp_path / "bad")
    assert caught.value.status == "EFORMAT"
