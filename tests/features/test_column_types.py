"""A column of every type works from ``read`` to the online store, or is a problem of the spec before the first run."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.errors import ProjectError
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform

VALUES: dict[str, tuple[Any, list[Any]]] = {
    "UInt8": (pl.UInt8, [1, 200]), "UInt16": (pl.UInt16, [1, 2]), "UInt32": (pl.UInt32, [1, 2**31]),
    "UInt64": (pl.UInt64, [1, 2]), "Int8": (pl.Int8, [1, 2]), "Int16": (pl.Int16, [1, 2]), "Int32": (pl.Int32, [1, 2]),
    "Int64": (pl.Int64, [1, 2]), "Int128": (pl.Int128, [1, 2]), "Float32": (pl.Float32, [1.5, 2.5]),
    "Float64": (pl.Float64, [1.5, 2.5]), "Categorical": (pl.Categorical, ["a", "b"]),
    "Enum": (pl.Enum(["a", "b"]), ["a", "b"]), "Array": (pl.Array(pl.Float64, 2), [[1.0, 2.0], [3.0, 4.0]]),
    "List": (pl.List(pl.Float64), [[1.0], []]), "Time": (pl.Time, [time(1), time(2)]),
    "Duration": (pl.Duration, [timedelta(1), timedelta(2)]), "Binary": (pl.Binary, [b"a", b"b"]),
    "Struct": (pl.Struct({"x": pl.Int64}), [{"x": 1}, {"x": 2}]),
    "Decimal": (pl.Decimal(10, 2), [Decimal("1.10"), Decimal("2.20")]), "Null": (pl.Null, [None, None]),
    "Date": (pl.Date, [date(2024, 1, 1), date(2024, 1, 2)]), "Boolean": (pl.Boolean, [True, False]),
    "String": (pl.String, ["a", "b"]), "Object": (pl.Object, [1, 2]),
    "Datetime": (pl.Datetime, [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)]),
}  # fmt: skip


class Read:
    """What the feed delivers in the column ``x``."""

    dtype: Any
    values: list[Any]


def read(window: mlp.Window) -> pl.DataFrame:
    rows = pl.DataFrame({"user_id": [1, 2], "amount": [1.0, 2.0], "at": [window.start] * 2})
    return rows.with_columns(pl.Series("x", Read.values, dtype=Read.dtype))


def project(dtype: Any, key: str, features: dict[str, Any]) -> mlp.Project:
    columns = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime, "x": dtype}
    source = mlp.Source("events", read=read, event_time="at", start="2024-01-01", end="2024-01-06", columns=columns)
    view = mlp.FeatureView(
        "spending", entity=mlp.Entity("user", keys=[key]), source=source, features=features, online=True
    )
    return mlp.Project("shop", owner="team:shop", assets=[view])


NOT_HELD = {"UInt64", "Int128", "Time", "Duration", "Null", "Object"}
NUMBERS = {"UInt8", "UInt16", "UInt32", "Int8", "Int16", "Int32", "Int64", "Float32", "Float64", "Decimal", "Boolean"}


@pytest.mark.parametrize("use", ["key", "counted"])
@pytest.mark.parametrize("name", sorted(VALUES.keys() - NOT_HELD))
def test_a_column_is_ingested_again_and_again_and_is_what_it_was(home: Path, name: str, use: str) -> None:
    Read.dtype, Read.values = VALUES[name]
    features: dict[str, Any] = {"spend": mlp.total("amount", over="3d"), "kinds": mlp.count_distinct("x", over="3d")}
    features |= {"newest": mlp.attribute("x")} if name in NUMBERS else {}
    platform = Platform(project(Read.dtype, "x" if use == "key" else "user_id", features), home)
    for day in ("2024-01-01", "2024-01-02"):
        platform.run("source", "features", tags={"dagster/partition": day})
    platform.run("online")
    lake = platform.environment.lake
    assert lake.scan(Table("shop", "source", "events")).collect()["x"].to_list() == Read.values * 2
    rows = lake.scan(Table("shop", "features", "spending")).filter(pl.col("partition") == "2024-01-02").collect()
    assert sorted(rows["spend"]) == [2.0, 4.0]
    assert rows["kinds"].to_list() == [1.0, 1.0]
    assert use == "counted" or sorted(map(str, rows["x"].to_list())) == sorted(map(str, Read.values))
    if name in NUMBERS:
        assert sorted(rows["newest"]) == sorted(map(float, Read.values))


@pytest.mark.parametrize("name", sorted(NOT_HELD))
def test_a_type_that_no_table_holds_is_a_problem_of_the_spec(name: str) -> None:
    with pytest.raises(
        ProjectError, match=r"Source 'events': column 'x' is pl\.\w+.*, which no Delta table holds. Write pl|Write the"
    ):
        project(VALUES[name][0], "user_id", {"spend": mlp.total("amount", over="3d")})


@pytest.mark.parametrize("name", ["UInt64", "Duration"])
def test_a_key_of_a_table_of_others_is_held_in_the_features_too(name: str, tmp_path: Path) -> None:
    source = mlp.Source(
        "events", delta=str(tmp_path), event_time="at", columns={"at": pl.Datetime, "x": VALUES[name][0]}
    )
    view = mlp.FeatureView(
        "spending", entity=mlp.Entity("user", keys=["x"]), source=source, features={"visits": mlp.count(over="3d")}
    )
    assert "FeatureView 'spending': column 'x' is pl." in str(view.problems()[0])
