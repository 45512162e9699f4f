"""Galleries: people, their pictures and sets, as the tool keeps them."""

import datetime
import json

import numpy as np
import pytest

import caface

from conftest import ROOT, SAMPLE, needs

needs("_gallery")


def test_the_tool_makes_the_same_gallery(tool, people, gallery_path, tmp_path, restoring):
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
    out = tool("gallery", "add", gallery_path, "--input", SAMPLE / "gallery", "--model", SAMPLE / "restore.safetensors", "--json")
    assert json.loads(out)["known"] == 222


def test_a_person_goes_on(gallery_path, model, faces):
    people = caface.Gallery.create(gallery_path, model, chunk=16)
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


def test_names(gallery_path, faces):
    people = caface.Gallery.create(gallery_path, method="norm:7")
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


def test_what_does_not_fit(gallery_path, model, restoring, faces, gallery):
    people = caface.Gallery.create(gallery_path, model, backbone="abc", input="rgb")
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
        caface.Gallery(gallery_path, restoring)
    assert caught.value.status == "EMODEL"
    with caface.Gallery(gallery_path, writable=True) as plain, pytest.raises(ValueError, match="model"):
        plain.add("Ann", *faces)


def test_files(gallery_path, tmp_path, model):
    with pytest.raises(FileNotFoundError):
        caface.Gallery(gallery_path)
    caface.Gallery.create(gallery_path, model).close()
    with pytest.raises(FileExistsError):
        caface.Gallery.create(gallery_path, model)
    with pytest.raises(ValueError) as caught:
        caface.Gallery(SAMPLE / "model.safetensors")
    assert caught.value.status == "EFORMAT"
    with pytest.raises(ValueError, match="model"):
        caface.Gallery.create(tmp_path / "x", method="caface")
    assert not (tmp_path / "x").exists()
    for wrong in ("model", 3):
        with pytest.raises(TypeError, match="FusionModel"):
            caface.Gallery(gallery_path, wrong)
    with pytest.raises(TypeError):
        caface.Gallery(3)
    with pytest.raises(OSError):
        caface.Gallery.create(tmp_path / "nowhere" / "x")


def test_reading_alone_and_being_closed(gallery_path, faces):
    people = caface.Gallery.create(gallery_path)
    people.add("Ann", faces[0])
    reader = caface.Gallery(gallery_path)
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


def test_transactions(gallery_path, faces):
    people, reader = caface.Gallery.create(gallery_path), caface.Gallery(gallery_path)
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


def test_sets_come_and_go(gallery_path, tmp_path, model, restoring, faces):
    people = caface.Gallery.create(gallery_path, model)
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
    with caface.Gallery(gallery_path) as plain, pytest.raises(ValueError, match="model"):
        plain.set("Ann")


def test_feature_sets(gallery_path, gallery):
    people = caface.Gallery.create(gallery_path)
    done = people.add_features(gallery)
    assert set(done) == set(gallery.column("label")) == set(people)
    rows = np.array(gallery.column("label")) == "51"
    mean = gallery.features[rows].astype("d").mean(0)
    assert np.allclose(people["51"].template, mean / np.linalg.norm(mean), atol=1e-6)
    other = caface.Gallery.create(gallery_path.with_suffix(".two"))
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
    third = caface.Gallery.create(gallery_path.with_suffix(".three"))
    assert third.add("Ann", gallery).added == len(gallery)
    assert third.info["backbone"] == (gallery.info["backbone"] or "")


@pytest.fixture(scope="module")
def encoder():
    return pytest.importorskip("caface._vision") and caface.Encoder(
        ROOT / "tests" / "fixtures" / "detect" / "face_112.onnx"
    )


def test_crops_and_rebuilding(gallery_path, encoder, rng, tool, tmp_path):
    crops = rng.integers(0, 256, (6, 112, 112, 3), dtype=np.uint8)
    people = caface.Gallery.create(gallery_path, keep_crops=True)
    done = people.add_crops("Ann", crops[:4], encoder, names=["a", "b", "c", "d"], sides=[50] * 4)
    assert done.added == 4 and people.info["crops"] == 4
    people.add_crops("Bob", list(crops[4:]), encoder)
    pictures = people.pictures("Ann", crops=True)
    assert [caface.Image(p.crop).rgb().tolist() for p in pictures] == crops[:4].tolist()
    assert [p.side for p in pictures] == [50] * 4
    assert people.info["backbone"] == encoder.info["hash"]
    # the tool knows the picture again
    (tmp_path / "a.png").write_bytes(pictures[0].crop)
    out = tool("gallery", "add", gallery_path, "Ann", tmp_path / "a.png", "--model",
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
