"""NannyML's figures of windows: each feature for itself, the reference's own remembered."""

from pathlib import Path

import numpy as np
import polars as pl

from mlp_resources.monitor_nannyml import NannyMonitoring


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


def test_the_reference_is_scored_once_for_its_content(tmp_path: Path) -> None:
    monitoring, windows = NannyMonitoring(tmp_path), frame(["2024-02-01"])
    first = monitoring.drift(REFERENCE, windows, features=["a", "b"], minimum_rows=100)
    (kept,) = tmp_path.iterdir()
    before = kept.stat().st_mtime_ns
    assert monitoring.drift(REFERENCE, windows, features=["a", "b"], minimum_rows=100).equals(first)
    assert kept.stat().st_mtime_ns == before
    monitoring.drift(REFERENCE.with_columns(pl.col("a") + 1), windows, features=["a", "b"], minimum_rows=100)
    assert len(list(tmp_path.iterdir())) == 2
