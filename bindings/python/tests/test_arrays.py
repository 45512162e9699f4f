"""What comes in: any array of numbers, without a copy where none is needed; nothing else."""

import array
import sys

import numpy as np
import pytest

import caface
from caface import _core


def as_big_endian(a):
    return a.astype(a.dtype.newbyteorder(">"))


def as_fortran(a):
    return np.asfortranarray(a)


def as_strided(a):
    wide = np.zeros((a.shape[0] * 2, *a.shape[1:]), a.dtype)
    wide[::2] = a
    return wide[::2]


def as_reversed(a):
    return a[::-1].copy()[::-1]


def as_unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    out = raw[1:].view(a.dtype).reshape(a.shape)
    out[...] = a
    assert not out.flags.aligned
    return out


def as_readonly(a):
    out = a.copy()
    out.flags.writeable = False
    return out


def as_masked_view(a):
    return memoryview(np.ascontiguousarray(a))


SHAPES = [as_big_endian, as_fortran, as_strided, as_reversed, as_unaligned, as_readonly,
          as_masked_view, np.ndarray.tolist]  # fmt: skip


@pytest.mark.parametrize("change", SHAPES)
def test_layout_changes_no_bit(model, faces, change):
    expected = model.fuse(*faces)
    assert np.array_equal(model.fuse(change(faces[0]), change(faces[1])), expected)
    s = model.new_set(expected=64)
    s.push(change(faces[0]), change(faces[1]))
    assert np.array_equal(s.template(), expected)
    many = caface.fuse_many(change(faces[0]), change(faces[1]), model=model)
    assert np.array_equal(many.templates[0], expected)


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f8", "i4", "u1"])
def test_other_numbers_are_converted_once(model, faces, dtype):
    features = (faces[0] * 4).astype(dtype)
    assert np.array_equal(
        model.fuse(features, faces[1]), model.fuse(features.astype(np.float32), faces[1])
    )


@pytest.mark.parametrize(
    "bad",
    ["text", b"bytes", np.zeros((4, 128), complex), np.zeros((4, 128), "M8[s]"), np.zeros((4, 128), bool),
     [["a"] * 128] * 4, object(), {1: 2}, np.zeros((4, 128), object), [[1.0], [1.0, 2.0]], None],
)  # fmt: skip
def test_what_is_no_array_of_numbers_is_a_type_error(model, faces, bad):
    with pytest.raises(TypeError, match="features"):
        model.fuse(bad, faces[1][:4])


@pytest.mark.parametrize(
    "shape", [(), (0,), (0, 128), (64, 127), (64, 0), (64, 128, 1), (1, 1, 1, 1, 1), (129,)]
)
def test_shapes_that_do_not_fit(model, faces, shape):
    for call in (lambda a: model.fuse(a, faces[1]), lambda a: model.new_set().push(a, faces[1])):
        with pytest.raises((ValueError, TypeError), match="features|styles") as caught:
            call(np.ones(shape, np.float32))
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("shape", [(64, 192), (64, 191, 2), (64, 192, 3), (63, 192, 2), (192, 2), ()])
def test_styles_that_do_not_fit(model, faces, shape):
    with pytest.raises(ValueError, match="styles"):
        model.fuse(faces[0], np.ones(shape, np.float32))
    with pytest.raises(ValueError):
        model.fuse(faces[0])  # the network needs them


def test_no_faces_are_pushed_and_none_is_fused(model):
    none = np.zeros((0, 128), np.float32), np.zeros((0, 192, 2), np.float32)
    s = model.new_set()
    s.push(*none)
    assert len(s) == 0
    for call in (s.template, lambda: model.fuse(*none)):
        with pytest.raises(ValueError):
            call()
    assert caface.fuse_many(*none, np.zeros(0, int), model=model).templates.shape == (0, 128)
    assert len(caface.FeatureSet.from_arrays(*none)) == 0


def test_nan_and_infinity_are_refused_by_row(model, faces):
    for bad in (np.nan, np.inf, -np.inf, 1e300):
        features = faces[0].astype(float)
        features[7, 5] = bad
        with pytest.raises(ValueError, match="row 7"):
            model.fuse(features, faces[1])
        styles = faces[1].astype(float)
        styles[9, 5, 1] = bad
        with pytest.raises(ValueError, match="row 9"):
            model.fuse(faces[0], styles)


def test_nothing_is_copied(model, faces, probes, tmp_path):
    features, styles = faces
    for given in (features, memoryview(features), np.asarray(features)):
        handle = _core.features_wrap(given, styles)
        assert _core.features_view(handle, "f") == features.ctypes.data
        assert _core.features_view(handle, "s") == styles.ctypes.data
    copied = _core.features_wrap(features.astype("f8"), None)
    assert _core.features_view(copied, "f") != features.ctypes.data
    # out of a file: the mapping itself
    caface.FeatureSet.write(tmp_path / "set", features, styles)
    opened = caface.FeatureSet(tmp_path / "set")
    assert opened.features.ctypes.data == _core.features_view(opened._handle, "f")
    assert not opened.features.flags.writeable and not opened.features.flags.owndata
    mapped = np.load(tmp_path / "set" / "features.npy", mmap_mode="r")
    handle = _core.features_wrap(mapped, None)
    assert _core.features_view(handle, "f") == mapped.ctypes.data
    assert np.array_equal(model.fuse(mapped, styles), model.fuse(features, styles))


def test_arrays_outlive_what_they_came_from(probes, tmp_path):
    caface.FeatureSet.write(tmp_path / "set", probes.features, probes.styles)
    opened = caface.FeatureSet(tmp_path / "set")
    features = opened.features
    part = features[5:9]
    del opened, features
    assert np.array_equal(part, probes.features[5:9])  # still mapped
    own = np.ones((3, 4), np.float32)
    wrapped = caface.FeatureSet.from_arrays(own)
    del own
    assert wrapped.features.sum() == 12


def test_an_array_interface_is_enough(model, faces):
    class Foreign:
        def __init__(self, a):
            self.a = a
            self.__array_interface__ = a.__array_interface__

    handle = _core.features_wrap(Foreign(faces[0]), Foreign(faces[1]))
    assert _core.features_view(handle, "f") == faces[0].ctypes.data
    assert np.array_equal(model.fuse(Foreign(faces[0]), Foreign(faces[1])), model.fuse(*faces))
    flat = array.array("f", faces[0][0].tolist())
    s = caface.FaceSet(width=128)
    s.push(flat)
    assert np.allclose(s.template(), faces[0][0] / np.linalg.norm(faces[0][0]), atol=1e-6)


def test_torch_tensors(model, faces):
    torch = pytest.importorskip("torch")
    features, styles = torch.from_numpy(faces[0]), torch.from_numpy(faces[1])
    handle = _core.features_wrap(features, styles)
    assert _core.features_view(handle, "f") == features.data_ptr()
    assert _core.features_view(handle, "s") == styles.data_ptr()
    expected = model.fuse(*faces)
    assert np.array_equal(model.fuse(features, styles), expected)
    assert np.array_equal(model.fuse(features.double(), styles.permute(2, 1, 0).contiguous().permute(2, 1, 0)), expected)
    half = features.to(torch.bfloat16)
    assert np.array_equal(model.fuse(half, styles), model.fuse(half.float(), styles))
    assert torch.from_numpy(model.fuse(features, styles)).shape == (128,)
    assert np.array_equal(model.fuse(list(features), tuple(styles)), expected)
    negative = torch.complex(features, -features).conj().imag  # a view that torch negates when it is read
    assert negative.is_neg() and np.array_equal(model.fuse(negative, styles), expected)
    for wrong in ([features[0], features[1, :5]], [features, 3], features.to_sparse(), torch.complex(features, features)):
        with pytest.raises(TypeError, match="^features: "):
            model.fuse(wrong, styles)
    with pytest.raises(TypeError, match="detach"):
        model.fuse([f.clone().requires_grad_() for f in features], styles)
    with pytest.raises(TypeError, match="detach"):
        model.fuse(features.clone().requires_grad_(), styles)
    with pytest.raises(TypeError, match="meta"):
        model.fuse(torch.zeros(2, 128, device="meta"), styles[:2])


def test_what_goes_in_is_not_kept(model, faces):
    features, styles = faces[0].copy(), faces[1].copy()
    before = sys.getrefcount(features)
    s = model.new_set()
    s.push(features, styles)
    template = s.template()
    features[:] = 0
    styles[:] = 0
    assert np.array_equal(s.template(), template)
    assert sys.getrefcount(features) == before


def test_numbers_out_of_range_are_refused(faces):
    for options in ({"chunk": 10**9, "method": "caface@3"}, {"threads": -1}, {"expected": -1}, {"width": 2**70},
                    {"threads": 10**6}, {"method": "norm:x"}, {"method": ""}):  # fmt: skip
        with pytest.raises((ValueError, OverflowError)):
            s = caface.FaceSet(**{"width": 128, "method": "average", **options})
            s.push(faces[0])
            if options == {"method": ""}:
                raise ValueError  # the default
    with pytest.raises(ValueError, match="outside"):
        caface.fuse_many(faces[0], ids=np.full(64, 2**64 - 1, np.uint64), method="average")
