"""What a gallery tells about people and pictures."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, List, NamedTuple, Optional, Sequence

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]


class Person(NamedTuple):
    """Somebody in a gallery."""

    name: str
    id: int  # stays when the person is renamed
    faces: int
    template: "Array"  # f32 [C] of length 1
    evidence: float  # FaceSet.evidence(); NaN where the method has none
    created: datetime.datetime
    changed: datetime.datetime


class Picture(NamedTuple):
    """A picture that a gallery lists."""

    person: str
    name: str
    digest: bytes  # 16: what tells it from others
    length: float  # of the feature: how good the picture is. NaN in these: not known
    likeness: float  # cosine to the person's others when it was added
    side: float  # of the face in its picture, in pixels
    score: float  # of the detector
    added: datetime.datetime
    crop: Optional[bytes]  # a PNG file, where crops are kept and were asked for


class Added(NamedTuple):
    """What an addition did."""

    person: int  # id
    added: int  # faces
    known: int  # faces that the person has already: passed over
    is_new: bool  # the person was not there
    likeness: "Array"  # f32 [N], cosine of each face to the person's others; NaN: none, passed over
    fresh: "Array"  # bool [N], whether each was added


class Match(NamedTuple):
    """Somebody whom a search found."""

    name: str
    similarity: float  # cosine
    far: Optional[float]  # share of impostors that reach it; None: not calibrated, 0.0: none did
    id: int


class Verdict(NamedTuple):
    """Who a probe is, as far as can be told."""

    name: Optional[str]  # None: nobody of the gallery, or cannot_tell
    best: Optional[Match]  # whoever is nearest, above the threshold or below
    threshold: float
    threshold_far: float  # the false accept rate of the threshold; NaN: not known
    cannot_tell: bool  # the probe's faces are ruined


def texts(values: Optional[Sequence[Any]]) -> Optional[List[Optional[bytes]]]:
    return None if values is None else [None if v is None else str(v).encode() for v in values]
