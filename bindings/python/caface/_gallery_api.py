"""People in one file: enrolment and search."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
import zlib
from typing import (
    TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union,
)  # fmt: skip

from . import _system
from ._arrays import load_numpy
from ._calibration import NETWORKS, way_text, when
from ._encoding import warn_of_encoding
from ._errors import InvalidError
from ._features import FeatureSet
from ._fusion import FaceSet, FusionModel
from ._gallery_search import Searching
from ._people import Added, Person, Picture, texts

if TYPE_CHECKING:
    import numpy

    from ._vision_api import Encoder

    Array = numpy.ndarray[Any, Any]
Path = Union[str, "os.PathLike[str]"]


def _png(crop: Any) -> bytes:
    """A PNG file of u8 [height, width, 3]."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = crop.shape
    lines = b"".join(b"\0" + line.tobytes() for line in crop)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    )


def _is_address(path: str) -> bool:
    return path.startswith(("postgresql://", "postgres://"))


def _shown(path: str) -> str:
    """A path, or an address without what nobody shall see: its password and options."""
    if not _is_address(path):
        return path
    scheme, rest = path.split("://", 1)
    user, at, place = rest.partition("?")[0].rpartition("@")
    return f"{scheme}://{re.split('[:@/]', user)[0]}{at}{place}"


class Gallery(Searching):
    """People in one file: what their faces have been fused to, so that more faces can join at any
    time, and who of them a face looks like. `caface gallery` works on the same files.

        with caface.Gallery.create("people.gallery", model) as people:
            people.add("Ann", features, styles)
            for match in people.search(probe, 5):
                print(match.name, match.similarity)

        people = caface.Gallery("people.gallery")             # to search
        people = caface.Gallery("people.gallery", model, writable=True)

    path      an SQLite file (docs/gallery.md); or the address of a PostgreSQL database, which no
              message shows the password of: postgresql://[USER@]HOST/DATABASE
    model     the FusionModel of the gallery, where its method is one's and faces are to be added;
              searching, renaming and removing work without it
    writable  False: to read alone

    Iterates over names; `name in people`, `people[name]` (a Person; KeyError) and `len(people)`
    work. What a call did is on the disk when it returns, or when its transaction() ends. Any number
    of processes may read beside one that writes. Threads may share a gallery: they wait for each
    other; each process opens its own. Raises FileNotFoundError and other OSError, ValueError (no
    gallery, damaged, of another model: both hashes are named).
    """

    def __init__(
        self, path: Path, model: Optional[FusionModel] = None, *, writable: bool = False
    ) -> None:
        self._begin(path, model, writable)
        self._handle = self._module.gallery_open(path, model and model._handle, writable)

    def _begin(self, path: Path, model: Optional[FusionModel], writable: bool) -> None:
        if model is not None and not isinstance(model, FusionModel):
            raise TypeError(f"model: a {type(model).__name__}, expected a caface.FusionModel")
        place = os.fsdecode(path)
        self._module = _system.load("_gallery_postgres" if _is_address(place) else "_gallery")
        self._path = place if _is_address(place) else os.path.abspath(place)
        self._model = model
        self._writable = writable

    @classmethod
    def create(
        cls,
        path: Path,
        model: Optional[FusionModel] = None,
        *,
        method: Optional[str] = None,
        chunk: int = -1,
        width: int = 0,
        keep_crops: bool = False,
        backbone: Optional[str] = None,
        input: Optional[str] = None,
        encoding: Optional[str] = None,
    ) -> "Gallery":
        """Makes an empty gallery and opens it for changes.

        method      how faces become a template: None: the model's own, or "average"; "norm:7",
                    "caface@64" ...
        chunk       faces that attend to each other; -1: 512, or what method says
        width       numbers of a feature; 0: the model's, or of the first faces
        keep_crops  True: crops that come with faces are kept, and rebuild() works
        backbone, input, encoding   what makes the features, as Encoder.info and FeatureSet.info
                    tell; None: what the first faces that tell say

        FileExistsError: the file is there already. ValueError: a network's method without its model.
        """
        self = cls.__new__(cls)
        self._begin(path, model, True)
        options = cls._options(model, method, chunk, width, keep_crops, backbone, input, encoding)
        self._handle = self._module.gallery_create(path, model and model._handle, options)
        return self

    @staticmethod
    def _options(model: Optional[FusionModel], method: Optional[str], *rest: Any) -> Tuple[Any, ...]:
        return (method or (model.method if model else "average"), *rest)

    def close(self) -> None:
        """Closes the file, and undoes what a transaction has not ended. May be called again."""
        self._module.gallery_close(self._handle)

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.close()

    # --- what it is

    @property
    def info(self) -> Dict[str, Any]:
        """people, faces, pictures, crops, C, method, chunk, norm_power, keep_crops, model (hash),
        backbone, input, encoding ("" where nobody has told)."""
        info: Dict[str, Any] = self._module.gallery_info(self._handle)
        return info

    @property
    def model(self) -> Optional[FusionModel]:
        """The model that it was opened with, or None."""
        return self._model

    def __len__(self) -> int:
        return int(self.info["people"])

    def __bool__(self) -> bool:
        return True  # an empty gallery is a gallery

    def __repr__(self) -> str:
        try:
            i = self.info
        except ValueError:
            return f"<caface.Gallery {_shown(self._path)}, closed>"
        return (
            f"<caface.Gallery {_shown(self._path)}: {i['people']} people, {i['faces']} faces, "
            f"{i['method']} C={i['C']}>"
        )

    # --- who is there

    @staticmethod
    def _person(row: Tuple[Any, ...]) -> Person:
        name, number, faces, template, evidence, created, changed = row
        return Person(name, number, faces, template, evidence, when(created), when(changed))

    def people(self) -> List[Person]:
        """Everybody, by name."""
        return [self._person(row) for row in self._module.gallery_people(self._handle, None)]

    def _find(self, name: str) -> Optional[Person]:
        try:
            return self._person(self._module.gallery_people(self._handle, name)[0])
        except ValueError as error:
            if "nobody is called" in str(error) or not isinstance(name, str):
                return None
            raise

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __getitem__(self, name: str) -> Person:
        found = self._find(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([person.name for person in self.people()])

    def templates(self) -> "Tuple[List[str], Array]":
        """(names, f32 [people, C]): everybody's template, by name, for evaluate.identify or an
        Index."""
        np = load_numpy()
        people = self.people()
        if not people:
            return [], np.zeros((0, self.info["C"]), np.float32)
        return [p.name for p in people], np.stack([p.template for p in people])

    def set(self, name: str) -> FaceSet:
        """A person's FaceSet as it is now, one's own. ValueError: nobody has the name; the gallery
        was opened without its model."""
        state = self._module.gallery_set(self._handle, name)
        method = self.info["method"]
        return FaceSet.from_bytes(state, self._model if method in NETWORKS else None)

    def pictures(self, name: Optional[str] = None, *, crops: bool = False) -> List[Picture]:
        """The pictures of a person in the order in which they came; None: of everybody. crops:
        True: with their bytes. ValueError: nobody has the name."""
        rows = self._module.gallery_pictures(self._handle, name, crops)
        return [Picture._make((*row[:7], when(row[7]), row[8])) for row in rows]

    def lengths(self) -> Tuple[float, float]:
        """(mean, standard deviation) of the lengths of all pictures' features: what a poor picture
        is compared with. NaN with fewer than two."""
        mean, deviation = self._module.gallery_lengths(self._handle)
        return mean, deviation

    # --- changes

    @contextlib.contextmanager
    def transaction(self) -> Iterator["Gallery"]:
        """Many changes that are there together at its end, or, after an exception, not at all.
        Of a gallery that was opened to read, the calls inside see one state of things.

            with people.transaction():
                people.remove("Ann")
                people.rename("Bob", "Robert")
        """
        self._module.gallery_begin(self._handle)
        try:
            yield self
        except BaseException:
            self._module.gallery_rollback(self._handle)
            raise
        self._module.gallery_commit(self._handle)

    def add(
        self,
        name: str,
        features: Any,
        styles: Any = None,
        *,
        names: Optional[Sequence[Any]] = None,
        digests: Any = None,
        crops: Optional[Sequence[Optional[bytes]]] = None,
        sides: Any = None,
        scores: Any = None,
        backbone: Optional[str] = None,
        input: Optional[str] = None,
        fusion: Optional[str] = None,
        encoding: Optional[str] = None,
    ) -> Added:
        """Adds faces to a person, who is made if there is none of the name. A face that the person
        has already is passed over, so that a call may be repeated.

        features  f32 [N, C], or [C] of one face, not normalised; or a FeatureSet, which brings its
                  styles and what made it along
        styles    f32 [N, S, 2], or compact ones [N, 64]; None where the method needs none
        names     [N] of the pictures
        digests   [N] of 16 bytes each, or u8 [N, 16]: what tells one picture from another; None:
                  made of the features
        crops     [N] bytes of picture files, for a gallery that keeps them
        sides, scores   f32 [N]: the face in its picture, in pixels; the detector's score
        backbone, input, fusion, encoding   what made the features, and compact styles; None: nobody
                  knows. A warning where faces were encoded in a way that is new to the gallery

        ValueError: no faces, NaN or Inf (the row is named), another width, backbone, input, taps
        or compact style than the gallery's (both are named), no model, a name that is empty or too
        long. OSError: the disk is full, somebody else writes, opened to read.
        """
        if isinstance(features, FeatureSet):
            if styles is not None:
                raise TypeError("styles: a FeatureSet brings its own")
            info = features.info
            styles = features.styles if features.S else features.compact
            backbone, input = backbone or info["backbone"], input or info["input"]
            fusion, encoding = fusion or info["fusion"], encoding or info["encoding"]
            features = features.features
        if isinstance(digests, (list, tuple)):
            np = load_numpy()
            if any(len(digest) != 16 for digest in digests):
                raise InvalidError("digests: 16 bytes each are expected")
            digests = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        before = self.info["encoding"] if encoding else None
        person, added, known, is_new, likeness, fresh = self._module.gallery_add(
            self._handle, name, features, styles, texts(names), digests,
            None if crops is None else list(crops), sides, scores, backbone, input, fusion, encoding,
        )  # fmt: skip
        if before:
            warn_of_encoding(before, encoding)
        return Added(person, added, known, is_new, likeness, fresh.view("bool"))

    def add_set(self, name: str, faces: FaceSet) -> None:
        """Adds a FaceSet that was fused elsewhere with the gallery's model and method: the states
        merge; who is new has it as it is. ValueError: of another model or method."""
        if not isinstance(faces, FaceSet):
            raise TypeError(f"faces: a {type(faces).__name__}, expected a caface.FaceSet")
        before, theirs = self.info["encoding"], faces.options["encoding"]
        self._module.gallery_add_set(self._handle, name, faces._handle)
        warn_of_encoding(before, theirs)

    def add_features(
        self, faces: FeatureSet, people: Union[None, str, Sequence[Any]] = None
    ) -> Dict[str, Added]:
        """A whole FeatureSet in one transaction, as `caface gallery add --input` does; what was
        done, by name.

        people  [N]: whose each face is (None and "" are passed over), or the name of a column of
                the set; None: "label", else "template"
        """
        if not isinstance(faces, FeatureSet):
            raise TypeError(f"faces: a {type(faces).__name__}, expected a caface.FeatureSet")
        if people is None:
            known = [name for name in ("label", "template") if name in faces.columns]
            if not known:
                raise InvalidError("the set has neither a column label nor template: give people")
            people = known[0]
        labels = faces.column(people) if isinstance(people, str) else list(people)
        if len(labels) != len(faces):
            raise InvalidError(f"people: {len(labels)} of them, but the set has {len(faces)} faces")
        rows: Dict[str, List[int]] = {}
        for i, label in enumerate(labels):
            if label is not None and str(label):
                rows.setdefault(str(label), []).append(i)
        texts = next((c for c in ("source", "name") if c in faces.columns), None)
        names = faces.column(texts) if texts else [""] * len(faces)
        styles = faces.styles if faces.S else faces.compact
        info = faces.info
        done = {}
        with self.transaction():
            for name, of in rows.items():
                done[name] = self.add(
                    name, faces.features[of], None if styles is None else styles[of],
                    names=[names[i] for i in of], backbone=info["backbone"], input=info["input"],
                    fusion=info["fusion"], encoding=info["encoding"],
                )  # fmt: skip
        return done

    def add_crops(
        self,
        name: str,
        crops: Any,
        encoder: "Encoder",
        *,
        names: Optional[Sequence[Any]] = None,
        sides: Any = None,
        scores: Any = None,
    ) -> Added:
        """Encodes aligned crops and adds them to a person. A picture is known again by its crop;
        where the gallery keeps crops, they are kept as PNG.

        crops    u8 [N, 112, 112, 3], one crop [112, 112, 3], or a list of what Encoder takes:
                 caface.align(picture, face) makes them
        encoder  the gallery's backbone
        names, sides, scores   as add()
        """
        np = load_numpy()
        array = np.asarray(encoder._crops(crops))
        array = array[None] if array.ndim == 3 else array
        features, styles = encoder.encode(array)
        return self.add(
            name, features, styles, names=names, sides=sides, scores=scores,
            digests=[hashlib.sha256(crop.tobytes()).digest()[:16] for crop in array],
            crops=[_png(crop) for crop in array] if self.info["keep_crops"] else None,
            backbone=encoder.info["hash"], input=encoder.info["input"],
            encoding=encoder.info["encoding"],
        )  # fmt: skip

    def list_picture(self, picture: Picture) -> None:
        """Lists a picture with a person who is there, without its face: for faces that came as a
        FaceSet. ValueError: nobody has the name, or the person has the picture already."""
        *front, added, crop = picture
        self._module.gallery_list_picture(self._handle, *front, int(added.timestamp()), crop)

    def remove(self, name: str) -> None:
        """Removes a person. ValueError: nobody has the name."""
        self._module.gallery_remove(self._handle, name)

    def rename(self, name: str, new: str) -> None:
        """ValueError: nobody has the name, or somebody has the new one."""
        self._module.gallery_rename(self._handle, name, new)

    def merge(self, into: str, other: str) -> None:
        """Two people who are one: faces and pictures of `other` join `into`, and `other` is gone.
        ValueError: nobody has a name, twice the same, opened without the model."""
        self._module.gallery_merge(self._handle, into, other)

    def rebuild(
        self,
        encoder: "Encoder",
        model: Optional[FusionModel] = None,
        *,
        method: Optional[str] = None,
        chunk: int = -1,
        progress: Optional[Callable[[int], object]] = None,
    ) -> None:
        """Every kept crop through another backbone and another fusion model, in one transaction:
        until it is done everybody sees the old gallery. Calibrations go with the old templates.

        model, method, chunk   as create(); method None: the model's own, else the gallery's
        progress   called with the number of crops done; an exception in it undoes everything

        ValueError: not every face has a kept crop (create(keep_crops=True)).
        """
        if model is not None and not isinstance(model, FusionModel):
            raise TypeError(f"model: a {type(model).__name__}, expected a caface.FusionModel")
        from ._vision_api import Image

        info = self.info
        if info["crops"] < info["pictures"] or info["faces"] > info["pictures"]:
            raise InvalidError(
                f"{_shown(self._path)}: {info['crops']} of its {info['faces']} faces have a kept crop; the "
                "others would be lost (create(keep_crops=True) keeps them)"
            )
        if not method and not model:
            method = way_text(info["method"], info["norm_power"], info["chunk"])
        np = load_numpy()
        done = 0
        with Gallery(self._path) as old, self.transaction():
            self._module.gallery_reset(
                self._handle, model and model._handle,
                self._options(model, method, chunk, 0, True, None, None, None),
            )  # fmt: skip
            for name in old:
                pictures = old.pictures(name, crops=True)
                crops = np.stack([Image(p.crop).rgb() for p in pictures])
                self.add_crops(
                    name, crops, encoder, names=[p.name for p in pictures],
                    sides=[p.side for p in pictures], scores=[p.score for p in pictures],
                )  # fmt: skip
                done += len(crops)
                if progress:
                    progress(done)
        self._model = model

    def __reduce__(self) -> Tuple[Any, ...]:
        return _open_again, (type(self), self._path, self._model, self._writable)


def _open_again(cls: Any, path: str, model: Optional[FusionModel], writable: bool) -> Gallery:
    made: Gallery = cls(path, model, writable=writable)
    return made
