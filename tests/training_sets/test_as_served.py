"""Training rows equal what look-ups were given: weeks of real runs and publications, replayed by one injected clock.

Each case runs a project as its schedules would, step by step. At many times of a day, every entity is looked up in the
online store as a replica does it, with the clock at that time. Afterwards the same times are the labels of a training
set. Every value must be the same, bit for bit. ``MLP_LONG`` replays more days and users, over a million values in all.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from dagster._core.test_utils import freeze_time

import mlp_assets as mlp
from mlp_assets.features.online_reader import ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.cadence import Moments, cadences_of
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.schedules import request_of
from mlp_assets.publications.record import PublicationRecord
from mlp_assets.tables.expiry import microseconds
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# The hourly cases are after today: the true clock says when a table is created, and late steps count from then on.
AHEAD = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
LONG = bool(os.environ.get("MLP_LONG"))
USERS, DAYS, HOURLY_DAYS = (500, 60, 8) if LONG else (8, 18, 2)
LABELS = Table("shop", "training_set", "history")
COLUMNS: dict[str, Any] = {
    "user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime, "arrived_at": pl.Datetime,
}  # fmt: skip
LABEL_COLUMNS: dict[str, Any] = {"user_id": pl.Int64, "asked_at": pl.Datetime, "bought": pl.Float64}
user = mlp.Entity("user", keys=["user_id"])


def orders_of(start: datetime, days: int, per_user: float, late_minutes: int, step: int) -> pl.DataFrame:
    """Orders of which a fifth arrive late, and a tenth exactly when a step of some minutes ends."""
    rng = np.random.default_rng(3)
    count = int(days * USERS * per_user)
    ordered = rng.integers(0, days * 24 * 60, count)
    late = np.where(rng.random(count) < 0.2, rng.integers(1, late_minutes, count), 0)
    arrived = np.where(rng.random(count) < 0.1, -(-(ordered + late) // step) * step, ordered + late)
    minutes = [timedelta(minutes=int(minute)) for minute in ordered]
    return pl.DataFrame(
        {
            "user_id": rng.integers(0, USERS, count),
            "amount": rng.integers(1, 900, count) / 7,
            "ordered_at": [start + minute for minute in minutes],
            "arrived_at": [start + timedelta(minutes=int(minute)) for minute in arrived],
        }
    )


# A few orders a day, up to two days late; and a few in ten hours, up to nine hours late.
ORDERS = orders_of(START, DAYS + 8, 1.5, 60 * 50, 24 * 60)
HOURLY_ORDERS = orders_of(AHEAD, HOURLY_DAYS + 2, 10, 60 * 9, 60)


def read_orders(window: mlp.Window) -> pl.DataFrame:
    return (ORDERS if window.start < AHEAD else HOURLY_ORDERS).filter(window.holds("arrived_at"))


def external(location: str, **fields: Any) -> mlp.Source:
    return mlp.Source(
        "orders", delta=location, columns=COLUMNS, event_time="ordered_at", known_at="arrived_at",
        **({"start": "2024-01-01"} | fields),
    )  # fmt: skip


def ingested(_: str, every: str = "1d", start: datetime = START) -> mlp.Source:
    return mlp.Source(
        "orders", read=read_orders, columns=COLUMNS, event_time="ordered_at", known_at="arrived_at",
        start=f"{start:%Y-%m-%d}", every=every,
    )  # fmt: skip


def spending(source: mlp.Source, **fields: Any) -> mlp.FeatureView:
    return mlp.FeatureView(
        "spending",
        entity=user,
        source=source,
        online=True,
        features={"spend_3d": mlp.total("amount", over="3d"), "orders_5d": mlp.count(over="5d")},
        **({"ttl": "4d"} | fields),
    )


def habit(source: mlp.FeatureView, **fields: Any) -> mlp.FeatureView:
    return mlp.FeatureView(
        "habit",
        entity=user,
        source=source,
        online=True,
        features={"most_5d": mlp.maximum("spend_3d", over="7d"), "last": mlp.latest("spend_3d", over="14d")},
        **fields,
    )


def daily_external(location: str) -> list[mlp.FeatureView]:
    return [spending(external(location))]


def daily_ingested(location: str) -> list[mlp.FeatureView]:
    return [spending(ingested(location))]


def daily_chain(location: str) -> list[mlp.FeatureView]:
    first = spending(external(location))
    return [first, habit(first)]


def weekly_view_of_daily_rows(location: str) -> list[mlp.FeatureView]:
    first = spending(ingested(location))
    return [first, habit(first, every="1w")]


def every_second_day(location: str) -> list[mlp.FeatureView]:
    return [spending(ingested(location), every="2d", ttl="5d")]


def weekly_source(location: str) -> list[mlp.FeatureView]:
    return [spending(ingested(location, every="1w"))]


def hours(source: mlp.Source, every: str = "1h") -> mlp.FeatureView:
    return mlp.FeatureView(
        "hours",
        entity=user,
        source=source,
        online=True,
        every=every,
        ttl="7h",
        features={"spend_6h": mlp.total("amount", over="6h"), "orders_1d": mlp.count(over="1d")},
    )


def hourly_external(location: str) -> list[mlp.FeatureView]:
    return [hours(external(location, start=f"{AHEAD:%Y-%m-%d}"))]


def hourly_ingested(location: str) -> list[mlp.FeatureView]:
    """With a daily view, and one of three hours, of the same hourly rows."""
    source = ingested(location, every="1h", start=AHEAD)
    slow = mlp.FeatureView(
        "slow", entity=user, source=source, online=True, every="3h", features={"most_9h": mlp.maximum("amount", "9h")}
    )
    return [hours(source), spending(source, ttl="1d"), slow]


CASES = (
    daily_external, daily_ingested, daily_chain, weekly_view_of_daily_rows, every_second_day, weekly_source,
    hourly_external, hourly_ingested,
)  # fmt: skip


@dataclass
class Replay:
    """A project that runs as scheduled, and what look-ups were given meanwhile."""

    views: list[mlp.FeatureView]
    home: Path
    location: str
    faults: bool
    now: datetime = START
    answers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: int = 0

    def __post_init__(self) -> None:
        self.start = self.now = Moments.of(self.views[0]).start
        self.hourly = self.start == AHEAD
        self.days, self.orders = (HOURLY_DAYS, HOURLY_ORDERS) if self.hourly else (DAYS, ORDERS)
        labels = mlp.Source(
            "labels", delta=f"{self.location}_labels", columns=LABEL_COLUMNS, event_time="asked_at", start="2024-01-01"
        )
        self.history = mlp.TrainingSet(
            "history",
            labels=labels,
            target="bought",
            features=self.views,
            split=mlp.SplitByTime(
                **({"validation": "6h", "test": "12h"} if self.hourly else {"validation": "1d", "test": "2d"})
            ),
        )
        self.project = mlp.Project("shop", owner="team:shop", assets=[self.history])
        self.platform = Platform(self.project, self.home, now=self._clock)
        self.random = random.Random(11)

    def _clock(self) -> datetime:
        """The simulated time. It passes while runs work."""
        self.now += timedelta(milliseconds=3)
        return self.now

    def run(self) -> None:
        for day in range(1, self.days):
            begin = self.start + day * DAY
            self._arrive(begin)
            for time, work in sorted(self._work(begin, day), key=lambda item: item[0]):
                self._ask_until(time)
                self.now = max(self.now, time)
                self._arrive(self.now)
                self._run(work, begin)
            self._ask_until(begin + DAY)

    def _arrive(self, until: datetime) -> None:
        """Appends the orders that arrived to the external table."""
        if all(view.root.ingested for view in self.views):
            return
        lake = DeltaLake(self.home)
        known = 0 if lake.version(self.location) is None else lake.scan(self.location).collect().height
        arrived = self.orders.sort("arrived_at", "ordered_at", "user_id").filter(pl.col("arrived_at") <= until)
        if arrived.height > known or not known:
            arrived[known:].write_delta(self.location, mode="append")

    def _work(self, begin: datetime, day: int) -> Iterator[tuple[datetime, str]]:
        """(time, job) of the day's runs: as scheduled, or late, missing, or only up to the features; and a backfill."""
        for number, cadence in enumerate(cadences_of(self.project)):
            moments = Moments(cadence.start, cadence.every)
            short = moments.shorter_than_a_day
            instant = timedelta(microseconds=1)
            for at in moments.within(mlp.Window(begin - instant, begin + DAY - instant)):
                delay = moments.every / 24 / 60 * self.random.randrange(3)
                if self.faults and self.random.random() < 0.25:
                    delay = moments.every * self.random.uniform(0.01, 1.4 if short else 0.6)
                if self.faults and short and self.random.random() < 0.1:
                    continue  # a missed tick
                kind = "features only" if self.faults and self.random.random() < 0.15 else "all"
                yield at + cadence.run_after + delay, f"{number}:{kind}:{at.isoformat()}"
        if self.faults and day == self.days // 2:
            yield begin + 20 * HOUR, "backfill"

    def _run(self, work: str, begin: datetime) -> None:
        if work == "backfill":
            for cadence in cadences_of(self.project):
                length = Moments(cadence.start, cadence.every).partition
                count = max(1, (begin - cadence.start) // length)
                names = [f"{cadence.start + place * length:%Y-%m-%d}" for place in (0, count - 1)]
                self._materialize(cadence, names, online=True)
            return
        number, kind, at = work.split(":", 2)
        cadence = cadences_of(self.project)[int(number)]
        request = request_of(cadence, datetime.fromisoformat(at) + cadence.run_after)
        assert isinstance(request, dg.RunRequest)
        name = request.partition_key
        self._materialize(cadence, [name, name] if name else list(request.tags.values()), online=kind == "all")

    def _materialize(self, cadence: Any, names: list[str], *, online: bool) -> None:
        selected: list[dg.AssetKey] = []
        for rows in cadence.writes:
            selected.append(keys.view_input("shop", rows))
            if isinstance(rows, mlp.FeatureView) and online:
                selected.append(keys.online("shop", rows))
        tags = {"dagster/asset_partition_range_start": names[0], "dagster/asset_partition_range_end": names[1]}
        with freeze_time(max(self.now, datetime.now(UTC))):  # it decides which partitions exist
            result = self.platform.job.execute_in_process(
                instance=self.platform.instance, asset_selection=selected, tags=tags, raise_on_error=False
            )
        self.refused += not result.success

    def _ask_until(self, end: datetime) -> None:
        """Looks every user up at a few times up to ``end``, and at ``end`` itself."""
        times = sorted(self.now + (end - self.now) * self.random.random() for _ in range(3 if end > self.now else 0))
        for time in [*times, *([end] if end > self.now else [])]:
            self.now = time
            rows = [{"user_id": number, "asked_at": time, "bought": 1.0} for number in range(USERS)]
            self.answers += [row | values for row, values in zip(rows, self._look_up(), strict=True)]

    def _look_up(self) -> list[dict[str, float | None]]:
        """The features of each user, as a replica reads them now."""
        answers = [dict[str, float | None]() for _ in range(USERS)]
        for view in self.views:
            plan = ViewPlan.of(view, self.platform.environment.online.location("shop", view.name))
            read = np.full((USERS, len(plan.features)), np.nan)
            if Path(plan.location, "data.mdb").exists():
                reader = ViewReader(plan, self.platform.environment.open_view(plan.location, plan.features))
                read = reader.read_many([(number,) for number in range(USERS)], microseconds(self.now)).values
            for answer, values in zip(answers, read.tolist(), strict=True):
                found = zip(plan.features, values, strict=True)
                answer |= {name: None if np.isnan(value) else value for name, value in found}
        return answers

    def compare(self) -> pl.DataFrame:
        """The values that differ between the training set and the look-ups."""
        schema = {**LABEL_COLUMNS, **dict.fromkeys(self.history.feature_names, pl.Float64)}
        asked = pl.DataFrame(self.answers, schema=schema | {"asked_at": pl.Datetime("us", "UTC")})
        asked.select("user_id", "asked_at", "bought").write_delta(f"{self.location}_labels")
        result = self.platform.run("training_set")
        (check,) = result.get_asset_check_evaluations()
        assert check.passed, check.description
        trained = self.platform.environment.lake.scan(LABELS).collect()
        both = asked.join(trained, left_on=["user_id", "asked_at"], right_on=["user_id", "at"], suffix="_trained")
        assert both.height == asked.height > 0
        differ = [
            (pl.col("asked_at") >= self._first_publication(view)) & pl.col(name).ne_missing(pl.col(f"{name}_trained"))
            for view in self.views
            for name in view.feature_names
        ]
        assert all(both[name].is_not_null().any() for name in self.history.feature_names)
        return both.filter(pl.any_horizontal(differ)).sort("asked_at", "user_id")

    def _first_publication(self, view: mlp.FeatureView) -> datetime:
        """Before it, nothing was served, and training rows follow the declared model."""
        history = PublicationRecord(self.platform.environment, "shop", view).read()
        return next(each.visible for each in history if each.visible is not None)


ON_TIME = CASES if LONG else (daily_external, hourly_ingested)  # the faulty ones have steps on time too


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize(
    ("case", "faults"),
    [*((case, True) for case in CASES), *((case, False) for case in ON_TIME)],
    ids=lambda value: getattr(value, "__name__", "faulty" if value else "on_time"),
)
def test_training_rows_equal_what_look_ups_were_given(case: Any, faults: bool, home: Path, tmp_path: Path) -> None:
    location = str(tmp_path / "orders")
    ORDERS.clear().write_delta(location)
    replay = Replay(case(location), home, location, faults)
    replay.run()
    different = replay.compare()
    assert different.is_empty(), different
