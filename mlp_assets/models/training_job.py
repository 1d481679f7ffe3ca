"""The training set's version that a candidate is trained on, and the job that trains it.

Encoders are fitted on one column at a time, and digests are computed in batches: no more than one batch of rows is in
memory.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from typing import Any

import polars as pl

from mlp_assets.artifact.encoding import fit_encoders
from mlp_assets.errors import MlpError
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.metrics.classes import classes_of
from mlp_assets.models.evaluation.labelled_rows import BATCH_BYTES
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.texts import function_path
from mlp_assets.nouns.compute import memory_bytes
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.batches import batches, row_bytes
from mlp_assets.tables.digest import row_sums
from mlp_assets.tables.storage import scan_delta
from mlp_resources.ports.lake import Table
from mlp_resources.ports.registry import Dataset


def training_table(scope: Scope, model: Model) -> Table:
    """The table of the model's training set."""
    return keys.table(keys.training_set(scope.home(model.training_set), model.training_set))


def newest_version(scope: Scope, model: Model) -> int:
    """The newest version of the training set's table. Raises MlpError where it was never materialized."""
    version = scope.environment.lake.version(training_table(scope, model))
    if version is None:
        raise MlpError(f"{model.training_set.where} is not there yet. Materialize it first.")
    return version


def dataset_of(scope: Scope, model: Model, version: int, recorded: Mapping[str, Any]) -> Dataset:
    """A version of the training set with its digest: the recorded one, or one computed from its rows.

    Args:
        recorded: metadata of the materialization that wrote the version; empty where it is not known.
    """
    lake, table = scope.environment.lake, training_table(scope, model)
    digest = recorded.get("digest") or digest_in_batches(lake.scan(table, version))
    return Dataset(str(table), lake.location(table), version, digest)


def digest_in_batches(rows: pl.LazyFrame) -> str:
    """The canonical digest of a table that may be larger than memory."""
    most = max(1, BATCH_BYTES // row_bytes(rows))
    return reduce(add, (row_sums(batch) for batch in batches(rows, rows.collect_schema().names(), most))).digest()


def training_job(model: Model, dataset: Dataset, code: str, note: Callable[[str], None] = lambda _: None) -> JobSpec:
    """The job of one training.

    Args:
        code: the code version. With the dataset it identifies a training, so that an interrupted one resumes.
        note: called with a sentence for each encoder that was fitted on a sample.
    """
    identity = (dataset.location, dataset.version, code)
    rows = scan_delta(dataset.location, dataset.version).filter(pl.col("split") == "train")
    return JobSpec(
        name=model.name,
        function=function_path(model.train),
        table=dataset.location,
        version=dataset.version,
        features=model.inputs,
        encoders=fit_encoders(model.inputs, model.encode, rows, note).to_dict(),
        target=model.training_set.target,
        classes=_classes(model, rows),
        task=model.task,
        processes=model.compute.processes,
        machines=model.compute.machines,
        gpus=model.compute.gpus,
        seed=model.seed,
        params=dict(model.params),
        resume_key=hashlib.sha256(repr(identity).encode()).hexdigest()[:16],
        compute=model.compute.options,
        patience_seconds=texts.duration(model.compute.patience).total_seconds(),
        image=model.compute.image,
        cpus=model.compute.cpus,
        memory_bytes=memory_bytes(model.compute.memory),
        gpu_type=model.compute.gpu_type,
    )


def _classes(model: Model, rows: pl.LazyFrame) -> tuple[Any, ...]:
    if not model.task_kind.many_classes:
        return ()
    return classes_of(
        rows.select(pl.col(model.training_set.target).unique()).collect(engine="streaming").to_series()
    ).values
