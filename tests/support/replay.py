"""A project that runs as its schedules would, step by step, under one injected clock, with look-ups at all times."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from dagster._core.test_utils import freeze_time

import mlp_assets as mlp
from mlp_assets.features.definitions.definition_note import newest_location
from mlp_assets.features.online_reader import ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.cadence import Moments, cadences_of
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import LEAK_CERTIFICATE
from mlp_assets.orchestration.partitions import range_tags
from mlp_assets.orchestration.schedules import request_of
from mlp_assets.platform import definitions_for
from mlp_assets.publications.record import PublicationRecord
from mlp_assets.tables.expiry import microseconds
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform, check_of
from tests.support.replayed_projects import (
    AHEAD,
    DAYS,
    HOURLY_DAYS,
    HOURLY_ORDERS,
    ORDERS,
    START,
    USERS,
)  # fmt: skip

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LABELS = Table("shop", "training_set", "history")
LABEL_COLUMNS: dict[str, Any] = {"user_id": pl.Int64, "asked_at": pl.Datetime, "bought": pl.Float64}


@dataclass
class Replay:
    """A project that runs as scheduled, and what look-ups were given meanwhile.

    Args:
        redefined: features that mean something else then.
        compared: feature -> how many values were compared.
        changed: the views as the project file declares them from the middle on; None leaves them as they are.
    """

    views: list[mlp.FeatureView]
    home: Path
    location: str
    faults: bool
    changed: list[mlp.FeatureView] | None = None
    now: datetime = START
    arrivals: int = 0
    instance: dg.DagsterInstance | None = None
    changed_at: datetime | None = None
    redefined: tuple[str, ...] = ()
    compared: dict[str, int] = field(default_factory=dict[str, int])
    answers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    published: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.start = self.now = Moments.of(self.views[0]).start
        self.hourly = self.start == AHEAD
        self.days, self.orders = (HOURLY_DAYS, HOURLY_ORDERS) if self.hourly else (DAYS, ORDERS)
        self.cursor: str | None = None
        self.random = random.Random(11)
        self._load()

    def _load(self) -> None:
        """The project file as it is now."""
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
        self.platform = Platform(self.project, self.home, now=self._clock, instance=self.instance)
        self.instance = self.platform.instance

    def _clock(self) -> datetime:
        """The simulated time. It passes while runs work."""
        self.now += timedelta(milliseconds=3)
        return self.now

    def run(self) -> None:
        for day in range(1, self.days):
            begin = self.start + day * DAY
            if self.changed is not None and day == self.days // 2:
                self.views, self.changed_at = self.changed, begin
                self._load()
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
        if any(view.publish == "on_arrival" for view in self.views):
            yield from ((begin + DAY * self.random.random(), "arrivals") for _ in range(3))

    def _run(self, work: str, begin: datetime) -> None:
        if work == "backfill":
            for cadence in cadences_of(self.project):
                length = Moments(cadence.start, cadence.every).partition
                count = max(1, (begin - cadence.start) // length)
                names = [f"{cadence.start + place * length:%Y-%m-%d}" for place in (0, count - 1)]
                self._materialize(cadence, names, online=True)
            return
        if work == "arrivals":
            self._publish_arrivals()
            return
        number, kind, at = work.split(":", 2)
        cadence = cadences_of(self.project)[int(number)]
        request = request_of(cadence, datetime.fromisoformat(at) + cadence.run_after)
        assert isinstance(request, dg.RunRequest)
        name = request.partition_key
        self._materialize(cadence, [name, name] if name else list(request.tags.values()), online=kind == "all")

    def _publish_arrivals(self) -> None:
        """A tick of the sensor, and the runs that it requests."""
        repository = definitions_for(self.project, environment=self.platform.environment).get_repository_def()
        sensor = repository.get_sensor_def("publish_arrivals")
        context = dg.build_sensor_context(self.platform.instance, cursor=self.cursor, repository_def=repository)
        tick = sensor.evaluate_tick(context)
        self.cursor = tick.cursor
        for request in tick.run_requests or []:
            assert request.partition_key is not None
            self.arrivals += 1
            self._execute(list(request.asset_selection or []), [request.partition_key] * 2)

    def _materialize(self, cadence: Any, names: list[str], *, online: bool) -> None:
        selected: list[dg.AssetKey] = []
        for rows in cadence.writes:
            selected.append(keys.view_input("shop", rows))
            if isinstance(rows, mlp.FeatureView) and online:
                selected.append(keys.online("shop", rows))
        self._execute(selected, names)

    def _execute(self, selected: list[dg.AssetKey], names: list[str]) -> None:
        with freeze_time(max(self.now, datetime.now(UTC))):  # it decides which partitions exist
            # A run that comes before its source's fails, as it would in production.
            result = self.platform.job.execute_in_process(
                instance=self.platform.instance, asset_selection=selected, tags=range_tags(names), raise_on_error=False
            )
        for event in result.get_asset_materialization_events():
            shown = event.materialization.metadata.get("published")
            self.published += [str(shown.value)] if shown is not None else []

    def _ask_until(self, end: datetime) -> None:
        """Looks every user up at a few times up to ``end``, and at ``end`` itself."""
        times = sorted(self.now + (end - self.now) * self.random.random() for _ in range(3 if end > self.now else 0))
        for time in [*times, *([end] if end > self.now else [])]:
            self.now = time
            rows = [{"user_id": number, "asked_at": time, "bought": 1.0} for number in range(USERS)]
            self.answers += [row | values for row, values in zip(rows, self._look_up(), strict=True)]

    def _look_up(self) -> list[dict[str, float | None]]:
        """The features of each user, as a replica of a model that was trained now reads them."""
        answers = [dict[str, float | None]() for _ in range(USERS)]
        for view in self.views:
            plan = ViewPlan.of(view, newest_location(self.platform.environment, "shop", view.name))
            read = np.full((USERS, len(plan.features)), np.nan)
            if Path(plan.location, "data.mdb").exists():
                reader = ViewReader(plan, self.platform.environment.open_view(plan.location, plan.features))
                read = reader.read_many([(number,) for number in range(USERS)], microseconds(self.now)).values
            for answer, values in zip(answers, read.tolist(), strict=True):
                found = zip(plan.features, values, strict=True)
                answer |= {name: None if np.isnan(value) else value for name, value in found}
        return answers

    def compare(self) -> pl.DataFrame:
        """The rows in which the training set differs from the look-ups.

        A feature whose definition changed is compared from the first publication of today's on.
        """
        schema = {**LABEL_COLUMNS, **dict.fromkeys(self.history.feature_names, pl.Float64)}
        asked = pl.DataFrame(self.answers, schema=schema | {"asked_at": pl.Datetime("us", "UTC")})
        asked.select("user_id", "asked_at", "bought").write_delta(f"{self.location}_labels")
        result = self.platform.run("training_set")
        check = check_of(result, LEAK_CERTIFICATE, "training_set")
        assert check.passed, check.description
        trained = self.platform.environment.lake.scan(LABELS).collect()
        both = asked.join(trained, left_on=["user_id", "asked_at"], right_on=["user_id", "at"], suffix="_trained")
        assert both.height == asked.height > 0
        features = [(view, name) for view in self.views for name in view.feature_names]
        since = {name: pl.col("asked_at") >= self._first_publication(view, name) for view, name in features}
        self.compared = both.select(**{name: compared.sum() for name, compared in since.items()}).row(0, named=True)
        differ = [compared & pl.col(name).ne_missing(pl.col(f"{name}_trained")) for name, compared in since.items()]
        assert all(both[name].is_not_null().any() for name in self.history.feature_names)
        return both.filter(pl.any_horizontal(differ)).sort("asked_at", "user_id")

    def _first_publication(self, view: mlp.FeatureView, name: str) -> datetime:
        """Before it, nothing was served by this definition, and training rows follow the declared model."""
        history = PublicationRecord(self.platform.environment, "shop", view).read()
        since = self.changed_at if self.changed_at is not None and name in self.redefined else self.start
        return next(each.visible for each in history if each.visible is not None and each.visible >= since)
