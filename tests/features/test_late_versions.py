"""Versions of feature rows, with late and withdrawn events, against a brute-force oracle; and equal bits."""

from datetime import datetime, timedelta
from statistics import stdev

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.tables.events import UTC_TIME, as_events
from tests.support import samples as s
from tests.support.aggregations import DAY, FEATURES, MOMENTS, START, VIEW

# user, hour of the event, amount, hours until it is known, hours from then until it is withdrawn
event = st.tuples(
    st.integers(0, 1),
    st.integers(0, 6 * 24),
    st.one_of(st.none(), st.integers(0, 5)),
    st.sampled_from([0, 0, 0, 5, 24, 31, 70, 150]),
    st.sampled_from([None, None, None, 3, 24, 50]),
)
Event = tuple[int, int, int | None, int, int | None]


def frame(rows: list[Event]) -> pl.LazyFrame:
    hours = [timedelta(hours=hour) for _, hour, _, _, _ in rows]
    known = [START + timedelta(hours=hour + lag) for _, hour, _, lag, _ in rows]
    data = {
        "user_id": [user for user, *_ in rows],
        "at": [START + hour for hour in hours],
        "amount": [None if row[2] is None else row[2] / 4 for row in rows],
        "known_at": known,
        "withdrawn_at": [None if r[4] is None else k + timedelta(hours=r[4]) for r, k in zip(rows, known, strict=True)],
        "__late": [lag > 0 for _, _, _, lag, _ in rows],
    }
    times = dict.fromkeys(("at", "known_at", "withdrawn_at"), UTC_TIME)
    return pl.LazyFrame(data, schema_overrides={"user_id": pl.Int64, "amount": pl.Float64, **times})


def within(
    rows: list[Event], user: int, moment: datetime, version: datetime, hours: int
) -> list[tuple[int, float | None]]:
    """(hour, amount) of the user's events in the last hours before the moment, as known at the version."""
    events: list[tuple[int, float | None]] = []
    for who, hour, amount, lag, gone in rows:
        at = START + timedelta(hours=hour)
        known = at + timedelta(hours=lag)
        valid = known <= version and (gone is None or known + timedelta(hours=gone) > version)
        if who == user and valid and moment - timedelta(hours=hours) <= at < moment:
            events.append((hour, None if amount is None else amount / 4))
    return events


def values(rows: list[Event], user: int, moment: datetime, version: datetime) -> dict[str, float | None]:
    def seen(hours: int) -> list[float]:
        return [amount for _, amount in within(rows, user, moment, version, hours) if amount is not None]

    four, three, two = seen(96), seen(72), seen(48)
    dated = [(hour, amount) for hour, amount in within(rows, user, moment, version, 72) if amount is not None]
    visits = len(within(rows, user, moment, version, 96))
    if not visits:
        return dict.fromkeys(FEATURES)
    middle = sorted(four)
    return {
        "spend": sum(two), "visits": float(visits), "amounts": float(len(set(three))),
        "mean": sum(four) / len(four) if four else None,
        "spread": stdev(four) if len(four) > 1 else None,
        "newest": max(dated)[1] if dated else None, "oldest": min(dated)[1] if dated else None,
        "doubled": max((2 * amount for amount in seen(36)), default=None),
        "median": (middle[len(four) // 2] + middle[(len(four) - 1) // 2]) / 2 if four else None,
        "share": sum(two) / sum(four) if sum(four) else None,
    }  # fmt: skip


def expected(rows: list[Event], user: int, moment: datetime) -> list[tuple[datetime, dict[str, float | None]]]:
    """Every version of a row: (known at, features)."""
    times = [START + timedelta(hours=hour + lag) for who, hour, _, lag, _ in rows if who == user]
    times += [
        START + timedelta(hours=h + lag + gone) for who, h, _, lag, gone in rows if who == user and gone is not None
    ]
    versions: list[tuple[datetime, dict[str, float | None]]] = []
    if within(rows, user, moment, moment, 96 + 24):
        versions.append((moment, values(rows, user, moment, moment)))
    for version in sorted({time for time in times if time > moment}):
        now = values(rows, user, moment, version)
        begins = not versions and bool(within(rows, user, moment, version, 96 + 24))
        if begins or (versions and now != versions[-1][1]):
            versions.append((version, now))
    return versions


@given(st.lists(event, min_size=1, max_size=14))
@settings(max_examples=60, deadline=None)
def test_each_version_of_each_row_has_the_values_known_then(rows: list[Event]) -> None:
    table = feature_rows(VIEW, frame(rows), MOMENTS)
    for moment in MOMENTS:
        for user in (0, 1):
            wanted = expected(rows, user, moment)
            got = table.filter(pl.col("event_time") == moment, pl.col("user_id") == user)
            assert got["known_at"].to_list() == [version for version, _ in wanted]
            for row, (_, features) in zip(got.to_dicts(), wanted, strict=True):
                assert {name: row[name] for name in features} == pytest.approx(features, abs=1e-12)


@given(st.lists(event, min_size=1, max_size=14), st.integers(1, 9 * 24))
@settings(max_examples=200, deadline=None)
def test_at_any_time_the_newest_row_holds_what_was_known_then(rows: list[Event], hour: int) -> None:
    """The oracle knows nothing of rows: which there are, and which close the ones before."""
    at, moments = START + timedelta(hours=hour), [START + n * DAY for n in range(1, 10)]
    table = feature_rows(VIEW, frame(rows), moments)
    newest = max((moment for moment in moments if moment <= at), default=START)
    seen = table.filter(pl.col("event_time") <= at, pl.col("known_at") <= at).sort("event_time", "known_at")
    for user in (0, 1):
        row = seen.filter(user_id=user).tail(1).select(*FEATURES).to_dicts()
        wanted = values(rows, user, newest, at)
        assert (row[0] if row else dict.fromkeys(FEATURES)) == pytest.approx(wanted, abs=1e-12)


amounts = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-6)
loose = st.tuples(st.integers(0, 2), st.floats(0, 6.5), amounts, st.sampled_from([0.0, 0.0, 0.3, 1.7]))


@given(st.lists(loose, min_size=1, max_size=40), st.sampled_from(["1d", "1w"]))
@settings(max_examples=30, deadline=None)
def test_a_moment_alone_has_the_same_bits(rows: list[tuple[int, float, float, float]], every: str) -> None:
    view = s.view(source=s.source(start="2024-03-01"), features=FEATURES, every=every)
    at = [START + timedelta(days=day) for _, day, _, _ in rows]
    known = [time + timedelta(days=lag) for time, (*_, lag) in zip(at, rows, strict=True)]
    data = {
        "user_id": [user for user, *_ in rows],
        "amount": [amount for _, _, amount, _ in rows],
        "at": at,
        "known_at": known,
        "__late": [row[3] > 0 for row in rows],
    }
    events = pl.DataFrame(data).with_columns(
        pl.col("at", "known_at").cast(UTC_TIME), pl.lit(None, UTC_TIME).alias("withdrawn_at")
    )
    step = {"1d": 1, "1w": 7}[every]
    moments = [START + timedelta(days=step * n) for n in range(1, 9)]
    whole = feature_rows(view, events.lazy(), moments)
    shuffled = events.sample(fraction=1, shuffle=True, seed=len(rows))
    alone = pl.concat([feature_rows(view, shuffled.lazy(), [moment]) for moment in moments])
    assert whole.equals(alone)


def test_features_of_features_see_the_versions_of_their_source() -> None:
    rows: list[Event] = [(0, 1, 4, 0, None), (0, 25, 8, 40, None), (1, 30, 2, 0, None)]
    upstream = s.view(source=s.source(start="2024-03-01"), features={"spend": mlp.total("amount", over="2d")})
    table = feature_rows(upstream, frame(rows), MOMENTS)
    downstream = s.view(name="habit", source=upstream, features={"most": mlp.maximum("spend", over="3d")})
    habit = feature_rows(downstream, as_events(upstream, table.lazy()), MOMENTS[:4])
    assert habit.filter(user_id=0).select("event_time", "known_at", "most").rows() == [
        (MOMENTS[0], MOMENTS[0], 1.0),
        (MOMENTS[1], MOMENTS[1], 1.0),
        (MOMENTS[1], START + timedelta(hours=65), 3.0),
        (MOMENTS[2], MOMENTS[2], 3.0),
        (MOMENTS[3], MOMENTS[3], 3.0),
    ]


def test_an_attribute_holds_until_the_next_row_or_its_end() -> None:
    columns = {"user_id": pl.Int64, "tier": pl.Float64, "at": pl.Datetime, "until": pl.Datetime}
    source = s.source(columns=columns, start="2024-03-01")
    tier = mlp.attribute("tier", until="until")
    view = s.view(source=source, features={"tier": tier, "changes_2d": mlp.count(over="2d")})
    data = pl.LazyFrame(
        {
            "user_id": [1, 1, 2],
            "tier": [1.0, 3.0, 7.0],
            "at": [START, START + 2 * DAY, START],
            "until": [None, None, START + 3 * DAY],
        }
    )
    table = feature_rows(view, as_events(source, data), MOMENTS[:5])
    assert table.filter(user_id=1)["tier"].to_list() == [1.0, 1.0, 3.0, 3.0, 3.0]
    assert table.filter(user_id=1)["changes_2d"].to_list() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert table.filter(user_id=2)["tier"].to_list() == [7.0, 7.0, None, None, None]


def test_an_attribute_that_is_known_after_its_end_ends() -> None:
    columns = {"user_id": pl.Int64, "tier": pl.Float64, "at": pl.Datetime, "until": pl.Datetime, "told": pl.Datetime}
    source = s.source(columns=columns, start="2024-03-01", known_at="told")
    view = s.view(source=source, features={"tier": mlp.attribute("tier", until="until")})
    told = START + 4 * DAY + timedelta(hours=6)
    data = pl.LazyFrame({"user_id": [1], "tier": [1.0], "at": [START], "until": [START + 2 * DAY], "told": [told]})
    table = feature_rows(view, as_events(source, data), MOMENTS[:4])
    assert table.select("event_time", "known_at", "tier").rows() == [
        (MOMENTS[0], MOMENTS[4], 1.0),
        *((moment, MOMENTS[4], None) for moment in MOMENTS[1:4]),
    ]


def test_a_late_event_whose_short_window_has_ended_leaves_no_value() -> None:
    features = {"mean_1d": mlp.mean("amount", over="1d"), "counted_3d": mlp.mean("count", over="3d")}
    columns = {"user_id": pl.Int64, "amount": pl.Float64, "count": pl.Float64, "at": pl.Datetime, "told": pl.Datetime}
    source = s.source(columns=columns, start="2024-03-01", known_at="told")
    view = s.view(source=source, features=features)
    at, told = START + timedelta(hours=1), START + 2 * DAY + timedelta(hours=6)
    data = pl.LazyFrame({"user_id": [1], "amount": [4.0], "count": [None], "at": [at], "told": [told]})
    table = feature_rows(view, as_events(source, data), MOMENTS[:2])
    assert table.select("event_time", "known_at", "mean_1d").rows() == [
        (MOMENTS[0], MOMENTS[2], 4.0),
        (MOMENTS[1], MOMENTS[2], None),
    ]


def test_other_entities_do_not_change_a_bit() -> None:
    users, hours = 400, range(0, 7 * 24, 24)
    data = {
        "user_id": [user for _ in hours for user in range(users)],
        "amount": [0.1 * (user % 7) + 0.01 * hour for hour in hours for user in range(users)],
        "at": [START + timedelta(hours=hour) for hour in hours for _ in range(users)],
    }
    events = as_events(VIEW.source, pl.LazyFrame(data)).collect()
    whole = feature_rows(VIEW, events.lazy(), MOMENTS)
    for few in (1, 3, 57, 256, 399):
        some = feature_rows(VIEW, events.filter(pl.col("user_id") < few).lazy(), MOMENTS)
        assert some.equals(whole.filter(pl.col("user_id") < few))
