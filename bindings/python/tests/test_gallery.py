"""Galleries: the same files, templates and answers as the tool's."""

import datetime
import json
import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import caface

from conftest import ROOT, SAMPLE

try:
    from caface import _system

    _system.load("_gallery")
except caface.MissingLibraryError as reason:
    pytest.skip(str(reason), allow_module_level=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people.gallery"


@pytest.fixture
def people(path, restoring, gallery):
    """Everybody of the sample."""
    made = caface.Gallery.create(path, restoring)
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


# --- what the tool does


def test_the_tool_makes_the_same_gallery(tool, people, path, tmp_path, restoring):
    other = tmp_path / "tool.gallery"
    tool("gallery", "create", other, "--model", SAMPLE / "restore.safetensors")
    tool("gallery", "add", other, "--input", SAMPLE / "gallery", "--model", SAMPLE / "restore.safetensors")
    theirs = caface.Gallery(other, restoring)
    assert len(people) == len(theirs) == 111
    for name in people:
        assert people.set(name).to_bytes() == theirs.set(name).to_bytes()
    names, templates = people.templates()
    assert names == list(theirs) and np.array_equal(templates, theirs.templates()[1])
    mine, other_pictures = (  # repr: NaN is NaN
        [repr(p._replace(added=None)) for p in g.pictures()] for g in (people, theirs)
    )
    assert mine == other_pictures
    assert people.info == theirs.info
    # a face that the tool added is known here, and the other way round
    done = people.add_features(caface.FeatureSet(SAMPLE / "gallery"))
    assert sum(d.added for d in done.values()) == 0 and sum(d.known for d in done.values()) == 222
    out = tool("gallery", "add", path, "--input", SAMPLE / "gallery", "--model", SAMPLE / "restore.safetensors", "--json")
    assert json.loads(out)["known"] == 222


def test_calibrating_and_searching_are_the_tools(tool, people, path, sets):
    found = people.calibrate(sets[0], sets[1], kind="cctv")
    shown = json.loads(tool("gallery", "search", path, "--input", SAMPLE / "probes", "--model",
                            SAMPLE / "restore.safetensors", "--top", 3, "--json"))  # fmt: skip
    told = json.loads(tool("gallery", "calibrate", path, "--input", SAMPLE / "probes", "--model",
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
    told = json.loads(tool("gallery", "calibrate", path, "--json"))
    assert own.kind == "gallery" and own.pairs == told["pairs"] == 111 * 110 // 2
    assert own.rows[0]["threshold"] == told["thresholds"][0]["threshold"]


# --- people


def test_a_person_goes_on(path, model, faces):
    people = caface.Gallery.create(path, model, chunk=16)
    first = people.add("Ann", faces[0][:10], faces[1][:10], names=[f"{i}.png" for i in range(10)])
    assert first.is_new and (first.added, first.known) == (10, 0) and first.fresh.all()
    assert np.isfinite(first.likeness).all()
    second = people.add("Ann", *faces)  # ten of them are known
    assert not second.is_new and (second.added, second.known) == (54, 10)
    assert second.fresh.tolist() == [False] * 10 + [True] * 54
    assert np.isnan(second.likeness[:10]).all()
    expected = caface.FaceSet(model, chunk=16)
    expected.push(*faces)
    ann = people["Ann"]
    assert ann.faces == 64 and np.array_equal(ann.template, expected.template())
    assert people.set("Ann").to_bytes() == expected.to_bytes()
    assert abs((datetime.datetime.now(datetime.timezone.utc) - ann.changed).total_seconds()) < 600
    pictures = people.pictures("Ann")
    assert len(pictures) == 64 and pictures[3].name == "3.png" and len(pictures[3].digest) == 16
    assert pictures[3].crop is None
    assert np.allclose([p.length for p in pictures], np.linalg.norm(faces[0], axis=1))
    mean, deviation = people.lengths()
    assert np.isclose(mean, np.linalg.norm(faces[0], axis=1).mean())
    assert deviation > 0
    people.add("One", faces[0][0], faces[1][0])
    assert people["One"].faces == 1


def test_names(path, faces):
    people = caface.Gallery.create(path, method="norm:7")
    assert len(people) == 0 and list(people) == [] and people and people.templates()[1].shape == (0, 0)
    for name in ("Zoë", "Ann", "李雷", "a b/c"):
        people.add(name, faces[0][:3])
    assert set(people) == {"Zoë", "Ann", "李雷", "a b/c"} and len(people) == 4
    assert "Ann" in people and "Bob" not in people and 3 not in people
    with pytest.raises(KeyError):
        people["Bob"]
    people.rename("Ann", "Anna")
    number = people["Anna"].id
    people.merge("Anna", "Zoë")
    assert people["Anna"].id == number and people["Anna"].faces == 6 and "Zoë" not in people
    people.remove("李雷")
    assert len(people) == 2
    for wrong in (
        lambda: people.remove("nobody"), lambda: people.rename("nobody", "x"),
        lambda: people.rename("Anna", "a b/c"), lambda: people.merge("Anna", "Anna"),
        lambda: people.merge("Anna", "nobody"), lambda: people.add("", faces[0]),
        lambda: people.add("x" * 1001, faces[0]), lambda: people.add("a\nb", faces[0]),
        lambda: people.add("a\0b", faces[0]), lambda: people.add("\ud800", faces[0]),
        lambda: people.set("nobody"), lambda: people.pictures("nobody"),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()
    for wrong in (lambda: people.add(3, faces[0]), lambda: people.remove(None), lambda: people.add("x", "y")):
        with pytest.raises(TypeError):
            wrong()
    assert set(people) == {"Anna", "a b/c"}


def test_what_does_not_fit(path, model, restoring, faces, gallery):
    people = caface.Gallery.create(path, model, backbone="abc", input="rgb")
    bad = faces[0].copy()
    bad[7, 3] = np.nan
    for features, styles, more, word in (
        (bad, faces[1], {}, "7"), (faces[0][:, :64], faces[1], {}, "64"), (faces[0], None, {}, "style"),
        (faces[0], faces[1][:3], {}, "styles"), (faces[0][:0], faces[1][:0], {}, "face"),
        (*faces, {"backbone": "other"}, "other"), (*faces, {"names": ["x"]}, "names"),
        (*faces, {"sides": [1.0]}, "sides"), (*faces, {"digests": [b"x"]}, "16"),
        (*faces, {"digests": np.zeros((64, 5), "B")}, "16"), (*faces, {"crops": [b"x"]}, "crops"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=word):
            people.add("Ann", features, styles, **more)
    with pytest.raises(TypeError):
        people.add("Ann", gallery, faces[1])
    with pytest.raises(TypeError):
        people.add("Ann", *faces, names=3)
    assert len(people) == 0
    people.close()
    with pytest.raises(ValueError) as caught:
        caface.Gallery(path, restoring)
    assert caught.value.status == "EMODEL"
    with caface.Gallery(path, writable=True) as plain, pytest.raises(ValueError, match="model"):
        plain.add("Ann", *faces)


def test_files(path, tmp_path, model):
    with pytest.raises(FileNotFoundError):
        caface.Gallery(path)
    caface.Gallery.create(path, model).close()
    with pytest.raises(FileExistsError):
        caface.Gallery.create(path, model)
    with pytest.raises(ValueError) as caught:
        caface.Gallery(SAMPLE / "model.safetensors")
    assert caught.value.status == "EFORMAT"
    with pytest.raises(ValueError, match="model"):
        caface.Gallery.create(tmp_path / "x", method="caface")
    assert not (tmp_path / "x").exists()
    for wrong in ("model", 3):
        with pytest.raises(TypeError, match="FusionModel"):
            caface.Gallery(path, wrong)
    with pytest.raises(TypeError):
        caface.Gallery(3)
    with pytest.raises(OSError):
        caface.Gallery.create(tmp_path / "nowhere" / "x")


def test_reading_alone_and_being_closed(path, faces):
    people = caface.Gallery.create(path)
    people.add("Ann", faces[0])
    reader = caface.Gallery(path)
    assert list(reader) == ["Ann"]
    with pytest.raises((OSError, ValueError)):
        reader.add("Bob", faces[0])
    people.add("Bob", faces[0][:5])
    assert list(reader) == ["Ann", "Bob"]  # what was committed
    people.close()
    people.close()
    assert "closed" in repr(people) and "2 people" in repr(reader)
    for wrong in (lambda: len(people), lambda: people.search(faces[0][0]), lambda: people.add("x", faces[0])):
        with pytest.raises(ValueError, match="closed"):
            wrong()


def test_transactions(path, faces):
    people, reader = caface.Gallery.create(path), caface.Gallery(path)
    with people.transaction():
        people.add("Ann", faces[0])
        people.add("Bob", faces[0][:5])
        assert len(people) == 2 and len(reader) == 0
    assert len(reader) == 2

    class Enough(Exception):
        pass

    with pytest.raises(Enough):
        with people.transaction():
            people.remove("Ann")
            raise Enough
    assert list(people) == ["Ann", "Bob"]
    with pytest.raises(ValueError), people.transaction():
        people.remove("Ann")
        people.remove("nobody")  # undoes all of it
    assert list(people) == ["Ann", "Bob"]
    with pytest.raises(ValueError), people.transaction(), people.transaction():
        pass
    with reader.transaction():
        assert len(reader) == 2
        people.remove("Ann")
        assert list(reader) == ["Ann", "Bob"]  # one state of things
    assert list(reader) == ["Bob"]


def test_sets_come_and_go(path, tmp_path, model, restoring, faces):
    people = caface.Gallery.create(path, model)
    s = model.new_set()
    s.push(*faces)
    people.add_set("Ann", s)
    assert people.set("Ann").to_bytes() == s.to_bytes()
    assert people.pictures("Ann") == []
    moved = caface.Gallery.create(tmp_path / "other", model)
    people.add("Bob", *faces, names=["p"] * 64)
    moved.add_set("Bob", people.set("Bob"))
    for picture in people.pictures("Bob"):
        moved.list_picture(picture)
    assert repr(moved.pictures("Bob")) == repr(people.pictures("Bob"))
    with pytest.raises(ValueError, match="already"):
        moved.list_picture(people.pictures("Bob")[0])
    with pytest.raises(ValueError) as caught:
        people.add_set("Ann", restoring.new_set())
    assert caught.value.status in ("EMODEL", "EINVAL")
    with pytest.raises(TypeError):
        people.add_set("Ann", faces[0])
    with caface.Gallery(path) as plain, pytest.raises(ValueError, match="model"):
        plain.set("Ann")


def test_feature_sets(path, gallery):
    people = caface.Gallery.create(path)
    done = people.add_features(gallery)
    assert set(done) == set(gallery.column("label")) == set(people)
    rows = np.array(gallery.column("label")) == "51"
    mean = gallery.features[rows].astype("d").mean(0)
    assert np.allclose(people["51"].template, mean / np.linalg.norm(mean), atol=1e-6)
    other = caface.Gallery.create(path.with_suffix(".two"))
    labels = ["a", "b", None, ""] + ["c"] * (len(gallery) - 4)
    assert set(other.add_features(gallery, labels)) == {"a", "b", "c"}
    assert other["c"].faces == len(gallery) - 4
    with pytest.raises(ValueError, match="people"):
        other.add_features(gallery, ["a"])
    with pytest.raises(KeyError):
        other.add_features(gallery, "nothing")
    with pytest.raises(ValueError, match="label"):
        other.add_features(caface.FeatureSet.from_arrays(gallery.features))
    with pytest.raises(TypeError):
        other.add_features(gallery.features)
    third = caface.Gallery.create(path.with_suffix(".three"))
    assert third.add("Ann", gallery).added == len(gallery)
    assert third.info["backbone"] == (gallery.info["backbone"] or "")


# --- search


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


# --- pictures


@pytest.fixture(scope="module")
def encoder():
    return pytest.importorskip("caface._vision") and caface.Encoder(
        ROOT / "tests" / "fixtures" / "detect" / "face_112.onnx"
    )


def test_crops_and_rebuilding(path, encoder, rng, tool, tmp_path):
    crops = rng.integers(0, 256, (6, 112, 112, 3), dtype=np.uint8)
    people = caface.Gallery.create(path, keep_crops=True)
    done = people.add_crops("Ann", crops[:4], encoder, names=["a", "b", "c", "d"], sides=[50] * 4)
    assert done.added == 4 and people.info["crops"] == 4
    people.add_crops("Bob", list(crops[4:]), encoder)
    pictures = people.pictures("Ann", crops=True)
    assert [caface.Image(p.crop).rgb().tolist() for p in pictures] == crops[:4].tolist()
    assert [p.side for p in pictures] == [50] * 4
    assert people.info["backbone"] == encoder.info["hash"]
    # the tool knows the picture again
    (tmp_path / "a.png").write_bytes(pictures[0].crop)
    out = tool("gallery", "add", path, "Ann", tmp_path / "a.png", "--model",
               ROOT / "tests" / "fixtures" / "detect" / "face_112.onnx", "--json")  # fmt: skip
    assert json.loads(out)["known"] == 1
    before = people["Ann"]
    flipped = caface.Encoder(ROOT / "tests" / "fixtures" / "detect" / "face_112.onnx", input_order="bgr")
    people.calibrate()
    seen = []
    people.rebuild(flipped, method="norm:7", progress=seen.append)
    assert seen == [4, 6] and people.info["method"] == "norm" and people.calibrations() == []
    assert [p.name for p in people.pictures("Ann")] == ["a", "b", "c", "d"]
    s = caface.FaceSet(width=16, method="norm:7")
    s.push(flipped(crops[:4])[0])
    assert np.array_equal(people["Ann"].template, s.template())
    assert not np.array_equal(people["Ann"].template, before.template)

    class Enough(Exception):
        pass

    def stop(done):
        raise Enough

    with pytest.raises(Enough):
        people.rebuild(encoder, method="unit", progress=stop)
    assert people.info["method"] == "norm" and np.array_equal(people["Ann"].template, s.template())
    people.add("Cy", np.ones((1, 16), "f"))
    with pytest.raises(ValueError, match="crop"):
        people.rebuild(encoder)


# --- threads, processes, hostile files


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


def test_a_file_from_elsewhere(people, path):
    people.close()
    db = sqlite3.connect(path)
    db.execute("update template set vector = x'00' where person = 3")
    db.commit()
    db.close()
    damaged = caface.Gallery(path)
    with pytest.raises(ValueError) as caught:
        damaged.people()
    assert caught.value.status == "EFORMAT"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises((ValueError, OSError)):
        len(caface.Gallery(path))


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
def test_ctrl_c_stops_long_work(path, what):
    child = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(path), what], stdout=subprocess.PIPE, text=True)
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
