"""Specs that do not fit together: columns, types, metrics and names that one spec expects of another."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import samples as s


def derive_unknown() -> dict[str, pl.Expr]:
    return {"x": pl.col("spnd") * 2}


def derive_from_target() -> dict[str, pl.Expr]:
    return {"x": pl.col("bought") * 2}


def derive_target() -> dict[str, pl.Expr]:
    return {"bought": pl.col("spend") * 2}


def derive_in_steps() -> dict[str, pl.Expr]:
    return {"mean_amount": pl.col("spend") / pl.col("visits"), "double": pl.col("mean_amount") * 2}


def source(**dtypes: Any) -> mlp.Source:
    return s.source(columns=s.COLUMNS | dtypes)


def labels(**dtypes: Any) -> mlp.Source:
    return s.labels(columns=s.LABEL_COLUMNS | dtypes)


def feature(aggregation: object) -> mlp.FeatureView:
    return s.view(features={"spend": aggregation})


def gate(written: object) -> mlp.Model:
    return s.model(gates=[written])


def endpoint(user_id: Any, **changes: object) -> mlp.Endpoint:
    """An endpoint whose key has this Polars type."""
    training_set = {"labels": labels(user_id=user_id), "features": [s.view(source=source(user_id=user_id))]} | changes
    return s.endpoint(model=s.model(training_set=s.training_set(**training_set)))


def estimate(metric: str, **model: object) -> mlp.Monitor:
    alarms = [mlp.PerformanceAlarm(metric, kind="estimated")]
    return s.monitor(watches=s.endpoint(model=s.model(**model)), alarms=alarms)


REFUSED: dict[str, tuple[Callable[[], object], list[str]]] = {
    # Columns
    "unknown column": (
        lambda: feature(mlp.total("amuont", over="30d")),
        ["feature 'spend'", "column 'amuont' is not in Source 'events'", "Did you mean 'amount'?"],
    ),
    "unknown key": (
        lambda: s.view(entity=mlp.Entity("shop", keys=["shop_id"])),
        ["'shop_id' is not in Source 'events'"],
    ),
    "unknown event time": (
        lambda: s.view(source=s.source(event_time="att")),
        ["column 'att' is not in its columns", "Did you mean 'at'?"],
    ),
    "unknown target": (lambda: s.training_set(target="buys"), ["column 'buys' is not in labels 'labels'"]),
    "unknown request column": (lambda: s.training_set(request=["hours"]), ["Did you mean 'hour'?"]),
    "unknown feature in derive": (lambda: s.view(derive=derive_unknown), ["column 'spnd'", "Did you mean 'spend'?"]),
    "unknown feature of an alarm": (
        lambda: s.monitor(alarms=[mlp.DriftAlarm(features=("spent",))]),
        ["column 'spent' is not in the model's features", "Did you mean 'spend'?"],
    ),
    # Types of columns
    "date as time": (
        lambda: s.view(source=source(at=pl.Date)),
        ["event_time='at' is declared as pl.Date, which is not a time", "columns={'at': pl.Datetime}"],
    ),
    "number as known_at": (lambda: s.view(source=s.source(known_at="amount")), ["known_at='amount'", "pl.Float64"]),
    "number as end of validity": (
        lambda: feature(mlp.attribute("amount", until="user_id")),
        ["until='user_id' is pl.Int64, which is not a time"],
    ),
    "sum of texts": (
        lambda: s.view(source=source(amount=pl.String)),
        ["feature 'spend': column 'amount' is pl.String, which is not a number"],
    ),
    "sum of times": (
        lambda: feature(mlp.total(pl.col("at"), over="7d")),
        ["column returns pl.Datetime", "must return one number"],
    ),
    "number as a condition": (
        lambda: feature(mlp.count(over="7d", where=pl.col("amount"))),
        ["where returns pl.Float64", "must return one truth value", "pl.col('amount') > 1"],
    ),
    "condition that Polars refuses": (
        lambda: feature(mlp.count(over="7d", where=pl.col("amount").dt.year() == 2024)),
        ["feature 'spend': where cannot be computed", "Fix the expression"],
    ),
    "expression without an aggregate": (
        lambda: feature(mlp.expression(pl.col("amount") + 1, over="7d")),
        ["returns a value for each event", "pl.col('amount').quantile(0.9)"],
    ),
    "text as target": (
        lambda: s.model(training_set=s.training_set(labels=labels(bought=pl.String))),
        ["target 'bought' is pl.String, which is not a number", "pl.Float64"],
    ),
    "date as request column": (
        lambda: s.training_set(labels=labels(hour=pl.Date), request=["hour"]),
        ["request column 'hour' is pl.Date", "models cannot take"],
    ),
    "key of a type that requests cannot carry": (
        lambda: endpoint(pl.Int32),
        ["column 'user_id', which is pl.Int32", "requests cannot carry", "pl.Int64"],
    ),
    "request column of a type that requests cannot carry": (
        lambda: endpoint(pl.Int64, labels=labels(hour=pl.Float32), request=["hour"]),
        ["column 'hour', which is pl.Float32"],
    ),
    "keys of two types": (
        lambda: s.training_set(features=[s.view(source=source(user_id=pl.String))]),
        ["'user_id' is pl.Int64 in Source 'labels' and pl.String in Source 'events'", "the same type"],
    ),
    # Names within a training set
    "target among the features": (
        lambda: s.training_set(features=[s.view(features={"bought": mlp.count(over="30d")})]),
        ["feature 'bought' of view 'spending' is the target itself"],
    ),
    "target among the request columns": (
        lambda: s.training_set(request=["bought"]),
        ["request column 'bought' is the target itself"],
    ),
    "target among the derived features": (lambda: s.training_set(derive=derive_target), ["feature 'bought'", "taken"]),
    "target read by derive": (
        lambda: s.training_set(derive=derive_from_target),
        ["column 'bought' is not in the features that derive can use"],
    ),
    "key as target": (lambda: s.training_set(target="user_id"), ["a key is the target itself"]),
    "key as request column": (lambda: s.training_set(request=["user_id"]), ["'user_id' has the same name as a key"]),
    "time as request column": (lambda: s.training_set(request=["at"]), ["the same name as the time of the labels"]),
    "request column twice": (
        lambda: s.training_set(request=["hour", "hour"]),
        ["request column 'hour' has the same name as request column 'hour'"],
    ),
    "request column named like a feature": (
        lambda: s.training_set(labels=labels(spend=pl.Float64), request=["spend"]),
        ["request column 'spend' has the same name as feature 'spend' of view 'spending'"],
    ),
    "one feature name in two views": (
        lambda: s.training_set(features=[s.view(), s.view(name="again")]),
        ["feature 'spend' of view 'again' has the same name as feature 'spend' of view 'spending'"],
    ),
    # Gates and alarms for the task and the training set
    "unknown metric": (
        lambda: gate(mlp.AtLeast("roc_acu", 0.8)),
        ["metric 'roc_acu' does not exist for a binary model", "Did you mean 'roc_auc'?"],
    ),
    "unknown baseline": (lambda: gate(mlp.BetterThan("base_rat")), ["'base_rat'", "Did you mean 'base_rate'?"]),
    "slices by an unknown column": (
        lambda: gate(mlp.OnEverySlice("roc_auc", 0.6, by="user")),
        ["by='user' is not a key, feature or request column", "Did you mean 'user_id'?"],
    ),
    "groups by an unknown key": (lambda: gate(mlp.NoWorseThan("champion", by="shop")), ["by='shop' is not a key"]),
    "alarm on a metric of another task": (
        lambda: s.monitor(alarms=[mlp.PerformanceAlarm("mae")]),
        ["metric 'mae' does not exist for a binary model"],
    ),
    "estimate of log loss": (lambda: estimate("log_loss"), ["'log_loss' is not estimated for a binary", "'roc_auc'"]),
    "estimate of rmse": (
        lambda: estimate("rmse", task="regression", gates=[mlp.BetterThan("mean")]),
        ["'rmse' is not estimated for a regression", "'mae'"],
    ),
    # Other
    "view that is not online": (
        lambda: s.endpoint(model=s.model(training_set=s.training_set(features=[s.view(online=False)]))),
        ["features of view 'spending', which is not online", "online=True on FeatureView 'spending'"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_specs_that_do_not_fit_together_are_refused(case: str) -> None:
    s.assert_refused(*REFUSED[case])


ACCEPTED: dict[str, Callable[[], object]] = {
    "target named label": lambda: s.training_set(labels=labels(label=pl.Boolean), target="label"),
    "times named like those of the platform": lambda: s.view(
        source=s.source(
            event_time="event_time",
            known_at="known_at",
            columns={"user_id": pl.Int64, "amount": pl.Int8, "event_time": pl.Datetime, "known_at": pl.Datetime("ms")},
        )
    ),
    "condition on a time": lambda: feature(mlp.count(over="7d", where=pl.col("at") > datetime(2024, 1, 1, tzinfo=UTC))),
    "derived from a derived feature": lambda: s.view(derive=derive_in_steps),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_specs_that_fit_together_are_accepted(case: str) -> None:
    assert s.project(ACCEPTED[case]()).specs
