"""A training set of five times the memory is trained on and judged, under a limit that the system enforces.

The limit holds for the run and its training process together. It takes minutes, so it belongs to ``make test-all``; in
``make test``, test_labelled_rows.py and test_loader.py check that rows are read in batches.
"""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from mlp_resources.ports import registry_tags
from tests.support.limited_memory import run_limited
from tests.support.mlflow_store import empty_store
from tests.support.wide_training import DIGEST, ROWS_OF_PART, write_training_set

MEMORY_GB, TIMES = 1.2, 5
SCRIPT = "from tests.support.wide_training import main; main()"
_PART_BYTES = 8 * 123 * ROWS_OF_PART


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_training_set_of_five_times_the_memory_is_trained_on_and_judged(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = int(MEMORY_GB * 1e9)
    empty_store(home / "mlflow")
    size = write_training_set(home, train_parts=-(-TIMES * limit // _PART_BYTES))
    assert size >= TIMES * limit
    begun = time.monotonic()
    environment = os.environ | {"MLP_MEMORY_GB": str(MEMORY_GB)}
    run = run_limited([sys.executable, "-c", SCRIPT, str(home)], limit, environment)
    with capsys.disabled():
        print(
            f"\na training set of {size / 1e9:.2f} GB under {MEMORY_GB:g} GB ({run.enforced_by}): peak "
            f"{run.peak_bytes / 1e9:.2f} GB, {time.monotonic() - begun:.0f} s"
        )
    assert run.returncode == 0, run.output[-3000:]
    assert 0 < run.peak_bytes < limit
    shown = json.loads(run.output.splitlines()[-1])
    assert shown["checks"]["roc_auc_at_least"]
    assert shown["tags"][registry_tags.TRAINING_SET_DIGEST] == DIGEST
    assert "## Samples" in shown["card"]
    assert "Metrics of the train part: 100000 of" in shown["card"]
    assert "logistic_regression was fitted on" in shown["card"]
