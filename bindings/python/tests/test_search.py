"""Index: against a plain search in double, whatever the codes."""

import pickle
import threading

import numpy as np
import pytest

import caface


@pytest.fixture
def templates(rng):
    x = rng.normal(size=(3000, 64)).astype("f")
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def naive(rows, queries, k):
    scores = queries.astype("d") @ rows.astype("d").T
    order = np.lexsort((np.broadcast_to(np.arange(len(rows)), scores.shape), -scores))[:, :k]
    return order, np.take_along_axis(scores, order, 1)


@pytest.mark.parametrize("codes", ["f32", "f16", "int8", "auto"])
@pytest.mark.parametrize("half", [False, True])
def test_the_best_rows_are_found_exactly(templates, rng, codes, half):
    rows = templates.astype("e") if half else templates
    queries = rng.normal(size=(40, 64)).astype("f")
    index = caface.Index(rows, codes=codes)
    found, scores = index.search(queries, 7)
    expected, exact = naive(rows, queries, 7)
    assert found.dtype == np.int64 and scores.dtype == np.float32
    assert np.array_equal(found, expected)
    assert np.allclose(scores, exact, rtol=1e-6, atol=1e-7)  # sums in double, rounded once
    one, score = index.search(queries[3], 7)
    assert one.shape == (7,) and np.array_equal(one, found[3]) and np.array_equal(score, scores[3])
    assert np.array_equal(index.row(5), rows[5].astype("f"))
    assert np.array_equal(index.row(-1), rows[-1].astype("f"))
    assert len(index) == 3000 and index.C == 64


def test_rows_are_borrowed(templates):
    index = caface.Index(templates)
    assert index.info["bytes"] == caface.Index(np.array(templates)).info["bytes"]
    templates[7] *= 0  # they are to stay as they are; that they change here shows whose they are
    assert not index.row(7).any()


def test_what_is_never_found(templates):
    templates[3], templates[4], templates[5, 2] = 0, np.nan, np.inf
    index = caface.Index(templates)
    assert index.info["empty"] == 1 and index.info["invalid"] == 2
    rows, scores = index.search(templates[:2], 3000)
    assert set(rows[0]) == set(range(3000)) - {3, 4, 5} | {-1}
    assert (rows[0][-3:] == -1).all() and (scores[0][-3:] == -np.inf).all()
    rows, _ = index.search(templates[:1], 5, threshold=0.999)
    assert rows.tolist() == [[0, -1, -1, -1, -1]]
    assert (index.search(np.zeros((1, 64)), 2)[0] == -1).all()
    empty = caface.Index(templates[:0])
    assert len(empty) == 0 and (empty.search(templates[:2], 1)[0] == -1).all()
    assert index.search(templates[:0], 2)[0].shape == (0, 2)


def test_wrong_searches(templates):
    index = caface.Index(templates)
    for k in (0, -1):
        with pytest.raises(ValueError, match="k ="):
            index.search(templates[:1], k)
    with pytest.raises(ValueError, match="64 numbers"):
        index.search(templates[:1, :5])
    queries = templates[:3000].copy()
    queries[2900, 1] = np.nan
    with pytest.raises(ValueError, match="2900"):
        index.search(queries, 1)
    with pytest.raises(ValueError):
        index.search(templates[:1], 1, threshold=float("nan"))
    with pytest.raises(ValueError):
        caface.Index(templates, codes="int4")
    with pytest.raises(ValueError):
        caface.Index(templates[0])
    with pytest.raises(TypeError):
        caface.Index("templates")
    with pytest.raises(ValueError):
        caface.Index(templates, threads=-1)
    with pytest.raises(IndexError):
        index.row(3000)
    with pytest.raises((MemoryError, ValueError)):  # NumPy says either
        index.search(templates, 10**15)


def test_threads_and_pickling(templates):
    index = caface.Index(templates, codes="int8", threads=2)
    expected = index.search(templates[:50], 5)
    again = pickle.loads(pickle.dumps(index))
    assert np.array_equal(again.search(templates[:50], 5)[0], expected[0])
    wrong = []

    def work():
        for _ in range(5):
            rows, scores = index.search(templates[:50], 5)
            if not (np.array_equal(rows, expected[0]) and np.array_equal(scores, expected[1])):
                wrong.append(rows)

    threads = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_torch_and_maps(templates, tmp_path):
    expected = caface.Index(templates).search(templates[:9], 3)
    np.save(tmp_path / "t.npy", templates)
    mapped = caface.Index(np.load(tmp_path / "t.npy", mmap_mode="r"))
    assert np.array_equal(mapped.search(templates[:9], 3)[0], expected[0])
    torch = pytest.importorskip("torch")
    index = caface.Index(torch.from_numpy(templates))
    assert np.array_equal(index.search(torch.from_numpy(templates[:9]), 3)[1], expected[1])
    half = caface.Index(torch.from_numpy(templates).half())
    assert half.info["rows"] == "f16"
    assert half.search(torch.from_numpy(templates)[4])[0][0] == 4
