"""Tasks: each knows metrics that can be computed, and code that dispatches on a task covers all of them."""

import polars as pl
import pytest

from mlp_assets.errors import MlpError
from mlp_assets.metrics.metrics import METRICS
from mlp_assets.nouns.task import BINARY, HIGHER_IS_BETTER, MULTICLASS, REGRESSION, SHARES, TASKS, Task
from tests.support import samples


def test_a_model_knows_its_task() -> None:
    assert samples.model().task_kind is BINARY
    assert [Task.of(task.name) for task in TASKS] == list(TASKS)


def test_another_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(MlpError, match=r"'ranking' .* binary, multiclass, regression"):
        Task.of("ranking")


def test_every_metric_of_a_task_can_be_computed() -> None:
    names = {name for task in TASKS for name in (*task.metrics, *task.compared_metrics, *task.logged_metrics)}
    assert names == set(METRICS)
    assert {*HIGHER_IS_BETTER, *SHARES} <= names


def test_each_task_chooses_its_own() -> None:
    assert [task.choose(binary=1, multiclass=2, regression=3) for task in TASKS] == [1, 2, 3]


def test_labels_are_logged_as_numbers_or_as_names_of_classes() -> None:
    assert {task.label_type(pl.Boolean) for task in (BINARY, REGRESSION)} == {"Float64"}
    assert [MULTICLASS.label_type(dtype) for dtype in (pl.String, pl.Int32)] == ["String", "Int64"]
