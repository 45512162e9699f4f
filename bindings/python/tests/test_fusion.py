"""Models, sets and batches: the same bits as the tool's, and as one another."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import caface

from conftest import SAMPLE

METHODS = ["caface", "caface@4", "average", "unit", "norm:7"]


def network(method):
    return method.startswith("caface")


@pytest.mark.parametrize("method", METHODS)
def test_templates_are_the_tools_bit_for_bit(tool, model, probes, tmp_path, method):
    out = tmp_path / "templates.npz"
    tool("fuse", "--model", SAMPLE / "model.safetensors", "--input", SAMPLE / "probes",
         "--method", method, "-o", out)  # fmt: skip
    expected = np.load(out)
    fused = caface.fuse_many(probes, model=model, method=method)
    assert np.array_equal(fused.ids, expected["template_ids"])
    assert fused.templates.dtype == np.float32
    assert np.array_equal(fused.templates, expected["templates"])


def test_a_restoring_models_templates_are_the_tools(tool, restoring, probes, tmp_path):
    out = tmp_path / "templates.npz"
    tool("fuse", "--model", SAMPLE / "restore.safetensors", "--input", SAMPLE / "probes", "-o", out)
    fused = caface.fuse_many(probes, model=restoring)
    assert np.array_equal(fused.templates, np.load(out)["templates"])


def test_media_are_the_tools(tool, gallery, tmp_path):
    media = np.arange(len(gallery)) // 3
    caface.FeatureSet.write(
        tmp_path / "set", gallery.features, gallery.styles,
        columns={"template": gallery.column("label"), "media": media},
    )  # fmt: skip
    tool("fuse", "--input", tmp_path / "set", "--method", "media", "-o", tmp_path / "t.npz")
    fused = caface.fuse_many(caface.FeatureSet(tmp_path / "set"), method="media")
    assert np.array_equal(fused.templates, np.load(tmp_path / "t.npz")["templates"])
    again = caface.fuse_many(gallery.features, ids=gallery.integers("label"), media=media, method="media")
    assert np.array_equal(fused.templates, again.templates)


def test_weights_are_the_tools(tool, model, probes, tmp_path):
    tool("fuse", "--model", SAMPLE / "model.safetensors", "--input", SAMPLE / "probes",
         "--weights", tmp_path / "w.npy", "-o", tmp_path / "t.npz")  # fmt: skip
    fused = caface.fuse_many(probes, model=model, weights=True)
    assert np.array_equal(fused.weights, np.load(tmp_path / "w.npy"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 16, 17, 64])
def test_a_set_gives_what_fuse_gives(model, faces, method, n):
    features, styles = faces[0][:n], faces[1][:n]
    expected = model.fuse(features, styles, method=method)
    s = caface.FaceSet(model, method, expected=n)
    for i in range(n):
        s.push(features[i], styles[i])  # one by one: how pushes are cut changes no bit
    assert len(s) == n
    assert np.array_equal(s.template(), expected)
    many = caface.fuse_many(features, styles, np.zeros(n, int), model=model, method=method)
    assert np.array_equal(many.templates[0], expected)


def test_a_long_set_is_the_same_in_slices_and_in_parallel(model, probes, rng):
    rows = rng.integers(0, len(probes), 20000)
    features, styles = probes.features[rows], probes.styles[rows]
    s = caface.FaceSet(model, expected=20000, threads=2)
    s.push(features, styles)
    assert np.array_equal(s.template(), model.fuse(features, styles, threads=1))
    assert np.array_equal(s.template(), model.fuse(features, styles, threads=3))


def test_a_push_is_all_or_nothing(model, probes, rng):
    rows = rng.integers(0, len(probes), 20000)
    features, styles = probes.features[rows], probes.styles[rows]
    s = caface.FaceSet(model, keep_weights=True)
    s.push(features[:100], styles[:100])
    before = s.to_bytes()
    features[15000, 3] = np.nan
    with pytest.raises(ValueError, match="row 15000"):
        s.push(features, styles)
    assert s.to_bytes() == before
    assert len(s) == 100 and len(s.weights()) == 100
    s = caface.FaceSet(model, expected=19000)
    with pytest.raises(ValueError):
        s.push(features[:15000].repeat(2, 0)[:20000], styles)
    assert len(s) == 0


def test_compact_styles_give_the_same_bits(model, faces):
    compact = model.compact(faces[1])
    assert compact.shape == (64, 64)
    assert np.array_equal(model.fuse(faces[0], compact), model.fuse(*faces))
    s = model.new_set(expected=64)
    s.push(faces[0], compact)
    assert np.array_equal(s.template(), model.fuse(*faces))
    one = model.new_set()
    one.push(faces[0][0], compact[0])
    assert np.array_equal(one.template(), model.fuse(faces[0][:1], faces[1][:1]))


def test_weights_sum_to_one_and_belong_to_their_faces(model, faces):
    template, weights = model.fuse(*faces, weights=True)
    assert weights.shape == (64,) and weights.min() >= 0
    assert abs(weights.sum(dtype=float) - 1) < 1e-5
    s = model.new_set(expected=64, keep_weights=True)
    s.push(*faces)
    assert np.array_equal(s.weights(), weights)
    with pytest.raises(ValueError, match="keep_weights"):
        plain = model.new_set()
        plain.push(*faces)
        plain.weights()


def test_sets_merge_with_plus(model, faces):
    def part(a, b):
        s = model.new_set(chunk=16)
        s.push(faces[0][a:b], faces[1][a:b])
        return s

    whole = part(0, 64)
    left, right = part(0, 16), part(16, 64)
    both = left + right
    assert len(left) == 16 and len(right) == 48 and len(both) == 64
    assert np.allclose(both.template(), whole.template(), atol=1e-6)  # merged sums, rounding
    same = left
    left += right
    assert left is same and len(left) == 64
    assert np.array_equal(left.template(), both.template())
    assert np.array_equal(sum([part(0, 16), part(16, 64)]).template(), both.template())
    with pytest.raises(ValueError, match="itself"):
        left += left
    with pytest.raises(TypeError):
        left += 3
    with pytest.raises(TypeError):
        left.merge("x")


def test_sets_of_different_models_do_not_merge(model, restoring, faces):
    a, b = model.new_set(), restoring.new_set()
    a.push(*faces)
    b.push(*faces)
    with pytest.raises(ValueError) as caught:
        a += b
    assert caught.value.status == "EMODEL"
    assert "restore" in str(caught.value)
    assert np.isfinite(b.evidence())
    with pytest.raises(ValueError):
        a.evidence()


def test_states_are_saved_loaded_and_pickled(model, faces, tmp_path, tool):
    s = model.new_set(chunk=16, keep_weights=True)
    s.push(faces[0][:40], faces[1][:40])
    s.save(tmp_path / "s.state")
    assert (tmp_path / "s.state").read_bytes() == s.to_bytes()
    for again in (
        caface.FaceSet.load(tmp_path / "s.state", model),
        model.load_set(tmp_path / "s.state"),
        caface.FaceSet.from_bytes(s.to_bytes(), model),
        pickle.loads(pickle.dumps(s)),
        copy.copy(s),
        copy.deepcopy(s),
    ):
        assert again.options["chunk"] == 16 and again.model.hash == model.hash
        again.push(faces[0][40:], faces[1][40:])
        assert len(again) == 64 and len(s) == 40
        assert np.array_equal(again.template(), model.fuse(*faces, chunk=16))
    # the tool goes on with it
    tool("fuse", "--model", SAMPLE / "model.safetensors", "--merge", tmp_path / "s.state",
         "-o", tmp_path / "t.npy")  # fmt: skip
    assert np.allclose(np.load(tmp_path / "t.npy")[0], s.template(), atol=1e-6)


def test_a_state_of_another_model_is_refused(model, restoring, faces, tmp_path):
    s = model.new_set()
    s.push(*faces)
    with pytest.raises(ValueError) as caught:
        caface.FaceSet.from_bytes(s.to_bytes(), restoring)
    assert caught.value.status == "EMODEL"
    damaged = bytearray(s.to_bytes())
    damaged[200] ^= 1
    with pytest.raises(ValueError) as caught:
        caface.FaceSet.from_bytes(bytes(damaged), model)
    assert caught.value.status == "EFORMAT"


def test_models_pickle_by_path_or_by_bytes(faces):
    path = SAMPLE / "model.safetensors"
    by_path = caface.FusionModel(path)
    by_bytes = caface.FusionModel.from_bytes(path.read_bytes())
    assert by_path.hash == by_bytes.hash
    assert len(pickle.dumps(by_path)) < 1000 < len(pickle.dumps(by_bytes))
    expected = by_path.fuse(*faces)
    pickled = [pickle.dumps(by_path), pickle.dumps(by_bytes)]
    del by_path, by_bytes
    for data in pickled:
        assert np.array_equal(pickle.loads(data).fuse(*faces), expected)


def test_ids_may_be_text_and_in_any_order(model, faces, rng):
    names = np.array(["bob", "ann", "cy"])[rng.integers(0, 3, 64)]
    fused = caface.fuse_many(*faces, names, model=model)
    assert list(fused.ids) == sorted(set(names))
    for name, template in zip(fused.ids, fused.templates):
        assert np.array_equal(template, model.fuse(faces[0][names == name], faces[1][names == name]))
    same = caface.fuse_many(*faces, list(names), model=model)
    assert list(same.ids) == list(fused.ids)
    with pytest.raises(TypeError, match="labels"):
        caface.fuse_many(*faces, rng.random(64), model=model)
    with pytest.raises(ValueError, match="ids: 3 numbers, but features has 64"):
        caface.fuse_many(*faces, [1, 2, 3], model=model)


def test_invalid_rows_can_be_dropped(model, faces):
    features = faces[0].copy()
    features[[3, 60]] = np.nan
    ids = np.arange(64) // 2
    with pytest.raises(ValueError, match="row 3"):
        caface.fuse_many(features, faces[1], ids, model=model)
    features[61] = np.inf
    fused = caface.fuse_many(features, faces[1], ids, model=model, drop_invalid=True)
    assert fused.dropped == 3 and fused.empty == 1
    assert not fused.templates[30].any()
    assert np.array_equal(fused.templates[1], model.fuse(features[2:3], faces[1][2:3]))


def test_without_a_model(faces):
    mean = faces[0].astype(float).mean(0)
    fused = caface.fuse_many(faces[0], method="average")
    assert np.allclose(fused.templates[0], mean / np.linalg.norm(mean), atol=1e-6)
    s = caface.FaceSet(width=128)
    s.push(faces[0])
    assert np.array_equal(s.template(), fused.templates[0])
    assert len(caface.FaceSet(width=128)) == 0 and bool(caface.FaceSet(width=128))
    again = pickle.loads(pickle.dumps(s))
    assert again.model is None and np.array_equal(again.template(), s.template())
    with pytest.raises(ValueError, match="model"):
        caface.fuse_many(*faces, method="caface")


def test_progress_is_told_and_can_stop(model, probes, rng):
    rows = np.sort(rng.integers(0, len(probes), 60000))
    features, styles = probes.features[rows], probes.styles[rows]
    seen = []
    caface.fuse_many(features, styles, rows % 200, model=model, progress=seen.append)
    assert seen == sorted(seen)

    class Enough(Exception):
        pass

    def stop(done):
        raise Enough

    if seen:  # long enough to be told at all
        with pytest.raises(Enough):
            caface.fuse_many(features, styles, rows % 200, model=model, progress=stop)


def test_sets_say_how_they_were_encoded(model, faces, tmp_path):
    def encoded(encoding):
        s = model.new_set()
        s.add_source("b1", "rgb", encoding)
        s.push(*faces)
        return s

    a, same, other = (encoded(e) for e in ("fp32 taps x", "fp32 taps x", "bf16 flip taps x"))
    assert a.options["backbone"] == "b1" and a.options["encoding"] == "fp32 taps x"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a += same
    with pytest.warns(UserWarning, match="encoded in bf16 flip, what they join in fp32"):
        a += other
    assert a.options["encoding"] == "bf16 flip + fp32 taps x"
    assert model.load_set(_saved(a, tmp_path)).options["encoding"] == a.options["encoding"]
    with pytest.raises(ValueError, match="taps y"):
        a += encoded("fp32 taps y")
    with pytest.raises(ValueError, match="backbone b2"):
        a.add_source("b2")
    with caface.Gallery.create(tmp_path / "people.gallery", model) as people:
        people.add("Ann", *faces, backbone="b1", input="rgb", encoding="fp32 taps x")
        assert people.info["encoding"] == "fp32 taps x"
        with pytest.warns(UserWarning, match="encoded in bf16 flip"):
            assert people.search(encoded("bf16 flip taps x"))[0].name == "Ann"
        with pytest.raises(ValueError, match="taps y"):
            people.search(encoded("fp32 taps y"))


def _saved(faces_set, folder):
    faces_set.save(folder / "a.state")
    return folder / "a.state"
