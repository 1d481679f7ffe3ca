"""Turns lines of the spool into rows of the predictions and feedback tables."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlp_assets.endpoints.replica.plan import TYPES, ModelPlan
from mlp_assets.endpoints.replica.row_features import RowFeatures
from mlp_assets.endpoints.replica.spool import FEEDBACK, PREDICTIONS, UnreadableLine, read_lines, set_aside

_TIME = pl.Datetime("us", "UTC")
_MAX_LINES = 2000
_EPOCH = "1970-01-01T00:00:00+00:00"


def read_rows(file: Path, offset: int, kind: str) -> tuple[pl.DataFrame, int] | None:
    """The rows of at most 2,000 lines from ``offset`` on, and the offset after them; None if there are none.

    Lines that cannot become rows are set aside, so that they do not block the lines after them.
    """
    frames: list[pl.DataFrame] = []
    unreadable: list[UnreadableLine] = []
    types: dict[str, pl.DataType] = {}
    for start, line in read_lines(file, offset):
        try:
            frame = _READERS[kind](json.loads(line))
        except (Exception, pl.exceptions.PanicException) as error:
            unreadable.append(UnreadableLine(start, line, f"{type(error).__name__}: {error}"))
        else:
            if any(types.get(name, dtype) != dtype for name, dtype in frame.schema.items()):
                break  # a key changed its type between two lines: one frame cannot hold both
            types |= frame.schema
            frames.append(frame)
        offset = start + len(line)
        if len(frames) == _MAX_LINES:
            break
    if unreadable:
        set_aside(file, unreadable)
    return (pl.concat(frames, how="diagonal"), offset) if frames else None


def prediction_entry(
    plan: ModelPlan,
    ids: Sequence[str],
    times: tuple[str, str],
    columns: Mapping[str, Sequence[Any]],
    features: RowFeatures,
    answers: Mapping[str, Sequence[Any]],
) -> dict[str, Any]:
    """One request as an entry of the spool.

    Args:
        times: ISO times of the request and of the moment that it asks for.
    """
    matrix = features.matrix
    inputs = {
        name: [value if math.isfinite(value) else None for value in matrix[:, place].tolist()]
        for place, name in enumerate(plan.numbers)
    }
    return {
        "ids": list(ids),
        "endpoint": plan.endpoint,
        "model_version": plan.model_version,
        "requested_at": times[0],
        "at": times[1],
        "types": dict(plan.keys),
        "keys": {key: list(columns[key]) for key in plan.keys},
        "given_types": {name: kind for name, kind in plan.request.items() if name not in plan.numbers},
        "given": {name: list(columns[name]) for name in plan.request if name not in plan.numbers},
        "inputs": inputs,
        "prediction": answers["prediction"],
        **({"probability": answers["probability"], "label_type": plan.label} if "probability" in answers else {}),
        "missing": _rows_of(features.missing),
        "expired": _rows_of(features.expired),
        "partial": _rows_of(features.partial),
        "view_versions": dict(features.versions),
    }


def _rows_of(flags: Mapping[str, Any]) -> dict[str, list[int]]:
    return {name: flagged.nonzero()[0].tolist() for name, flagged in flags.items() if flagged.any()}


def prediction_rows(entry: Mapping[str, Any]) -> pl.DataFrame:
    """One row per prediction: ids, versions, times, keys, inputs, the answer, and the views that lacked features."""
    count = len(entry["ids"])
    missing, expired = _named(entry["missing"], count), _named(entry["expired"], count)
    at = _time(entry["at"])
    return pl.DataFrame(
        {
            "prediction_id": _texts(entry["ids"]),
            "endpoint": _texts([entry["endpoint"]] * count),
            "model_version": _texts([entry["model_version"]] * count),
            "requested_at": _column([_time(entry["requested_at"])] * count, _TIME),
            "at": _column([at] * count, _TIME),
            **{key: _column(values, TYPES[entry["types"][key]]) for key, values in entry["keys"].items()},
            **{name: _column(values, pl.Float64) for name, values in entry["inputs"].items()},
            **{
                name: _column(values, TYPES[entry["given_types"][name]])
                for name, values in entry.get("given", {}).items()
            },
            "prediction": _column(entry["prediction"], TYPES[entry.get("label_type", "Float64")]),
            **({"probability": _column(entry["probability"], pl.Float64)} if "probability" in entry else {}),
            "degraded": _column(
                [bool(unknown or old) for unknown, old in zip(missing, expired, strict=True)], pl.Boolean
            ),
            "missing_views": _texts(missing),
            "expired_views": _texts(expired),
            "partial_views": _texts(_named(entry.get("partial", {}), count)),
            "view_versions": _texts([json.dumps(entry["view_versions"], sort_keys=True)] * count),
            "partition": _texts([at.date().isoformat()] * count),
        }
    )


def log_schema(plan: ModelPlan) -> pl.Schema:
    """The columns of the table of the plan's predictions."""
    nothing = RowFeatures(np.empty((0, len(plan.numbers))), {})
    answers: dict[str, list[Any]] = {name: [] for name in plan.task.answer_columns}
    columns: dict[str, list[Any]] = {name: [] for name in plan.columns}
    return prediction_rows(prediction_entry(plan, [], (_EPOCH, _EPOCH), columns, nothing, answers)).schema


def _named(flags: Mapping[str, Sequence[int]], count: int) -> list[str]:
    names: list[list[str]] = [[] for _ in range(count)]
    for name, rows in flags.items():
        for row in rows:
            names[row].append(name)
    return [",".join(views) for views in names]


def feedback_rows(entry: Mapping[str, Any]) -> pl.DataFrame:
    """One row per label that a caller sent."""
    ids = _texts(entry["prediction_id"])
    times = _column([_time(entry["received_at"])] * len(ids), _TIME)
    return pl.DataFrame(
        {
            "prediction_id": ids,
            "label": _column(entry["label"], TYPES[entry.get("label_type", "Float64")]),
            "known_at": times,
        }
    )


def _texts(values: Sequence[str]) -> pl.Series:
    return _column(values, pl.String)


def _column(values: Sequence[Any], dtype: Any) -> pl.Series:
    """Strict: a value of another type is an error. ``values=`` because a single text would become the series' name."""
    return pl.Series(values=values, dtype=dtype)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], pl.DataFrame]] = {
    PREDICTIONS: prediction_rows,
    FEEDBACK: feedback_rows,
}
