"""Spooled lines -> rows of the predictions and feedback tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.serving.plan import ServingPlan
from mlp_assets.serving.spool import read_lines

_TIME = pl.Datetime("us", "UTC")
_KINDS: Mapping[str, Any] = {"Int64": pl.Int64, "Float64": pl.Float64, "String": pl.String, "Boolean": pl.Boolean}
_MAX_LINES = 2000


def drained(file: Path, offset: int, kind: str) -> tuple[pl.DataFrame, int] | None:
    """The rows of at most 2,000 lines from ``offset`` on, and where they end; None when there are none."""
    entries: list[dict[str, Any]] = []
    for end, entry in read_lines(file, offset):
        entries.append(entry)
        offset = end
        if len(entries) == _MAX_LINES:
            break
    if not entries:
        return None
    return (prediction_rows(entries) if kind == "predictions" else feedback_rows(entries)), offset


def prediction_entry(
    plan: ServingPlan,
    ids: Sequence[str],
    times: tuple[str, str],
    columns: Mapping[str, Sequence[Any]],
    looked: Any,
    answers: Any,
) -> dict[str, Any]:
    """One request as a line of the spool."""
    matrix = looked.matrix
    inputs = {
        name: [None if value != value else value for value in matrix[:, place].tolist()]
        for place, name in enumerate(plan.inputs)
    }
    return {
        "ids": list(ids),
        "endpoint": plan.endpoint,
        "model_version": plan.model_version,
        "requested_at": times[0],
        "at": times[1],
        "types": dict(plan.keys),
        "keys": {key: list(columns[key]) for key in plan.keys},
        "inputs": inputs,
        "prediction": answers.tolist(),
        "missing": {name: flags.nonzero()[0].tolist() for name, flags in looked.missing.items() if flags.any()},
        "expired": {name: flags.nonzero()[0].tolist() for name, flags in looked.expired.items() if flags.any()},
        "view_versions": dict(looked.versions),
    }


def prediction_rows(entries: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """One row a prediction: ids, versions, times, keys, the inputs it was made from, and what was missing."""
    frames = [_rows(entry) for entry in entries]
    times = [pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") for name in ("requested_at", "at")]
    return (
        pl.concat(frames, how="diagonal")
        .with_columns(times)
        .with_columns(partition=pl.col("at").dt.to_string("%Y-%m-%d"))
    )


def _rows(entry: dict[str, Any]) -> pl.DataFrame:
    count = len(entry["ids"])
    missing, expired = _named(entry["missing"], count), _named(entry["expired"], count)
    return pl.DataFrame(
        {
            "prediction_id": entry["ids"],
            "endpoint": [entry["endpoint"]] * count,
            "model_version": [entry["model_version"]] * count,
            "requested_at": [entry["requested_at"]] * count,
            "at": [entry["at"]] * count,
            **{key: pl.Series(values, dtype=_KINDS[entry["types"][key]]) for key, values in entry["keys"].items()},
            **{name: pl.Series(values, dtype=pl.Float64) for name, values in entry["inputs"].items()},
            "prediction": pl.Series(entry["prediction"], dtype=pl.Float64),
            "degraded": [bool(one or two) for one, two in zip(missing, expired, strict=True)],
            "missing_views": missing,
            "expired_views": expired,
            "view_versions": [str(entry["view_versions"])] * count,
        }
    )


def _named(flags: Mapping[str, Sequence[int]], count: int) -> list[str]:
    names: list[list[str]] = [[] for _ in range(count)]
    for name, rows in flags.items():
        for row in rows:
            names[row].append(name)
    return [",".join(found) for found in names]


def feedback_rows(entries: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """One row a label that a caller sent."""
    rows = [
        {"prediction_id": identity, "label": label, "known_at": entry["received_at"]}
        for entry in entries
        for identity, label in zip(entry["prediction_id"], entry["label"], strict=True)
    ]
    frame = pl.DataFrame(rows, schema={"prediction_id": pl.String, "label": pl.Float64, "known_at": pl.String})
    return frame.with_columns(pl.col("known_at").str.to_datetime(time_unit="us", time_zone="UTC"))
