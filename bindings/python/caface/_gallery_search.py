"""Search in a gallery, and what its scores mean."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from ._arrays import load_numpy
from ._calibration import NETWORKS, Calibration, parse_way, way_text
from ._encoding import check_probe
from ._errors import InvalidError
from ._fusion import FaceSet, FusionModel
from ._people import Match, Verdict, texts

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

_THRESHOLD = 0.35  # of a gallery that is not calibrated: the tool's (docs/faces.md)


class _Probes(NamedTuple):
    templates: Any  # [n, C]
    is_one: bool
    way: Optional[str]  # None: nobody knows how they were fused
    model: str
    evidence: List[float]
    faces: List[int]


def _one_way(sets: Sequence[FaceSet]) -> Tuple[str, str]:
    """The method and the model's hash of sets that are to be alike."""
    ways = set()
    for s in sets:
        o = s.options
        way = way_text(o["method"], o["norm_power"], o["chunk"])
        ways.add((way, s.model.hash if s.model and o["method"] in NETWORKS else ""))
    if len(ways) > 1:
        raise InvalidError(f"probes: sets of different methods or models: {sorted(ways)}")
    return ways.pop()


def _as_probes(probes: Any, gallery: Dict[str, Any]) -> _Probes:
    np = load_numpy()
    is_one = isinstance(probes, FaceSet)
    sets = [probes] if is_one else probes
    if isinstance(sets, (list, tuple)) and sets and all(isinstance(s, FaceSet) for s in sets):
        way, model = _one_way(sets)
        for s in sets:
            check_probe(s.options, gallery)
        evidence = [
            s.evidence() if way.startswith("restore") else float("nan") for s in sets
        ]
        templates = np.stack([s.template() for s in sets])
        return _Probes(templates, is_one, way, model, evidence, [len(s) for s in sets])
    is_one = getattr(probes, "ndim", 2) == 1
    templates = np.asarray(probes)[None] if is_one else probes
    n = len(templates)
    return _Probes(templates, is_one, None, "", [float("nan")] * n, [])


class Searching:
    """The part of a Gallery that answers who somebody is."""

    _handle: Any
    _module: Any

    @property
    def info(self) -> Dict[str, Any]:
        """The gallery's."""
        raise NotImplementedError

    # --- search

    def _calibration_for(self, p: _Probes, kind: Optional[str] = None) -> Optional[Calibration]:
        if p.way is None:
            return None
        faces = sorted(p.faces)[len(p.faces) // 2]
        handle = self._module.gallery_calibration(self._handle, kind, p.way, p.model, faces)
        return None if handle is None else Calibration(handle)

    def _matches(
        self, p: _Probes, k: int, calibration: Optional[Calibration]
    ) -> List[List[Match]]:
        if k < 1:
            raise InvalidError(f"k = {k}: at least one person is asked for")
        k = min(k, max(self.info["people"], 1))
        ids, similarity, names = self._module.gallery_search(self._handle, p.templates, k)
        found = []
        for i in range(len(ids)):
            row = []
            for j in range(k):
                name = names[i * k + j]
                if name is None:
                    continue
                s = float(similarity[i, j])
                far = None if calibration is None else float(calibration.far(s))
                row.append(Match(name, s, far, int(ids[i, j])))
            found.append(row)
        return found

    def search(self, probes: Any, k: int = 1, *, calibration: Optional[Calibration] = None) -> Any:
        """The k people who are most like a probe, best first, by cosine: a list of Match; a list of
        such lists for several probes. Exact.

        probes       a FaceSet, or a list of them; a template f32 [C], or many [n, C], of any length.
                     They may be fused by another method than the gallery
        calibration  what gives Match.far; None: of FaceSets the one that suits, where there is one

        The first search after a change reads all templates. ValueError: k below 1, another width,
        NaN or Inf (the probe is named). Ctrl-C stops it.
        """
        p = _as_probes(probes, self.info)
        found = self._matches(p, k, calibration or self._calibration_for(p))
        return found[0] if p.is_one else found

    def identify(
        self,
        probes: Any,
        *,
        far: Optional[float] = None,
        threshold: Optional[float] = None,
        kind: Optional[str] = None,
    ) -> Any:
        """Who a probe is: a Verdict, or a list of them for several; what `caface gallery search`
        answers.

        probes     as search(); of FaceSets it is known how they were made, which calibrations need
        far        false accept rate of the threshold, 1e-2 to 1e-6; None: 1e-3, or, where the
                   pairs are too few for it (a warning), a larger one
        threshold  instead: the cosine from which somebody is known. Neither, and not calibrated:
                   0.35
        kind       of the calibration; None: whose number of faces is nearest

        A probe of ruined faces is answered "cannot tell" where the calibration knows the evidence
        of good ones. ValueError: far or kind of a gallery that is not calibrated for it.
        """
        if far is not None and threshold is not None:
            raise InvalidError("far and threshold exclude each other")
        p = _as_probes(probes, self.info)
        calibration = self._calibration_for(p, kind)
        if calibration is None and (kind is not None or far is not None):
            raise InvalidError(
                f"the gallery is not calibrated for {p.way or 'templates (give FaceSets)'}"
                f"{f', {kind}' if kind else ''}: calibrate()"
            )
        at, rate = self._threshold(calibration, far, threshold)
        least = calibration.evidence if calibration else float("nan")
        verdicts = []
        for matches, evidence in zip(self._matches(p, 1, calibration), p.evidence):
            best = matches[0] if matches else None
            ruined = evidence < least  # NaN: no
            known = best is not None and not ruined and best.similarity >= at
            verdicts.append(Verdict(best.name if best and known else None, best, at, rate, ruined))
        return verdicts[0] if p.is_one else verdicts

    @staticmethod
    def _threshold(
        calibration: Optional[Calibration], far: Optional[float], threshold: Optional[float]
    ) -> Tuple[float, float]:
        nan = float("nan")
        if threshold is not None:
            return threshold, nan
        if calibration is None:
            return _THRESHOLD, nan
        if far is not None:
            return calibration.threshold(far), far
        at, rate = calibration.threshold_near(1e-3)
        if rate != rate:
            at = _THRESHOLD
        if not rate <= 1.01e-3:
            warnings.warn(
                "too few pairs were calibrated with for a false accept rate of 1e-3: the threshold "
                f"is {f'that of {rate:g}' if rate == rate else f'{at}, of no known rate'}",
                stacklevel=3,
            )
        return at, rate

    # --- what a score means

    def calibrate(
        self,
        probes: Any = None,
        people: Optional[Sequence[Any]] = None,
        *,
        kind: Optional[str] = None,
        method: Optional[str] = None,
        model: Optional[FusionModel] = None,
        evidence: Any = None,
        faces: Any = None,
        resamples: int = 200,
        seed: int = 1,
        progress: Optional[Callable[[int], object]] = None,
    ) -> Calibration:
        """Compares probes with everybody they are not of (None: the people of the gallery with each
        other), and keeps the thresholds at false accept rates of 1e-2 to 1e-6 in the gallery, in
        place of older ones of this kind.

        probes     a list of FaceSets, which say how they were made; or templates f32 [n, C], and
                   then method (None: the gallery's), model, evidence and faces, [n] each, say it
        people     [n]: whose they are, of the gallery or not; None in it: somebody of whom there is
                   one probe. Needed with probes
        kind       a name for probes of this kind; None: "probes"
        resamples  of the 95 % intervals, a bootstrap over people; 0: none
        progress   called now and then with the probes compared, and the resamples

        ValueError: no pair of different people, NaN or Inf, another width. Ctrl-C stops it, and
        nothing is kept.
        """
        if resamples < 0 or seed < 0:
            raise InvalidError("resamples and seed cannot be negative")
        info = self.info
        if probes is None:
            if people is not None or kind is not None or method is not None or model is not None:
                raise InvalidError("people, kind, method and model go with probes")
            kind, way, digest = "gallery", way_text(info["method"], info["norm_power"], info["chunk"]), info["model"]
            templates = None
        else:
            if people is None:
                raise InvalidError("people: whose the probes are has to be said")
            p = _as_probes(probes, info)
            templates, kind = p.templates, kind or "probes"
            if kind == "gallery":
                raise InvalidError("kind gallery: the gallery against itself is called so")
            if p.way is not None:
                if method is not None or model is not None or evidence is not None or faces is not None:
                    raise InvalidError("method, model, evidence and faces: FaceSets say it themselves")
                way, digest, evidence, faces = p.way, p.model, p.evidence, p.faces
            elif method is None:
                way = way_text(info["method"], info["norm_power"], info["chunk"])
                digest = model.hash if model else info["model"]
            else:
                way = parse_way(method)
                digest = model.hash if model and way.startswith(NETWORKS) else ""
        self._module.gallery_calibrate(
            self._handle, templates, texts(people), evidence, faces, kind, way, digest, resamples,
            seed, progress,
        )  # fmt: skip
        made = self.calibration(way, digest, kind=kind)
        assert made is not None
        return made

    def calibration(
        self,
        method: str,
        model: Union[None, str, FusionModel] = None,
        *,
        kind: Optional[str] = None,
        faces: float = float("nan"),
    ) -> Optional[Calibration]:
        """The calibration that suits probes of a method and a model (or its hash) with so many
        faces each; None where there is none."""
        digest = model.hash if isinstance(model, FusionModel) else model
        handle = self._module.gallery_calibration(
            self._handle, kind, parse_way(method), digest, faces
        )
        return None if handle is None else Calibration(handle)

    def keep_calibration(self, calibration: Calibration) -> None:
        """Keeps a calibration that was loaded, or is another gallery's, in place of one of the same
        method and kind. That its people and pictures are like this gallery's is the caller's to
        know. OSError: opened to read, the disk is full."""
        if not isinstance(calibration, Calibration):
            raise TypeError(f"calibration: a {type(calibration).__name__}, expected a caface.Calibration")
        self._module.gallery_keep_calibration(self._handle, calibration._handle)

    def calibrations(self) -> List[Calibration]:
        """Every calibration, by method and kind."""
        found = []
        for kind, method, model in self._module.gallery_calibrations(self._handle):
            handle = self._module.gallery_calibration(
                self._handle, kind, method, model, float("nan")
            )
            if handle is not None:
                found.append(Calibration(handle))
        return found
