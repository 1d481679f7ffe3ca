"""A model on a training set of many columns, and what trains and judges it in a process of its own."""

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

import mlp_assets as mlp
from mlp_assets.orchestration import keys
from mlp_assets.platform import definitions_for
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Part, Table
from tests.support import shop
from tests.support.logistic import Logistic

COLUMNS, ROWS_OF_PART = 120, 1 << 16
FEATURES = {f"visits_{n}": mlp.count(over="7d") for n in range(COLUMNS)}
TABLE = Table("wide", "training_set", "history")
DIGEST = "0" * 64  # stands in the record, so nothing has to compute it


def train(run: mlp.TrainingRun) -> object:
    """A linear model, fitted from sums over batches."""
    squares, products, rows = np.eye(COLUMNS), np.zeros(COLUMNS), 0
    for inputs, target in run.loader(4096):
        x, y = inputs.numpy().astype(np.float64), target.numpy()
        squares, products, rows = squares + x.T @ x, products + x.T @ (y - 0.5), rows + len(y)
    run.log(1, rows=float(rows))
    return Logistic(np.append(np.linalg.solve(squares, products), 0.0))


def project() -> mlp.Project:
    purchases, outcomes = shop.ingested()
    visits = mlp.FeatureView(
        "visits",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=purchases,
        every="1w",
        features=FEATURES,
        ttl="28d",
    )
    history = mlp.TrainingSet(
        "history", labels=outcomes, target="came_again", features=[visits], since="2024-01-29", availability="known"
    )
    model = mlp.Model(
        "comes_again",
        training_set=history,
        train=train,
        task="binary",
        encode={"visits_0": mlp.Standardized()},
        gates=[
            mlp.AtLeast("roc_auc", 0.6),
            mlp.BetterThan("base_rate"),
            mlp.BetterThan("logistic_regression"),
            mlp.OnEverySlice("roc_auc", 0.5, by="visits_1"),
        ],
    )
    return mlp.Project("wide", owner="team:wide", assets=[model])


def write_training_set(home: Path, train_parts: int) -> int:
    """Writes a part of the validation rows, one of the test rows and ``train_parts`` of the others, all alike.

    Returns:
        Bytes of all rows in memory.
    """
    lake = DeltaLake(str(home / "lake"))
    rows, parts = part_rows(), list[Part]()
    for split, copies in {"train": train_parts, "validation": 1, "test": 1}.items():
        first = lake.stage(TABLE, rows.with_columns(split=pl.lit(split)), f"{split}-0")
        parts += [first, *(_copied(Path(lake.location(TABLE)), first, split, copy) for copy in range(1, copies))]
    schema = rows.with_columns(split=pl.lit("")).schema
    assert lake.publish(TABLE, parts, schema).version == 1
    return int(rows.estimated_size()) * len(parts)


def part_rows() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    features = {name: rng.integers(0, 4, ROWS_OF_PART).astype(np.float64) for name in FEATURES}
    chance = 1 / (1 + np.exp(3.0 - features["visits_1"] - features["visits_2"]))
    return pl.DataFrame(features).with_columns(
        user_id=pl.Series(rng.integers(0, 500, ROWS_OF_PART)),
        came_again=pl.Series((rng.random(ROWS_OF_PART) < chance).astype(np.float64)),
        at=pl.lit(datetime(2024, 3, 1, tzinfo=UTC)),
    )


def _copied(folder: Path, part: Part, split: str, number: int) -> Part:
    path = part.path.replace(f"{split}-0", f"{split}-{number}")
    shutil.copy(folder / part.path, folder / path)
    return Part(path, part.rows, part.bytes)


def train_and_judge(home: Path) -> dict[str, Any]:
    """Materializes the candidate of the training set in ``home``."""
    (model,) = project().models
    environment, instance = LocalEnvironment(home), dg.DagsterInstance.ephemeral()
    recorded = {"delta_version": 1, "digest": DIGEST, "shard_bytes": 1, "delta_versions_read": {}}
    key = keys.training_set("wide", model.training_set)
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=recorded))
    job = definitions_for(project(), environment=environment).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance, asset_selection=[keys.candidate("wide", model)], raise_on_error=False
    )
    (version,) = environment.registry.versions("wide.comes_again")
    return {
        "checks": {each.check_name: bool(each.passed) for each in result.get_asset_check_evaluations()},
        "card": environment.registry.document(version, "model-card.md"),
        "tags": dict(version.tags),
    }


def main() -> None:
    """Prints what ``train_and_judge`` returns for the home that the command line names."""
    print(json.dumps(train_and_judge(Path(sys.argv[1]))))
