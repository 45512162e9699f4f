"""Every exception: caface.Error with a status, and the built-in one that fits."""

import errno
import os

import numpy as np
import pytest

import caface

from conftest import SAMPLE


def check(caught, status, builtin):
    assert isinstance(caught.value, caface.Error)
    assert isinstance(caught.value, builtin)
    assert caught.value.status == status
    text = str(caught.value)
    assert text and "\n" not in text


def test_a_missing_file():
    for opener in (caface.FusionModel, caface.FeatureSet, caface.FaceSet.load):
        with pytest.raises(FileNotFoundError) as caught:
            opener("/nowhere/at/all")
        check(caught, "EIO", OSError)
        assert caught.value.errno == errno.ENOENT
        assert "/nowhere/at/all" in str(caught.value)


def test_a_folder_in_place_of_a_file():
    with pytest.raises(IsADirectoryError) as caught:
        caface.FusionModel(SAMPLE)
    check(caught, "EIO", OSError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(PermissionError) as caught:
        caface.FusionModel(path)
    check(caught, "EIO", OSError)


def test_damaged_files(tmp_path):
    good = (SAMPLE / "model.safetensors").read_bytes()
    for name, data in {
        "empty": b"",
        "text": b"hello, this is no model",
        "cut": good[: len(good) // 2],
        "header": b"\xff" * 8 + good[8:],
    }.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(data)
        for opener in (lambda: caface.FusionModel(path), lambda: caface.FusionModel.from_bytes(data)):
            with pytest.raises(ValueError) as caught:
                opener()
            assert caught.value.status in ("EFORMAT", "EMODEL")
            check(caught, caught.value.status, ValueError)


def test_a_file_without_a_fusion_network(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3, "f"))
    with pytest.raises(ValueError) as caught:
        caface.FusionModel(tmp_path / "x.npz")
    check(caught, "EMODEL", ValueError)


def test_wrong_arguments(model, faces):
    with pytest.raises(ValueError) as caught:
        model.fuse(*faces, method="best")
    check(caught, "EINVAL", ValueError)
    assert "norm" in str(caught.value)  # the known ones are named
    with pytest.raises(ValueError) as caught:
        model.new_set(width=64)
    check(caught, "EINVAL", ValueError)
    for wrong in (3, None, 2.5, object()):
        with pytest.raises((TypeError, ValueError)):
            caface.FusionModel(wrong)
    with pytest.raises(TypeError, match="FusionModel"):
        caface.FaceSet("model")
    with pytest.raises(TypeError, match="FusionModel"):
        caface.fuse_many(*faces, model=3)
    with pytest.raises(TypeError):
        caface.FusionModel()
    with pytest.raises(ValueError):
        caface.FusionModel("a\0b")


def test_what_would_pass_in_silence(model, faces):
    with pytest.raises(ValueError, match=r"styles: method caface needs .*64, 192, 2"):
        model.fuse(faces[0])
    with pytest.raises(ValueError, match="styles: method caface needs"):
        model.new_set().push(faces[0])
    with pytest.raises(TypeError, match="masked"):
        model.fuse(np.ma.masked_array(faces[0], mask=faces[0] > 9), faces[1])
    for call in (
        lambda: model.fuse(*faces, chunk=-5), lambda: model.fuse(*faces, threads=-1),
        lambda: model.new_set(chunk=-2), lambda: caface.fuse_many(*faces, model=model, threads=-2),
        lambda: caface.fuse_many(*faces, model=model, chunk=-2),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected 0 or more"):
            call()
    with pytest.raises(TypeError, match="features: None"):
        model.fuse(None, faces[1])
    with pytest.raises(TypeError, match="a str without numbers"):
        model.fuse("features", faces[1])
    with pytest.raises(ValueError):
        caface.evaluate.verify([], [])


def test_a_limit(faces):
    with pytest.raises(ValueError) as caught:
        caface.FaceSet(caface.FusionModel(SAMPLE / "model.safetensors"), chunk=70000)
    check(caught, caught.value.status, ValueError)


def test_a_class_for_every_status():
    from caface._errors import make

    for status, builtin in {
        "EINVAL": ValueError, "EFORMAT": ValueError, "EMODEL": ValueError, "ELIMIT": ValueError,
        "ENOMEM": MemoryError, "EIO": OSError, "EUNSUPPORTED": NotImplementedError, "ECANCELLED": Exception,
    }.items():  # fmt: skip
        error = make(status, "a sentence")
        assert isinstance(error, caface.Error) and isinstance(error, builtin)
        assert error.status == status and str(error) == "a sentence"


def test_no_memory(faces):
    import subprocess
    import sys

    # a limit of its own process: the message is one sentence, not a crash
    code = """
import resource, numpy as np, caface
f = np.ones((200000, 512), np.float32)
s = caface.FaceSet(width=512)
s.push(f[:10])
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), used + (64 << 20)))
try:
    caface.FusionModel.from_bytes(b'x' * (1 << 20) * 200)
except MemoryError:
    print('MemoryError')
try:
    s.push(f.astype('f8'))
except MemoryError:
    print('MemoryError')
s.push(f[:10])
print(len(s))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["MemoryError", "MemoryError", "20"], done.stderr


def test_missing_libraries_are_named(monkeypatch):
    from caface import _system

    text = "libdnnl.so.2: cannot open shared object file: No such file or directory"

    def fail(name):
        raise ImportError(text)

    monkeypatch.setattr(_system, "_loaded", {})
    monkeypatch.setattr(_system.importlib, "import_module", fail)
    monkeypatch.setattr(_system, "_missing", lambda name, first: ["libavcodec.so.59", first])
    for here, hint in (("12", ": apt install libavcodec59 libdnnl2"), ("", ": apt install libavcodec59 libdnnl2"),
                       ("13", ": this wheel was built on Debian 12; build one here, with ./run python")):  # fmt: skip
        monkeypatch.setattr(_system, "_debian", lambda here=here: here)
        with pytest.raises(caface.MissingLibraryError) as caught:
            _system.load("_vision")
        check(caught, "EUNSUPPORTED", ImportError)
        assert str(caught.value) == (
            "pictures, video and files need libavcodec.so.59, libdnnl.so.2, which are not on this system" + hint
        )
