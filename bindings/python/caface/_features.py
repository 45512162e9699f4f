"""Feature sets: the features and styles of many faces on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import _core
from ._arrays import borrow, load_numpy
from ._errors import InvalidError

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]
Path = Union[str, "os.PathLike[str]"]


class FeatureSet:
    """The features and styles of many faces: a folder that `caface encode` wrote, an .npz, or
    arrays of the program.

        faces = caface.FeatureSet("probes")
        faces.features, faces.styles, faces.column("label")

    Files are mapped: a set larger than memory opens at once, and arrays of 32 bits are used where
    they lie. A set is immutable; any number of threads may use it. Raises OSError, ValueError
    (damaged, or shapes that do not agree; both files and numbers are named).
    """

    def __init__(self, path: Path) -> None:
        self._begin(_core.features_open(path), os.fspath(path))

    def _begin(self, handle: Any, path: str) -> None:
        self._handle = handle
        self._info: Dict[str, Any] = _core.features_info(handle)
        self._path = path
        self._arrays: Dict[str, Any] = {}

    @classmethod
    def from_arrays(cls, features: Any, styles: Any = None) -> "FeatureSet":
        """A set of arrays in memory, without a copy where they are C-contiguous float32:
        features [N, C]; styles [N, S, 2], compact ones [N, 64], or None."""
        self = cls.__new__(cls)
        self._begin(_core.features_wrap(features, styles), "(memory)")
        return self

    @classmethod
    def from_files(cls, features: Path, styles: Optional[Path] = None) -> "FeatureSet":
        """A set of single .npy files, mapped."""
        self = cls.__new__(cls)
        self._begin(_core.features_open_arrays(features, styles), os.fspath(features))
        return self

    # --- what it is

    def __len__(self) -> int:
        return int(self._info["n"])

    @property
    def C(self) -> int:
        """Numbers of a feature."""
        return int(self._info["C"])

    @property
    def S(self) -> int:
        """Channels of the raw styles; 0: there are none."""
        return int(self._info["S"])

    @property
    def columns(self) -> List[str]:
        """Names of the index's columns, such as name, template, media, label."""
        return list(self._info["columns"])

    @property
    def info(self) -> Dict[str, Any]:
        """n, C, S, compact, columns, is_complete, and what made the set: backbone,
        fusion, input, encoding (precision, mirror image and taps)."""
        return dict(self._info)

    def __repr__(self) -> str:
        return f"<caface.FeatureSet {self._path}: {len(self)} faces, C={self.C} S={self.S}>"

    # --- arrays

    def _array(self, kind: str, shape: Tuple[int, ...]) -> "Array":
        array = self._arrays.get(kind)
        if array is None:
            address = _core.features_view(self._handle, kind)
            if address is None:
                array = _core.features_read(self._handle, kind, 0, len(self))
                array.flags.writeable = False
            else:
                array = borrow(address, shape, self._handle)
            self._arrays[kind] = array
        return array

    @property
    def features(self) -> "Array":
        """f32 [N, C], read-only: where they lie, or, of a file of 16 bits, read once."""
        return self._array("f", (len(self), self.C))

    @property
    def styles(self) -> "Optional[Array]":
        """f32 [N, S, 2], read-only, as features; None: there are none."""
        return self._array("s", (len(self), self.S, 2)) if self.S else None

    @property
    def compact(self) -> "Optional[Array]":
        """Compact styles f32 [N, 64], read-only; None: there are none."""
        width = int(self._info["compact"])
        return self._array("c", (len(self), width)) if width else None

    def read(self, first: int, count: int) -> "Tuple[Array, Optional[Array]]":
        """Copies of the features and styles (raw ones, else compact) of rows first .. first +
        count, whatever the size of the whole. ValueError: rows that are not there."""
        if first < 0 or count < 0:
            raise InvalidError(f"rows {first} to {first + count} are asked for")
        features = _core.features_read(self._handle, "f", first, count)
        kind = "s" if self.S else "c"
        if not self.S and not self._info["compact"]:
            return features, None
        return features, _core.features_read(self._handle, kind, first, count)

    def valid(self, styles: bool = True, threads: int = 0) -> "Array":
        """bool [N]: which rows hold no NaN and no Inf, in the features and, with styles, there."""
        return _core.features_valid(self._handle, styles, threads).view("bool")

    # --- the index

    def column(self, name: str) -> List[str]:
        """One field of every row as text. KeyError: no such column."""
        return _core.features_texts(self._handle, name)

    def integers(self, name: str) -> "Array":
        """A column of whole numbers, int64 [N]. KeyError; ValueError: a text that is none."""
        return _core.features_integers(self._handle, name)

    # --- writing

    @staticmethod
    def write(
        path: Path,
        features: Any,
        styles: Any = None,
        *,
        columns: Optional[Mapping[str, Sequence[Any]]] = None,
        **options: Any,
    ) -> None:
        """Writes a whole set: features [N, C], styles [N, S, 2] or compact [N, 64] or None,
        columns {name: [N]}; options as FeatureWriter has them. The folder appears whole or not at
        all, and takes the place of a set that is there."""
        np = load_numpy()
        f = np.asarray(features)
        s = None if styles is None else np.asarray(styles)
        if f.ndim != 2:
            raise InvalidError(f"features: {f.ndim} dimensions, expected 2")
        S = s.shape[1] if s is not None and s.ndim == 3 else 0
        compact = s.shape[1] if s is not None and s.ndim == 2 else 0
        with FeatureWriter(
            path, f.shape[1], S, compact=compact, columns=list(columns or {}), **options
        ) as writer:
            writer.append(features, styles, columns=columns)

    def __reduce__(self) -> Tuple[Any, ...]:
        if self._path == "(memory)":
            styles = self.styles if self.S else self.compact
            return _from_arrays, (self.features, styles)
        return FeatureSet, (os.path.abspath(self._path),)


def _from_arrays(features: Any, styles: Any) -> FeatureSet:
    return FeatureSet.from_arrays(features, styles)


class FeatureWriter:
    """Writes a feature set, some rows at a time. As a context manager it commits at the end, and
    leaves nothing behind after an exception.

        with caface.FeatureWriter("out", C=512, S=640, columns=["name"]) as w:
            w.append(features, styles, columns={"name": names})

    path      a folder, which takes its place when all is written; a feature set that is there is
              replaced, another folder is refused (OSError)
    C, S      numbers of a feature, channels of the raw styles (0: none)
    compact   numbers of the compact styles (0: none)
    columns   names of the index's columns
    half      True: numbers of 16 bits on disk
    backbone, fusion, input, command, encoding  what made the set, for its set.json
    """

    def __init__(
        self,
        path: Path,
        C: int,
        S: int = 0,
        *,
        compact: int = 0,
        columns: Sequence[str] = (),
        half: bool = False,
        backbone: Optional[str] = None,
        fusion: Optional[str] = None,
        input: Optional[str] = None,
        command: Optional[str] = None,
        encoding: Optional[str] = None,
    ) -> None:
        if C < 1 or S < 0 or compact < 0:
            raise InvalidError(f"C = {C}, S = {S}, compact = {compact}: not widths of anything")
        self._columns = tuple(columns)
        said = (backbone, fusion, input, command, encoding)
        texts = [None if t is None else t.encode() for t in said]
        names = tuple(name.encode() for name in self._columns)
        self._handle = _core.writer_create(path, C, S, compact, half, names, *texts)

    @classmethod
    def extend(cls, path: Path) -> "FeatureWriter":
        """Goes on with a set that is there: its rows stay, and more are appended."""
        info = FeatureSet(path).info
        self = cls.__new__(cls)
        self._columns = tuple(info["columns"])
        self._handle = _core.writer_extend(path, info["C"], info["S"], info["compact"])
        return self

    def append(
        self,
        features: Any,
        styles: Any = None,
        compact: Any = None,
        *,
        columns: Optional[Mapping[str, Sequence[Any]]] = None,
    ) -> None:
        """Appends rows: features [N, C], styles [N, S, 2], compact [N, 64], columns {name: [N]}, a
        missing column is empty. ValueError: what does not fit the layout."""
        given = dict(columns or {})
        unknown = set(given) - set(self._columns)
        if unknown:
            raise InvalidError(f"columns: {sorted(unknown)} were not announced")
        n = len(features)
        rows = tuple(
            [None if x is None else str(x).encode() for x in given[name]]
            if name in given
            else [None] * n
            for name in self._columns
        )
        _core.writer_append(self._handle, features, styles, compact, rows)

    def commit(self) -> None:
        """Puts the set in its place. OSError."""
        _core.writer_commit(self._handle)

    def close(self) -> None:
        """Removes what was written and not committed."""
        _core.writer_abort(self._handle)

    def __enter__(self) -> "FeatureWriter":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is None:
            self.commit()
        else:
            self.close()
