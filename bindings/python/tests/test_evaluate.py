"""Figures against plain definitions, and the tool's."""

import json

import numpy as np
import pytest

import caface
from caface import evaluate

from conftest import SAMPLE


@pytest.fixture(scope="module")
def templates(model, probes, gallery):
    g = caface.fuse_many(gallery, ids=gallery.integers("label"), method="average")
    p = caface.fuse_many(probes, model=model)
    first = np.unique(probes.integers("template"), return_index=True)[1]
    return g, p, probes.integers("label")[first]


def test_verification_is_the_definition(rng):
    scores = np.round(rng.normal(size=4000), 2).astype("f")
    same = rng.random(4000) < 0.2
    scores[same] += 1.5
    found = evaluate.verify(scores, same)
    assert found.genuine == same.sum() and found.impostor == (~same).sum()
    # the area under the curve is the chance that a genuine pair scores higher
    g, i = scores[same][:, None], scores[~same][None]
    assert abs(found.auc - ((g > i).mean() + 0.5 * (g == i).mean())) < 1e-9
    for row in found:
        accepted = scores >= row["threshold"]
        assert abs(row["far_measured"] - accepted[~same].mean()) < 1e-12
        assert abs(row["tar"] - accepted[same].mean()) < 1e-12
        assert np.isnan(row["low"])
    assert found.tar(0.1) == found[5]["tar"]
    with pytest.raises(KeyError):
        found.tar(0.5)
    far, tar = found.curve
    assert (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()


def test_intervals(rng):
    people = rng.integers(0, 50, (2, 3000))
    same = people[0] == people[1]
    scores = (rng.normal(size=3000) + 2 * same).astype("f")
    a = evaluate.verify(scores, same, people=people, resamples=200)
    b = evaluate.verify(scores, same, people=np.char.zfill(people.astype(str), 2), resamples=200, threads=1)
    assert a.to_dict()["rows"] == b.to_dict()["rows"]  # same seed, same intervals
    assert all(row["low"] <= row["tar"] <= row["high"] for row in a)
    c = evaluate.verify(scores, same, people=people, resamples=200, seed=2)
    assert c.to_dict() != a.to_dict()
    with pytest.raises(ValueError, match="person"):
        evaluate.verify(scores, same, resamples=10)


def test_identification_is_the_definition(templates):
    g, p, labels = templates
    found = evaluate.identify(g.templates, g.ids, p.templates, labels, resamples=100)
    scores = p.templates @ g.templates.T
    best = scores.max(1, where=g.ids[None] == labels[:, None], initial=-2)
    ranks = 1 + (scores > best[:, None] + 1e-6).sum(1)
    assert (found.ranks == ranks).mean() > 0.99  # but for scores that differ by rounding
    assert found.mated == len(labels) and found.nonmated == 0
    assert found.rank(1) == found[0]["value"] == (found.ranks == 1).mean()
    assert found[0]["low"] <= found[0]["value"] <= found[0]["high"]
    half = evaluate.identify(g.templates[::2], g.ids[::2], p.templates, labels)
    assert half.nonmated > 0 and any("open" in row["figure"] for row in half)


def test_figures_are_the_tools(tool, templates, tmp_path):
    g, p, labels = templates
    a, b, same = evaluate.all_pairs(labels)
    ours = evaluate.verify(evaluate.scores(p.templates, a, b), same)
    lines = zip(p.ids[a], p.ids[b], same)
    (tmp_path / "pairs.txt").write_text("".join(f"{x} {y} {int(z)}\n" for x, y, z in lines))
    shown = json.loads(
        tool("eval", "verify", "-f", SAMPLE / "probes", "-m", SAMPLE / "model.safetensors",
             "--pairs", tmp_path / "pairs.txt", "--json", "--method", "caface")
    )  # fmt: skip
    theirs = find(shown, "auc")
    assert theirs is not None and abs(theirs["auc"] - ours.auc) < 1e-9
    assert abs(theirs["eer"] - ours.eer) < 1e-9
    assert ours.genuine == same.sum()


def find(value, key):
    """The first object in a JSON value that has the key."""
    if isinstance(value, dict):
        if key in value:
            return value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find(item, key)
            if found is not None:
                return found
    return None


def test_scores(rng):
    t = rng.normal(size=(20, 33)).astype("f")
    a, b, same = evaluate.all_pairs(["x", "y"] * 10)
    assert len(a) == 190 and same.sum() == 90 and (a < b).all()
    assert np.allclose(evaluate.scores(t, a, b), (t[a] * t[b]).sum(1), atol=1e-5)
    with pytest.raises(ValueError, match="20"):
        evaluate.scores(t, [0], [20])
    with pytest.raises(ValueError):
        evaluate.scores(t, [0, 1], [2])
    with pytest.raises(ValueError):
        evaluate.scores(t, [-1], [0])
    with pytest.raises(TypeError):
        evaluate.scores(t, [0.5], [0])
    assert evaluate.scores(t, np.zeros(0, int), np.zeros(0, int)).shape == (0,)


def test_wrong_input(rng):
    s = rng.random(10).astype("f")
    for scores, same in (
        (s, np.ones(10, bool)), (s, np.zeros(10, bool)), (s, np.ones(9, bool)),
        (np.where(np.arange(10) == 4, np.nan, s), np.arange(10) < 5), (s[:0], np.zeros(0, bool)),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            evaluate.verify(scores, same)
    t = np.eye(4, dtype="f")
    for args in (
        (t, [1, 2, 3, 4], t, [5, 6, 7, 8]), (t, [1, 2, 3], t, [1, 2, 3, 4]), (t, [1, 2, 3, 4], t[:, :3], [1, 2, 3, 4]),
        (t[:0], np.zeros(0, int), t, [1, 2, 3, 4]), (t * np.nan, [1, 2, 3, 4], t, [1, 2, 3, 4]),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            evaluate.identify(*args)
    with pytest.raises(ValueError):
        evaluate.verify(s, np.arange(10) < 5, resamples=-1)


def test_tables(templates):
    g, p, labels = templates
    found = evaluate.identify(g.templates, list(map(str, g.ids)), p.templates, list(map(str, labels)))
    assert "rank-1" in repr(found) and len(found) == 5
    assert "<td>rank-1</td>" in found._repr_html_()
    json.dumps(found.to_dict())
    assert repr(evaluate.Table("empty", [])).startswith("empty")


def test_plots(templates, tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    g, p, labels = templates
    a, b, same = evaluate.all_pairs(labels)
    scores = evaluate.scores(p.templates, a, b)
    found = evaluate.verify(scores, same, people=(labels[a], labels[b]), resamples=50)
    axes = found.plot(label="caface")
    line = axes.lines[0].get_xydata()
    assert line[-1, 1] == 1 and (np.diff(line[:, 0]) >= 0).all()
    axes.figure.savefig(tmp_path / "roc.png")
    cmc = evaluate.identify(g.templates, g.ids, p.templates, labels)
    axes = Figure().subplots()
    assert cmc.plot(axes) is axes
    assert np.allclose(axes.lines[0].get_ydata(), [cmc.rank(k) for k in range(1, 21)])
