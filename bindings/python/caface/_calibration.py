"""What the score of a search in a gallery means."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Any, Dict, Tuple, Union

from . import _core, _system
from .evaluate import Table

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

Path = Union[str, "os.PathLike[str]"]
NETWORKS = ("caface", "restore")


def way_text(method: str, power: float, chunk: int) -> str:
    """A method as calibrations name it: "restore@512", "norm:7", "average"."""
    if method in NETWORKS:
        return f"{method}@{chunk}"
    return f"{method}:{power:.10g}" if method == "norm" and power != 1 else method


def parse_way(method: str) -> str:
    """The same of what a user wrote: "restore", "norm:7", "caface@4"."""
    return way_text(*_core.parse_method(method))


def when(seconds: int) -> datetime.datetime:
    """A time of a gallery."""
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(
        seconds=seconds
    )


class Calibration(Table):
    """Thresholds of a gallery that mean a false accept rate, for one kind of probe; what
    Gallery.calibrate() and Gallery.calibration() give.

    rows      far, threshold, low, high (95 % interval over people), is_supported (ten impostors
              at least reach it; else the pairs are too few to rely on)
    kind, method, model   which probes: "gallery" is the gallery against itself; how they are
              fused; hash of the fusion model, "" without one
    people, probes, pairs   what was compared: pairs of different people
    faces     the median of a probe's; NaN: nobody told
    found     probes whose person is in the gallery and was the first
    evidence  that 95 of 100 of these have: below it, cannot tell. NaN: not known
    made      when

    Rates are of one comparison: a search of N people makes N. save() and load() keep one in a file
    of its own, and Gallery.keep_calibration() puts it into another gallery.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._module = _system.load("_gallery")
        info: Dict[str, Any] = self._module.calibration_info(handle)
        self.kind: str = info["kind"]
        self.method: str = info["method"]
        self.model: str = info["model"]
        self.people: int = info["people"]
        self.probes: int = info["probes"]
        self.pairs: int = info["pairs"]
        self.faces: float = info["faces"]
        self.found: int = info["found"]
        self.evidence: float = info["evidence"]
        self.made = when(info["made"])
        names = ("far", "threshold", "low", "high", "is_supported")
        super().__init__(
            f"calibration {self.kind}, {self.method}: {self.pairs} pairs of different people "
            f"({self.probes} probes, {self.people} people)",
            [dict(zip(names, row)) for row in info["thresholds"]],
        )

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """One that was saved, or that `caface gallery export` wrote. OSError; ValueError: damaged."""
        return cls(_system.load("_gallery").calibration_load(path))

    def save(self, path: Path) -> None:
        """Writes all of it as JSON, to the bit. The file appears whole or not at all. OSError."""
        self._module.calibration_save(self._handle, path)

    def far(self, scores: Any) -> "Union[float, Array]":
        """The share of impostors that reach a score: a float of one, f64 of an array. 0.0: not
        one of `pairs` did."""
        rates = self._module.calibration_far(self._handle, scores)
        return rates if rates.ndim else float(rates)

    def threshold(self, far: float = 1e-3) -> float:
        """The least score at which at most that share of impostors is accepted. KeyError: not one
        of the rates in rows; ValueError: too few pairs for it."""
        for row in self.rows:
            if abs(row["far"] - far) <= 1e-6 * far:
                if not row["is_supported"]:
                    raise ValueError(
                        f"{self.pairs} pairs are too few for a false accept rate of {far:g}: "
                        f"{10 / far:.0f} are needed"
                    )
                return float(row["threshold"])
        raise KeyError(far)

    def threshold_near(self, far: float) -> Tuple[float, float]:
        """(threshold, rate): at that rate, or the next larger one that the pairs are enough for;
        NaN: there is none."""
        good = [r for r in self.rows if r["is_supported"] and r["far"] >= far * (1 - 1e-9)]
        best = min(good, key=lambda row: float(row["far"]), default=None)
        return (best["threshold"], best["far"]) if best else (float("nan"), float("nan"))

    def to_dict(self) -> Dict[str, Any]:
        """Table's, with everything above; made as text."""
        names = ("kind", "method", "model", "people", "probes", "pairs", "faces", "found", "evidence")
        more = {name: getattr(self, name) for name in names}
        return {**super().to_dict(), **more, "made": self.made.isoformat()}
