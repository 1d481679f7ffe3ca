"""Lineage: the columns that features are computed from, and what uses them."""

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.features.compute.lineage import UseGraph, formula, source_columns

USER = mlp.Entity("user", keys=["user_id"])
ORDERS = mlp.Source(
    "orders",
    delta="/lake/orders",
    event_time="at",
    columns={"user_id": pl.Int64, "amount": pl.Float64, "items": pl.Int64, "gift": pl.Boolean, "at": pl.Datetime},
)
OUTCOMES = mlp.Source(
    "outcomes",
    delta="/lake/outcomes",
    event_time="asked_at",
    columns={"user_id": pl.Int64, "came": pl.Float64, "asked_at": pl.Datetime},
)


def per_order() -> dict[str, pl.Expr]:
    """Per order."""
    return {"per_order": pl.col("spend") / (pl.col("orders") + 1), "twice": pl.col("per_order") * 2}


def of_all() -> dict[str, pl.Expr]:
    return {"level": pl.col("twice").log(), "deeper": pl.col("level") + 1, "other": pl.col("gifts")}


def train(run: object) -> None: ...


SPENDING = mlp.FeatureView(
    "spending",
    entity=USER,
    source=ORDERS,
    derive=per_order,
    online=True,
    features={
        "spend": mlp.total("amount", over="30d"),
        "orders": mlp.count(over="30d"),
        "gifts": mlp.count(over="30d", where=pl.col("gift")),
        "value": mlp.ratio(mlp.total(pl.col("amount") * pl.col("items"), "30d"), mlp.count("7d")),
    },
)
TREND = mlp.FeatureView(
    "trend", entity=USER, source=SPENDING, features={"spend_before": mlp.latest("twice", over="60d")}, online=True
)
HISTORY = mlp.TrainingSet("history", labels=OUTCOMES, target="came", features=[SPENDING], derive=of_all)
MODEL = mlp.Model("comes", training_set=HISTORY, train=train, task="binary", gates=[mlp.BetterThan("base_rate")])
SCORE = mlp.Endpoint("score", model=MODEL)
HEALTH = mlp.Monitor("health", watches=SCORE, alarms=[mlp.DriftAlarm()])
ASKED = mlp.Source("asked", delta="/lake/asked", event_time="at", columns={"user_id": pl.Int64, "at": pl.Datetime})
MAILING = mlp.BatchScore("mailing", model=MODEL, rows=ASKED)
SHOP = mlp.Project("shop", owner="team:shop", assets=[HEALTH, MAILING])
LATER = mlp.TrainingSet("later", labels=OUTCOMES, target="came", features=[TREND])
OTHERS = mlp.Project("others", owner="team:others", assets=[LATER], uses=[SHOP])
GRAPH = UseGraph([*SHOP.specs, *OTHERS.specs, *SHOP.specs])


def test_source_columns_are_read_from_the_expressions() -> None:
    assert source_columns(SPENDING) == {
        "spend": ("amount",),
        "orders": ("at",),
        "gifts": ("gift",),
        "value": ("amount", "items"),
        "per_order": ("amount", "at"),
        "twice": ("amount", "at"),
    }
    assert source_columns(TREND) == {"spend_before": ("twice",)}


@pytest.mark.parametrize(
    ("name", "derived", "sets"),
    [
        ("spend", ("spending.per_order", "spending.twice", "trend.spend_before", "history.level", "history.deeper"),
         ("history", "later")),
        ("twice", ("trend.spend_before", "history.level", "history.deeper"), ("history", "later")),
        ("gifts", ("history.other",), ("history",)),
        ("value", (), ("history",)),
    ],
)  # fmt: skip
def test_uses_follow_features_views_and_projects(name: str, derived: tuple[str, ...], sets: tuple[str, ...]) -> None:
    uses = GRAPH.uses(SPENDING, name)
    assert uses.derived == derived
    assert tuple(spec.name for spec in uses.training_sets) == sets
    assert (uses.models, uses.endpoints, uses.batch_scores) == ((MODEL,), (SCORE,), (MAILING,))
    assert uses.monitors == (HEALTH,)


def test_a_feature_without_a_model_has_no_further_uses() -> None:
    uses = GRAPH.uses(TREND, "spend_before")
    assert uses.training_sets == (LATER,)
    assert (uses.derived, uses.models, uses.endpoints, uses.batch_scores, uses.monitors) == ((), (), (), (), ())


@pytest.mark.parametrize(
    ("view", "name", "written"),
    [
        (SPENDING, "spend", "total('amount', over='30d')"),
        (SPENDING, "gifts", "count(over='30d', where=gift)"),
        (SPENDING, "per_order", "spend / (orders + 1)"),
        (SPENDING, "twice", "per_order * 2"),
        (TREND, "spend_before", "latest('twice', over='60d')"),
    ],
)
def test_a_formula_reads_like_a_call(view: mlp.FeatureView, name: str, written: str) -> None:
    assert formula(view, name) == written
