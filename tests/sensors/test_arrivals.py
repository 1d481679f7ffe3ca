"""Late rows of a source that others write reach requests with a run of their own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.facts import data_version_of
from mlp_assets.platform import definitions_for
from tests.support.platform import Platform

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START, DAY, HOUR = TODAY - timedelta(days=5), timedelta(days=1), timedelta(hours=1)
COLUMNS: dict[str, Any] = {
    "user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime, "arrived_at": pl.Datetime,
}  # fmt: skip


def arrive(location: str, *orders: tuple[float, datetime, datetime]) -> None:
    rows = [(1, amount, ordered, arrived) for amount, ordered, arrived in orders]
    schema = {name: pl.Datetime("us", "UTC") if dtype is pl.Datetime else dtype for name, dtype in COLUMNS.items()}
    pl.DataFrame(rows, schema=schema, orient="row").write_delta(location, mode="append")


def view_of(source: mlp.Source | mlp.FeatureView, **fields: Any) -> mlp.FeatureView:
    options = {"online": True, "publish": "on_arrival", "features": {"spend_3d": mlp.total("amount", over="3d")}}
    return mlp.FeatureView("spending", entity=mlp.Entity("user", keys=["user_id"]), source=source, **(options | fields))


def source_of(**fields: Any) -> mlp.Source:
    times = {"event_time": "ordered_at", "known_at": "arrived_at", "start": f"{START:%Y-%m-%d}"}
    return mlp.Source("orders", columns=COLUMNS, **(times | fields))


class Shop(Platform):
    """A project of orders that another system writes, with the sensor of its code location."""

    def __init__(self, home: Path, location: str) -> None:
        self.view = view_of(source_of(delta=location))
        self.time = TODAY - DAY + 12 * HOUR
        project = mlp.Project("shop", owner="team:shop", assets=[self.view])
        super().__init__(project, home, now=lambda: self.time)
        self.repository = definitions_for(project, environment=self.environment).get_repository_def()
        self.cursor: str | None = None

    def tick(self) -> list[dg.RunRequest]:
        sensor = self.repository.get_sensor_def("publish_arrivals")
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, repository_def=self.repository)
        tick = sensor.evaluate_tick(context)
        self.cursor = tick.cursor
        return list(tick.run_requests or [])

    def data_version(self) -> str:
        event = self.instance.get_latest_materialization_event(keys.online("shop", self.view))
        assert event is not None
        return data_version_of(event) or ""

    def look_up(self) -> float:
        """What a request for the user reads now."""
        location = self.environment.online.location("shop", "spending")
        return self.environment.open_view(location).get_one((1,)).values[0]


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "orders")


@pytest.fixture
def shop(home: Path, location: str) -> Shop:
    """The days up to the day before yesterday are computed, and online."""
    arrive(location, (5.0, START + HOUR, START + HOUR), (7.0, START + 3 * DAY - HOUR, START + 3 * DAY - HOUR))
    shop = Shop(home, location)
    assert shop.tick() == []  # nothing was computed yet
    days = {"dagster/asset_partition_range_start": f"{START:%Y-%m-%d}"}
    days["dagster/asset_partition_range_end"] = f"{TODAY - 2 * DAY:%Y-%m-%d}"
    shop.run("features", "online", tags=days)
    assert shop.tick() == []
    return shop


def test_a_late_row_is_online_after_one_run(shop: Shop, location: str) -> None:
    assert shop.look_up() == 7.0
    before = shop.data_version()
    arrive(location, (11.0, TODAY - DAY - HOUR, TODAY - DAY + 11 * HOUR))
    (request,) = shop.tick()
    assert request.partition_key == f"{TODAY - 2 * DAY:%Y-%m-%d}"
    assert {key.path[1] for key in request.asset_selection or []} == {"features", "online"}
    assert request.tags["mlp/view"] == "shop/spending"
    assert shop.tick() == []  # it was requested
    shop.run("features", "online", tags={"dagster/partition": request.partition_key or ""})
    assert shop.look_up() == 18.0
    assert shop.tick() == []
    assert shop.data_version() == before == "first"  # so that endpoints do not seem to be out of date


def test_rows_of_a_step_that_is_not_over_wait_for_it(shop: Shop, location: str) -> None:
    arrive(location, (11.0, TODAY - DAY + 10 * HOUR, TODAY - DAY + 11 * HOUR))
    assert shop.tick() == []
    arrive(location, (13.0, TODAY - DAY - HOUR, TODAY - DAY + 11 * HOUR))
    assert len(shop.tick()) == 1


def test_rows_that_arrive_during_a_run_are_taken_after_it(shop: Shop, location: str) -> None:
    arrive(location, (11.0, TODAY - DAY - HOUR, TODAY - DAY + 11 * HOUR))
    (request,) = shop.tick()
    run = shop.instance.create_run_for_job(shop.job, tags=request.tags, status=dg.DagsterRunStatus.STARTED)
    arrive(location, (13.0, TODAY - DAY - 2 * HOUR, TODAY - DAY + 11 * HOUR))
    assert shop.tick() == []
    shop.instance.report_run_canceled(run)
    assert len(shop.tick()) == 1


def problems(view: mlp.FeatureView) -> str:
    return "\n".join(map(str, view.problems()))


def test_a_view_that_cannot_be_published_on_arrival_is_told(location: str) -> None:
    def read(window: mlp.Window) -> pl.DataFrame:
        raise NotImplementedError(window)

    first = view_of(source_of(delta=location))
    assert problems(first) == ""
    assert "publish='on_arrival', but it is not online" in problems(view_of(source_of(delta=location), online=False))
    ingested = problems(view_of(source_of(read=read)))
    assert "publish='on_arrival', but the platform writes Source 'orders', on its own schedule" in ingested
    assert "but Source 'orders' is Parquet, which does not say when rows arrive" in problems(
        view_of(source_of(parquet="orders.parquet"))
    )
    over = view_of(first, features={"most": mlp.maximum("spend_3d", over="5d")})
    assert "but the platform writes FeatureView 'spending'" in problems(over)
    assert "publish" in problems(view_of(source_of(delta=location), publish="at_once"))
