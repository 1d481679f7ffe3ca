"""Floors on slices: the metric for each value of a column, so that a good mean hides no bad part."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from mlp_assets.metrics.metrics import METRICS
from mlp_assets.models.evaluation.judgement import GateResult, Trial
from mlp_assets.nouns.gates import OnEverySlice

_BINS, _SHOWN = 4, 5


@dataclass(frozen=True)
class Slice:
    """One value of the column, or one range of it, and the metric on its rows; NaN where there is none."""

    value: str
    rows: int
    metric: float


def on_every_slice(trial: Trial, gate: OnEverySlice) -> GateResult:
    """Passes when each slice of enough rows is on the right side of the bound; one without a metric does not."""
    metric = METRICS[gate.metric]
    found = slices(trial, gate.by, gate.metric)
    judged = [one for one in found if one.rows >= gate.min_rows]
    if not judged:
        told = f"No value of {gate.by} has {gate.min_rows} rows or more, so nothing is judged: lower min_rows."
        return GateResult(gate.name, False, told)
    good = [one for one in judged if _good(one.metric, gate.value, metric.higher_is_better)]
    bad = [one for one in judged if one not in good]
    worst = sorted(judged, key=lambda one: _badness(one.metric, metric.higher_is_better), reverse=True)
    listed = ", ".join(f"{one.value} {one.metric:.4f} ({one.rows} rows)" for one in (bad or worst)[:_SHOWN])
    side = "at least" if metric.higher_is_better else "at most"
    told = f"{gate.metric} is {side} {gate.value:g} on {len(good)} of {len(judged)} slices by {gate.by}; "
    told += f"{'not on' if bad else 'the worst are'} {listed}{' ...' if len(bad) > _SHOWN else ''}."
    if len(found) > len(judged):
        told += f" {len(found) - len(judged)} with fewer than {gate.min_rows} rows are not judged."
    numbers = {"slices": len(judged), "slices_refused": len(bad), "not_judged": len(found) - len(judged)}
    return GateResult(gate.name, not bad, told, numbers)


def slices(trial: Trial, by: str, metric: str) -> list[Slice]:
    """The metric on each slice, in the order of their values; a column of many numbers is cut at its quantiles."""
    labels = _labels(trial.rows[by])
    found: list[Slice] = []
    for value in labels.unique().sort():
        here = (labels == value).to_numpy()
        number = METRICS[metric].compute(trial.truth[here], trial.candidate[here])
        found.append(Slice(value, int(here.sum()), number))
    return found


def _labels(column: pl.Series) -> pl.Series:
    if not column.dtype.is_float() or column.n_unique() <= _BINS:
        return column.cast(pl.String).fill_null("missing")
    values = column.to_numpy()
    edges = np.unique(np.nanquantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    names = [f"below {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges)), f"{edges[-1]:g} and more"]
    places = np.searchsorted(edges, values, side="right")
    return pl.Series(
        [names[place] if value == value else "missing" for place, value in zip(places, values, strict=True)]
    )


def _good(value: float, bound: float, higher_is_better: bool) -> bool:
    return value >= bound if higher_is_better else value <= bound  # False for NaN


def _badness(value: float, higher_is_better: bool) -> float:
    return math.inf if math.isnan(value) else -value if higher_is_better else value
