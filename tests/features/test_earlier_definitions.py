"""Earlier definitions of views: written as texts, read back, and computed beside today's with the same values."""

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import mlp_assets as mlp
from mlp_assets.features.definitions.definition_note import FIRST
from mlp_assets.features.definitions.documents import view_document, view_of_document
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.table_notes import definitions_of
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.stored_expressions import (
    UnreadableExpressionError,
    expression_from_text,
    expression_to_text,
)
from mlp_resources.ports import registry_tags
from mlp_resources.ports.lake import Table
from tests.support import samples as s
from tests.support.aggregations import FEATURES
from tests.support.orders import COLUMNS, order_rows, run_days
from tests.support.platform import Platform

ALL_KINDS = FEATURES | {
    "least": mlp.minimum("amount", over="2d", where=pl.col("amount").is_in([1.5, 2.5, 7.0])),
    "since": mlp.days_since_last(over="4d"),
    "level": mlp.attribute(pl.col("amount") / 3, where=pl.col("amount") > 0),
}


def per_visit() -> dict[str, pl.Expr]:
    return {"per_visit": pl.col("spend") / pl.col("visits"), "twice": pl.col("per_visit") * 2}


def test_a_view_is_read_back_as_it_was_written() -> None:
    view = s.view(source=s.source(start="2024-03-01"), features=ALL_KINDS, derive=per_visit, ttl="3d")
    document = view_document(view)
    assert document is not None
    changed = s.view(source=view.source, features={"spend": mlp.total("amount", over="9d")}, ttl="9d")
    restored = view_of_document(changed, document, "other", view.source)
    assert definitions_of(restored) == definitions_of(view)
    assert (restored.name, restored.ttl, restored.feature_names) == ("other", "3d", view.feature_names)
    part = view_of_document(changed, document, "other", view.source, only=["visits", "spend", "per_visit"])
    assert part.feature_names == ("spend", "visits", "per_visit")


def test_a_python_function_is_neither_stored_nor_unpickled() -> None:
    calls = pl.col("amount").map_batches(lambda values: values)
    assert expression_to_text(calls) is None
    assert view_document(s.view(features={"own": mlp.expression(calls.sum(), over="2d")})) is None
    with pytest.raises(UnreadableExpressionError, match="calls a Python function or a plugin"):
        expression_from_text(calls.meta.serialize(format="json"))
    with pytest.raises(UnreadableExpressionError, match="cannot read a stored expression"):
        expression_from_text('{"Colum": "amount"}')


def chain(location: str, window: str) -> mlp.Project:
    """Two views, the second over the first, whose window may change."""
    orders = mlp.Source(
        "orders", delta=location, columns=COLUMNS, event_time="ordered_at", known_at="arrived_at", start="2024-01-01"
    )
    user = mlp.Entity("user", keys=["user_id"])
    spending = mlp.FeatureView(
        "spending", entity=user, source=orders, features={"spend": mlp.total("amount", over=window)}
    )
    habit = mlp.FeatureView(
        "habit", entity=user, source=spending, online=True, features={"most": mlp.maximum("spend", over="5d")}
    )
    return mlp.Project("shop", owner="team:shop", assets=[habit])


def look_up_first_habit(platform: Platform) -> None:
    """The desired state of an endpoint that looks up the first definition of ``habit``."""
    view = {"location": platform.environment.online.location("shop", "habit"), "features": ["most"]}
    state = platform.environment.home / "serving" / "desired.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"shop.score": {"plan": {"views": [view]}, "options": {}}}))


def rows_of(platform: Platform, name: str) -> pl.DataFrame:
    return (
        platform.environment.lake.scan(Table("shop", "features", name))
        .collect()
        .sort("event_time", "user_id", "known_at")
    )


@pytest.mark.parametrize("late", [False, True])
def test_a_view_of_a_changed_view_keeps_its_values(late: bool, home: Path, tmp_path: Path) -> None:
    location = str(tmp_path / "orders")
    plain = [(user, 1.0 + number % 4, number + 0.5, number + 0.5) for number in range(12) for user in (1, 2)]
    order_rows(*plain).write_delta(location)
    unchanged = Platform(chain(location, "3d"), tmp_path / "unchanged")
    before, changed = Platform(chain(location, "3d"), home), Platform(chain(location, "2d"), home)
    for platform in (before, unchanged):
        run_days(platform, "features", first=0, last=8)
    look_up_first_habit(before)
    run_days(changed, "features", first=9)
    run_days(unchanged, "features", first=9)
    if late:
        order_rows((1, 50.0, 6.25, 10.25)).write_delta(location, mode="append")
    run_days(changed, "features", first=10)
    run_days(unchanged, "features", first=10)
    assert_frame_equal(rows_of(changed, "habit.first"), rows_of(unchanged, "habit"), check_exact=True)
    fresh = Platform(chain(location, "2d"), tmp_path / "fresh")
    run_days(fresh, "features", first=0, last=10)
    assert_frame_equal(rows_of(changed, "habit"), rows_of(fresh, "habit"), check_exact=True)


def test_a_model_reads_a_view_by_the_definition_of_the_view_below_too(home: Path, tmp_path: Path) -> None:
    location, table = str(tmp_path / "orders"), Table("shop", "features", "habit")
    order_rows(*[(1, 1.0 + number % 4, number + 0.5, number + 0.5) for number in range(6)]).write_delta(location)
    before, changed = Platform(chain(location, "3d"), home), Platform(chain(location, "2d"), home)
    run_days(before, "features", first=0, last=4)
    tags = {registry_tags.TABLES_READ: json.dumps({str(table): before.environment.lake.version(table)})}
    run_days(changed, "features", first=5)
    (habit,) = [view for view in changed.project.feature_views if view.name == "habit"]
    labels = mlp.TrainingSet("history", labels=habit.root, target="amount", features=[habit])
    model = mlp.Model("visits", training_set=labels, train=run_days, task="regression", gates=[mlp.AtMost("mae", 1.0)])
    trained = TrainedDefinitions(Scope(changed.project, changed.environment), model, {"1": tags})
    assert trained.earlier_definition(habit, "1") == trained.looked_up(habit, "1") == FIRST
    assert trained.at(habit).definition != FIRST
