"""A window without events is 0 by default, and missing in a view that says so: a dead feed is not "no rain"."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.features.compute.lineage import formula
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.features.definitions.documents import view_document, view_of_document
from mlp_assets.features.table_notes import definitions_of
from mlp_assets.tables.events import as_events
from tests.support import samples as s

END = datetime(2024, 3, 20, tzinfo=UTC)
FEATURES = {
    "height": mlp.attribute("height"),
    "rain_3d": mlp.total("amount", over="3d"),
    "days": mlp.count(over="3d"),
    "heavy": mlp.count(over="9d", where=pl.col("amount") > 5),
    "amounts": mlp.count_distinct("amount", over="3d"),
    "mean": mlp.mean("amount", over="3d"),
}


def view(empty: Literal["zero", "missing"] = "zero") -> mlp.FeatureView:
    columns = s.TIMES | {"amount": pl.Float64, "height": pl.Float64}
    return s.view(source=s.source(columns=columns), features=FEATURES, empty=empty)


@pytest.mark.parametrize(("empty", "none"), [("zero", 0.0), ("missing", None)])
def test_a_feed_that_fell_silent(empty: Literal["zero", "missing"], none: float | None) -> None:
    silent = view(empty)
    frame = pl.LazyFrame({"user_id": [1], "at": [END - timedelta(days=5)], "amount": [2.0], "height": [70.0]})
    row = feature_rows(silent, as_events(silent.source, frame), [END]).row(0, named=True)
    expected = {"height": 70.0, "rain_3d": none, "days": none, "amounts": none, "mean": None}
    assert {name: row[name] for name in expected} == expected
    assert row["heavy"] == 0.0  # the window holds an event, though none that counts


def test_a_view_that_says_so_is_another_definition_and_keeps_it_when_it_is_read_again() -> None:
    plain, told = view(), view("missing")
    assert formula(plain, "rain_3d") == "total('amount', over='3d')"
    assert formula(told, "rain_3d") == "total('amount', over='3d', empty='missing')"
    assert definitions_of(plain)["rain_3d"].fingerprint != definitions_of(told)["rain_3d"].fingerprint
    document = view_document(told)
    assert document is not None
    assert view_of_document(plain, document, "kept", plain.source).empty == "missing"


def test_another_word_is_told() -> None:
    (problem,) = s.view(empty="nothing").problems()
    assert "empty='nothing'" in str(problem)
