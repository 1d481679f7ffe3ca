"""Values of the right type that cannot work: they would do nothing, or break a table, a join or a request."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import samples as s

TIMES = {"user_id": pl.Int64, "at": pl.Datetime}


def source(**dtypes: Any) -> mlp.Source:
    return s.source(columns=TIMES | {"amount": pl.Float64} | dtypes)


def labels(**dtypes: Any) -> mlp.Source:
    return s.labels(columns=TIMES | {"bought": pl.Float64, "hour": pl.Float64} | dtypes)


def served(dtype: Any, **changes: object) -> mlp.Endpoint:
    parts = {"labels": labels(user_id=dtype), "features": [s.view(source=source(user_id=dtype))]} | changes
    return s.endpoint(model=s.model(training_set=s.training_set(**parts)))


def alarm(*alarms: object) -> mlp.Monitor:
    return s.monitor(alarms=alarms)


def regression(metric: str) -> mlp.Monitor:
    model = s.model(task="regression", gates=[mlp.BetterThan("mean")])
    return s.monitor(watches=s.endpoint(model=model), alarms=[mlp.PerformanceAlarm(metric, kind="estimated")])


def derive_target() -> dict[str, pl.Expr]:
    return {"bought": pl.col("spend") * 2}


def derive_reserved() -> dict[str, pl.Expr]:
    return {"prediction": pl.col("spend") * 2}


def derive_in_steps() -> dict[str, pl.Expr]:
    return {"mean_amount": pl.col("spend") / pl.col("visits"), "double": pl.col("mean_amount") * 2}


WRONG: dict[str, tuple[Callable[[], object], list[str]]] = {
    "duration beyond the calendar": (
        lambda: s.view(ttl="999999999999d"),
        ["ttl='999999999999d' is longer than a century"],
    ),
    "end before start": (
        lambda: s.view(source=s.source(start="2024-02-01", end="2024-01-01")),
        ["end='2024-01-01' is not after start='2024-02-01', so there is no partition"],
    ),
    "end at start": (lambda: s.view(source=s.source(start="2024-02-01", end="2024-02-01")), ["Write a later end"]),
    "first name as owner": (
        lambda: s.view(owner="alice"),
        ["FeatureView 'spending': owner='alice' is nobody", "Write owner='team:alice' or an e-mail address"],
    ),
    "at sign as owner": (lambda: s.project(owner="@"), ["owner='@' is nobody", "Write owner='team:my_team'"]),
    "team of no name": (lambda: s.project(owner="team:"), ["owner='team:' is nobody"]),
    "tag with a space": (lambda: s.model(tags={"tier": "very gold"}), ["tags={'tier': 'very gold'} cannot be a tag"]),
    "tag key with a slash": (lambda: s.model(tags={"a/b": "x"}), ["tags={'a/b': 'x'} cannot be a tag", "letters"]),
    "long tag": (lambda: s.model(tags={"a": "x" * 64}), ["cannot be a tag", "1 to 63 letters"]),
    "American kind": (
        lambda: alarm(mlp.PerformanceAlarm("roc_auc", kind="realized")),  # type: ignore[arg-type]
        ["kind='realized' is not known", "Did you mean 'realised'?"],
    ),
    "estimate of log loss": (
        lambda: alarm(mlp.PerformanceAlarm("log_loss", kind="estimated")),
        ["metric 'log_loss' is not estimated for a binary model", "Write one of 'roc_auc'"],
    ),
    "estimate of rmse": (lambda: regression("rmse"), ["'rmse' is not estimated for a regression model", "'mae'"]),
    "strong within the limit": (
        lambda: alarm(mlp.DriftAlarm(strong=1.0)),
        ["DriftAlarm: strong=1.0 is not beyond the limit", "Write strong=4.0"],
    ),
    "negative drop": (lambda: alarm(mlp.PerformanceAlarm("roc_auc", drop=-0.1)), ["drop=-0.1 is no share"]),
    "drop in percent": (lambda: alarm(mlp.PerformanceAlarm("roc_auc", drop=2)), ["Write drop=0.02 for 2 %"]),
    "infinite strong": (lambda: alarm(mlp.DriftAlarm(strong=float("inf"))), ["strong=inf is not a finite number"]),
    "alarm on no feature": (lambda: alarm(mlp.QualityAlarm(features=())), ["features=() watches nothing"]),
    "small integer as key": (
        lambda: served(pl.Int32),
        ["column 'user_id', which is pl.Int32, and requests cannot carry that", "Declare it as one of pl.Int64"],
    ),
    "small float as request": (
        lambda: served(pl.Int64, labels=labels(hour=pl.Float32), request=["hour"]),
        ["column 'hour', which is pl.Float32"],
    ),
    "keys of two types": (
        lambda: s.training_set(features=[s.view(source=source(user_id=pl.String))]),
        ["'user_id' is pl.Int64 in Source 'labels' and pl.String in Source 'events'", "Declare the same type in both"],
    ),
    "text as target": (
        lambda: s.model(training_set=s.training_set(labels=labels(bought=pl.String))),
        ["target 'bought' is pl.String, which is no number", "Write a column of pl.Float64"],
    ),
    "date as request": (
        lambda: s.training_set(labels=labels(hour=pl.Date), request=["hour"]),
        ["request column 'hour' is pl.Date, which no model takes"],
    ),
    "request named like a feature": (
        lambda: s.training_set(labels=labels(spend=pl.Float64), request=["spend"]),
        ["request column 'spend' has the name of feature 'spend' of view 'spending'"],
    ),
    "request column twice": (
        lambda: s.training_set(request=["hour", "hour"]),
        ["request column 'hour' has the name of request column 'hour'"],
    ),
    "key as request": (lambda: s.training_set(request=["user_id"]), ["'user_id' has the name of a key"]),
    "time as request": (lambda: s.training_set(request=["at"]), ["has the name of the time of the labels"]),
    "key as target": (lambda: s.training_set(target="user_id"), ["a key is the target itself"]),
    "date as time": (
        lambda: s.view(source=source(at=pl.Date)),
        ["event_time='at' is declared as pl.Date, and a time is wanted", "Write columns={'at': pl.Datetime}"],
    ),
    "text as known_at": (
        lambda: s.view(source=s.source(known_at="amount")),
        ["known_at='amount' is declared as pl.Float64"],
    ),
    "platform's own time as event time": (
        lambda: s.view(source=s.source(event_time="known_at", columns=TIMES | {"known_at": pl.Datetime})),
        ["column 'known_at' is a reserved name"],
    ),
    "sum of texts": (
        lambda: s.view(source=source(amount=pl.String)),
        ["feature 'spend': column 'amount' is pl.String, which is no number"],
    ),
    "where without a condition": (
        lambda: s.view(features={"spend": mlp.count(over="7d", where=pl.col("amount"))}),
        ["where gives pl.Float64, and one truth value is wanted", "such as pl.col('amount') > 1"],
    ),
    "where of two types": (
        lambda: s.view(features={"spend": mlp.count(over="7d", where=pl.col("amount").dt.year() == 2024)}),
        ["feature 'spend': where cannot be computed"],
    ),
    "negative seed": (lambda: s.model(seed=-1), ["seed=-1 is not usable"]),
    "reserved feature": (
        lambda: s.view(features={"prediction": mlp.count(over="7d")}),
        ["feature 'prediction': the name is taken by a key or a reserved column"],
    ),
    "reserved derived feature": (lambda: s.view(derive=derive_reserved), ["the name is taken by another column"]),
    "derived target": (lambda: s.training_set(derive=derive_target), ["derived feature 'bought': the name is taken"]),
    "reserved key": (
        lambda: s.view(entity=mlp.Entity("page", keys=["endpoint"]), source=source(endpoint=pl.String)),
        ["Entity 'page': key 'endpoint' is a reserved name"],
    ),
    "reserved target": (
        lambda: s.training_set(labels=labels(split=pl.Float64), target="split"),
        ["target 'split' is a reserved name"],
    ),
    "reserved request column": (
        lambda: s.training_set(labels=labels(window=pl.Float64), request=["window"]),
        ["request column 'window' is a reserved name"],
    ),
    "two projects of one name": (
        lambda: s.project(uses=[s.project(name="shop")]),
        ["2 projects that go together have the name 'shop'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_work_is_told(case: str) -> None:
    make, sentences = WRONG[case]
    s.assert_told(make, sentences)


RIGHT: dict[str, Callable[[], object]] = {
    "endpoint of one letter": lambda: s.endpoint(name="a"),
    "alarm on the prediction": lambda: alarm(mlp.DriftAlarm(features=("prediction",), strong=None)),
    "estimate of roc auc": lambda: alarm(mlp.PerformanceAlarm("roc_auc", kind="estimated")),
    "label as target": lambda: s.training_set(labels=labels(label=pl.Boolean), target="label"),
    "times named as the platform does": lambda: s.view(
        source=s.source(
            event_time="event_time",
            known_at="known_at",
            columns={"user_id": pl.Int64, "amount": pl.Int8, "event_time": pl.Datetime, "known_at": pl.Datetime("ms")},
        )
    ),
    "where over a time": lambda: s.view(
        features={"late": mlp.count(over="7d", where=pl.col("at") > datetime(2024, 1, 1, tzinfo=UTC))}
    ),
    "owners and tags": lambda: s.view(owner="alice@shop.example.org", tags={"tier": "gold", "note": ""}),
    "derived in steps": lambda: s.view(derive=derive_in_steps),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_works_is_not_refused(case: str) -> None:
    assert s.project(RIGHT[case]()).specs


def test_what_a_used_project_uses_is_not_ours_either() -> None:
    view = s.view()
    theirs = s.project(view, name="platform")
    model = s.model(training_set=s.training_set(features=[view]))
    between = s.project(model, name="models", uses=[theirs])
    ours = s.project(s.endpoint(model=model), uses=[between])
    assert [spec.name for spec in ours.specs] == ["score"]
    assert (ours.home_of(view), ours.home_of(model), ours.home_of(ours.endpoints[0])) == (theirs, between, ours)
