"""Reproduces a registered version: the same data and the same training, and what differs where the outcome does."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.errors import LakeError, LostVersionError, MlpError
from mlp_assets.jobs.provenance import environment
from mlp_assets.metrics.metrics import scores
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.registering import ENVIRONMENT, commit
from mlp_assets.models.search import with_params
from mlp_assets.models.training_job import training_job, training_table
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.code_version import code_version
from mlp_assets.orchestration.scope import Scope
from mlp_assets.training_sets.shard_writer import write_rows
from mlp_assets.training_sets.training_set_asset import pinned_recipe
from mlp_resources.ports import registry_tags
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Lake
from mlp_resources.ports.registry import Dataset, RegisteredVersion
from mlp_resources.ports.training import TrainingResult, run_job

_HARDWARE = ("processor", "processors", "processes", "threads", "device")


class NotReproducibleError(MlpError):
    """A version cannot be reproduced: it does not exist, or something that it was made of is gone."""


@dataclass(frozen=True)
class Compared:
    """A property of a version, as it was registered and as it is now."""

    what: str
    then: str
    now: str

    @property
    def same(self) -> bool:
        return self.then == self.now


@dataclass(frozen=True)
class Reproduction:
    """A version that was reproduced, compared with the registered one.

    Args:
        causes: data, code, seed, libraries and hardware: what may explain a difference.
        commit: of the code.
        weights: the digests of both artifacts.
        largest: the largest difference between the two predictions of a test row.
        metrics: (name, registered, reproduced) on the test rows.
        tolerance: by what share of itself a metric may differ where a cause differs.
    """

    causes: tuple[Compared, ...]
    commit: Compared
    weights: Compared
    largest: float
    metrics: tuple[tuple[str, float, float], ...]
    tolerance: float

    @property
    def differs(self) -> tuple[str, ...]:
        """The causes that are not the same."""
        return tuple(cause.what for cause in self.causes if not cause.same)

    @property
    def holds(self) -> bool:
        """Whether weights are equal or, where a cause other than the data differs, metrics are within the tolerance."""
        if self.weights.same:
            return "training set" not in self.differs
        close = all(abs(now - then) <= self.tolerance * abs(then) for _, then, now in self.metrics)
        return bool(self.differs) and "training set" not in self.differs and close


def reproduce(scope: Scope, model: Model, number: str, tolerance: float, scratch: Environment) -> Reproduction:
    """Rebuilds the training set from the versions that were read, trains again and compares.

    Args:
        scope: its lake, registry and runner are used; nothing in them is changed.
        number: of the version.
        scratch: the environment that the training set is written to.

    Raises:
        NotReproducibleError: the version, or something that it was made of, is gone.
    """
    version = _version(scope, model, number)
    dataset = _rebuild(scope, model, version, scratch.lake)
    code = code_version(model, model.train)
    params = json.loads(version.tags.get(registry_tags.SEARCHED_PARAMS, "{}"))
    job = replace(with_params(training_job(model, dataset, code), params), resume_key="")
    result = run_job(scope.environment.runner, job)
    return _compare(scope, model, version, scratch.lake, dataset, code, result, tolerance)


def _version(scope: Scope, model: Model, number: str) -> RegisteredVersion:
    registry, name = scope.environment.registry, keys.registered_model(scope.home(model), model)
    versions = {version.version: version for version in registry.versions(name)}
    if number not in versions:
        raise NotReproducibleError(f"{name} has no version {number}. There are: {', '.join(versions) or 'none'}.")
    if registry_tags.TABLES_READ not in versions[number].tags:
        raise NotReproducibleError(
            f"Version {number} of {name} does not say which versions of its tables it was made of, so it cannot be "
            "reproduced. It was registered before that was recorded, or its training set was written again meanwhile."
        )
    return versions[number]


def _rebuild(scope: Scope, model: Model, version: RegisteredVersion, lake: Lake) -> Dataset:
    table = training_table(scope, model)
    try:
        recipe = pinned_recipe(scope, model.training_set, json.loads(version.tags[registry_tags.TABLES_READ]))
        shard_bytes = int(version.tags[registry_tags.SHARD_BYTES])
        rebuilt = write_rows(recipe, lake, table, scope.environment.shards, shard_bytes)
    except KeyError as error:
        raise NotReproducibleError(
            f"{model.training_set.where} reads {error} now, which version {version.version} was not made of. Check out "
            f"the commit that it was trained at: {version.tags[registry_tags.COMMIT]}."
        ) from error
    except LostVersionError as error:
        raise NotReproducibleError(f"Data that version {version.version} was made of is gone. {error}") from error
    except (OSError, pl.exceptions.PolarsError, LakeError) as error:
        raise NotReproducibleError(
            f"Files that version {version.version} was made of are gone ({error}), probably removed by a vacuum. "
            "Restore them, or keep more in delta.deletedFileRetentionDuration."
        ) from error
    return Dataset(str(table), lake.location(table), rebuilt.written.version, rebuilt.digest)


def _compare(
    scope: Scope, model: Model, version: RegisteredVersion, lake: Lake, dataset: Dataset, code: str,
    result: TrainingResult, tolerance: float,
) -> Reproduction:  # fmt: skip
    registry = scope.environment.registry
    then = json.loads(registry.document(version, ENVIRONMENT))
    now = environment(model.compute.processes, result.device, model.compute.cpus)
    table = training_table(scope, model)
    test = LabelledRows.of_part(lake.scan(table, dataset.version), "test")
    old = load_scorer(registry.download(version), version.digest)
    new = load_scorer(result.folder, result.digest)
    before, after = (test.predict(scorer.predict, scorer.encoding) for scorer in (old, new))
    classes = old.facts.classes.union(new.facts.classes)
    before, after = old.facts.classes.reordered_to(before, classes), new.facts.classes.reordered_to(after, classes)
    truth = classes.truth(test.column(model.training_set.target))
    metrics = [scores(model.task_kind, truth, predicted) for predicted in (before, after)]
    return Reproduction(
        tuple(_causes(model, version, dataset, code, then, now)),
        Compared("commit", version.tags[registry_tags.COMMIT], commit(model)),
        Compared("weights", version.digest, result.digest),
        float(np.max(np.abs(before - after), initial=0.0)),
        tuple((name, metrics[0][name], metrics[1][name]) for name in metrics[0]),
        tolerance,
    )


def _causes(
    model: Model,
    version: RegisteredVersion,
    dataset: Dataset,
    code: str,
    then: Mapping[str, Any],
    now: Mapping[str, Any],
) -> Iterator[Compared]:
    tags = version.tags
    yield Compared("training set", tags[registry_tags.TRAINING_SET_DIGEST], dataset.digest)
    yield Compared("code", tags[registry_tags.CODE_VERSION], code)
    yield Compared("seed", tags[registry_tags.SEED], str(model.seed))
    yield Compared("Python", str(then["python"]), str(now["python"]))
    names = sorted({*then["packages"], *now["packages"]})
    pairs = [(name, then["packages"].get(name, "none"), now["packages"].get(name, "none")) for name in names]
    other = [pair for pair in pairs if pair[1] != pair[2]]
    yield Compared(
        "libraries", ", ".join(f"{name} {a}" for name, a, _ in other), ", ".join(f"{name} {b}" for name, _, b in other)
    )
    yield Compared(
        "hardware", ", ".join(f"{then[name]}" for name in _HARDWARE), ", ".join(f"{now[name]}" for name in _HARDWARE)
    )
