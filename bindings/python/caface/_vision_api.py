"""Pictures and video: encoders, detectors, crops, and following people through a video."""

from __future__ import annotations

import os
from typing import (
    TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence,
    Tuple, Union,
)  # fmt: skip

from . import _system
from ._arrays import load_numpy
from ._errors import InvalidError
from ._files import backbone_words
from ._fusion import FaceSet, FusionModel

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]
Path = Union[str, "os.PathLike[str]"]

_vision: Any = None


def _load() -> Any:
    """The extension module; MissingLibraryError."""
    global _vision
    _vision = _system.load("_vision")
    return _vision


class Face(NamedTuple):
    """A face in a picture, in its pixels: the centre of the first pixel is at 0, 0."""

    box: Tuple[float, float, float, float]  # x1, y1, x2, y2; may stick out of the picture
    score: float  # 0..1
    landmarks: Tuple[Tuple[float, float], ...]  # five: eyes, nose, corners of the mouth, from the left

    @classmethod
    def _of(cls, found: Sequence[Any]) -> "Face":
        return cls((found[0], found[1], found[2], found[3]), found[4], found[5])


class Image:
    """A picture, once for several calls: a path, the bytes of a file, an open file, a PIL image, or
    pixels u8 [H, W, 3] (also [H, W] grey, [H, W, 4]), which are used where they are.

    order is "rgb", or "bgr" of pixels as OpenCV has them. Raises OSError, ValueError (no picture,
    damaged, more than 100 million pixels), TypeError.
    """

    def __init__(self, source: Any, order: str = "rgb") -> None:
        if order not in ("rgb", "bgr"):
            raise InvalidError(f'order: {order!r}, expected "rgb" or "bgr"')
        vision = _load()
        if isinstance(source, (str, os.PathLike)):
            self._handle = vision.image_open(source)
        elif isinstance(source, (bytes, bytearray)) or (
            isinstance(source, memoryview) and source.ndim == 1
        ):
            self._handle = vision.image_decode(bytes(source))
        elif callable(getattr(source, "read", None)):
            self._handle = vision.image_decode(source.read())
        else:
            if hasattr(source, "convert") and hasattr(source, "mode"):  # PIL's
                source, order = load_numpy().asarray(source.convert("RGB")), "rgb"
            self._handle = vision.image_wrap(source, order == "bgr")

    @property
    def shape(self) -> Tuple[int, int, int]:
        """(height, width, 3)."""
        height, width = _vision.image_size(self._handle)
        return height, width, 3

    def rgb(self) -> "Array":
        """The pixels, u8 [height, width, 3], a copy."""
        pixels: "Array" = _vision.image_rgb(self._handle)
        return pixels

    def __repr__(self) -> str:
        return f"<caface.Image {self.shape[1]}x{self.shape[0]}>"


def _image(source: Any, order: str) -> Image:
    return source if isinstance(source, Image) else Image(source, order)


class Detector:
    """Where the faces of a picture are.

        detector = caface.Detector("yunet.onnx")
        for face in detector.find("group.jpg"):
            print(face.box, face.score, face.landmarks)

    path            a folder of MTCNN weights, a RetinaFace state dict, YuNet, SCRFD, UltraFace or
                    LFFD as ONNX, or a detector and its landmark network as `caface convert` joins them
    landmarks       a landmark network as ONNX (5, 68 or 106 points), needed by UltraFace and LFFD,
                    which find boxes alone; None: the detector's own landmarks
    min_face        pixels of the smallest face
    score           least score; 0: the family's own
    max_faces       the best so many; 0: all
    max_side        larger pictures are scaled down to it first; 0: 2560
    rotate          True: pictures without an upright face are looked at in all four directions
    low_thresholds  True: of MTCNN, 0.5 at every stage
    threads         of one search; 0: one for every core
    precision       "fp32", or "bf16": faster where the processor has it, not MTCNN

    Immutable; any number of threads may use it, each process its own. Raises OSError, ValueError
    (no detector; an option out of its range).
    """

    def __init__(
        self,
        path: Path,
        *,
        min_face: float = 20,
        score: float = 0,
        max_faces: int = 0,
        max_side: int = 0,
        rotate: bool = False,
        low_thresholds: bool = False,
        threads: int = 0,
        landmarks: Optional[Path] = None,
        precision: str = "fp32",
    ) -> None:
        if max_faces < 0 or max_side < 0 or threads < 0:
            raise InvalidError("max_faces, max_side and threads cannot be negative")
        self._path = os.fspath(path)
        self._options = {
            "min_face": min_face, "score": score, "max_faces": max_faces, "max_side": max_side,
            "rotate": rotate, "low_thresholds": low_thresholds, "threads": threads,
            "precision": precision,
        }  # fmt: skip
        self._handle = _load().detector_open(
            path, min_face, score, low_thresholds, max_faces, max_side, threads, rotate, landmarks,
            precision,
        )  # fmt: skip

    @property
    def family(self) -> str:
        """ "mtcnn", "retinaface", "yunet", "scrfd", "ultraface" or "lffd"."""
        return str(_vision.detector_family(self._handle))

    def find(self, image: Any, *, order: str = "rgb") -> List[Face]:
        """The faces of a picture, best first. image: an Image, or what Image takes."""
        found = _vision.detector_find(self._handle, _image(image, order)._handle)
        return [Face._of(face) for face in found]

    def __reduce__(self) -> Tuple[Any, ...]:
        return _open_again, (type(self), os.path.abspath(self._path), self._options)

    def __repr__(self) -> str:
        return f"<caface.Detector {self.family} of {self._path}>"


def align(image: Any, face: Any = None, *, order: str = "rgb") -> "Array":
    """The crop that encoders take, u8 [112, 112, 3], R G B.

    image  an Image, or what Image takes
    face   a Face, or landmarks [5, 2]; a list of Faces gives crops [n, 112, 112, 3]; None: the
           middle of the picture, for one in which no face is found
    """
    np = load_numpy()
    picture = _image(image, order)
    if isinstance(face, (list, tuple)) and not isinstance(face, Face):
        if all(isinstance(one, Face) for one in face):
            crops = [align(picture, one) for one in face]
            stacked: "Array" = (
                np.stack(crops) if crops else np.zeros((0, 112, 112, 3), np.uint8)
            )
            return stacked
    landmarks = face.landmarks if isinstance(face, Face) else face
    crop: "Array" = _load().align(picture._handle, landmarks)
    return crop


class Encoder:
    """A backbone: face crops in, features and styles out.

        encoder = caface.Encoder("CAFace_AdaFaceWebFace4M.ckpt")
        features, styles = encoder(crops)

    path         a checkpoint or state dict of a known family, an ONNX file, or what `caface convert`
                 and `caface calibrate` write; from_bytes takes the bytes of such a file
    precision    "fp32", "bf16", "int8"
    flip         True: the mean over each crop and its mirror image
    batch        faces that the network works on at once; 0: 8
    threads      of one call; 0: one for every core
    low_memory   True: a quarter of the memory for weights, about half the speed
    taps         names of up to eight nodes whose statistics are the style, NODE:spatial by place;
                 (): the family's
    styles       instead: taps as the authors' release numbers them, "3,5"
    input_order, input_mean, input_scale   how bytes become the input; None: the family's
    weights_key  of a file with several backbones, which is meant

    Immutable; any number of threads may use it, each process its own. Raises OSError, ValueError
    (no backbone, damaged, an option out of its range), NotImplementedError (an operator or a
    precision that is not there).
    """

    def __init__(self, path: Path, **options: Any) -> None:
        self._path = os.fspath(path)
        self._given = options
        self._handle = _load().encoder_open(path, self._options(**options))
        self._info: Dict[str, Any] = _vision.encoder_info(self._handle)

    @classmethod
    def from_bytes(cls, data: bytes, **options: Any) -> "Encoder":
        """The same from the bytes of such a file."""
        self = cls.__new__(cls)
        self._path = "(memory)"
        self._given = options
        self._handle = _load().encoder_open_memory(data, cls._options(**options))
        self._info = _vision.encoder_info(self._handle)
        return self

    @staticmethod
    def _options(
        *,
        precision: str = "fp32",
        flip: bool = False,
        batch: int = 0,
        threads: int = 0,
        low_memory: bool = False,
        **words: Any,
    ) -> Tuple[Any, ...]:
        if batch < 0 or threads < 0:
            raise InvalidError("batch and threads cannot be negative")
        return precision, flip, low_memory, batch, threads, backbone_words(**words)

    # --- what it is

    @property
    def C(self) -> int:
        """Numbers of a feature."""
        return int(self._info["C"])

    @property
    def S(self) -> int:
        """Channels of a style; 0: no taps are known, so there are no styles."""
        return int(self._info["S"])

    @property
    def info(self) -> Dict[str, Any]:
        """C, S, height and width of the crops, batch, precision, flip, family, hash, input, taps."""
        return dict(self._info)

    def check_model(self, model: FusionModel) -> None:
        """ValueError (EMODEL) when a fusion model does not take what this backbone gives."""
        _vision.encoder_check_model(self._handle, model._handle)

    def __repr__(self) -> str:
        return f"<caface.Encoder {self._info['family']} C={self.C} S={self.S} of {self._path}>"

    def __reduce__(self) -> Tuple[Any, ...]:
        if self._path == "(memory)":
            raise TypeError("an encoder that was made of bytes does not pickle: send the bytes")
        return _open_again, (type(self), os.path.abspath(self._path), self._given)

    # --- what it does

    def _crops(self, crops: Any) -> Any:
        """One array of any of the forms."""
        if isinstance(crops, (str, os.PathLike)) or hasattr(crops, "convert"):
            crops = [crops]
        if not isinstance(crops, (list, tuple)):
            return crops
        np = load_numpy()
        size = self._info["height"], self._info["width"], 3
        out = np.empty((len(crops), *size), np.uint8)
        for i, crop in enumerate(crops):
            picture = _image(crop, "rgb")
            if picture.shape != size:
                name = crop if isinstance(crop, (str, os.PathLike)) else f"crops[{i}]"
                raise InvalidError(
                    f"{name}: {picture.shape[1]}x{picture.shape[0]} pixels, the backbone takes "
                    f"{size[1]}x{size[0]}: give caface.align() of it"
                )
            out[i] = picture.rgb()
        return out

    def encode(
        self, crops: Any, *, progress: Optional[Callable[[int], object]] = None
    ) -> "Tuple[Array, Optional[Array]]":
        """Features f32 [n, C], not normalised, and styles f32 [n, S, 2] (None without taps).

        crops     u8 [n, 112, 112, 3], R G B, aligned (align()); one crop [112, 112, 3]; or a list of
                  paths, PIL images and arrays
        progress  called now and then with the number of crops begun

        ValueError: crops of another size. Ctrl-C, and an exception in progress, stop it.
        """
        array = self._crops(crops)
        if getattr(array, "ndim", 4) == 3:
            array = array[None]
        features, styles = _vision.encoder_run(self._handle, array, progress)
        return features, styles

    __call__ = encode


def _open_again(cls: Any, path: str, options: Dict[str, Any]) -> Any:
    """A pickled detector or encoder: its file again."""
    return cls(path, **options)


class Event:
    """What happened in a video. `kind` is

    "begin"   the first face of a track; it comes with the face
    "update"  a further face of a track
    "end"     nobody comes back to this track
    "frame"   a frame is done, with all its faces

    frame, seconds     which frame, and when
    track, confirmed   number of the track from 1; whether it has enough faces to be believed
    count              faces of the track so far; of a "frame" faces of the frame
    face, crop, feature, style   of "begin" and "update": Face, u8 [112, 112, 3], f32 [C], f32 [S, 2]
    lengths            f32 [count], the length of each feature of the track; None without an encoder
    faces, tracks      of "frame": all faces, and the track of each (0: none)
    image              u8 [H, W, 3] with keep_pixels=True, else None
    """

    def __init__(self, video: "Follower", found: Dict[str, Any]) -> None:
        self._video = video
        self._serial: int = found["serial"]
        self._set: Optional[FaceSet] = None
        self.kind: str = found["kind"]
        self.frame: int = found["frame"]
        self.seconds: float = found["seconds"]
        self.track: int = found["track"]
        self.count: int = found["count"]
        self.confirmed: bool = found["confirmed"]
        self.face: Optional[Face] = Face._of(found["face"]) if "face" in found else None
        self.crop: "Optional[Array]" = found.get("crop")
        self.feature: "Optional[Array]" = found.get("feature")
        self.style: "Optional[Array]" = found.get("style")
        self.lengths: "Optional[Array]" = found.get("lengths")
        self.faces: List[Face] = [Face._of(face) for face in found.get("faces", [])]
        self.tracks: List[int] = found.get("tracks", [])
        self.image: "Optional[Array]" = found.get("image")
        if self.kind == "end":
            self._set = self._take()

    def _take(self) -> Optional[FaceSet]:
        state = _vision.video_state(self._video._handle, self._serial)
        return None if state is None else FaceSet.from_bytes(state, self._video._model)

    @property
    def set(self) -> Optional[FaceSet]:
        """The faces of the track so far as a FaceSet of one's own: template(), weights(), save().
        None without an encoder. Of "end" at any time; of others until the next event (ValueError
        after it)."""
        if self._set is None and self.kind not in ("end", "frame"):
            self._set = self._take()
        return self._set

    def __repr__(self) -> str:
        what = f"{self.count} faces" if self.kind == "frame" else f"track {self.track}"
        return f"<caface.Event {self.kind} at {self.seconds:.2f} s: {what}>"


class Follower:
    """An iterator over the events of a video; follow() makes one. Used with `with`, or until its
    end, it stops the threads that read and search ahead."""

    def __init__(self, handle: Any, model: Optional[FusionModel]) -> None:
        self._handle = handle
        self._model = model
        self._over = False

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        found = None
        if not self._over:
            try:
                found = _vision.video_next(self._handle)
            except BaseException:
                self._over = True
                raise
        if found is None:
            self._over = True
            raise StopIteration
        return Event(self, found)

    def stop(self) -> None:
        """Ends the video as if it had no more frames: what is left of the frame at hand and the
        ends of the tracks still come. Any thread."""
        _vision.video_stop(self._handle)

    @property
    def info(self) -> Dict[str, Any]:
        """width, height, rate, duration, frames, codec, live (as the file says), and so far:
        decoded, broken, faces, tracks, cuts; with live: dropped (frames left out for want of
        time), reopened (times that the source broke and came back), lost (it did not)."""
        return dict(_vision.video_info(self._handle))

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self._over = True
        self.stop()


def _frames(source: Iterable[Any], rate: float) -> Callable[[], Any]:
    """A function that gives (array, seconds), or None at the end."""
    frames = iter(source)
    count = -1

    def give() -> Any:
        nonlocal count
        frame = next(frames, None)
        if frame is None:
            return None
        count += 1
        if isinstance(frame, tuple):
            return frame[0], float(frame[1])
        return frame, count / rate

    return give


def follow(
    video: Any,
    detector: Detector,
    encoder: Optional[Encoder] = None,
    model: Optional[FusionModel] = None,
    *,
    every: int = 1,
    start: float = 0,
    duration: float = 0,
    threads: int = 0,
    confirm: int = 3,
    keep_pixels: bool = False,
    method: Optional[str] = None,
    chunk: int = -1,
    keep_weights: bool = True,
    gap: int = 25,
    high: float = 0.6,
    low: float = 0.3,
    order: str = "rgb",
    rate: float = 25,
    live: bool = False,
    reopen: float = 60,
) -> Follower:
    """Follows everybody through a video: an iterator of Events.

        for event in caface.follow("clip.mp4", detector, encoder, model):
            if event.kind == "end" and event.confirmed:
                template = event.set.template()

    video        a file, a folder of pictures, an address such as rtsp://..., "-"; or an iterable of
                 frames u8 [H, W, 3], or of (frame, seconds): a camera, OpenCV, another decoder
    encoder      None: faces are found and followed, without features and sets
    model        None: sets of a method that needs none
    every        take each N-th frame
    start, duration  seconds to leave out, and to read; 0: to the end
    confirm      faces from which a track is believed
    keep_pixels  True: events have the frame's picture
    method, chunk, keep_weights  of every track's set; method None: the model's own, or average
    gap, high, low   of the tracker: frames that a track waits unseen; least score that starts a
                 track, that continues one
    live         True: the source does not wait; frames that cannot be searched in time are left out
                 and counted (info["dropped"]), a camera or address that breaks is opened again
    reopen       with live: seconds for which that is tried; 0: it is not
    order, rate  of frames that are given: "bgr" as OpenCV has them; frames a second

    Raises OSError, ValueError (no video; encoder and model do not fit), NotImplementedError (no
    decoder for it). Ctrl-C stops it.
    """
    if not isinstance(detector, Detector):
        raise TypeError(f"detector: a {type(detector).__name__}, expected a caface.Detector")
    if encoder is not None and not isinstance(encoder, Encoder):
        raise TypeError(f"encoder: a {type(encoder).__name__}, expected a caface.Encoder")
    if model is not None and not isinstance(model, FusionModel):
        raise TypeError(f"model: a {type(model).__name__}, expected a caface.FusionModel")
    if min(every, threads, confirm, gap) < 0 or rate <= 0 or order not in ("rgb", "bgr"):
        raise InvalidError('every, threads, confirm, gap, rate or order ("rgb", "bgr") out of range')
    method = method or (None if chunk < 0 and keep_weights else model.method if model else "average")
    weighs = method is None or method.startswith(("caface", "restore"))
    options = (
        every, start, duration, threads, confirm, keep_pixels, method, chunk,
        keep_weights and weighs, gap, high, low, live, reopen,
    )  # fmt: skip
    source = video if isinstance(video, (str, bytes, os.PathLike)) else _frames(video, rate)
    handle = _load().video_open(
        source,
        order == "bgr",
        detector._handle,
        encoder._handle if encoder else None,
        model._handle if model else None,
        options,
    )
    return Follower(handle, model)
