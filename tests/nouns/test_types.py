"""Values of the wrong type: the message shows the value and what to write instead, and nothing else breaks."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from datetime import date, timedelta

import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import samples as s


def view_of(feature: object) -> mlp.FeatureView:
    return s.view(features={"spend": feature})


def model_with(gate: object) -> mlp.Model:
    return s.model(gates=[gate])


def columns(dtype: object) -> mlp.FeatureView:
    return s.view(source=s.source(columns={"user_id": pl.Int64, "amount": dtype, "at": pl.Datetime}))


REFUSED: dict[str, tuple[Callable[[], object], list[str]]] = {
    "one number of replicas": (
        lambda: s.endpoint(replicas=2),
        ["Endpoint 'score': replicas=2 is not a pair of whole numbers", "Write replicas=(1, 4), for example"],
    ),
    "three numbers of replicas": (lambda: s.endpoint(replicas=(1, 2, 3)), ["replicas=(1, 2, 3) is not a pair"]),
    "lone gate": (
        lambda: s.model(gates=mlp.AtLeast("roc_auc", 0.8)),
        ["gates=AtLeast(metric='roc_auc', value=0.8) is not a list", "Write gates=[...], with [ ] around it"],
    ),
    "lone alarm": (lambda: s.monitor(alarms=mlp.DriftAlarm()), ["is not a list", "Write alarms=[...]"]),
    "lone view": (
        lambda: s.training_set(features=s.view()),
        ["TrainingSet 'history': features=FeatureView 'spending' is not a list", "Write features=[...]"],
    ),
    "lone source": (
        lambda: s.view(source=s.source(inputs=s.labels())),
        ["inputs=Source 'labels' is not a list", "Write inputs=[...]"],
    ),
    "lone asset": (
        lambda: s.project(assets=s.monitor()),
        ["Project 'shop': assets=Monitor 'health' is not a list", "Write assets=[...]"],
    ),
    "lone project": (
        lambda: s.project(uses=s.project(name="theirs")),
        ["uses=Project 'theirs' is not a list", "Write uses=[...]"],
    ),
    "name of a project": (lambda: s.project(uses=["x"]), ["uses[0]='x' is not a Project", "Write the Project object"]),
    "project among the assets": (
        lambda: s.project(s.project(name="theirs")),
        ["assets[0]=Project 'theirs' is not a Source, FeatureView,", "Write the Source, FeatureView,"],
    ),
    "no name": (lambda: s.view(name=None), ["FeatureView None: name=None is not a text", "Write name as a text"]),
    "column that is neither": (
        lambda: view_of(s.anything.total(7, over="7d")),
        ["features['spend']: column=7 is not a text", "Write column as a text in quotes."],
    ),
    "text for an expression": (
        lambda: view_of(s.anything.count(over="7d", where="amount > 1")),
        ["where='amount > 1' is not a Polars expression", "Write it with pl.col(...)"],
    ),
    "timedelta for a duration": (lambda: view_of(s.anything.count(over=timedelta(days=7))), ["Write over='7d'."]),
    "date for a start": (
        lambda: s.view(source=s.source(start=date(2024, 1, 1))),
        ["start=datetime.date(2024, 1, 1) is not a text", "Write start='2024-01-01'."],
    ),
    "text for a split": (
        lambda: s.training_set(split="2w"),
        ["split='2w' is not a SplitByTime", "Write mlp.SplitByTime(validation='2w', test='4w'), for example"],
    ),
    "no test part": (
        lambda: s.training_set(split=s.anything.SplitByTime(test=None)),
        ["TrainingSet 'history', split: test=None is not a text", "Write test='4w', for example"],
    ),
    "no validation part": (
        lambda: s.training_set(split=s.anything.SplitByTime(validation=None)),
        ["validation=None is not a text", "Write validation='2w', for example"],
    ),
    "no train": (lambda: s.model(train=None), ["train=None is not a function", "Write train=name_of_a_function"]),
    "arguments of a gate swapped": (
        lambda: model_with(s.anything.AtLeast(0.8, "roc_auc")),
        ["Model 'buys', gates[0]: metric=0.8 is not a text", "value='roc_auc' is not a finite number"],
    ),
    "text for a number": (
        lambda: model_with(s.anything.AtLeast("roc_auc", "0.8")),
        ["value='0.8' is not a finite number. Write value=0.8."],
    ),
    "text for processes": (
        lambda: s.model(compute=s.anything.Accelerate(processes="2")),
        ["compute: processes='2' is not a whole number. Write processes=2."],
    ),
    "fraction of processes": (
        lambda: s.model(compute=mlp.Accelerate(processes=2.5)),  # type: ignore[arg-type]
        ["processes=2.5 is not a whole number. Write processes=2."],
    ),
    "class for compute": (lambda: s.model(compute=mlp.Local), ["is not a Local or Accelerate"]),
    "text for cpus": (lambda: s.endpoint(cpus="1"), ["cpus='1' is not a finite number. Write cpus=1.0."]),
    "text for rows": (lambda: s.endpoint(max_rows="10"), ["max_rows='10' is not a whole number. Write max_rows=10."]),
    "text for windows": (lambda: s.monitor(reference_windows="12"), ["Write reference_windows=12."]),
    "no calm": (lambda: s.monitor(calm=None), ["calm=None is not a whole number. Write calm=2, for example."]),
    "text for a share": (
        lambda: s.monitor(alarms=[s.anything.DriftAlarm(share="0.1")]),
        ["Monitor 'health', alarms[0]: share='0.1' is not a finite number. Write share=0.1."],
    ),
    "text for a truth": (lambda: s.monitor(retrain="yes"), ["Write retrain=True or retrain=False"]),
    "number for a route": (lambda: s.endpoint(route=5), ["route=5 is not a text", "Write route as a text"]),
    "list for a task": (lambda: s.model(task=["binary"]), ["task=['binary'] is not known", "Did you mean 'binary'?"]),
    "list of columns": (
        lambda: s.view(source=s.source(columns=["user_id"])),
        ["Source 'events': columns=['user_id'] is not a mapping", "Write columns={'name': ...}"],
    ),
    "list of features": (lambda: s.view(features=[mlp.count(over="7d")]), ["is not a mapping", "Write features={"]),
    "numbers as names": (lambda: s.view(features={1: mlp.count(over="7d")}), ["features has the name 1"]),
    "list of tags": (lambda: s.view(tags=["gold"]), ["tags=['gold'] is not a mapping", "Write tags={'tier': 'gold'}"]),
    "list of params": (lambda: s.model(params=["layers"]), ["params=['layers'] is not a mapping"]),
    "a parameter that MLflow does not take": (
        lambda: s.model(params={"lr@start": 0.1}),
        ["MLflow takes no metric or parameter named 'lr@start'", "Write 'lr_start': letters, digits"],
    ),
    "object in params": (lambda: s.model(params={"x": object()}), ["params cannot be sent to another process"]),
    "set of keys": (
        lambda: s.view(entity=s.anything.Entity("u", keys={"user_id"})),
        ["keys={'user_id'} is not a list"],
    ),
    "int for a Polars type": (lambda: columns(int), ["<class 'int'> is not a Polars type", "pl.Int64."]),
    "str for a Polars type": (lambda: columns(str), ["Write columns['amount']=pl.String."]),
    "name of a Polars type": (lambda: columns("Float64"), ["Write columns['amount']=pl.Float64."]),
    "number for a Polars type": (lambda: columns(3), ["columns['amount']=3 is not a Polars type"]),
    "a feature for a list of features": (
        lambda: s.monitor(alarms=[s.anything.DriftAlarm(features="spend")]),
        ["features='spend' is not a list", "Write features=[...]"],
    ),
    "name of a column for an aggregation": (
        lambda: view_of("amount"),
        ["features['spend']='amount' is not an Aggregation", "mlp.total("],
    ),
    "name of a model": (
        lambda: s.endpoint(model="buys"),
        ["Endpoint 'score': model='buys' is not a Model", "object itself, not its name"],
    ),
    "value that is not a number": (
        lambda: model_with(mlp.AtLeast("roc_auc", float("nan"))),
        ["gates[0]: value=nan is not a finite number"],
    ),
    "infinite strong": (
        lambda: s.monitor(alarms=[mlp.DriftAlarm(strong=float("inf"))]),
        ["strong=inf is not a finite number"],
    ),
    "misspelt task": (lambda: s.model(task="binry"), ["task='binry' is not known", "Did you mean 'binary'?"]),
    "misspelt strategy": (
        lambda: s.model(compute=s.anything.Accelerate(strategy="fdsp")),
        ["strategy='fdsp' is not known", "Did you mean 'fsdp'?"],
    ),
    "misspelt policy": (lambda: s.endpoint(on_unknown="nul"), ["on_unknown='nul'", "Did you mean 'null'?"]),
    "American spelling": (
        lambda: s.monitor(alarms=[s.anything.PerformanceAlarm("roc_auc", kind="realized")]),
        ["kind='realized' is not known", "Did you mean 'realised'?"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_of_the_wrong_type_is_refused(case: str) -> None:
    s.assert_refused(*REFUSED[case])


ODD = [
    None, True, 0, -1, 2.5, float("nan"), 10**400, "", "x", "\n", b"x", [], ["x"], [[]], {}, {"x": 1}, {1: 2}, (1,),
    set(), object(), object, print, int, date(2024, 1, 1), timedelta(1), pl.col("x"), pl.all(), pl.Int64,
    pl.Series([1]), pl.DataFrame({"x": [1]}), mlp.count(over="1d"), mlp.AtLeast("roc_auc", 0.1), mlp.DriftAlarm(),
    s.view(), s.source(), s.monitor(), s.project(),
]  # fmt: skip
PARTS: dict[str, tuple[object, Callable[[object], object]]] = {
    "Source": (s.source(), lambda spec: s.view(source=spec)),
    "labels": (s.labels(), lambda spec: s.training_set(labels=spec)),
    "Entity": (s.user, lambda spec: s.view(entity=spec)),
    "FeatureView": (s.view(), lambda spec: s.training_set(features=[spec])),
    "Aggregation": (mlp.total("amount", over="7d"), lambda part: s.monitor(watches=s.endpoint(model=s.model(
        training_set=s.training_set(features=[view_of(part)]))))),
    "TrainingSet": (s.training_set(), lambda spec: s.model(training_set=spec)),
    "SplitByTime": (mlp.SplitByTime(), lambda part: s.training_set(split=part)),
    "Model": (s.model(), lambda spec: s.monitor(watches=s.endpoint(model=spec))),
    "AtLeast": (mlp.AtLeast("roc_auc", 0.8), model_with),
    "BetterThan": (mlp.BetterThan("base_rate"), model_with),
    "NoWorseThan": (mlp.NoWorseThan(), model_with),
    "Accelerate": (mlp.Accelerate(), lambda part: s.model(compute=part)),
    "Endpoint": (s.endpoint(), lambda spec: s.monitor(watches=spec)),
    "DriftAlarm": (mlp.DriftAlarm(), lambda part: s.monitor(alarms=[part])),
    "PerformanceAlarm": (mlp.PerformanceAlarm("roc_auc"), lambda part: s.monitor(alarms=[part])),
    "Monitor": (s.monitor(), lambda spec: spec),
    "Project": (s.project(), lambda spec: spec),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_no_value_in_any_field_raises_anything_but_a_project_error(name: str) -> None:
    part, within = PARTS[name]
    for field in fields(part):  # type: ignore[arg-type]
        for odd in ODD:
            with suppress(mlp.ProjectError):
                changed = replace(part, **{field.name: odd})  # type: ignore[type-var]
                s.project(s.endpoint() if name == "Project" else within(changed))
