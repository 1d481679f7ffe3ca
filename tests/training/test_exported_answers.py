"""Random models on random rows: what is served is what the model itself answers, or it is refused.

The rows hold missing values, infinities, unseen categories and constant columns. ``MLP_LONG`` tries 1,000 models.
"""

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.training.comparison import TOLERANCE
from mlp_assets.training.export import ExportError, export
from tests.support.random_data import RandomData
from tests.support.random_models import FITTED

LONG = bool(os.environ.get("MLP_LONG"))
CASES = {"sklearn": (36, 500), "xgboost": (12, 200), "lightgbm": (12, 200), "torch": (4, 100)}
ROWS, ROWS_ALONE = 200, 15


def _own_answers(predict: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) numbers of rows and the model's own answers to them, NaN for those that it refuses.

    Of rows of a kind that the model refuses together, only some are asked one by one.
    """
    infinite, missing = ~np.isfinite(np.nan_to_num(rows, nan=0.0, posinf=np.inf, neginf=-np.inf)), np.isnan(rows)
    kinds = infinite.any(axis=1) * 2 + missing.any(axis=1)
    places, answers = list[int](), list[np.ndarray]()
    for kind in np.unique(kinds):
        chosen = np.flatnonzero(kinds == kind)
        try:
            own = np.asarray(predict(rows[chosen]), dtype=np.float64).reshape(len(chosen), -1)
        except Exception:  # each library has its own for rows that it refuses
            chosen = chosen[:ROWS_ALONE]
            own = [_own_answer(predict, rows[place : place + 1]) for place in chosen]
        places += chosen.tolist()
        answers += list(own)
    width = max(answer.size for answer in answers)
    whole = [answer if answer.size == width else np.full(width, np.nan) for answer in answers]
    return np.array(places), np.stack(whole)


def _own_answer(predict: Callable[[np.ndarray], np.ndarray], row: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(predict(row), dtype=np.float64).ravel()
    except Exception:  # each library has its own for rows that it refuses
        return np.array([np.nan])


def _check_same(own: np.ndarray, served: np.ndarray, matrix: np.ndarray) -> None:
    served = served.reshape(len(matrix), -1)
    served = served if served.shape[1] == own.shape[1] else served[:, :1]  # none of the rows is answered
    answered = np.isfinite(served).all(axis=1)
    limit = TOLERANCE * (1 + np.abs(own[np.isfinite(own)]).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        wrong = answered & ~(np.abs(own - served).max(axis=1) <= limit)
    first = int(wrong.argmax())
    assert not wrong.any(), f"{wrong.sum()} rows, the first {matrix[first]}: {own[first]} is served as {served[first]}"


@pytest.fixture(scope="module")
def served_shares() -> Iterator[dict[str, list[float]]]:
    """Framework -> for each model, the share of the odd rows that is answered; refusing all of them is no success."""
    shares: dict[str, list[float]] = defaultdict(list)
    yield shares
    print({name: (len(each), np.mean(np.array(each) > 0), np.mean(each)) for name, each in shares.items()})
    assert all(np.mean(np.array(each) > 0) > 0.5 for each in shares.values() if len(each) >= 12)


@pytest.mark.filterwarnings("ignore")  # libraries' advice to those who fit such models
@pytest.mark.parametrize(
    ("framework", "seed"),
    [(framework, seed) for framework, counts in CASES.items() for seed in range(counts[LONG])],
)
def test_what_is_served_is_what_the_model_answers(
    tmp_path: Path, served_shares: dict[str, list[float]], framework: str, seed: int
) -> None:
    data = RandomData(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above; scikit-learn sets its own filters while it fits
        model, predict = FITTED[framework](data)
        try:
            digest = export(data.run(tmp_path), model, tmp_path / "artifact")
        except ExportError as refused:
            print(f"{framework} {seed} is refused: {refused}")
            served_shares[framework].append(0.0)
            return
        scorer = load_scorer(tmp_path / "artifact", digest)
        for number, odd in ((2, False), (3, True)):
            matrix = data.rows(number, ROWS, odd=odd)
            served = np.concatenate([scorer.predict(matrix[:150]), scorer.predict(matrix[150:])])
            places, own = _own_answers(predict, matrix.astype(np.float32))
            _check_same(own, served[places], matrix[places])
        served_shares[framework].append(float(np.isfinite(served).reshape(ROWS, -1).all(axis=1).mean()))
