"""Rows that stand for several moments give what a row for each moment gives: written out, cut, joined and published."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mlp_assets.tables.as_of_join import FeatureTable, join_frame_as_visible
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.standing_rows import (
    UNTIL,
    as_newest,
    merge_alike,
    moments_held,
    up_to,
    within_spans,
    written_out,
)
from mlp_assets.tables.visibility import AS_KNOWN, Grid, Visibility, visible_at

START, EVERY, COUNT = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=6), 10
GRID = Grid(START, EVERY, START + COUNT * EVERY)
COLUMNS = ["user", "event_time", "known_at", "x", "y"]


def at(number: float) -> datetime:
    return START + number * EVERY


@dataclass(frozen=True)
class Case:
    """Values of users at moments, and when each moment became visible."""

    values: dict[tuple[int, int], tuple[float | None, int]]
    versions: dict[tuple[int, int, int], float]
    delays: list[float | None]

    @property
    def dense(self) -> pl.DataFrame:
        """A row for each user, moment and version."""
        base = [(user, at(number), at(number), x, float(y)) for (user, number), (x, y) in self.values.items()]
        late = [
            (user, at(number), at(number + after), x, 0.0)
            for (user, number, after), x in self.versions.items()
            if (user, number) in self.values
        ]
        schema = {"user": pl.Int64, "event_time": UTC_TIME, "known_at": UTC_TIME, "x": pl.Float64, "y": pl.Float64}
        return pl.DataFrame([*base, *late], schema=schema, orient="row").sort("event_time", "user", "known_at")

    @property
    def standing(self) -> pl.DataFrame:
        rows = self.dense.with_columns(pl.col("event_time").alias(UNTIL))
        return merge_alike(rows, ["user"], ["x", "y"], EVERY)

    @property
    def visible(self) -> pl.Expr:
        times = [None if delay is None else at(number + delay) for number, delay in enumerate(self.delays, 1)]
        known = pl.col("known_at") + EVERY / 2
        return visible_at(GRID, Visibility(pl.Series(times, dtype=UTC_TIME), known))


_users, _numbers = st.integers(0, 2), st.integers(1, COUNT)
_values = st.tuples(st.sampled_from([None, 1.0]), st.integers(0, 1))
cases = st.builds(
    Case,
    st.dictionaries(
        st.tuples(_users, _numbers), st.tuples(st.sampled_from([None, 1.0]), st.integers(0, 1)), max_size=30
    ),
    st.dictionaries(st.tuples(_users, _numbers, st.integers(1, 3)), st.floats(2, 9), max_size=4),
    st.lists(st.sampled_from([0.0, 0.0, 0.5, 0.5, 2.5, None]), min_size=COUNT, max_size=COUNT),
)


@given(cases)
def test_rows_are_as_few_as_can_be_and_written_out_they_are_the_same(case: Case) -> None:
    standing, dense = case.standing, case.dense
    assert (
        written_out(standing.lazy(), EVERY).select(COLUMNS).sort(COLUMNS[:3]).collect().equals(dense.sort(COLUMNS[:3]))
    )
    assert standing.height <= dense.height
    base = standing.filter(pl.col("known_at") == pl.col("event_time")).sort("user", "event_time")
    for before, after in zip(base.to_dicts(), base.to_dicts()[1:], strict=False):
        follows = before["user"] == after["user"] and before[UNTIL] + EVERY == after["event_time"]
        same_day = (before[UNTIL] - EVERY).date() == (after["event_time"] - EVERY).date()
        assert not (follows and same_day and (before["x"], before["y"]) == (after["x"], after["y"]))
    assert (standing[UNTIL] - timedelta(hours=1)).dt.date().eq((standing["event_time"] - EVERY).dt.date()).all()
    assert moments_held(standing.lazy(), EVERY).to_list() == sorted(set(dense["event_time"]))


@given(cases, st.lists(_numbers, min_size=4, max_size=4, unique=True))
def test_the_moments_of_spans_are_cut_out(case: Case, ends: list[int]) -> None:
    first, second, third, fourth = sorted(ends)
    spans = [(at(first), at(second)), (at(third), at(fourth))]
    cut = written_out(within_spans(case.standing.lazy(), spans), EVERY).collect()
    assert (
        cut.select(COLUMNS).sort(COLUMNS[:3]).equals(within_spans(case.dense.lazy(), spans).collect().sort(COLUMNS[:3]))
    )


@given(cases, st.integers(2, 2 * COUNT + 4))
def test_the_newest_row_of_a_time_is_the_newest_of_all_moments(case: Case, halves: int) -> None:
    now = at(halves / 2)
    newest = as_newest(up_to(case.standing.lazy(), now, EVERY)).collect()
    dense = up_to(case.dense.lazy(), now, EVERY).collect()
    order = ["user", "event_time", "known_at"]
    last = [frame.sort(order).group_by("user", maintain_order=True).last() for frame in (newest, dense)]
    assert last[0].select(COLUMNS).equals(last[1].select(COLUMNS))


@given(cases, st.sampled_from([None, EVERY, 3 * EVERY]), st.booleans(), st.booleans())
def test_a_join_sees_what_it_sees_of_a_row_for_each_moment(
    case: Case, ttl: timedelta | None, known: bool, narrowed: bool
) -> None:
    visible = AS_KNOWN if known else case.visible
    asked = [(user, at(quarters / 4)) for quarters in range(2, 4 * COUNT + 12) for user in (0, 1, 2, 3, None)]
    spine = pl.DataFrame(asked, schema={"user": pl.Int64, "at": UTC_TIME}, orient="row")
    dense = FeatureTable(case.dense.lazy(), ("user",), ("x", "y"), ttl, visible, time="seen")
    standing = replace(dense, rows=case.standing.lazy(), every=EVERY)
    expected, joined = (join_frame_as_visible(spine, "at", [table], narrowed=narrowed) for table in (dense, standing))
    assert joined.equals(expected)
