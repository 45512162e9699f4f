"""info and convert: what the tool tells and writes."""

import json
import os
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

import caface

from conftest import ROOT, SAMPLE, SHARED

FIXTURES = ROOT / "tests" / "fixtures"
try:
    from caface import _system

    _system.load("_vision")
except caface.MissingLibraryError as reason:
    pytest.skip(str(reason), allow_module_level=True)

FILES = [
    SAMPLE / "model.safetensors", SAMPLE / "restore.safetensors", SAMPLE / "probes",
    FIXTURES / "detect" / "face_112.onnx", FIXTURES / "detect" / "scrfd_any.onnx",
]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_what_the_tool_says(tool, path):
    found = caface.info(path)
    theirs = json.loads(tool("info", path, "--json"))
    assert found.to_dict() == theirs and json.dumps(found.to_dict())
    assert str(found).strip() == tool("info", path).strip()
    assert [t.name for t in found.tensors] == [t["name"] for t in theirs["tensors"]]


def test_what_is_in_the_sample(model, restoring):
    found = caface.info(SAMPLE / "model.safetensors")
    assert found.kind == "safetensors" and found.backbone is None and found.fusion_error is None
    assert found.fusion["hash"] == model.hash
    assert found.numbers == sum(int(np.prod(t.shape)) for t in found.tensors)
    assert "safetensors" in repr(found)
    found = caface.info(str(FIXTURES / "detect" / "face_112.onnx"))
    encoder = caface.Encoder(FIXTURES / "detect" / "face_112.onnx")
    assert found.fusion is None and found.backbone["hash"] == encoder.info["hash"]
    assert caface.info(FIXTURES / "detect" / "scrfd_any.onnx").backbone is None


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        caface.info(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError) as caught:
        caface.info(tmp_path / "text")
    assert caught.value.status == "EFORMAT"
    with pytest.raises(TypeError):
        caface.info(3)


def test_one_file_of_two(tool, tmp_path, model, faces):
    inputs = [FIXTURES / "detect" / "face_112.onnx", SAMPLE / "restore.safetensors"]
    done = caface.convert(inputs, tmp_path / "mine.safetensors", input_order="bgr", input_mean=(1, 2, 3))
    tool("convert", *inputs, "-o", tmp_path / "tool.safetensors", "--input-order", "bgr", "--input-mean", "1,2,3")
    assert (tmp_path / "mine.safetensors").read_bytes() == (tmp_path / "tool.safetensors").read_bytes()
    found = caface.info(tmp_path / "mine.safetensors")
    assert done.tensors == len(found.tensors) and done.bytes == found.bytes
    assert caface.Encoder(tmp_path / "mine.safetensors").info["input"].startswith("bgr mean 1 2 3")
    one = caface.convert(SAMPLE / "model.safetensors", str(tmp_path / "one.safetensors"))
    assert one.tensors == len(caface.info(SAMPLE / "model.safetensors").tensors)
    again = caface.FusionModel(tmp_path / "one.safetensors")
    assert again.hash == model.hash and np.array_equal(again.fuse(*faces), model.fuse(*faces))


def test_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(6, dtype="f").reshape(2, 3), b=np.zeros(4, "i8"))
    caface.convert(tmp_path / "x.npz", tmp_path / "x.safetensors")
    tensors = {t.name: t for t in caface.info(tmp_path / "x.safetensors").tensors}
    assert tensors["a"].shape == (2, 3) and tensors["a"].dtype == "F32" and tensors["b"].dtype == "I64"


def test_an_ensemble(tool, tmp_path, probes):
    inputs = [SAMPLE / "restore.safetensors"] * 2
    caface.convert(inputs, tmp_path / "mine.safetensors", ensemble=0.85)
    tool("convert", *inputs, "--ensemble", "0.85", "-o", tmp_path / "tool.safetensors")
    assert (tmp_path / "mine.safetensors").read_bytes() == (tmp_path / "tool.safetensors").read_bytes()
    assert caface.FusionModel(tmp_path / "mine.safetensors").info["members"] == 2


def test_wrong_conversions(tmp_path):
    model, onnx = SAMPLE / "model.safetensors", FIXTURES / "detect" / "face_112.onnx"
    out = tmp_path / "out.safetensors"
    for inputs, options, kind in (
        ([], {}, ValueError), ([model, tmp_path / "nothing"], {}, FileNotFoundError),
        (model, {"ensemble": 0.5}, ValueError), (model, {"input_order": "rgb"}, ValueError),
        (onnx, {"input_order": "gbr"}, ValueError), (onnx, {"taps": ["no node"]}, ValueError),
        (onnx, {"taps": ["x"] * 9}, ValueError), (onnx, {"taps": "x"}, ValueError),
        (onnx, {"input_mean": [1, 2]}, ValueError), (model, {"ensemble": float("nan")}, ValueError),
        (model, {"ensemble": 2}, ValueError), (3, {}, TypeError), ([3], {}, TypeError),
        (model, {"unknown": 1}, TypeError), ([model] * 65, {}, ValueError),
    ):  # fmt: skip
        with pytest.raises(kind):
            caface.convert(inputs, out, **options)
        assert not out.exists(), (inputs, options)
    with pytest.raises(OSError):
        caface.convert(model, tmp_path / "no" / "folder.safetensors")
    with pytest.raises(OSError):
        caface.convert(model, tmp_path)


def test_the_authors_checkpoint(tool, tmp_path):
    path = SHARED / "weights" / "CAFace_AdaFaceWebFace4M.ckpt"
    if not path.exists():
        pytest.skip("the authors' checkpoint is not there")
    found = caface.info(path)
    assert found.kind == "lightning" and found.fusion and found.backbone
    assert found.to_dict() == json.loads(tool("info", path, "--json"))


# --- Ctrl-C: files with holes, which would take a quarter of an hour, and take no room

LONG = 1 << 40


def interrupted(code, *args):
    """What a program that is at work gets of Ctrl-C; it writes "ready" before the work."""
    begin = "import signal, sys, caface; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    child = subprocess.Popen(
        [sys.executable, "-c", begin + code, *args], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    return child.communicate(timeout=120)[0]


def test_ctrl_c_ends_info(tmp_path):
    body = struct.pack("<IfQQ", 0, 1, 0, 0) + b"12345678"
    path = tmp_path / "long.rec"
    path.write_bytes((struct.pack("<II", 0xCED7230A, len(body)) + body) * 3)
    os.truncate(path, LONG)
    code = """
caface._system.load("_vision")
print("ready", flush=True)
try:
    print(caface.info(sys.argv[1]))
except KeyboardInterrupt:
    print("KeyboardInterrupt", caface.info(sys.argv[2]).kind)  # the next call works
"""
    assert interrupted(code, path, SAMPLE / "model.safetensors") == "KeyboardInterrupt safetensors\n"


def test_ctrl_c_stops_convert(tmp_path):
    header = json.dumps({"t": {"dtype": "U8", "shape": [LONG], "data_offsets": [0, LONG]}}).encode()
    long, output = tmp_path / "long.safetensors", tmp_path / "out.safetensors"
    long.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(long, 8 + len(header) + LONG)
    output.write_bytes(b"old")
    code = """
print("ready", flush=True)
try:
    print(caface.convert(sys.argv[1], sys.argv[2]))
except KeyboardInterrupt:
    print("KeyboardInterrupt")
"""
    assert interrupted(code, long, output) == "KeyboardInterrupt\n"
    told = []

    def stop(done):
        told.append(done)
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        caface.convert(long, output, progress=stop)
    assert len(told) == 1 and 0 <= told[0] < LONG
    assert output.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 2
