"""docs/reference.md is made from the docstrings, and its examples are what the fields take."""

import importlib.util
import inspect
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from pydantic import ConfigDict, TypeAdapter

import mlp_assets as mlp
from tests.support import shop

DOCS = Path(__file__).parents[2] / "docs"
MADE_BY_THE_PLATFORM = {"Aggregation", "Ratio", "Problem", "Split", "TrainingRun", "Window"}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_docstrings_say(maker: ModuleType) -> None:
    assert (DOCS / "reference.md").read_text() == maker.page(), "Run `python docs/make_reference.py`."


def test_every_public_noun_and_function_is_on_the_page(maker: ModuleType) -> None:
    nouns = {name for name in mlp.__all__ if inspect.isclass(getattr(mlp, name)) and is_dataclass(getattr(mlp, name))}
    assert {name for names in maker.SECTIONS.values() for name in names} == nouns - MADE_BY_THE_PLATFORM
    assert set(maker.FUNCTIONS) == {name for name in mlp.__all__ if inspect.isfunction(getattr(mlp, name))}


def test_every_field_has_a_meaning_and_the_examples_are_taken(maker: ModuleType) -> None:
    project = shop.make()
    (monitor,), (model,) = project.monitors, project.models
    given: dict[str, Any] = {
        "mlp": mlp, "pl": pl, "monitor": monitor, "other": project, "model": model, "endpoint": monitor.watches,
        "history": model.training_set, "outcomes": model.training_set.labels, "spending": project.feature_views[0],
        "orders": project.feature_views[0].source, "user": project.feature_views[0].entity, "per_visit": shop.share,
        "read_orders": shop.read_purchases, "train": shop.train,
    }  # fmt: skip
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    for noun, field, hint in maker.all_fields():
        shown = maker.example(noun, field)
        assert shown or field.default is None, (noun, field.name)
        if shown:
            value = eval(shown.strip("`").partition("=")[2], dict(given))
            TypeAdapter(tuple[hint], config=config).validate_python((value,))
    lines = [line for line in maker.page().splitlines() if line.startswith("| `")]
    assert all(line.count("|") - line.count("\\|") == 6 for line in lines)
