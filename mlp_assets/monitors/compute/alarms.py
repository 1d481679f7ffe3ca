"""Decides which windows alarm, and which alarms form one episode."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from mlp_assets.metrics.metrics import METRICS
from mlp_assets.metrics.window_figures import reachable
from mlp_assets.nouns.monitor import Alarm, DriftAlarm, PerformanceAlarm, QualityAlarm

MESSAGE_COLUMN = "told"
"""The column of the alarms' table that holds a window's message. Tables of earlier releases have it, so it stays."""
_DRIFT = ("jensen_shannon",)
_QUALITY = ("missing_share", "out_of_range_share")
_FEATURES_NAMED = 3
INSUFFICIENT = "insufficient data"
_UNREACHABLE = (
    "too few rows a window, so that the windows of the reference differ as far as any can; write a longer every"
)


@dataclass(frozen=True)
class Verdict:
    """Whether one window alarms by one alarm, and why. ``alarm`` is None where the data are insufficient."""

    window: str
    alarm: bool | None
    message: str


@dataclass(frozen=True)
class WindowState:
    """Whether a window alarms by any alarm that held for as many windows in a row as it requires.

    ``alarm`` is None if no alarm had sufficient data: such a window is neither calm nor alarming.
    """

    window: str
    model_version: str
    alarm: bool | None
    message: str


@dataclass(frozen=True)
class Episode:
    """Alarming windows that belong together. The id names the monitor, the live version and the first window."""

    id: str
    model_version: str
    first_window: str
    last_window: str
    open: bool
    message: str


def judge_windows(alarm: Alarm, figures: pl.DataFrame) -> list[Verdict]:
    """The verdict of one alarm on every window of the figures (see ``FIGURES_SCHEMA``)."""
    windows = figures["window"].unique().sort().to_list()
    relevant = _relevant(alarm, figures)
    return [_verdict(alarm, window, relevant.filter(pl.col("window") == window)) for window in windows]


def _relevant(alarm: Alarm, figures: pl.DataFrame) -> pl.DataFrame:
    if isinstance(alarm, PerformanceAlarm):
        return figures.filter(pl.col("method") == f"{alarm.kind}_{alarm.metric}")
    methods = _DRIFT if isinstance(alarm, DriftAlarm) else _QUALITY
    relevant = figures.filter(pl.col("method").is_in(methods))
    return relevant if alarm.features is None else relevant.filter(pl.col("feature").is_in(alarm.features))


def _verdict(alarm: Alarm, window: str, figures: pl.DataFrame) -> Verdict:
    sufficient = figures.filter(pl.col("sufficient"))
    if sufficient.is_empty():
        return Verdict(window, None, _why_not_judged(alarm, figures))
    if isinstance(alarm, PerformanceAlarm):
        return _judge_performance(alarm, window, sufficient.row(0, named=True))
    return _judge_shares(alarm, window, sufficient)


def _why_not_judged(alarm: Alarm, figures: pl.DataFrame) -> str:
    shares = not isinstance(alarm, PerformanceAlarm)
    limited = figures.filter(pl.col("upper").is_not_null())
    unreachable = (
        limited.filter(~reachable(one_sided=shares)).select(pl.col("method").unique().sort()).to_series().to_list()
    )
    return f"cannot judge {', '.join(unreachable)}: {_UNREACHABLE}" if unreachable else INSUFFICIENT


def _judge_shares(alarm: DriftAlarm | QualityAlarm, window: str, figures: pl.DataFrame) -> Verdict:
    excess = (pl.col("value") / pl.col("upper")).alias("excess")
    by_excess = figures.with_columns(excess).sort("excess", descending=True)
    worst = by_excess.unique("feature", keep="first", maintain_order=True)
    exceeded = worst.filter(pl.col("exceeded"))
    share = exceeded.height / worst.height
    strongest = float(worst["excess"][0] or 0.0)
    alarmed = share >= alarm.share or (alarm.strong is not None and strongest >= alarm.strong)
    verb = "drifted" if isinstance(alarm, DriftAlarm) else "are of bad quality"
    named = ", ".join(
        f"{row['feature']} ({row['method']} {row['value']:.3f}, limit {row['upper']:.3f})"
        for row in exceeded.head(_FEATURES_NAMED).to_dicts()
    )
    message = f"{exceeded.height} of {worst.height} features {verb}" + (f": {named}" if named else "")
    return Verdict(window, alarmed, message)


def _judge_performance(alarm: PerformanceAlarm, window: str, row: Mapping[str, float]) -> Verdict:
    higher_is_better = METRICS[alarm.metric].higher_is_better
    value, reference = row["value"], row["reference"]
    limit = row["lower"] if higher_is_better else row["upper"]
    beyond = value < limit if higher_is_better else value > limit
    worse = reference - value if higher_is_better else value - reference
    drop = worse / abs(reference) if reference else math.inf  # nothing is a share of 0
    message = f"{alarm.kind} {alarm.metric} is {value:.4f}, the reference {reference:.4f}, the limit {limit:.4f}"
    return Verdict(window, beyond and drop >= alarm.drop, message)


def combine_verdicts(
    judged: Sequence[tuple[Alarm, Sequence[Verdict]]], versions: Mapping[str, str]
) -> list[WindowState]:
    """The state of every window of ``versions``, in order of time.

    Args:
        judged: alarms with their verdicts.
        versions: window -> the version that was live in it.
    """
    messages: dict[str, list[str]] = {window: [] for window in versions}
    not_judged: dict[str, list[str]] = {window: [] for window in versions}
    sufficient: set[str] = set()
    for alarm, verdicts in judged:
        in_a_row, version = 0, ""
        for verdict in sorted(verdicts, key=lambda verdict: verdict.window):
            if verdict.window not in versions:
                continue
            if versions[verdict.window] != version:
                in_a_row, version = 0, versions[verdict.window]
            if verdict.alarm is None:
                not_judged[verdict.window] += [verdict.message] if verdict.message != INSUFFICIENT else []
                continue
            sufficient.add(verdict.window)
            in_a_row = in_a_row + 1 if verdict.alarm else 0
            if in_a_row >= alarm.consecutive:
                messages[verdict.window].append(verdict.message)
    return [
        WindowState(window, versions[window], bool(raised), "; ".join([*raised, *not_judged[window]]))
        if window in sufficient
        else WindowState(window, versions[window], None, "; ".join(not_judged[window]) or INSUFFICIENT)
        for window, raised in sorted(messages.items())
    ]


def find_episodes(monitor: str, states: Sequence[WindowState], *, calm: int) -> list[Episode]:
    """The episodes of the states, oldest first. One ends after ``calm`` calm windows, or when the version changes."""
    episodes: list[Episode] = []
    current: Episode | None = None
    quiet = 0
    for state in states:
        if current is not None and (state.model_version != current.model_version or quiet >= calm):
            episodes.append(replace(current, open=False))
            current = None
        if state.alarm:
            first = current.first_window if current is not None else state.window
            identity = f"{monitor}:{state.model_version}:{first}"
            message = current.message if current is not None else state.message
            current, quiet = Episode(identity, state.model_version, first, state.window, True, message), 0
        elif state.alarm is not None:
            quiet += 1
    if current is not None:
        episodes.append(replace(current, open=False) if quiet >= calm else current)
    return episodes


def keep_ids(episodes: Sequence[Episode], states: Sequence[WindowState], recorded: Mapping[str, str]) -> list[Episode]:
    """The episodes under their recorded ids, though late labels may have moved their first windows.

    Args:
        recorded: window -> the id of its episode, as last recorded.
    """
    taken: set[str] = set()
    kept: list[Episode] = []
    for episode in episodes:
        span = [s.window for s in states if episode.first_window <= s.window <= episode.last_window]
        mark = f":{episode.model_version}:"
        ids = [recorded[w] for w in span if w in recorded and mark in recorded[w] and recorded[w] not in taken]
        renamed = replace(episode, id=ids[0]) if ids else episode
        taken.add(renamed.id)
        kept.append(renamed)
    return kept


def windows_table(states: Sequence[WindowState], episodes: Sequence[Episode]) -> pl.DataFrame:
    """One row a window: its version, whether it alarms, the message, and the id of its episode (null if none)."""
    schema = {
        "window": pl.String, "model_version": pl.String, "alarm": pl.Boolean, MESSAGE_COLUMN: pl.String,
        "episode": pl.String,
    }  # fmt: skip
    rows = [
        (
            state.window,
            state.model_version,
            state.alarm,
            state.message,
            next((e.id for e in episodes if e.first_window <= state.window <= e.last_window), None),
        )
        for state in states
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")
