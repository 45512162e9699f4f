"""Exact search of many templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Tuple

from . import _core
from ._arrays import load_numpy
from ._errors import InvalidError

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]


class Index:
    """The templates nearest to a query among many, exactly.

        index = caface.Index(templates, codes="int8")
        rows, scores = index.search(probes, 10)

    templates  f32 or f16 [n, C], of length 1 as a rule; a memory map of a file will do: it is
               borrowed, and has to stay unchanged as long as the index is
    codes      how a number of a row is held in memory: "f32", "f16" or "int8". Smaller ones are
               faster; results are the same, bit for bit. "auto": int8 of more than 10,000 rows,
               else the rows themselves
    threads    of a search; 0: one for every core

    The score is the inner product, which is the cosine of templates of length 1. Rows that hold
    NaN or Inf, or are zeros, are never found (`info` counts them). Immutable; any number of
    threads may search, each process its own. Raises ValueError, TypeError, MemoryError.
    """

    def __init__(self, templates: Any, *, codes: str = "auto", threads: int = 0) -> None:
        if threads < 0:
            raise InvalidError("threads cannot be negative")
        is_half = str(getattr(templates, "dtype", "")) in ("float16", "torch.float16")
        self._made_of = templates, codes, threads
        self._handle = _core.index_new(templates, is_half, codes, threads)
        self._info: Dict[str, Any] = _core.index_info(self._handle)

    def __len__(self) -> int:
        return int(self._info["n"])

    def __bool__(self) -> bool:
        return True  # an empty index is an index

    @property
    def C(self) -> int:
        """Numbers of a template."""
        return int(self._info["C"])

    @property
    def info(self) -> Dict[str, Any]:
        """n, C, rows and codes (types), invalid and empty (rows that are never found), bytes (of
        the codes: what every query reads)."""
        return dict(self._info)

    def __repr__(self) -> str:
        return f"<caface.Index of {len(self)} templates, C={self.C}, codes {self._info['codes']}>"

    def row(self, i: int) -> "Array":
        """Row i as f32 [C]. IndexError."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"row {i} of {len(self)}")
        return _core.index_row(self._handle, i % len(self))

    def search(
        self, queries: Any, k: int = 10, *, threshold: float = float("-inf")
    ) -> "Tuple[Array, Array]":
        """The k best rows for each query: (rows, scores), int64 and f32 [Q, k], best first; equal
        scores in the order of the rows. Of one query [C] both are [k].

        queries    f32 [Q, C]
        threshold  rows below it are not found

        Where fewer than k rows are found, -1 and -inf follow. ValueError: k below 1, another
        width, NaN or Inf (the query is named). Ctrl-C stops it.
        """
        if k < 1:
            raise InvalidError(f"k = {k}: at least one row is asked for")
        is_one = getattr(queries, "ndim", 2) == 1
        if is_one:
            queries = load_numpy().asarray(queries)[None]
        rows, scores = _core.index_search(self._handle, queries, k, threshold)
        return (rows[0], scores[0]) if is_one else (rows, scores)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _open_again, self._made_of


def _open_again(templates: Any, codes: str, threads: int) -> Index:
    return Index(templates, codes=codes, threads=threads)
