"""NannyML's figures of windows: features are independent, and figures are cached by content."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon

from mlp_assets.nouns.task import BINARY, REGRESSION, Task
from mlp_resources.monitoring.nannyml import NannyMonitoring
from mlp_resources.monitoring.window_sample import draw_sample


def frame(windows: list[str], shift: float = 0.0, *, gone: bool = False) -> pl.DataFrame:
    rng = np.random.default_rng(len(windows))
    rows = 400 * len(windows)
    rows_of_windows = pl.DataFrame(
        {
            "window": [window for window in windows for _ in range(400)],
            "a": rng.normal(shift, 1.0, rows),
            "b": rng.normal(0.0, 1.0, rows),
        }
    )
    return rows_of_windows.with_columns(b=pl.lit(None, dtype=pl.Float64)) if gone else rows_of_windows


REFERENCE = frame([f"2024-01-{day:02d}" for day in range(1, 7)])


def by_feature(figures: pl.DataFrame) -> dict[str, tuple[float, bool]]:
    return {row["feature"]: (row["value"], row["exceeded"]) for row in figures.to_dicts()}


def test_a_feature_without_values_does_not_hide_the_others(tmp_path: Path) -> None:
    windows = frame(["2024-02-01"], shift=5.0, gone=True)
    figures = by_feature(drift(tmp_path, windows))
    assert figures["a"][1]
    assert figures["a"][0] > 0.8
    assert figures["b"] == (1.0, True)


def drift(folder: Path, windows: pl.DataFrame, reference: pl.DataFrame = REFERENCE) -> pl.DataFrame:
    return NannyMonitoring(folder).drift(reference.lazy(), windows.lazy(), features=["a", "b"], minimum_rows=100)


def estimate(folder: Path, windows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Adds predictions to the windows and estimates them; the reference has a target that follows its predictions."""
    chance = 1 / (1 + (-pl.col("a")).exp())
    drawn = pl.Series(np.random.default_rng(3).random(REFERENCE.height))
    target = (drawn < chance).cast(pl.Float64) if task.has_classes else pl.col("a") + drawn
    reference = REFERENCE.with_columns(prediction=chance, y=target)
    return NannyMonitoring(folder).estimate(
        reference.lazy(),
        windows.lazy().with_columns(prediction=chance),
        task=task,
        target="y",
        features=["a", "b"],
        minimum_rows=100,
    )


def inodes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_ino for file in folder.iterdir()}


@pytest.mark.parametrize(
    "figures",
    [drift, partial(estimate, task=BINARY), partial(estimate, task=REGRESSION)],
    ids=["drift", "binary", "regression"],
)
def test_only_new_windows_are_computed(tmp_path: Path, figures: Callable[..., pl.DataFrame]) -> None:
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


def test_figures_depend_on_the_reference(tmp_path: Path) -> None:
    windows = frame(["2024-02-01"])
    first = drift(tmp_path, windows)
    moved = drift(tmp_path, windows, REFERENCE.with_columns(pl.col("a") + 1))
    assert by_feature(moved)["a"][0] > by_feature(first)["a"][0]
    assert drift(tmp_path, windows).equals(first)


def test_no_windows_give_no_figures(tmp_path: Path) -> None:
    assert drift(tmp_path, frame(["2024-02-01"]).clear()).is_empty()
    assert estimate(tmp_path, frame(["2024-02-01"]).clear(), BINARY).is_empty()


def test_figures_unused_for_a_month_are_removed(tmp_path: Path) -> None:
    windows = frame(["2024-02-01", "2024-02-02"])
    drift(tmp_path, windows)
    past = time.time() - 31 * 86_400
    for file in tmp_path.iterdir():
        os.utime(file, (past, past))
    drift(tmp_path, frame(["2024-02-03"], shift=1.0))
    assert len(inodes(tmp_path)) == 2  # the new window's, and the reference's


def test_the_libraries_that_only_tuning_and_plots_need_are_imported_when_used() -> None:
    """In a new process: NannyML alone; then what a user's own code may do with it afterwards."""
    code = """
import sys
from mlp_resources.monitoring import nannyml
nml = nannyml._nannyml()
left_out = {"flaml", "mlflow", "ray", "statsmodels", "xgboost"}
assert not left_out & set(sys.modules), left_out & set(sys.modules)
from nannyml.performance_estimation.direct_loss_estimation import metrics
from nannyml.plots.components import joy_plot
assert joy_plot.sm.nonparametric.KDEUnivariate.__module__.startswith("statsmodels.")
assert type(metrics.AutoML()).__module__.startswith("flaml.")
import flaml, statsmodels
assert flaml.AutoML is type(metrics.AutoML()) and statsmodels.__file__
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_sample_is_drawn_by_place_whatever_columns_are_asked_for() -> None:
    rows = pl.DataFrame({"window": ["b", "a", "b"] * 8_000, "x": range(24_000), "y": range(24_000)}).with_columns(
        **{f"more_{number}": pl.col("x") + number for number in range(9)}
    )
    names = [name for name in rows.columns if name != "window"]
    sample = draw_sample(rows.lazy(), names)
    drawn = rows.filter(pl.col("window") == "b").sample(10_000, seed=1)
    assert sample.equals(pl.concat([rows.filter(pl.col("window") == "a"), drawn]))
    assert draw_sample(rows.lazy(), ["y"]).equals(sample.select("window", "y"))


def test_features_do_not_affect_each_other(tmp_path: Path) -> None:
    """More features than are computed at a time, each as if it were the only one."""
    names = [f"x{number}" for number in range(9)]
    noise = np.random.default_rng(4).normal(size=(REFERENCE.height, len(names)))
    reference = REFERENCE.with_columns(pl.Series(name, noise[:, number]) for number, name in enumerate(names))
    windows = reference.head(400).with_columns(pl.lit("2024-02-01").alias("window"), pl.col("x8") + 3)
    engine = NannyMonitoring(tmp_path)
    together = engine.drift(reference.lazy(), windows.lazy(), features=names, minimum_rows=100)
    alone = [engine.drift(reference.lazy(), windows.lazy(), features=[name], minimum_rows=100) for name in names]
    assert together.equals(pl.concat(alone))
    assert together["exceeded"].to_list() == [False] * 8 + [True]


CONSTANT = REFERENCE.select(
    "window",
    tariff=pl.lit("basic"),
    zero=pl.lit(0.0),
    never=pl.lit(None, dtype=pl.Float64),
    never_text=pl.lit(None, dtype=pl.String),
)


def moved(share: float) -> pl.DataFrame:
    """A window in which this share of each column is something that the reference never had."""
    new = pl.int_range(pl.len()) < pl.len() * share
    return CONSTANT.head(400).select(
        window=pl.lit("2024-02-01"),
        tariff=pl.when(new).then(pl.lit("gold")).otherwise("tariff"),
        zero=pl.when(new).then(3.0).otherwise("zero"),
        never=pl.when(new).then(1.0),
        never_text=pl.when(new).then(pl.lit("x")),
    )


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 1.0])
def test_what_was_constant_or_never_there_has_a_row_and_drifts(tmp_path: Path, share: float) -> None:
    names = [name for name in CONSTANT.columns if name != "window"]
    engine = NannyMonitoring(tmp_path)
    figures = engine.drift(CONSTANT.lazy(), moved(share).lazy(), features=names, minimum_rows=100)
    assert sorted(figures["feature"]) == sorted(names)
    assert figures["sufficient"].all()
    expected = float(jensenshannon([1.0, 0.0], [1.0 - share, share], base=2))
    values = {name: value for name, (value, _) in by_feature(figures).items()}
    assert values["tariff"] == values["zero"] == pytest.approx(expected, abs=1e-9)
    assert values["never"] == values["never_text"] == float(share > 0)
    exceeded = {name: out for name, (_, out) in by_feature(figures).items()}
    assert exceeded["tariff"] == exceeded["zero"] == (share >= 0.25)  # the smallest limit is 0.1
    assert exceeded["never"] == (share > 0)
