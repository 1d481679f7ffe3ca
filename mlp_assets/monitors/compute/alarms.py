"""When figures become alarms, and alarms become episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from mlp_assets.metrics.metrics import METRICS
from mlp_assets.nouns.monitor import Alarm, DriftAlarm, PerformanceAlarm, QualityAlarm

_DRIFT = ("jensen_shannon",)
_QUALITY = ("missing_share", "out_of_range_share")
_NAMED = 3
INSUFFICIENT = "insufficient data"


@dataclass(frozen=True)
class Verdict:
    """Whether one window alarms by one alarm, and why; None means that its data are insufficient."""

    window: str
    alarm: bool | None
    sentence: str


@dataclass(frozen=True)
class WindowState:
    """Whether a window alarms by any alarm that held for as many windows in a row as it asks.

    None means that no alarm had sufficient data: such a window is neither calm nor alarming.
    """

    window: str
    model_version: str
    alarm: bool | None
    sentence: str


@dataclass(frozen=True)
class Episode:
    """Windows of alarm that belong together. The id is made of the monitor, the live version and the first window."""

    id: str
    model_version: str
    first_window: str
    last_window: str
    open: bool
    sentence: str


def judge(alarm: Alarm, rows: pl.DataFrame) -> list[Verdict]:
    """The verdict of one alarm on every window of the tidy rows."""
    windows = rows["window"].unique().sort().to_list()
    chosen = _relevant(alarm, rows)
    return [_verdict(alarm, window, chosen.filter(pl.col("window") == window)) for window in windows]


def _relevant(alarm: Alarm, rows: pl.DataFrame) -> pl.DataFrame:
    if isinstance(alarm, PerformanceAlarm):
        return rows.filter(pl.col("method") == f"{alarm.kind}_{alarm.metric}")
    methods = _DRIFT if isinstance(alarm, DriftAlarm) else _QUALITY
    chosen = rows.filter(pl.col("method").is_in(methods))
    return chosen if alarm.features is None else chosen.filter(pl.col("feature").is_in(alarm.features))


def _verdict(alarm: Alarm, window: str, rows: pl.DataFrame) -> Verdict:
    usable = rows.filter(pl.col("sufficient"))
    if usable.is_empty():
        return Verdict(window, None, INSUFFICIENT)
    if isinstance(alarm, PerformanceAlarm):
        return _performance(alarm, window, usable.row(0, named=True))
    return _shares(alarm, window, usable)


def _shares(alarm: DriftAlarm | QualityAlarm, window: str, rows: pl.DataFrame) -> Verdict:
    excess = (pl.col("value") / pl.col("upper")).alias("excess")
    worst = (
        rows.with_columns(excess).sort("excess", descending=True).unique("feature", keep="first", maintain_order=True)
    )
    beyond = worst.filter(pl.col("exceeded"))
    share = beyond.height / worst.height
    strongest = float(worst["excess"][0] or 0.0)
    alarmed = share >= alarm.share or (alarm.strong is not None and strongest >= alarm.strong)
    kind = "drifted" if isinstance(alarm, DriftAlarm) else "are of bad quality"
    named = ", ".join(
        f"{row['feature']} ({row['method']} {row['value']:.3f}, limit {row['upper']:.3f})"
        for row in beyond.head(_NAMED).to_dicts()
    )
    sentence = f"{beyond.height} of {worst.height} features {kind}" + (f": {named}" if named else "")
    return Verdict(window, alarmed, sentence)


def _performance(alarm: PerformanceAlarm, window: str, row: Mapping[str, float]) -> Verdict:
    higher_is_better = METRICS[alarm.metric].higher_is_better
    value, reference = row["value"], row["reference"]
    limit = row["lower"] if higher_is_better else row["upper"]
    left = value < limit if higher_is_better else value > limit
    worse = (reference - value if higher_is_better else value - reference) / abs(reference)
    sentence = f"{alarm.kind} {alarm.metric} is {value:.4f}, the reference {reference:.4f}, the limit {limit:.4f}"
    return Verdict(window, left and worse >= alarm.drop, sentence)


def combine(judged: Sequence[tuple[Alarm, Sequence[Verdict]]], versions: Mapping[str, str]) -> list[WindowState]:
    """The state of every window that has a live version in ``versions``, in order of time."""
    raised: dict[str, list[str]] = {window: [] for window in versions}
    known: set[str] = set()
    for alarm, verdicts in judged:
        in_a_row, version = 0, ""
        for verdict in sorted(verdicts, key=lambda verdict: verdict.window):
            if verdict.window not in versions:
                continue
            if versions[verdict.window] != version:
                in_a_row, version = 0, versions[verdict.window]
            if verdict.alarm is None:
                continue
            known.add(verdict.window)
            in_a_row = in_a_row + 1 if verdict.alarm else 0
            if in_a_row >= alarm.consecutive:
                raised[verdict.window].append(verdict.sentence)
    return [
        WindowState(window, versions[window], bool(told), "; ".join(told))
        if window in known
        else WindowState(window, versions[window], None, INSUFFICIENT)
        for window, told in sorted(raised.items())
    ]


def episodes(monitor: str, states: Sequence[WindowState], *, calm: int) -> list[Episode]:
    """The episodes of the states, oldest first. One ends after ``calm`` calm windows, or when the version changes."""
    found: list[Episode] = []
    current: Episode | None = None
    quiet = 0
    for state in states:
        if current is not None and (state.model_version != current.model_version or quiet >= calm):
            found.append(_closed(current))
            current = None
        if state.alarm:
            first = current.first_window if current is not None else state.window
            identity = f"{monitor}:{state.model_version}:{first}"
            sentence = current.sentence if current is not None else state.sentence
            current, quiet = Episode(identity, state.model_version, first, state.window, True, sentence), 0
        elif state.alarm is not None:
            quiet += 1
    if current is not None:
        found.append(_closed(current) if quiet >= calm else current)
    return found


def with_known_ids(found: Sequence[Episode], states: Sequence[WindowState], before: Mapping[str, str]) -> list[Episode]:
    """The episodes under the ids that they had before, though late labels may have moved their first window.

    Args:
        before: window -> the id of its episode, as of the last time.
    """
    taken: set[str] = set()
    kept: list[Episode] = []
    for episode in found:
        span = [s.window for s in states if episode.first_window <= s.window <= episode.last_window]
        mark = f":{episode.model_version}:"
        known = [before[w] for w in span if w in before and mark in before[w] and before[w] not in taken]
        one = replace(episode, id=known[0]) if known else episode
        taken.add(one.id)
        kept.append(one)
    return kept


def windows_table(states: Sequence[WindowState], found: Sequence[Episode]) -> pl.DataFrame:
    """One row a window: its version, whether it alarms, why, and the episode that it belongs to (null if none)."""
    schema = {
        "window": pl.String, "model_version": pl.String, "alarm": pl.Boolean, "told": pl.String, "episode": pl.String,
    }  # fmt: skip
    rows = [
        (
            state.window,
            state.model_version,
            state.alarm,
            state.sentence,
            next((one.id for one in found if one.first_window <= state.window <= one.last_window), None),
        )
        for state in states
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _closed(episode: Episode) -> Episode:
    return replace(episode, open=False)
