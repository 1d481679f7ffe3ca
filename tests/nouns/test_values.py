"""Values of the right type that cannot work in a single spec: names, durations, owners, functions, bounds."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import samples as s

Cases = Mapping[str, tuple[Callable[[], object], list[str]]]


def nested_function() -> Callable[..., object]:
    def train(run: mlp.TrainingRun) -> object:
        return run

    return train


def raise_in_derive() -> dict[str, pl.Expr]:
    raise ZeroDivisionError("no")


def derive_reserved() -> dict[str, pl.Expr]:
    return {"prediction": pl.col("spend") * 2}


def model(*gates: Any, **compute: Any) -> mlp.Model:
    changes = {"gates": list(gates)} if gates else {}
    return s.model(**changes | ({"compute": mlp.Accelerate(**compute)} if compute else {}))


def alarm(*alarms: object) -> mlp.Monitor:
    return s.monitor(alarms=alarms)


NAMES: Cases = {
    "name with capitals and a space": (lambda: s.view(name="My View"), ["'My View' cannot be a name", "'my_view'"]),
    "feature named like a key": (lambda: s.view(features={"user_id": mlp.count(over="1d")}), ["'user_id'", "taken"]),
    "feature named like a platform column": (
        lambda: s.view(features={"prediction": mlp.count(over="7d")}),
        ["feature 'prediction'", "taken by a key or a reserved column"],
    ),
    "derived feature named like a platform column": (lambda: s.view(derive=derive_reserved), ["'prediction'", "taken"]),
    "source column named like a platform column": (
        lambda: s.view(source=s.source(columns=s.COLUMNS | {"partition": pl.String})),
        ["column 'partition' is a reserved name"],
    ),
    "column that ingestion adds": (
        lambda: s.view(source=s.source(columns=s.COLUMNS | {"withdrawn_at": pl.Float64})),
        ["column 'withdrawn_at' is a reserved name: the platform adds", "Return it from read under another name."],
    ),
    "platform's own time as event time": (
        lambda: s.view(source=s.source(event_time="known_at", columns=s.TIMES | {"known_at": pl.Datetime})),
        ["column 'known_at' is a reserved name"],
    ),
    "key named like a platform column": (
        lambda: s.view(
            entity=mlp.Entity("page", keys=["endpoint"]), source=s.source(columns=s.COLUMNS | {"endpoint": pl.String})
        ),
        ["Entity 'page': key 'endpoint' is a reserved name"],
    ),
    "target named like a platform column": (
        lambda: s.training_set(labels=s.labels(columns=s.LABEL_COLUMNS | {"split": pl.Float64}), target="split"),
        ["target 'split' is a reserved name"],
    ),
    "request column named like a platform column": (
        lambda: s.training_set(labels=s.labels(columns=s.LABEL_COLUMNS | {"window": pl.Float64}), request=["window"]),
        ["request column 'window' is a reserved name"],
    ),
    "first name as owner": (
        lambda: s.view(owner="alice"),
        ["FeatureView 'spending': owner='alice' is neither 'team:NAME' nor an e-mail address", "owner='team:alice'"],
    ),
    "owner of a project": (lambda: s.project(owner="shop"), ["Project 'shop': owner='shop'", "owner='team:shop'"]),
    "owner of a feature": (
        lambda: s.view(features={"spend": mlp.count(over="7d", owner="me")}),
        ["feature 'spend': owner='me'", "owner='team:me'"],
    ),
    "at sign as owner": (lambda: s.project(owner="@"), ["owner='@'", "owner='team:my_team'"]),
    "team without a name": (lambda: s.project(owner="team:"), ["owner='team:' is neither"]),
    "no owner of a project": (lambda: s.project(owner=None), ["owner=None", "owner='team:my_team'"]),
    "tag with a space": (lambda: s.model(tags={"tier": "very gold"}), ["tags={'tier': 'very gold'} cannot be a tag"]),
    "tag key with a slash": (lambda: s.model(tags={"a/b": "x"}), ["tags={'a/b': 'x'} cannot be a tag"]),
    "long tag": (lambda: s.model(tags={"a": "x" * 64}), ["cannot be a tag", "1 to 63 letters"]),
    "route with a space": (lambda: s.endpoint(route="score me"), ["route='score me' is not a URL path", "'/score'"]),
}
TIMES: Cases = {
    "duration in words": (
        lambda: s.view(features={"spend": mlp.total("amount", over="30 days")}),
        ["over='30 days' is not a duration", "'30d'"],
    ),
    "duration longer than a century": (lambda: s.view(ttl="999999999999d"), ["ttl='999999999999d'", "a century"]),
    "cadence of five hours": (lambda: s.view(every="5h"), ["every='5h' is not a cadence", "every='4h' or every='6h'"]),
    "cadence of seven minutes": (
        lambda: s.view(every="7m"),
        ["neither minutes that divide a day", "'6m' or every='8m'"],
    ),
    "cadence of half a minute": (lambda: s.view(every="30s"), ["every='30s' is not a cadence", "Write every='1m'."]),
    "cadence of a day and a half": (lambda: s.view(every="36h"), ["nor whole days", "every='1d' or every='2d'"]),
    "cadence of thirteen hours": (lambda: s.view(every="13h"), ["Write every='12h' or every='1d'."]),
    "ttl shorter than the cadence": (lambda: s.view(every="1w", ttl="2d"), ["ttl='2d' is shorter", "ttl of '1w'"]),
    "patience in words": (lambda: s.model(compute=mlp.Local(patience="soon")), ["patience='soon' is not a duration"]),
    "start in words": (lambda: s.view(source=s.source(start="first of May")), ["start='first of May' is not a date"]),
    "end before start": (
        lambda: s.view(source=s.source(start="2024-02-01", end="2024-01-01")),
        ["end='2024-01-01' is not after start='2024-02-01'"],
    ),
    "start within a day": (
        lambda: s.view(source=s.source(start="2024-02-01 06:00")),
        ["start='2024-02-01 06:00' is not midnight in UTC", "Write start='2024-02-01'."],
    ),
    "start in another zone": (
        lambda: s.view(source=s.source(start="2024-02-01T00:00+02:00")),
        ["is not midnight in UTC, where partitions begin", "Write start='2024-01-31'."],
    ),
    "end within a day": (
        lambda: s.view(source=s.source(start="2024-02-01", end="2024-02-09 12:00")),
        ["end='2024-02-09 12:00' lies inside a partition, and the rows from 2024-02-09 on", "end='2024-02-10'"],
    ),
    "end within a week": (
        lambda: s.view(source=s.source(every="1w", start="2024-02-01", end="2024-02-10"), every="1w"),
        ["end='2024-02-10' lies inside a partition, and the rows from 2024-02-08 on", "Write end='2024-02-15'"],
    ),
    "labels known after the validation part": (
        lambda: s.training_set(labels=s.labels(delay="30d")),
        ["its labels become known 30d after their time, and the part validation='2w'", "SplitByTime(validation='30d'"],
    ),
    "a name of the platform's own": (
        lambda: s.view(source=s.source(columns=s.COLUMNS | {"__late": pl.Float64})),
        ["column '__late' is a reserved name"],
    ),
    "known_at that is not said to be it": (
        lambda: s.view(source=s.source(columns=s.COLUMNS | {"known_at": pl.Datetime})),
        ["If it says when a row became known, write known_at='known_at'. Otherwise: Return it from read"],
    ),
    "end at start": (lambda: s.view(source=s.source(start="2024-02-01", end="2024-02-01")), ["Write a later end"]),
}
FUNCTIONS: Cases = {
    "derive that raises": (lambda: s.view(derive=raise_in_derive), ["raised ZeroDivisionError", "no arguments"]),
    "lambda as derive": (lambda: s.view(derive=lambda: {}), ["derive is a lambda", "named function of a module"]),
    "lambda as train": (lambda: s.model(train=lambda run: run), ["train is a lambda", "def train_"]),
    "nested function as train": (
        lambda: s.model(train=nested_function()),
        ["not at the top level of an importable module"],
    ),
}
EMPTY: Cases = {
    "source without rows": (lambda: s.view(source=s.source(read=None)), ["has no delta, parquet or read"]),
    "source with two origins": (lambda: s.view(source=s.source(delta="x")), ["delta and read are both given"]),
    "view without features": (lambda: s.view(features={}), ["it has no features", "Write features="]),
    "aggregation without a column": (
        lambda: s.view(features={"spend": s.anything.total(None, over="7d")}),
        ["mlp.total has no column", "mlp.total('amount'"],
    ),
    "aggregation without a window": (
        lambda: s.view(features={"visits": s.anything.count(over=None)}),
        ["mlp.count has no window", "over='30d'"],
    ),
    "model without gates": (lambda: s.model(gates=[]), ["it has no gates", "mlp.BetterThan"]),
    "monitor without alarms": (lambda: s.monitor(alarms=[]), ["it has no alarms", "mlp.DriftAlarm"]),
    "alarm on no feature": (lambda: alarm(mlp.QualityAlarm(features=())), ["features=() watches nothing"]),
}
GATES: Cases = {
    "share in percent": (
        lambda: model(mlp.AtLeast("roc_auc", 65)),
        ["gate AtLeast: 65", "between 0 and 1", "Write 0.65"],
    ),
    "loss below zero": (lambda: model(mlp.AtMost("log_loss", -0.5)), ["-0.5", "log_loss is 0 or more"]),
    "bounds on the wrong side": (
        lambda: model(mlp.AtLeast("log_loss", 0.5), mlp.AtMost("roc_auc", 0.8)),
        ["log_loss is better when it is lower", "mlp.AtMost('log_loss', 0.5)", "mlp.AtLeast('roc_auc', 0.8)"],
    ),
    "slices in percent": (
        lambda: model(mlp.OnEverySlice("roc_auc", 60, by="user_id", min_rows=0)),
        ["60 is out of range", "Write 0.6.", "min_rows=0 is too few"],
    ),
    "bounds that no model passes": (
        lambda: model(mlp.Calibrated(0.0), mlp.FasterThan(0.0, rows=0, percentile=0.0), mlp.SmallerThan(-1.0)),
        [
            "most=0.0 lets no model pass", "milliseconds=0.0 lets no model pass", "megabytes=-1.0 lets no model pass",
            "rows=0", "percentile=0.0 is not between 0 and 100",
        ],
    ),
    "the same gate twice": (
        lambda: model(mlp.AtLeast("roc_auc", 0.7), mlp.AtLeast("roc_auc", 0.8)),
        ["gate 'roc_auc_at_least' is declared twice"],
    ),
}  # fmt: skip
COMPUTE: Cases = {
    "no processes": (lambda: model(processes=0), ["processes=0", "processes=1 or more"]),
    "uneven machines": (lambda: model(processes=3, machines=2), ["processes=3", "machines=2", "Write processes=4"]),
    "fewer gpus than processes": (lambda: model(processes=4, gpus=2), ["gpus=2", "processes=4", "gpus=4, gpus=0"]),
    "no processors": (lambda: model(cpus=0.0), ["cpus=0.0", "Write cpus=1 or more"]),
    "memory without a unit": (lambda: model(memory="8"), ["memory='8'", "such as '8GB'"]),
    "empty image": (lambda: model(image=""), ["image=''", "Write image="]),
    "kind of gpu without a gpu": (lambda: model(gpus=0, gpu_type="h100"), ["gpu_type='h100' needs a GPU", "gpus=0"]),
    "no accumulation": (lambda: model(gradient_accumulation=0), ["gradient_accumulation=0 never steps"]),
    "half precision without a gpu": (
        lambda: model(gpus=0, mixed_precision="fp16"),
        ["mixed_precision='fp16' needs a GPU", "'bf16'"],
    ),
    "negative seed": (lambda: s.model(seed=-1), ["seed=-1 is not between 0"]),
    "smallest above largest number of replicas": (lambda: s.endpoint(replicas=(4, 1)), ["replicas=(4, 1)", "(1, 4)"]),
}
ALARMS: Cases = {
    "strong at the limit": (lambda: alarm(mlp.DriftAlarm(strong=1.0)), ["DriftAlarm: strong=1.0", "strong=4.0"]),
    "negative drop": (lambda: alarm(mlp.PerformanceAlarm("roc_auc", drop=-0.1)), ["drop=-0.1 is not a share"]),
    "drop in percent": (lambda: alarm(mlp.PerformanceAlarm("roc_auc", drop=2)), ["drop=2", "drop=0.02 for 2 %"]),
}
REFUSED = NAMES | TIMES | FUNCTIONS | EMPTY | GATES | COMPUTE | ALARMS


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_that_cannot_work_is_refused(case: str) -> None:
    s.assert_refused(*REFUSED[case])


ACCEPTED: dict[str, Callable[[], object]] = {
    "endpoint of one letter": lambda: s.endpoint(name="a"),
    "e-mail address as owner, empty tag": lambda: s.view(
        owner="al@shop.example.org", tags={"tier": "gold", "note": ""}
    ),
    "alarm on the prediction": lambda: alarm(mlp.DriftAlarm(features=("prediction",), strong=None)),
    "estimate of roc auc": lambda: alarm(mlp.PerformanceAlarm("roc_auc", kind="estimated")),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_value_that_works_is_accepted(case: str) -> None:
    assert s.project(ACCEPTED[case]()).specs
