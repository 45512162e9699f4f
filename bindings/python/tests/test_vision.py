"""Pictures and video, on small networks whose answers are known (tests/fixtures)."""

import io
import json
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import caface

from conftest import ROOT, SHARED

FIXTURES = ROOT / "tests" / "fixtures"
try:
    from caface import _vision_api

    _vision_api._load()
except caface.MissingLibraryError as reason:
    pytest.skip(str(reason), allow_module_level=True)


@pytest.fixture(scope="module")
def encoder():
    return caface.Encoder(FIXTURES / "detect" / "face_112.onnx")


@pytest.fixture(scope="module")
def detector():
    return caface.Detector(FIXTURES / "detect" / "scrfd_any.onnx")


@pytest.fixture
def crops(rng):
    return rng.integers(0, 256, (9, 112, 112, 3), dtype=np.uint8)


VIDEO = FIXTURES / "video" / "squares.mp4"


def write_ppm(path, pixels):
    path.write_bytes(b"P6 %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes())


def png(pixels):
    pil = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    pil.fromarray(pixels).save(out, "png")
    return out.getvalue()


# --- encoding


def test_features_are_the_tools(tool, encoder, crops, tmp_path):
    folder = tmp_path / "crops"
    folder.mkdir()
    for i, crop in enumerate(crops):
        (folder / f"{i}.png").write_bytes(png(crop))
    tool("encode", "--model", FIXTURES / "detect" / "face_112.onnx", "-o", tmp_path / "set", folder)
    features, styles = encoder(crops)
    assert styles is None and features.shape == (9, 16)
    assert np.array_equal(caface.FeatureSet(tmp_path / "set").features, features)
    # paths, PIL images, single crops
    paths = sorted(folder.iterdir())
    assert np.array_equal(encoder(paths)[0], features)
    pil = pytest.importorskip("PIL.Image")
    assert np.array_equal(encoder([pil.open(p) for p in paths])[0], features)
    assert np.array_equal(encoder(pil.open(paths[4]))[0], features[4:5])
    assert np.array_equal(encoder(str(paths[4]))[0], features[4:5])
    assert np.array_equal(encoder(crops[4])[0], features[4:5])


def test_encoding_takes_arrays_of_any_layout(encoder, crops):
    expected, _ = encoder(crops)
    assert np.array_equal(encoder(np.asfortranarray(crops))[0], expected)
    assert np.array_equal(encoder(crops.astype("i8"))[0], expected)
    assert np.array_equal(encoder(crops[::-1])[0], expected[::-1])
    assert np.array_equal(encoder(memoryview(crops))[0], expected)
    assert encoder(crops[:0])[0].shape == (0, 16)
    for wrong in (crops.astype("f"), "nowhere.png", crops[:, :100], crops[..., :2], crops[0, 0], 3, [crops[0][:50]],
                  crops.astype("i8") - 300):  # fmt: skip
        with pytest.raises((TypeError, ValueError, OSError)):
            encoder(wrong)


def test_an_encoder_says_what_it_is(encoder, model):
    assert encoder.C == 16 and encoder.S == 0 and encoder.info["family"] == "onnx"
    data = (FIXTURES / "detect" / "face_112.onnx").read_bytes()
    assert caface.Encoder.from_bytes(data).info["hash"] == encoder.info["hash"]
    with pytest.raises(ValueError) as caught:
        encoder.check_model(model)
    assert caught.value.status == "EMODEL"
    for options in ({"precision": "fp7"}, {"taps": ["nothing"]}, {"batch": 10**6}, {"threads": -1}, {"taps": "abc"}):
        with pytest.raises(ValueError):
            caface.Encoder(FIXTURES / "detect" / "face_112.onnx", **options)
    with pytest.raises(TypeError):
        caface.Encoder(FIXTURES / "detect" / "face_112.onnx", sped=1)
    with pytest.raises(FileNotFoundError):
        caface.Encoder("/nowhere")
    with pytest.raises(ValueError):
        caface.Encoder(FIXTURES / "detect" / "white.png")
    flipped = caface.Encoder(FIXTURES / "detect" / "face_112.onnx", flip=True)
    assert flipped.info["flip"] is True


def test_encoding_can_be_watched_and_stopped(encoder, crops):
    many = np.repeat(crops, 200, 0)
    seen = []
    encoder.encode(many, progress=seen.append)
    assert seen == sorted(seen) and all(0 < n <= len(many) for n in seen)

    class Enough(Exception):
        pass

    def stop(done):
        raise Enough

    if seen:
        with pytest.raises(Enough):
            encoder.encode(np.repeat(crops, 800, 0), progress=stop)


def test_encoders_and_detectors_pickle_by_their_files(encoder, detector, crops):
    flipped = caface.Encoder(FIXTURES / "detect" / "face_112.onnx", flip=True, batch=2)
    again = pickle.loads(pickle.dumps(flipped))
    assert again.info == flipped.info and np.array_equal(again(crops)[0], flipped(crops)[0])
    picky = caface.Detector(FIXTURES / "detect" / "scrfd_any.onnx", max_faces=1)
    found = pickle.loads(pickle.dumps(picky)).find(FIXTURES / "detect" / "white.png")
    assert found == picky.find(FIXTURES / "detect" / "white.png") and len(found) == 1
    with pytest.raises(TypeError, match="bytes"):
        pickle.dumps(caface.Encoder.from_bytes((FIXTURES / "detect" / "face_112.onnx").read_bytes()))


def test_eight_threads_on_one_encoder(encoder, detector, crops):
    expected, _ = encoder(crops)
    found = detector.find(FIXTURES / "detect" / "white.png")
    wrong = []

    def work():
        for _ in range(10):
            if not np.array_equal(encoder(crops)[0], expected):
                wrong.append("features")
            if detector.find(FIXTURES / "detect" / "white.png") != found:
                wrong.append("faces")

    threads = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


# --- pictures and faces


def test_images(crops):
    for given, order in ((crops[0], "rgb"), (crops[0][..., ::-1], "bgr"), (png(crops[0]), "rgb")):
        assert np.array_equal(caface.Image(given, order).rgb(), crops[0])
    assert caface.Image(crops[0, :30]).shape == (30, 112, 3)
    assert np.array_equal(caface.Image(crops[0, ..., 0]).rgb()[..., 2], crops[0, ..., 0])
    alpha = np.concatenate([crops[0], crops[0, ..., :1]], 2)
    assert np.array_equal(caface.Image(alpha).rgb(), crops[0])
    with open(FIXTURES / "detect" / "white.png", "rb") as file:
        opened = caface.Image(file).rgb()
    data = (FIXTURES / "detect" / "white.png").read_bytes()
    assert np.array_equal(caface.Image(memoryview(data)).rgb(), opened)
    assert np.array_equal(caface.Image(io.BytesIO(data)).rgb(), opened)
    for wrong in (crops, crops[0, :0], crops[0, ..., :2], b"no picture", crops[0].astype("f")):
        with pytest.raises((ValueError, TypeError)):
            caface.Image(wrong)
    with pytest.raises(ValueError, match="order"):
        caface.Image(crops[0], "RGB")
    image = caface.Image(crops[0].copy())
    assert np.array_equal(image.rgb(), crops[0])  # the pixels are kept alive


def test_faces_are_the_tools(tool, detector):
    picture = FIXTURES / "detect" / "white.png"
    faces = detector.find(picture)
    assert faces and faces == sorted(faces, key=lambda f: -f.score)
    shown = json.loads(tool("detect", "--detector", FIXTURES / "detect" / "scrfd_any.onnx", picture, "--json"))
    text = json.dumps(shown)
    assert f"{faces[0].box[0]:.4g}" in text or str(faces[0].box[0]) in text
    again = detector.find(caface.Image(picture))
    assert again == faces
    assert detector.find(caface.Image(picture).rgb()[..., ::-1], order="bgr") == faces
    assert detector.find(np.zeros((50, 50, 3), np.uint8)) == []
    assert caface.Detector(FIXTURES / "detect" / "scrfd_any.onnx", max_faces=1).find(picture) == faces[:1]
    assert detector.family == "scrfd"
    for options in ({"min_face": -1}, {"score": 2}, {"max_faces": -1}, {"min_face": float("nan")}):
        with pytest.raises(ValueError):
            caface.Detector(FIXTURES / "detect" / "scrfd_any.onnx", **options)
    with pytest.raises(ValueError):
        caface.Detector(FIXTURES / "detect" / "face_112.onnx")
    with pytest.raises(FileNotFoundError):
        detector.find("nowhere.jpg")


def test_crops(detector):
    picture = caface.Image(FIXTURES / "detect" / "white.png")
    faces = detector.find(picture)
    crop = caface.align(picture, faces[0])
    assert crop.shape == (112, 112, 3) and crop.dtype == np.uint8
    assert np.array_equal(caface.align(picture, np.array(faces[0].landmarks)), crop)
    assert np.array_equal(caface.align(picture, faces)[0], crop)
    assert caface.align(picture, []).shape == (0, 112, 112, 3)
    assert caface.align(picture).shape == (112, 112, 3)
    for wrong in (np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((4, 2)), "face"):
        with pytest.raises((ValueError, TypeError)):
            caface.align(picture, wrong)


# --- video


def test_events_and_sets(detector, encoder):
    with caface.follow(VIDEO, detector, encoder) as video:
        events = list(video)
        info = video.info
    assert info["decoded"] == 40 and info["tracks"] == 2
    assert [e.kind for e in events].count("frame") == 40
    ends = [e for e in events if e.kind == "end"]
    assert len(ends) == 2
    for end in ends:
        mine = [e for e in events if e.track == end.track and e.kind in ("begin", "update")]
        assert mine[0].kind == "begin" and len(mine) == end.count == len(end.set)
        assert end.confirmed and end.lengths.shape == (end.count,)
        s = caface.FaceSet(width=16)
        s.push(np.stack([e.feature for e in mine]))
        assert np.array_equal(s.template(), end.set.template())
        assert np.array_equal(encoder(np.stack([e.crop for e in mine]))[0], np.stack([e.feature for e in mine]))
    frame = next(e for e in events if e.kind == "frame")
    assert len(frame.faces) == len(frame.tracks) == frame.count and frame.image is None
    begun = events[0]
    with pytest.raises(ValueError, match="over"):
        _ = begun.set  # not asked for in time


def test_a_set_is_there_while_its_event_is(detector, encoder):
    for event in caface.follow(VIDEO, detector, encoder, keep_pixels=True):
        if event.kind == "update" and event.count == 7:
            kept = event.set
            break
    assert len(kept) == 7 and event.set is kept
    assert event.image.shape == (120, 160, 3)
    kept.push(np.ones(16, "f"))
    assert len(kept) == 8


def test_frames_may_come_from_anywhere(detector, encoder):
    events = list(caface.follow(VIDEO, detector, keep_pixels=True))
    frames = [(e.image, e.seconds) for e in events if e.kind == "frame"]
    again = list(caface.follow(frames, detector, keep_pixels=True))
    assert [(e.kind, e.track, e.face, e.seconds) for e in again] == [
        (e.kind, e.track, e.face, e.seconds) for e in events
    ]
    backwards = ((f[..., ::-1], s) for f, s in frames)
    turned = list(caface.follow(backwards, detector, order="bgr"))
    assert [e.face for e in turned] == [e.face for e in events]

    def broken():
        yield frames[0]
        raise KeyError("the caller's own")

    with pytest.raises(KeyError, match="own"):
        list(caface.follow(broken(), detector))
    for wrong in ([np.zeros((3, 3))], [np.zeros((4, 4, 2), np.uint8)], [3], [None, None]):
        if wrong != [None, None]:
            with pytest.raises((TypeError, ValueError)):
                list(caface.follow(wrong, detector))


def test_live_frames_are_searched_or_counted(detector):
    frames = [np.zeros((32, 32, 3), np.uint8)] * 50
    with caface.follow(frames, detector, live=True) as video:
        searched = [e.kind for e in video].count("frame")
        info = video.info
    assert searched >= 1 and searched + info["dropped"] == info["decoded"] == 50
    assert info["reopened"] == 0 and info["lost"] is False
    with pytest.raises(ValueError, match="live is for"):
        caface.follow(VIDEO, detector, live=True)


def test_wrong_calls(detector, encoder, model):
    with pytest.raises(FileNotFoundError):
        caface.follow("/nowhere.mp4", detector)
    with pytest.raises(ValueError, match="fp32 or bf16"):
        caface.Detector(FIXTURES / "detect" / "scrfd_any.onnx", precision="int8")
    with pytest.raises(ValueError):
        caface.follow(VIDEO, detector, encoder, model)  # they do not fit
    with pytest.raises(TypeError, match="detector"):
        caface.follow(VIDEO, encoder)
    for options in ({"every": -1}, {"start": float("nan")}, {"high": 0.1, "low": 0.9}, {"method": "x"}, {"rate": 0}, {"live": True, "reopen": -1}):
        with pytest.raises(ValueError):
            caface.follow(VIDEO, detector, encoder, **options)
    with pytest.raises((ValueError, OSError)):
        list(caface.follow(FIXTURES / "detect" / "face_112.onnx", detector))


def test_a_video_is_left_at_any_time(detector, encoder):
    for take in (0, 1, 5):
        video = caface.follow(VIDEO, detector, encoder)
        for _ in range(take):
            next(video)
        del video
    video = caface.follow(VIDEO, detector, encoder)
    next(video)
    video.stop()
    rest = list(video)
    assert rest[-1].kind == "end" and list(video) == []

    def endless():
        while True:
            yield np.zeros((32, 32, 3), np.uint8)

    video = caface.follow(endless(), detector)
    assert next(video).kind == "frame"
    del video


INTERRUPTED = """
import signal, sys, time, numpy as np, caface
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
detector = caface.Detector(sys.argv[1])
def slow():
    yield np.zeros((32, 32, 3), np.uint8)
    time.sleep(3)
    yield np.zeros((32, 32, 3), np.uint8)
print('ready', flush=True)
began = time.monotonic()
try:
    list(caface.follow(slow(), detector))
except KeyboardInterrupt:
    print('KeyboardInterrupt', flush=True)
"""


def test_ctrl_c_stops_a_video():
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(FIXTURES / "detect" / "scrfd_any.onnx")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    time.sleep(1)
    child.send_signal(2)
    out, _ = child.communicate(timeout=60)
    assert out == "KeyboardInterrupt\n"


def test_from_a_real_video_to_templates():
    weights, video = SHARED / "weights", SHARED / "video" / "probe.mp4"
    if not video.exists():
        pytest.skip("needs ../shared")
    onnx = list((weights / "yunet").glob("*.onnx"))
    backbones = list((weights / "mobilefacenet").glob("*.onnx"))
    if not onnx or not backbones:
        pytest.skip("no weights of YuNet or MobileFaceNet as ONNX")
    detector, encoder = caface.Detector(onnx[0]), caface.Encoder(backbones[0])
    ends = [e for e in caface.follow(video, detector, encoder, duration=2) if e.kind == "end"]
    assert ends and all(abs(np.linalg.norm(e.set.template()) - 1) < 1e-5 for e in ends)
