"""Handles of libcaface-gallery, as C gives them."""

from typing import Any, Callable, Dict, List, Optional, Tuple, Union
import os

import numpy

_Array = numpy.ndarray[Any, Any]
_Path = Union[str, bytes, "os.PathLike[str]"]
_Handle = Any

def gallery_create(
    path: _Path, model: Optional[_Handle], options: Tuple[Any, ...], /
) -> _Handle: ...
def gallery_open(path: _Path, model: Optional[_Handle], writable: bool, /) -> _Handle: ...
def gallery_close(gallery: _Handle, /) -> None: ...
def gallery_reset(
    gallery: _Handle, model: Optional[_Handle], options: Tuple[Any, ...], /
) -> None: ...
def gallery_info(gallery: _Handle, /) -> Dict[str, Any]: ...
def gallery_lengths(gallery: _Handle, /) -> Tuple[float, float]: ...
def gallery_begin(gallery: _Handle, /) -> None: ...
def gallery_commit(gallery: _Handle, /) -> None: ...
def gallery_rollback(gallery: _Handle, /) -> None: ...
def gallery_search(
    gallery: _Handle, probes: Any, k: int, /
) -> Tuple[_Array, _Array, List[Optional[str]]]: ...
def gallery_add(
    gallery: _Handle,
    name: str,
    features: Any,
    styles: Any,
    names: Optional[List[Optional[bytes]]],
    digests: Any,
    crops: Optional[List[Optional[bytes]]],
    sides: Any,
    scores: Any,
    backbone: Optional[str],
    input: Optional[str],
    fusion: Optional[str],
    encoding: Optional[str],
    /,
) -> Tuple[int, int, int, bool, _Array, _Array]: ...
def gallery_add_set(gallery: _Handle, name: str, set: _Handle, /) -> None: ...
def gallery_remove(gallery: _Handle, name: str, /) -> None: ...
def gallery_rename(gallery: _Handle, name: str, new: str, /) -> None: ...
def gallery_merge(gallery: _Handle, into: str, other: str, /) -> None: ...
def gallery_people(gallery: _Handle, name: Optional[str], /) -> List[Tuple[Any, ...]]: ...
def gallery_set(gallery: _Handle, name: str, /) -> bytes: ...
def gallery_pictures(
    gallery: _Handle, name: Optional[str], with_crops: bool, /
) -> List[Tuple[Any, ...]]: ...
def gallery_list_picture(
    gallery: _Handle,
    person: str,
    name: str,
    digest: bytes,
    length: float,
    likeness: float,
    side: float,
    score: float,
    added: int,
    crop: Optional[bytes],
    /,
) -> None: ...
def gallery_calibrate(
    gallery: _Handle,
    probes: Any,
    people: Optional[List[Optional[bytes]]],
    evidence: Any,
    faces: Any,
    kind: Optional[str],
    method: Optional[str],
    model: Optional[str],
    resamples: int,
    seed: int,
    progress: Optional[Callable[[int], object]],
    /,
) -> None: ...
def gallery_calibrations(gallery: _Handle, /) -> List[Tuple[str, str, str]]: ...
def gallery_calibration(
    gallery: _Handle,
    kind: Optional[str],
    method: str,
    model: Optional[str],
    faces: float,
    /,
) -> Optional[_Handle]: ...
def gallery_keep_calibration(gallery: _Handle, calibration: _Handle, /) -> None: ...
def calibration_load(path: _Path, /) -> _Handle: ...
def calibration_save(calibration: _Handle, path: _Path, /) -> None: ...
def calibration_info(calibration: _Handle, /) -> Dict[str, Any]: ...
def calibration_far(calibration: _Handle, scores: Any, /) -> _Array: ...
