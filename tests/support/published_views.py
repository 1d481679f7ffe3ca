"""An hourly view of orders that arrive in any order, and publications of it at times that a test sets."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

import mlp_assets as mlp
from mlp_assets.features.definitions.publishing import PublishedView, publish_view
from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.features.partition_writer import compute_partitions
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import Moments
from mlp_assets.orchestration.scope import Scope
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.ports.serving import OnlineStore

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
USERS = 7
COLUMNS: dict[str, Any] = {
    "user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime("us", "UTC"),
    "arrived_at": pl.Datetime("us", "UTC"),
}  # fmt: skip
_DECLARED = {name: pl.Datetime if name.endswith("_at") else dtype for name, dtype in COLUMNS.items()}
Order = tuple[int | None, float, float, float]


@dataclass
class Shop:
    """A shop whose clock and orders a test moves.

    Args:
        fields: further fields of the view.
        times: when orders are known, as fields of the source.
    """

    home: Path
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    times: dict[str, Any] = field(default_factory=lambda: {"known_at": "arrived_at"})
    now: datetime = START
    orders: list[Order] = field(default_factory=list[Order])

    def __post_init__(self) -> None:
        self._orders = str(self.home / "orders")
        source = mlp.Source(
            "orders", delta=self._orders, columns=_DECLARED, event_time="ordered_at", start=f"{START:%Y-%m-%d}",
            **self.times,
        )  # fmt: skip
        features = {
            "spend": mlp.total("amount", over="4h"),
            "orders": mlp.count(over="90m"),
            "large": mlp.maximum("amount", over="12h", where=pl.col("amount") > 1),
        }
        entity = mlp.Entity("user", keys=["user_id"])
        self.view = mlp.FeatureView("spending", entity, source, features, online=True, **{"every": "1h"} | self.fields)
        environment = LocalEnvironment(self.home / "platform", now=lambda: self.now)
        self.scope = Scope(mlp.Project("shop", owner="team:shop", assets=[self.view]), environment)
        self.online: OnlineStore = environment.online
        self._other = LmdbOnlineStore(self.home / "other")
        self._frame([]).write_delta(self._orders)

    def arrive(self, *orders: Order) -> None:
        """Appends orders of (user, amount, hour, hour of arrival)."""
        self.orders += orders
        if orders:
            self._frame(list(orders)).write_delta(self._orders, mode="append")

    def withdraw(self, place: int) -> None:
        """Removes an order, as a repair of the source does."""
        del self.orders[place]
        self._frame(self.orders).write_delta(self._orders, mode="overwrite")

    def compute(self) -> None:
        """Computes today's partition up to now, and what changes of the orders touch."""
        lake, table = self.scope.environment.lake, lake_table(self.scope, self.view)
        day = START + (self.now - timedelta(microseconds=1) - START) // DAY * DAY
        name = f"{day:%Y-%m-%d}"
        windows = [(name, Moments.of(self.view).named(name))]
        compute_partitions(self.scope, self.view, windows, lake.partitions(table))

    def publish(self) -> PublishedView:
        """Publishes, and asserts that the answers are those of a publication of all rows to another store."""
        published = publish_view(self.scope, self.view)
        newest = newest_rows(self.view, published.rows, published.now)
        place = self._other.location("shop", "spending")
        self._other.publish(
            place, self.view.entity.keys, self.view.feature_names, newest, version=published.version or 0
        )
        expected, answers = answers_of(self._other, place), answers_of(self.online, published.location)
        assert answers == expected
        assert published.written.online == newest.height
        assert published.written.newest == newest["event_time"].max() or published.written.changed is not None
        return published

    def _frame(self, orders: list[Order]) -> pl.DataFrame:
        rows = [
            (user, amount, START + hour * HOUR, START + max(hour, arrival) * HOUR)
            for user, amount, hour, arrival in orders
        ]
        return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def answers_of(store: OnlineStore, location: str) -> list[object]:
    """What a look-up of each user returns: the values' bits, the time, and whether there is a row."""
    keys = [(user,) for user in range(USERS + 1)]
    view = store.open_view(location)
    read = view.get_many(keys)
    times = [time if found else None for time, found in zip(read.times.tolist(), read.found.tolist(), strict=True)]
    assert times == [view.get_one(key).time for key in keys]
    return [read.values.tobytes(), times, read.found.tolist(), read.version, view.features]
