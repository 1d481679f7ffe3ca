"""Metrics for each value of a column, so that a good mean hides no bad slice."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from mlp_assets.metrics.metrics import METRICS
from mlp_assets.models.evaluation.judgement import Evaluation, GateResult
from mlp_assets.nouns.gates import OnEverySlice

_BINS, _SHOWN = 4, 5


@dataclass(frozen=True)
class Slice:
    """A value of the column, or a range of values, and the metric on its rows; NaN where it cannot be computed."""

    value: str
    rows: int
    metric: float


def on_every_slice(evaluation: Evaluation, gate: OnEverySlice) -> GateResult:
    """Passes when each slice of enough rows meets the bound. A slice without a metric does not."""
    higher = METRICS[gate.metric].higher_is_better
    every = slices(evaluation, gate.by, gate.metric)
    judged = [part for part in every if part.rows >= gate.min_rows]
    if not judged:
        message = f"No value of {gate.by} has {gate.min_rows} rows or more, so nothing is judged: lower min_rows."
        return GateResult(gate.name, False, message)
    good = [part for part in judged if _meets(part.metric, gate.value, higher)]
    bad = [part for part in judged if part not in good]
    worst = sorted(judged, key=lambda part: _badness(part.metric, higher), reverse=True)
    listed = ", ".join(f"{part.value} {part.metric:.4f} ({part.rows} rows)" for part in (bad or worst)[:_SHOWN])
    side = "at least" if higher else "at most"
    message = f"{gate.metric} is {side} {gate.value:g} on {len(good)} of {len(judged)} slices by {gate.by}; "
    message += f"{'not on' if bad else 'the worst are'} {listed}{' ...' if len(bad) > _SHOWN else ''}."
    if len(every) > len(judged):
        message += f" {len(every) - len(judged)} with fewer than {gate.min_rows} rows are not judged."
    numbers = {"slices": len(judged), "slices_refused": len(bad), "not_judged": len(every) - len(judged)}
    return GateResult(gate.name, not bad, message, numbers)


def slices(evaluation: Evaluation, by: str, metric: str) -> list[Slice]:
    """The metric on each slice, in the order of their values. A column of many floats is cut at its quartiles."""
    labels = _labels(evaluation.rows.column(by))
    parts: list[Slice] = []
    for value in labels.unique().sort():
        here = (labels == value).to_numpy()
        number = METRICS[metric].compute(evaluation.truth[here], evaluation.candidate[here])
        parts.append(Slice(value, int(here.sum()), number))
    return parts


def _labels(column: pl.Series) -> pl.Series:
    if not column.dtype.is_float() or column.n_unique() <= _BINS:
        return column.cast(pl.String).fill_null("missing")
    values = column.to_numpy()
    edges = np.unique(np.nanquantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    names = [f"below {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges)), f"{edges[-1]:g} and more"]
    places = np.where(np.isnan(values), len(names), np.searchsorted(edges, values, side="right"))
    return pl.Series([*names, "missing"]).gather(places)


def _meets(value: float, bound: float, higher_is_better: bool) -> bool:
    return value >= bound if higher_is_better else value <= bound  # False for NaN


def _badness(value: float, higher_is_better: bool) -> float:
    return math.inf if math.isnan(value) else -value if higher_is_better else value
