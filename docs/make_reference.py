"""Makes reference.md out of the docstrings of the nouns: ``python docs/make_reference.py``."""

import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import mlp_assets as mlp

PAGE = Path(__file__).with_name("reference.md")
SECTIONS: Mapping[str, Sequence[str]] = {
    "Projects": ["Project"],
    "Sources and entities": ["Source", "Entity"],
    "Features": ["FeatureView"],
    "Training sets": ["TrainingSet", "SplitByTime", "SplitByGroup"],
    "Models": ["Model", "Local", "Accelerate", "Search", "FloatRange", "IntRange", "Choice", "StopEarly"],
    "Encoders": ["Standardized", "Categories", "Tokens", "Vector"],
    "Gates": [
        "AtLeast", "AtMost", "BetterThan", "NoWorseThan", "OnEverySlice", "Calibrated", "FasterThan", "SmallerThan",
    ],
    "Endpoints and tables of scores": ["Endpoint", "BatchScore"],
    "Monitors": ["Monitor", "DriftAlarm", "QualityAlarm", "PerformanceAlarm"],
}  # fmt: skip
FUNCTIONS = [
    "total", "count", "count_distinct", "mean", "minimum", "maximum", "std", "latest", "first", "days_since_last",
    "attribute", "ratio", "expression",
]  # fmt: skip
COMMON = {
    "description": "One sentence, shown in Dagster.",
    "owner": "`team:NAME` or an e-mail address. Default: that of the project.",
    "tags": "Tags of the asset in Dagster.",
}
WORDS: Mapping[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "True or False", type(None): "None", Any: "any value",
}  # fmt: skip
EXAMPLES: Mapping[str, str] = {
    "Project.name": '"shop"', "Project.owner": '"team:shop"', "Project.assets": "[monitor]", "Project.uses": "[other]",
    "Entity.name": '"user"', "Entity.keys": '["user_id"]', "Source.name": '"orders"', "Source.inputs": "[orders]",
    "Source.columns": '{"user_id": pl.Int64, "bought_at": pl.Datetime}', "Source.event_time": '"bought_at"',
    "Source.delta": '"s3://shop/orders"', "Source.parquet": '"/data/orders/*.parquet"', "Source.read": "read_orders",
    "Source.known_at": '"arrived_at"', "Source.delay": '"7d"', "Source.start": '"2024-01-01"',
    "Source.end": '"2025-01-01"', "FeatureView.name": '"spending"', "FeatureView.entity": "user",
    "FeatureView.source": "orders", "FeatureView.features": '{"spend_30d": mlp.total("amount", over="30d")}',
    "FeatureView.derive": "per_visit", "FeatureView.ttl": '"60d"', "FeatureView.fresh_within": '"26h"',
    "FeatureView.describe": '{"per_visit": "Spending for each visit."}', "FeatureView.publish_delay": '"10m"',
    "TrainingSet.name": '"history"', "TrainingSet.labels": "outcomes", "TrainingSet.target": '"bought_again"',
    "TrainingSet.features": "[spending]", "TrainingSet.request": '["distance"]', "TrainingSet.derive": "per_visit",
    "TrainingSet.entity": "user", "TrainingSet.since": '"2024-03-01"', "TrainingSet.trust": '["spend_30d"]',
    "TrainingSet.features_from": "endpoint", "SplitByTime.train": '"52w"', "SplitByGroup.by": '"user_id"',
    "Model.name": '"repurchase"', "Model.training_set": "history", "Model.train": "train", "Model.task": '"binary"',
    "Model.gates": '[mlp.AtLeast("roc_auc", 0.8)]', "Model.params": '{"width": 64}',
    "Model.search": 'mlp.Search(space={"width": mlp.IntRange(16, 256)})', "Search.space": '{"rate": mlp.Choice([0.1])}',
    "FloatRange.low": "0.001", "FloatRange.high": "0.1", "IntRange.low": "16", "IntRange.high": "256",
    "Choice.values": '["relu", "gelu"]', "StopEarly.metric": '"loss"', "Tokens.length": "64", "Vector.size": "384",
    "AtLeast.metric": '"roc_auc"', "AtLeast.value": "0.8", "AtMost.metric": '"log_loss"', "AtMost.value": "0.3",
    "BetterThan.baseline": '"base_rate"', "OnEverySlice.metric": '"roc_auc"', "OnEverySlice.value": "0.7",
    "OnEverySlice.by": '"country"', "Calibrated.most": "0.02", "FasterThan.milliseconds": "5.0",
    "SmallerThan.megabytes": "50.0", "Endpoint.name": '"score"', "Endpoint.model": "model",
    "BatchScore.name": '"nightly"', "BatchScore.model": "model", "BatchScore.rows": "outcomes",
    "Monitor.name": '"health"', "Monitor.watches": "endpoint", "Monitor.alarms": "[mlp.DriftAlarm()]",
    "PerformanceAlarm.metric": '"roc_auc"', "tags": '{"tier": "gold"}', "owner": '"team:shop"',
    "description": '"What people should know of it."',
}  # fmt: skip
HEAD = """\
# Reference

Every noun of a project file with its fields, and every function that makes a feature. Made from the docstrings by
`docs/make_reference.py`. [project-file.md](project-file.md) says what they mean together. A field without a default
must be written.
"""


def page() -> str:
    """The text of reference.md."""
    parts = [HEAD]
    for section, names in SECTIONS.items():
        parts.append(f"## {section}\n")
        parts += [_noun(name) for name in names]
        if section == "Features":
            parts += ["### Aggregations\n", *map(_function, FUNCTIONS)]
    return "\n".join(parts)


def _noun(name: str) -> str:
    noun = getattr(mlp, name)
    text = inspect.getdoc(noun) or ""
    about, hints = " ".join(text.partition("\n\n")[0].split()), types_of(noun)
    rows = [
        f"| `{field.name}` | {words(hints[field.name])} | {_default(field)} | {_meaning(field.name, text)} "
        f"| {example(name, field)} |"
        for field in fields(noun)
    ]
    table = "\n".join(["| field | type | default | meaning | example |", "| --- | --- | --- | --- | --- |", *rows])
    return f"### mlp.{name}\n\n{_plain(about)}\n\n{table}\n"


def _function(name: str) -> str:
    function: Callable[..., Any] = getattr(mlp, name)
    taken = [each for each in inspect.signature(function).parameters.values() if each.kind != each.VAR_KEYWORD]
    arguments = ", ".join(
        each.name if each.default is each.empty else f"{each.name}={each.default!r}" for each in taken
    )
    about = " ".join((inspect.getdoc(function) or "").split())
    return f"- `mlp.{name}({arguments}, ...)`: {_plain(about)}"


def types_of(noun: Any) -> dict[str, Any]:
    """Field -> its type. Nouns that refer to each other write some as texts."""
    return get_type_hints(noun, localns={name: getattr(mlp, name) for name in mlp.__all__})


def words(hint: Any) -> str:
    """A type as a user would say it."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint in WORDS:
        return WORDS[hint]
    if origin is Literal:
        return " or ".join(f"`{value!r}`" for value in inside)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(words, inside)))
    if origin is Callable or getattr(origin, "__name__", "") == "Callable":
        return "function"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"dict of text to {words(inside[1])}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"list of {words(inside[0])}" if inside[-1] is ... or len(inside) == 1 else f"({_listed(inside)})"
    if "polars" in getattr(hint, "__module__", "") or origin is type:
        return "Polars expression" if getattr(hint, "__name__", "") == "Expr" else "Polars type"
    name = getattr(hint, "__name__", str(hint))
    return f"`mlp.{name}`" if name in mlp.__all__ else "an asset"


def _listed(hints: Sequence[Any]) -> str:
    return ", ".join(map(words, hints))


def _default(field: "Field[Any]") -> str:
    if field.default is not MISSING:
        return f"`{_written(field.default)}`"
    return f"`{_written(field.default_factory())}`" if field.default_factory is not MISSING else ""


def _written(value: Any) -> str:
    if callable(value) and not isinstance(value, type):
        return getattr(value, "__name__", repr(value))
    text = repr(value)
    return f"mlp.{text}" if type(value).__name__ in mlp.__all__ else text


def example(noun: str, field: "Field[Any]") -> str:
    """A value that is written, or else the default."""
    example = EXAMPLES.get(f"{noun}.{field.name}", EXAMPLES.get(field.name))
    if example is None:
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        example = None if default is None else _written(default)
    return f"`{field.name}={example}`" if example is not None else ""


def _meaning(name: str, text: str) -> str:
    """What the docstring's arguments say of a field; its first sentences say it of small nouns."""
    found = re.search(rf"^    (?:\w+, )*{name}(?:, \w+)*: (.*?)(?=^    \w[\w, ]*: |^\S|\Z)", text, re.M | re.S)
    said = " ".join(found[1].split()) if found else COMMON.get(name, "as above")
    return _plain(said[0].upper() + said[1:] if found else said)


def _plain(text: str) -> str:
    """Docstrings' ``code`` as Markdown's `code`, fit for a table."""
    return text.replace("``", "`").replace("|", "\\|")


def all_fields() -> Iterator[tuple[str, "Field[Any]", Any]]:
    """(noun, field, type) of every field on the page."""
    for name in (name for names in SECTIONS.values() for name in names):
        hints = types_of(getattr(mlp, name))
        yield from ((name, field, hints[field.name]) for field in fields(getattr(mlp, name)))


if __name__ == "__main__":
    PAGE.write_text(page())
