"""Names that the registry refuses are told at the first step, and numbers of every library are logged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import path_not_unique, validate_param_and_metric_name

from mlp_assets.errors import MlpError
from mlp_assets.jobs.metrics_log import read_metrics
from mlp_assets.nouns.checks.texts import not_loggable
from tests.support.exported import run_of


@given(st.text(st.characters(codec="utf-8"), max_size=20) | st.text("a/.:@ -_", min_size=1, max_size=8))
def test_it_is_what_mlflow_takes(name: str) -> None:
    taken = bool(name and validate_param_and_metric_name(name) and not path_not_unique(name) and "\n" not in name)
    assert (not_loggable(name) is None) == taken, name


@pytest.mark.parametrize("number", [np.float32(0.5), np.int64(1), torch.tensor(0.5), np.float64(0.25), True])
def test_numbers_of_every_library_are_logged(tmp_path: Path, number: Any) -> None:
    run_of(tmp_path, "regression").log(np.int64(3), loss=number)  # type: ignore[arg-type]
    assert read_metrics(tmp_path) == ((3, "loss", float(number)),)


def test_a_name_that_the_registry_refuses_is_told_when_it_is_logged(tmp_path: Path) -> None:
    with pytest.raises(MlpError, match=r"named 'auc@10'\. Write 'auc_10'"):
        run_of(tmp_path, "regression").log(1, **{"auc@10": 0.5})
