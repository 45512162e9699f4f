"""How good templates are: verification and identification, as docs/evaluation.md has them.

Intervals are 95 % intervals of a bootstrap over people: pairs and probes of one person come and go
together. They need resamples, and of verify() the people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from . import _core
from ._arrays import load_numpy, number_labels
from ._errors import InvalidError, MissingLibraryError

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["scores", "all_pairs", "verify", "identify", "Table", "Verification", "Identification"]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}"
    return str(value)


class Table:
    """A small table: a list of rows with the same names. Iterates over its rows, prints as text,
    shows itself in a notebook. pandas.DataFrame(list(table)) takes it as it is."""

    def __init__(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.title = title
        self.rows: List[Dict[str, Any]] = [dict(row) for row in rows]

    def to_dict(self) -> Dict[str, Any]:
        """Plain Python: {"title": ..., "rows": [{...}, ...]}, for json and the like."""
        return {"title": self.title, "rows": [dict(row) for row in self.rows]}

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Dict[str, Any]:
        return self.rows[index]

    def _cells(self) -> List[List[str]]:
        names = list(self.rows[0]) if self.rows else []
        return [names] + [[_text(row[name]) for name in names] for row in self.rows]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(line, widths)) for line in cells]
        return "\n".join([self.title, *lines])

    def _repr_html_(self) -> str:
        from html import escape

        lines = [
            "".join(f"<{tag}>{escape(c)}</{tag}>" for c in line)
            for tag, line in zip(["th"] + ["td"] * len(self.rows), self._cells())
        ]
        rows = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table><caption>{escape(self.title)}</caption>{rows}</table>"

    def _axes(self, ax: Any) -> Any:
        if ax is not None:
            return ax
        try:
            from matplotlib.figure import Figure
        except ImportError as reason:
            raise MissingLibraryError(
                f"a plot needs matplotlib, which cannot be imported here ({reason}): "
                "pip install matplotlib, or apt install python3-matplotlib"
            ) from None
        import sys

        # in a program or notebook that draws already, a figure of its own kind
        if "matplotlib.pyplot" in sys.modules:
            return sys.modules["matplotlib.pyplot"].subplots()[1]
        return Figure(figsize=(6, 4.5), layout="constrained").subplots()


class Verification(Table):
    """TAR at FAR and more; what verify() gives.

    rows      far, tar, low, high, threshold, far_measured, is_supported (ten false accepts at
              least)
    auc, eer  area under the curve, equal error rate
    genuine, impostor   pairs of either kind
    curve     (FAR, TAR), two f64 arrays, ascending
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        names = ("far", "tar", "low", "high", "far_measured", "threshold", "is_supported")
        rows = [dict(zip(names, row)) for row in found["rows"]]
        self.genuine: int = found["genuine"]
        self.impostor: int = found["impostor"]
        self.auc: float = found["auc"]
        self.eer: float = found["eer"]
        self.curve: "Tuple[Array, Array]" = (found["far"], found["tar"])
        super().__init__(
            f"verification: {self.genuine} genuine and {self.impostor} impostor pairs, "
            f"AUC {self.auc:.4f}, EER {self.eer:.4f}",
            rows,
        )

    def tar(self, far: float) -> float:
        """TAR at one of the six rates 1e-6 ... 0.1. KeyError: another one."""
        for row in self.rows:
            if abs(row["far"] - far) <= 1e-6 * far:
                return float(row["tar"])
        raise KeyError(far)

    def to_dict(self) -> Dict[str, Any]:
        """Table's, with genuine, impostor, auc and eer."""
        more = {k: getattr(self, k) for k in ("genuine", "impostor", "auc", "eer")}
        return {**super().to_dict(), **more}

    def plot(self, ax: Any = None, **line: Any) -> Any:
        """Draws the ROC curve on a logarithmic axis, with the intervals of the rows, onto ax or
        new axes of matplotlib, which it returns."""
        np = load_numpy()
        ax = self._axes(ax)
        far, tar = (np.asarray(x) for x in self.curve)
        seen = far > 0
        drawn = ax.plot(far[seen], tar[seen], **line)[0]
        rows = [row for row in self.rows if row["low"] == row["low"]]
        ax.vlines(
            [row["far"] for row in rows],
            [row["low"] for row in rows],
            [row["high"] for row in rows],
            color=drawn.get_color(),
            alpha=0.5,
        )
        ax.set_xscale("log")
        ax.set(xlabel="false accept rate", ylabel="true accept rate", ylim=(None, 1.005))
        ax.grid(alpha=0.3)
        return ax


class Identification(Table):
    """Ranks and TPIR at FPIR; what identify() gives.

    rows      figure ("rank-1" ..., "TPIR at FPIR 0.01" ..., "open-set TPIR ..."), value, low,
              high, threshold, is_supported (ten false positives at least)
    mated, nonmated   probes with and without their person in the gallery
    ranks     int64 [mated]: the rank of each mated probe, from 1
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.mated: int = found["mated"]
        self.nonmated: int = found["nonmated"]
        self.ranks: "Array" = found["ranks"]
        rows = [self._row(f"rank-{rank}", figure) for rank, figure in found["rank"]]
        for fpir, figure, threshold, good, opened, open_threshold, open_good in found["tpir"]:
            rows.append(self._row(f"TPIR at FPIR {fpir:g}", figure, threshold, good))
            if self.nonmated:
                rows.append(
                    self._row(f"open-set TPIR at FPIR {fpir:g}", opened, open_threshold, open_good)
                )
        super().__init__(
            f"identification: {self.mated} probes with a mate, {self.nonmated} without", rows
        )

    @staticmethod
    def _row(name: str, figure: Tuple[float, float, float], *more: Any) -> Dict[str, Any]:
        threshold, good = more or (float("nan"), True)
        value, low, high = figure
        return {
            "figure": name,
            "value": value,
            "low": low,
            "high": high,
            "threshold": threshold,
            "is_supported": good,
        }

    def rank(self, k: int) -> float:
        """Share of the mated probes whose rank is at most k, of any k from 1."""
        if k < 1:
            raise InvalidError(f"rank {k}: ranks begin at 1")
        return float((self.ranks <= k).mean())

    def to_dict(self) -> Dict[str, Any]:
        """Table's, with mated and nonmated."""
        return {**super().to_dict(), "mated": self.mated, "nonmated": self.nonmated}

    def plot(self, ax: Any = None, most: int = 20, **line: Any) -> Any:
        """Draws the CMC curve up to rank `most`, onto ax or new axes of matplotlib, which it
        returns."""
        ax = self._axes(ax)
        ks = list(range(1, most + 1))
        ax.plot(ks, [self.rank(k) for k in ks], marker="o", **line)
        ax.set(xlabel="rank", ylabel="share of probes found", ylim=(None, 1.005))
        ax.grid(alpha=0.3)
        return ax


def scores(templates: Any, a: Any, b: Any, *, threads: int = 0) -> "Array":
    """f32 [n]: the dot products of templates[a[i]] and templates[b[i]], which are cosines of
    templates of length 1. templates f32 [count, C]; a, b whole numbers [n]. ValueError: a
    template that is not there."""
    return _core.eval_scores(templates, a, b, threads)


def all_pairs(people: Any) -> "Tuple[Array, Array, Array]":
    """(a, b, same): every pair of templates once, and whether both are of one person. people [n],
    whole numbers or text, is whose template each is."""
    np = load_numpy()
    numbers, _ = number_labels(people)
    a, b = np.triu_indices(len(numbers), 1)
    return a.astype("I"), b.astype("I"), numbers[a] == numbers[b]


def verify(
    scores: Any,
    same: Any,
    *,
    people: "Optional[Tuple[Any, Any]]" = None,
    resamples: int = 0,
    seed: int = 1,
    threads: int = 0,
) -> Verification:
    """TAR at FAR, AUC, EER and the ROC curve.

    scores     f32 [n], higher for the same person
    same       bool [n]
    people     (a, b), [n] each, whole numbers or text: whose templates a pair compares; for the
               intervals
    resamples  of the bootstrap, 1000 as a rule; 0: no intervals (NaN)
    seed       same seed, same intervals

    ValueError: no pair of either kind, NaN or Inf (the pair is named), resamples without people.
    """
    if resamples < 0 or seed < 0:
        raise InvalidError("resamples and seed cannot be negative")
    a = b = None
    if people is not None:
        first, second = people
        a, b, _ = number_labels(first, second)
    return Verification(_core.eval_verify(scores, same, a, b, resamples, seed, threads))


def identify(
    gallery: Any,
    gallery_people: Any,
    probes: Any,
    probe_people: Any,
    *,
    resamples: int = 0,
    seed: int = 1,
    threads: int = 0,
) -> Identification:
    """Compares every probe with the whole gallery.

    gallery, probes   f32 [G, C], [P, C], templates of length 1 (or zeros, which find nobody)
    gallery_people, probe_people   [G], [P], whole numbers or text
    resamples, seed   as verify()

    ValueError: no probe has a mate, NaN or Inf, shapes that do not fit.
    """
    if resamples < 0 or seed < 0:
        raise InvalidError("resamples and seed cannot be negative")
    g, p, _ = number_labels(gallery_people, probe_people)
    return Identification(_core.eval_identify(gallery, g, probes, p, resamples, seed, threads))
