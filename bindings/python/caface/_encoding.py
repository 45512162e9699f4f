"""What made the features of two that meet: compared, as the tool does."""

from __future__ import annotations

import warnings
from typing import Any, Mapping, Optional, Set

from ._errors import InvalidError


def _ways(encoding: Optional[str]) -> Set[str]:
    """The ways of an encoding, without the taps that follow them."""
    ways = f" {encoding or ''}".split(" taps ")[0].strip()
    return set(ways.split(" + ")) if ways else set()


def _taps(encoding: Optional[str]) -> Optional[str]:
    parts = f" {encoding or ''}".split(" taps ", 1)
    return parts[1] if len(parts) == 2 else None


def warn_of_encoding(there: Optional[str], faces: Optional[str], stacklevel: int = 3) -> None:
    """A warning where faces were encoded in a way that is new there."""
    known, new = _ways(there), _ways(faces)
    if known and new - known:
        warnings.warn(
            f"encoded in {' + '.join(sorted(new))}, what they join in {' + '.join(sorted(known))}: "
            "their features differ a little",
            stacklevel=stacklevel,
        )


def check_probe(options: Mapping[str, Any], gallery: Mapping[str, Any]) -> None:
    """ValueError where a set of faces says another backbone, input or taps than a gallery."""
    pairs = [(what, options[what], gallery[what]) for what in ("backbone", "input")]
    if gallery["model"]:
        pairs.append(("taps", _taps(options["encoding"]), _taps(gallery["encoding"])))
    for what, mine, theirs in pairs:
        if mine and theirs and mine != theirs:
            raise InvalidError(f"a probe: its {what} {mine}, the gallery's {theirs}")
    warn_of_encoding(gallery["encoding"], options["encoding"], 6)
