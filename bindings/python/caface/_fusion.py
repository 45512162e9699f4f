"""Fusion: models, live sets, and many templates at once."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Tuple, Union

from . import _core
from ._arrays import load_numpy, number_labels
from ._encoding import warn_of_encoding
from ._errors import InvalidError, make as _make_error
from ._features import FeatureSet

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]
Path = Union[str, "os.PathLike[str]"]

_open_models: "weakref.WeakValueDictionary[str, FusionModel]" = weakref.WeakValueDictionary()


class FusionModel:
    """A fusion network: many faces in, one template out.

    Opens a checkpoint (.ckpt, .pth) or a converted file (.safetensors, .npz) with a fusion
    network, Cluster and Aggregate's or a restoring one. Nothing in the file is executed. A model
    is immutable; any number of threads may use it.

        model = caface.FusionModel("fusion.safetensors")
        template = model.fuse(features, styles)

    Raises FileNotFoundError (and other OSError), ValueError (damaged; no fusion network in it),
    MemoryError; all of them are caface.Error too.
    """

    def __init__(self, path: Path) -> None:
        self._handle = _core.model_open(path)
        self._origin: Tuple[str, Any] = ("path", os.path.abspath(os.fspath(path)))
        self._begin()

    def _begin(self) -> None:
        self._info = _core.model_info(self._handle)
        _open_models[self.hash] = self

    @classmethod
    def from_bytes(cls, data: bytes) -> "FusionModel":
        """The same from the bytes of such a file. Such a model is pickled with its bytes, so
        that it can be sent to a machine that does not have the file."""
        self = cls.__new__(cls)
        self._handle = _core.model_open_memory(data)
        self._origin = ("bytes", bytes(data))
        self._begin()
        return self

    # --- what it is

    @property
    def C(self) -> int:
        """Numbers of a feature; 0: any."""
        return int(self._info["C"])

    @property
    def S(self) -> int:
        """Channels of a raw style, which is S pairs of (mean, std)."""
        return int(self._info["S"])

    @property
    def hash(self) -> str:
        """SHA-256 of the fusion tensors, whatever file they came from."""
        return str(self._info["hash"])

    @property
    def method(self) -> str:
        """The method that the network is for: "caface" or "restore"."""
        return str(self._info["method"])

    @property
    def info(self) -> "dict[str, Any]":
        """All sizes (C, S, compact, D, M, K, L, A, H, hidden, rank, members), method, form, hash
        and is_sum (whether chunks have no part in a template)."""
        return dict(self._info)

    def __repr__(self) -> str:
        return f"<caface.FusionModel {self.method} C={self.C} S={self.S} {self.hash[:12]}>"

    # --- what it does

    def fuse(
        self,
        features: Any,
        styles: Any = None,
        *,
        method: Optional[str] = None,
        chunk: int = -1,
        media: Any = None,
        weights: bool = False,
        threads: int = 0,
    ) -> Any:
        """One template of the faces of one person.

        features  f32 [N, C], as the encoder wrote them, not normalised; [C] is one face
        styles    f32 [N, S, 2] of the same faces, or compact ones [N, 64]; None where the method
                  needs none
        method    None: the model's own; also "average", "unit", "norm:7", "media", "caface@64"
        chunk     faces that attend to each other; 0: all; -1: 512, or what method says
        media     int [N], the image or video of each face, for "media"
        weights   True: returns (template, weights [N], which sum to 1)
        threads   0: one for every core; the bits do not depend on it

        Returns f32 [C] of length 1. Arrays of C-contiguous float32 (NumPy, torch on the CPU,
        memory maps) are used where they are; others are copied once. Raises ValueError for
        shapes that do not fit, NaN or Inf (the row is named), no faces; TypeError for what is no
        array of numbers. Ctrl-C stops it between chunks.
        """
        return _core.fuse(
            self._handle, features, styles, media, method or self.method, chunk, threads, weights
        )

    def compact(self, styles: Any) -> "Array":
        """Compact styles f32 [N, 64] of raw ones [N, S, 2]: what a set keeps of them. Fusing
        these gives the same bits."""
        return _core.model_compact(self._handle, styles)

    def new_set(self, method: Optional[str] = None, **options: Any) -> "FaceSet":
        """An empty FaceSet of this model; options as FaceSet has them."""
        return FaceSet(self, method, **options)

    def load_set(self, path: Path) -> "FaceSet":
        """A FaceSet that was saved with this model."""
        return FaceSet.load(path, self)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _open_again, (self.hash, *self._origin)


def _open_again(model_hash: str, kind: str, origin: Any) -> FusionModel:
    """A pickled model: one that is open in this process already, or its file again."""
    model = _open_models.get(model_hash)
    if model is not None:
        return model
    model = FusionModel.from_bytes(origin) if kind == "bytes" else FusionModel(origin)
    if model.hash != model_hash:
        raise _make_error(
            "EMODEL", f"{origin}: was pickled with the hash {model_hash}, the file has {model.hash}"
        )
    return model


class FaceSet:
    """Faces go in, in any portions, and a template comes out at any time.

    A set keeps no faces but those of its unfinished chunk: its state is some thousand numbers
    however many went in. It can be saved, sent elsewhere (it pickles), and merged.

        s = caface.FaceSet(model)
        s.push(features, styles)
        s += another
        template = s.template()

    model         a FusionModel; None for the methods that need none
    method        None: the model's own, or "average" without one; "unit", "norm:7", "media",
                  "caface@64" ...
    chunk         faces that attend to each other; 0: all at once, up to 65,536; -1: 512, or what
                  method says
    expected      faces that will come, when known: they are cut into nearly equal chunks, as
                  fuse() cuts. 0: a stream
    keep_weights  True: weights() works, for a few floats a face more
    width         numbers of a feature; 0: the model's. Needed without a model
    threads       that fuse the chunks of one push; 0: one for every core

    Threads may share a set: they wait for each other. Raises ValueError for an option out of its
    range.
    """

    def __init__(
        self,
        model: Optional[FusionModel] = None,
        method: Optional[str] = None,
        *,
        chunk: int = -1,
        expected: int = 0,
        keep_weights: bool = False,
        width: int = 0,
        threads: int = 1,
    ) -> None:
        if model is not None and not isinstance(model, FusionModel):
            raise TypeError(f"model: a {type(model).__name__}, expected a caface.FusionModel")
        if expected < 0 or width < 0 or threads < 0:
            raise InvalidError("expected, width and threads cannot be negative")
        method = method or (model.method if model else "average")
        self._model = model
        self._handle = _core.set_new(
            model._handle if model else None, method, chunk, expected, keep_weights, width, threads
        )

    @classmethod
    def _of(cls, model: Optional[FusionModel], handle: Any) -> "FaceSet":
        self = cls.__new__(cls)
        self._model = model
        self._handle = handle
        return self

    # --- faces in

    def push(self, features: Any, styles: Any = None, *, media: Any = None) -> None:
        """Adds faces.

        features  f32 [N, C], or [C] of one face, as the encoder wrote them, not normalised
        styles    f32 [N, S, 2] of the same faces, or compact ones [N, 64] ([S, 2] or [64] of one);
                  None where the method needs none
        media     int [N], the image or video of each face, for the method "media"

        All of them are added or none: ValueError for shapes that do not fit, for NaN or Inf (the
        row is named), for more faces than expected; Ctrl-C leaves the set as it was.
        """
        _core.set_push(self._handle, features, styles, media)

    def add_source(
        self,
        backbone: Optional[str] = None,
        input: Optional[str] = None,
        encoding: Optional[str] = None,
    ) -> None:
        """Says what made the faces that are pushed next, as Encoder.info (hash, input, encoding) and
        FeatureSet.info tell. ValueError: the set, or its model, says another backbone, input or
        taps."""
        _core.set_add_source(self._handle, backbone, input, encoding)

    def merge(self, other: "FaceSet") -> None:
        """Adds the faces of another set, which stays as it is. ValueError: of another model (both
        hashes are named), backbone, input, taps, method or width, or the set itself. Weights are
        dropped. A warning where the two were encoded in different ways."""
        if not isinstance(other, FaceSet):
            raise TypeError(f"other: a {type(other).__name__}, expected a caface.FaceSet")
        mine = self.options["encoding"]
        _core.set_merge(self._handle, other._handle)
        warn_of_encoding(mine, other.options["encoding"])

    def __iadd__(self, other: "FaceSet") -> "FaceSet":
        if not isinstance(other, FaceSet):
            return NotImplemented
        self.merge(other)
        return self

    def __add__(self, other: "FaceSet") -> "FaceSet":
        if not isinstance(other, FaceSet):
            return NotImplemented
        both = self.copy()
        both.merge(other)
        return both

    def __radd__(self, other: Any) -> "FaceSet":
        if other == 0:  # sum() begins with it
            return self.copy()
        return NotImplemented

    # --- what comes out

    def template(self) -> "Array":
        """The template of the faces so far, f32 [C] of length 1 (of zeros when they cancel out).
        Ends nothing: more may follow. ValueError: the set is empty."""
        return _core.set_template(self._handle)

    def weights(self) -> "Array":
        """The weight of every face so far, f32 [N] in the order of the pushes; they sum to 1.
        ValueError: keep_weights was not asked for, a merge dropped them, a simple method."""
        return _core.set_weights(self._handle)

    def evidence(self) -> float:
        """How much a set of a restoring model has seen: ln of the sum of its faces' weights.
        ValueError: empty, or of another method."""
        return _core.set_evidence(self._handle)

    def __len__(self) -> int:
        return _core.set_count(self._handle)

    def __bool__(self) -> bool:
        return True  # an empty set is a set

    @property
    def model(self) -> Optional[FusionModel]:
        """The model, or None."""
        return self._model

    @property
    def options(self) -> "dict[str, Any]":
        """What the set works with: method, chunk, expected, keep_weights, norm_power, width,
        threads; and what made its faces: backbone, input, encoding (None: nobody has told)."""
        return _core.set_options(self._handle)

    @property
    def width(self) -> int:
        """Numbers of a feature."""
        return int(self.options["width"])

    def __repr__(self) -> str:
        o = self.options
        return f"<caface.FaceSet {o['method']} of {len(self)} faces, C={o['width']}>"

    # --- saved states

    def save(self, path: Path) -> None:
        """Writes the state, the unfinished chunk included, for any machine and every later
        version. The file appears whole or not at all. OSError."""
        _core.set_save(self._handle, path)

    @classmethod
    def load(cls, path: Path, model: Optional[FusionModel] = None) -> "FaceSet":
        """The set as it was saved, ready for more faces. model: the one it was made with. OSError;
        ValueError: damaged, or of another model (both hashes are named)."""
        return cls._of(model, _core.set_load(model._handle if model else None, path))

    def to_bytes(self) -> bytes:
        """The bytes that save() writes."""
        return _core.set_save_memory(self._handle)

    @classmethod
    def from_bytes(cls, data: bytes, model: Optional[FusionModel] = None) -> "FaceSet":
        """The set of such bytes. Errors as load()."""
        return cls._of(model, _core.set_load_memory(model._handle if model else None, data))

    def copy(self) -> "FaceSet":
        """Another set with the same state."""
        return type(self).from_bytes(self.to_bytes(), self._model)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> "FaceSet":
        return self.copy()

    def __reduce__(self) -> Tuple[Any, ...]:
        return _unpickle_set, (type(self), self.to_bytes(), self._model)


def _unpickle_set(cls: type, data: bytes, model: Optional[FusionModel]) -> FaceSet:
    made: FaceSet = cls.from_bytes(data, model)  # type: ignore[attr-defined]
    return made


class Fused(NamedTuple):
    """What fuse_many gives."""

    ids: "Array"  # [T], ascending
    templates: "Array"  # f32 [T, C], in the order of ids
    weights: "Optional[Array]"  # f32 [N], where they were asked for
    dropped: int  # rows left out by drop_invalid
    empty: int  # ids of which nothing was left: their templates are zeros


def fuse_many(
    features: Any,
    styles: Any = None,
    ids: Any = None,
    *,
    model: Optional[FusionModel] = None,
    method: Optional[str] = None,
    chunk: int = -1,
    media: Any = None,
    weights: bool = False,
    drop_invalid: bool = False,
    threads: int = 0,
    progress: Optional[Callable[[int], object]] = None,
) -> Fused:
    """A template for every different id, many side by side: what `caface fuse --ids` does.

    features      f32 [N, C], or a FeatureSet (which brings its styles along)
    styles        f32 [N, S, 2] or compact [N, 64]; None where the method needs none
    ids           [N], whole numbers or text, in any order: the template of each row. None: the
                  column "template" of a FeatureSet, else one template of all
    model         a FusionModel, for "caface" and "restore"
    method        None: the model's own, or "average" without one; "unit", "norm:7", "media",
                  "caface@64" ...
    chunk         faces that attend to each other; 0: all; -1: 512, or what method says
    media         int [N], for "media"; None: the column "media" of a FeatureSet
    weights       True: also the weight of every row in its template
    drop_invalid  True: rows that hold NaN or Inf are left out and counted; else they are an error
    threads       0: one for every core; the bits do not depend on it
    progress      called now and then with the number of faces done

    Returns a Fused: ids, templates, weights, dropped, empty. Errors as FusionModel.fuse.
    Ctrl-C, and an exception in progress, stop it.
    """
    if model is not None and not isinstance(model, FusionModel):
        raise TypeError(f"model: a {type(model).__name__}, expected a caface.FusionModel")
    if isinstance(features, FeatureSet):
        if styles is not None:
            raise TypeError("styles: a FeatureSet brings its own")
        faces = features
        if ids is None and "template" in faces.columns:
            ids = faces.integers("template")
        method = method or (model.method if model else "average")
        if media is None and method == "media" and "media" in faces.columns:
            media = faces.integers("media")
    else:
        faces = FeatureSet.from_arrays(features, styles)
    names = None
    if ids is not None:
        ids, names = number_labels(ids)
    method = method or (model.method if model else "average")
    found, templates, weight, dropped, empty = _core.fuse_many(
        model._handle if model else None,
        faces._handle,
        ids,
        media,
        method,
        chunk,
        threads,
        drop_invalid,
        weights,
        progress,
    )
    if names is not None:
        found = load_numpy().asarray(names)[found]
    return Fused(found, templates, weight, dropped, empty)
