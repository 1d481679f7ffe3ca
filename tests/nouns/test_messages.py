"""Every wrong spec that a user could plausibly write: what they are told."""

from collections.abc import Callable

import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import samples as s


def local_function() -> Callable[..., object]:
    def train(run: mlp.TrainingRun) -> object:
        return run

    return train


def broken_derive() -> dict[str, pl.Expr]:
    return {"x": pl.col("spnd") * 2}


def raising_derive() -> dict[str, pl.Expr]:
    raise ZeroDivisionError("no")


def leaking_derive() -> dict[str, pl.Expr]:
    return {"x": pl.col("bought") * 2}


WRONG: dict[str, tuple[Callable[[], object], list[str]]] = {
    "unknown column": (
        lambda: s.view(features={"spend": mlp.total("amuont", over="30d")}),
        ["feature 'spend'", "column 'amuont' is not in Source 'events'", "Did you mean 'amount'?"],
    ),
    "unknown key": (
        lambda: s.view(entity=mlp.Entity("shop", keys=["shop_id"])),
        ["column 'shop_id' is not in Source 'events'"],
    ),
    "bad duration": (
        lambda: s.view(features={"spend": mlp.total("amount", over="30 days")}),
        ["over='30 days' is not a duration", "such as '30d'"],
    ),
    "bad cadence": (lambda: s.view(every="3h"), ["every='3h' is not a cadence", "every='1d' or every='1w'"]),
    "ttl below cadence": (
        lambda: s.view(every="1w", ttl="2d"),
        ["ttl='2d' is shorter than every='1w'", "Write a ttl of '1w' or more"],
    ),
    "no features": (lambda: s.view(features={}), ["it has no features", "Write features="]),
    "bad name": (lambda: s.view(name="My View"), ["'My View' cannot be a name", "'my_view'"]),
    "feature named like a key": (
        lambda: s.view(features={"user_id": mlp.count(over="1d")}),
        ["taken by a key or a reserved column"],
    ),
    "no aggregation": (
        lambda: s.view(features={"spend": "amount"}),
        ["features['spend']='amount' is not an Aggregation", "mlp.total("],
    ),
    "derive of unknown feature": (lambda: s.view(derive=broken_derive), ["column 'spnd'", "Did you mean 'spend'?"]),
    "derive that raises": (lambda: s.view(derive=raising_derive), ["raised ZeroDivisionError", "takes no arguments"]),
    "derive lambda": (lambda: s.view(derive=lambda: {}), ["derive is a lambda", "named function of a module"]),
    "source without origin": (lambda: s.view(source=s.source(read=None)), ["nothing says where its rows come from"]),
    "source with two origins": (lambda: s.view(source=s.source(delta="x")), ["delta and read are both given"]),
    "source without its time": (
        lambda: s.view(source=s.source(event_time="att")),
        ["column 'att' is not in its columns", "Did you mean 'at'?"],
    ),
    "reserved column": (
        lambda: s.view(
            source=s.source(
                columns={"user_id": pl.Int64, "at": pl.Datetime, "amount": pl.Float64, "partition": pl.String}
            )
        ),
        ["column 'partition' is a reserved name"],
    ),
    "bad start": (lambda: s.view(source=s.source(start="first of May")), ["start='first of May' is not a date"]),
    "label among the features": (
        lambda: s.training_set(features=[s.view(features={"bought": mlp.count(over="30d")})]),
        ["feature 'bought' of view 'spending' is the target itself"],
    ),
    "label among the request": (
        lambda: s.training_set(request=["bought"]),
        ["request column 'bought' is the target itself"],
    ),
    "unknown target": (lambda: s.training_set(target="buys"), ["column 'buys' is not in labels 'labels'"]),
    "unknown request column": (lambda: s.training_set(request=["hours"]), ["Did you mean 'hour'?"]),
    "same feature twice": (
        lambda: s.training_set(features=[s.view(), s.view(name="again")]),
        ["feature 'spend' of view 'again' has the name of feature 'spend' of view 'spending'"],
    ),
    "training set derive leaks": (
        lambda: s.training_set(derive=leaking_derive),
        ["column 'bought' is not in the features that derive can use"],
    ),
    "lambda as train": (lambda: s.model(train=lambda run: run), ["train is a lambda", "def train_"]),
    "nested train": (lambda: s.model(train=local_function()), ["not at the top level of an importable module"]),
    "no gates": (lambda: s.model(gates=[]), ["it has no gates, so anything would be promoted", "mlp.BetterThan"]),
    "unknown metric": (
        lambda: s.model(gates=[mlp.AtLeast("roc_acu", 0.8)]),
        ["metric 'roc_acu' does not exist for a binary model", "Did you mean 'roc_auc'?"],
    ),
    "unknown baseline": (
        lambda: s.model(gates=[mlp.BetterThan("base_rat")]),
        ["baseline 'base_rat' does not exist", "Did you mean 'base_rate'?"],
    ),
    "gate NaN": (
        lambda: s.model(gates=[mlp.AtLeast("roc_auc", float("nan"))]),
        ["gates[0]: value=nan is not a finite number"],
    ),
    "gate in percent": (
        lambda: s.model(gates=[mlp.AtLeast("roc_auc", 65)]),
        ["gate AtLeast: 65 is no roc_auc: it is between 0 and 1. Write 0.65."],
    ),
    "gate below zero": (
        lambda: s.model(gates=[mlp.AtMost("log_loss", -0.5)]),
        ["-0.5 is no log_loss: it is 0 or more. Write a value that it can have."],
    ),
    "gate the wrong way round": (
        lambda: s.model(gates=[mlp.AtLeast("log_loss", 0.5), mlp.AtMost("roc_auc", 0.8)]),
        [
            "log_loss is better when it is lower, so this passes the bad models. Write mlp.AtMost('log_loss', 0.5).",
            "roc_auc is better when it is higher, so this passes the bad models. Write mlp.AtLeast('roc_auc', 0.8).",
        ],
    ),
    "slice of nothing": (
        lambda: s.model(gates=[mlp.OnEverySlice("roc_auc", 0.6, by="user")]),
        ["by='user' is no key, feature or request column of the training set. Did you mean 'user_id'?"],
    ),
    "slice in percent": (
        lambda: s.model(gates=[mlp.OnEverySlice("roc_auc", 60, by="user_id", min_rows=0)]),
        ["60 is no roc_auc: it is between 0 and 1", "min_rows=0 judges nothing. Write min_rows=1 or more."],
    ),
    "calibrated to nothing": (
        lambda: s.model(gates=[mlp.Calibrated(0.0)]),
        ["gate Calibrated: most=0.0 lets nothing pass. Write most=0.02, say."],
    ),
    "no time": (
        lambda: s.model(gates=[mlp.FasterThan(0.0, rows=0, percentile=0.0), mlp.SmallerThan(-1.0)]),
        [
            "milliseconds=0.0 lets nothing pass. Write milliseconds=5, say.",
            "rows=0 asks for no prediction. Write rows=1 or more.",
            "percentile=0.0 is not between 0 and 100. Write percentile=99, say.",
            "megabytes=-1.0 lets nothing pass. Write megabytes=50, say.",
        ],
    ),
    "rival by nothing": (
        lambda: s.model(gates=[mlp.NoWorseThan("champion", by="shop")]),
        ["by='shop' is no key of the training set"],
    ),
    "gate twice": (
        lambda: s.model(gates=[mlp.AtLeast("roc_auc", 0.7), mlp.AtLeast("roc_auc", 0.8)]),
        ["gate 'roc_auc_at_least' is there twice"],
    ),
    "unknown task": (lambda: s.model(task="binry"), ["task='binry' is not known", "Did you mean 'binary'?"]),
    "no processes": (lambda: s.model(compute=mlp.Accelerate(processes=0)), ["processes=0 trains nothing"]),
    "uneven machines": (
        lambda: s.model(compute=mlp.Accelerate(processes=3, machines=2)),
        ["processes=3 cannot be spread evenly over machines=2. Write processes=4, say."],
    ),
    "too few gpus": (
        lambda: s.model(compute=mlp.Accelerate(processes=4, gpus=2)),
        ["gpus=2 is not one for each of processes=4. Write gpus=4, gpus=0, or leave it out."],
    ),
    "never stepped": (
        lambda: s.model(compute=mlp.Accelerate(gradient_accumulation=0)),
        ["gradient_accumulation=0 never steps the optimizer. Write 1 or more."],
    ),
    "half precision without a gpu": (
        lambda: s.model(compute=mlp.Accelerate(gpus=0, mixed_precision="fp16")),
        ["mixed_precision='fp16' needs a GPU, and gpus=0. Write mixed_precision='bf16'"],
    ),
    "unknown strategy": (
        lambda: s.model(compute=mlp.Accelerate(strategy="fdsp")),  # type: ignore[arg-type]
        ["strategy='fdsp' is not known", "Did you mean 'fsdp'?"],
    ),
    "no patience": (lambda: s.model(compute=mlp.Local(patience="soon")), ["patience='soon' is not a duration"]),
    "not online": (
        lambda: s.endpoint(model=s.model(training_set=s.training_set(features=[s.view(online=False)]))),
        ["features of view 'spending', which is not online", "Write online=True on FeatureView 'spending'"],
    ),
    "bad route": (lambda: s.endpoint(route="score me"), ["route='score me' is no URL path"]),
    "bad replicas": (lambda: s.endpoint(replicas=(4, 1)), ["replicas=(4, 1)", "Write replicas=(1, 4)"]),
    "bad policy": (lambda: s.endpoint(on_unknown="nul"), ["on_unknown='nul' is not known", "Did you mean 'null'?"]),
    "no alarms": (lambda: s.monitor(alarms=[]), ["it has no alarms"]),
    "alarm on unknown feature": (
        lambda: s.monitor(alarms=[mlp.DriftAlarm(features=("spent",))]),
        ["column 'spent' is not in the model's features", "Did you mean 'spend'?"],
    ),
    "alarm on wrong metric": (lambda: s.monitor(alarms=[mlp.PerformanceAlarm("mae")]), ["metric 'mae' does not exist"]),
    "name instead of object": (
        lambda: s.endpoint(model="buys"),
        ["Endpoint 'score': model='buys' is not a Model", "Write the Model object itself, not its name"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_spec_is_told_what_is_wrong_and_what_to_write(case: str) -> None:
    make, sentences = WRONG[case]
    s.assert_told(make, sentences)


def test_the_samples_are_right() -> None:
    assert len(s.project().specs) == 8
    assert s.view(derive=s.ratio).feature_names == ("spend", "visits", "mean_amount")


def test_all_problems_are_reported_at_once() -> None:
    bad_view = s.view(every="3h", features={"spend": mlp.total("amuont", over="thirty")})
    with pytest.raises(mlp.ProjectError, match="Project 'shop' has 5 problems") as raised:
        s.project(s.model(training_set=s.training_set(features=[bad_view]), gates=[], train=lambda run: run))
    assert len(raised.value.problems) == 5


def test_two_endpoints_on_one_route() -> None:
    model = s.model()
    first, second = s.endpoint(model=model, route="/buys"), s.endpoint(name="other", model=model, route="/buys")
    with pytest.raises(mlp.ProjectError, match="route '/buys' is already that of endpoint 'score'"):
        s.project(first, second)


def test_two_objects_of_one_name() -> None:
    with pytest.raises(mlp.ProjectError, match="2 different objects have this name"):
        s.project(s.endpoint(), s.endpoint(name="other"))


def test_a_cycle_is_shown_as_a_path() -> None:
    first = s.source(name="first")
    second = s.source(name="second", inputs=[first])
    object.__setattr__(first, "inputs", (second,))
    with pytest.raises(mlp.ProjectError, match="in a circle: Source 'first' -> Source 'second' -> Source 'first'"):
        s.project(first)


def test_an_owner_is_a_team_or_an_address() -> None:
    with pytest.raises(mlp.ProjectError, match="owner='shop' is nobody. Write owner='team:shop'"):
        s.project(owner="shop")


def test_what_another_project_owns_stays_theirs() -> None:
    shared = s.view()
    theirs = s.project(shared, name="platform", owner="team:platform")
    ours = s.project(s.model(training_set=s.training_set(features=[shared])), uses=[theirs])
    assert ours.feature_views == ()
    assert ours.home_of(shared) is theirs


def test_specs_are_frozen() -> None:
    view = s.view()
    with pytest.raises(AttributeError):
        view.ttl = "1d"  # type: ignore[misc]
    with pytest.raises(TypeError):
        view.features["new"] = mlp.count(over="1d")  # type: ignore[index]
