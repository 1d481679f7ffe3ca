"""NannyML's figures of windows: each feature for itself, the reference's own remembered."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlp_assets.nouns.task import BINARY, REGRESSION, Task
from mlp_resources.monitoring.nannyml import NannyMonitoring


def frame(windows: list[str], shift: float = 0.0, *, gone: bool = False) -> pl.DataFrame:
    rng = np.random.default_rng(len(windows))
    rows = 400 * len(windows)
    made = pl.DataFrame(
        {
            "window": [window for window in windows for _ in range(400)],
            "a": rng.normal(shift, 1.0, rows),
            "b": rng.normal(0.0, 1.0, rows),
        }
    )
    return made.with_columns(b=pl.lit(None, dtype=pl.Float64)) if gone else made


REFERENCE = frame([f"2024-01-{day:02d}" for day in range(1, 7)])


def told(found: pl.DataFrame) -> dict[str, tuple[float, bool]]:
    return {row["feature"]: (row["value"], row["exceeded"]) for row in found.to_dicts()}


def test_a_feature_that_vanishes_hides_no_other(tmp_path: Path) -> None:
    windows = frame(["2024-02-01"], shift=5.0, gone=True)
    found = told(NannyMonitoring(tmp_path).drift(REFERENCE, windows, features=["a", "b"], minimum_rows=100))
    assert found["a"][1]
    assert found["a"][0] > 0.8
    assert found["b"] == (1.0, True)


def drifted(folder: Path, windows: pl.DataFrame, reference: pl.DataFrame = REFERENCE) -> pl.DataFrame:
    return NannyMonitoring(folder).drift(reference, windows, features=["a", "b"], minimum_rows=100)


def estimated(folder: Path, windows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """The windows with a prediction, estimated by a reference with a target that follows it."""
    chance = 1 / (1 + (-pl.col("a")).exp())
    drawn = pl.Series(np.random.default_rng(3).random(REFERENCE.height))
    target = (drawn < chance).cast(pl.Float64) if task.has_classes else pl.col("a") + drawn
    reference = REFERENCE.with_columns(prediction=chance, y=target)
    return NannyMonitoring(folder).estimate(
        reference, windows.with_columns(prediction=chance), task=task, target="y", features=["a", "b"], minimum_rows=100
    )


def inodes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_ino for file in folder.iterdir()}


@pytest.mark.parametrize(
    "figures",
    [drifted, partial(estimated, task=BINARY), partial(estimated, task=REGRESSION)],
    ids=["drift", "binary", "regression"],
)
def test_a_new_window_is_computed_and_no_other(tmp_path: Path, figures: Callable[..., pl.DataFrame]) -> None:
    both, first = frame(["2024-02-01", "2024-02-02"]), pl.col("window") == "2024-02-01"
    alone = figures(tmp_path / "kept", both.filter(first))
    before = inodes(tmp_path / "kept")
    together = figures(tmp_path / "kept", both)
    after = inodes(tmp_path / "kept")
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1
    assert together.filter(first).equals(alone)
    assert together.equals(figures(tmp_path / "fresh", both))
    changed = both.with_columns(pl.when(first).then("a").otherwise(pl.col("a") + 1).alias("a"))
    assert not figures(tmp_path / "kept", changed).equals(together)
    assert figures(tmp_path / "kept", changed).equals(figures(tmp_path / "another", changed))


def test_another_reference_has_other_figures(tmp_path: Path) -> None:
    windows = frame(["2024-02-01"])
    first = drifted(tmp_path, windows)
    moved = drifted(tmp_path, windows, REFERENCE.with_columns(pl.col("a") + 1))
    assert told(moved)["a"][0] > told(first)["a"][0]
    assert drifted(tmp_path, windows).equals(first)


def test_no_window_gives_no_figures(tmp_path: Path) -> None:
    assert drifted(tmp_path, frame(["2024-02-01"]).clear()).is_empty()
    assert estimated(tmp_path, frame(["2024-02-01"]).clear(), BINARY).is_empty()


def test_what_nobody_asks_for_goes(tmp_path: Path) -> None:
    windows = frame(["2024-02-01", "2024-02-02"])
    drifted(tmp_path, windows)
    past = time.time() - 31 * 86_400
    for file in tmp_path.iterdir():
        os.utime(file, (past, past))
    drifted(tmp_path, frame(["2024-02-03"], shift=1.0))
    assert len(inodes(tmp_path)) == 2  # the new window's, and the reference's
