"""Changed columns of a source stop the run before it writes, with what to do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_resources.ports.lake import Table
from tests.support.orders import COLUMNS, SPENDING, day, order_rows, orders_project, run_days
from tests.support.platform import Platform, failure

SOURCE = Table("shop", "source", "orders")
CHANGES: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "added": (
        lambda frame: frame.with_columns(discount=0.1),
        "its data has 'discount' since the last run, which it does not declare.",
    ),
    "dropped": (lambda frame: frame.drop("amount"), "the columns that it declares: 'amount' is missing."),
    "renamed": (lambda frame: frame.rename({"amount": "amounts"}), "'amount' is missing. Did you mean 'amounts'?"),
    "retyped": (
        lambda frame: frame.with_columns(pl.col("amount").cast(pl.String)),
        "column 'amount' is declared as Float64 but its data holds String. Write columns={'amount': pl.String}",
    ),
    "cut to whole numbers": (
        lambda frame: frame.with_columns(pl.col("user_id").cast(pl.Float64) + 0.5),
        "column 'user_id' is declared as Int64 but its data holds Float64",
    ),
}


class Upstream:
    change: Callable[[pl.DataFrame], pl.DataFrame]


def read_orders(window: mlp.Window) -> pl.DataFrame:
    plain = order_rows((1, 2.0, 0.5, 0.5)).with_columns(
        pl.lit(window.start).alias("ordered_at"), pl.lit(window.start).alias("arrived_at")
    )
    return Upstream.change(plain)


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_external_table_stops_the_run(case: str, home: Path, tmp_path: Path) -> None:
    change, message = CHANGES[case]
    location, frame = str(tmp_path / "orders"), order_rows((1, 2.0, 0.5, 0.5), (2, 3.0, 1.5, 1.5))
    frame.write_delta(location)
    platform = Platform(orders_project(delta=location, known_at="arrived_at"), home)
    run_days(platform, "features", first=0, last=2)
    before = platform.environment.lake.version(SPENDING)
    change(frame).write_delta(location, mode="overwrite", delta_write_options={"schema_mode": "overwrite"})
    tags = {"dagster/partition": day(1)}
    assert message in failure(platform.run("features", tags=tags, fails=True))
    assert platform.environment.lake.version(SPENDING) == before


@pytest.mark.parametrize("case", CHANGES)
def test_changed_ingested_data_stops_the_run(case: str, home: Path) -> None:
    change, message = CHANGES[case]
    Upstream.change = lambda frame: frame
    platform = Platform(orders_project(read=read_orders, end="2024-02-01"), home)
    platform.run("source", tags={"dagster/partition": day(0)})
    before = platform.environment.lake.version(SOURCE)
    Upstream.change = change
    assert message in failure(platform.run("source", tags={"dagster/partition": day(1)}, fails=True))
    assert platform.environment.lake.version(SOURCE) == before


@pytest.mark.parametrize("change", [{"new_columns": "ignore"}, {"columns": {**COLUMNS, "discount": pl.Float64}}])
def test_a_new_column_may_be_ignored_or_declared(change: dict[str, Any], home: Path) -> None:
    Upstream.change = lambda frame: frame
    project = orders_project(read=read_orders, end="2024-02-01")
    Platform(project, home).run("source", tags={"dagster/partition": day(0)})
    Upstream.change = lambda frame: frame.with_columns(discount=0.1)
    (source,) = project.sources
    changed = mlp.Project("shop", owner="team:shop", assets=[replace(source, **change)])
    Platform(changed, home).run("source", tags={"dagster/partition": day(1)})
    Platform(project, home).run("source", tags={"dagster/partition": day(2)})  # the column is no longer new
