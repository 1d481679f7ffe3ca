"""Making a registered version again: the same data, the same training, and what differs where the outcome does."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.errors import LakeError, MlpError
from mlp_assets.jobs.provenance import environment
from mlp_assets.metrics.metrics import scores
from mlp_assets.models.candidate_asset import training_job
from mlp_assets.models.judging import part
from mlp_assets.models.registering import (
    CODE_TAG,
    COMMIT_TAG,
    ENVIRONMENT,
    READ_TAG,
    SEARCHED_TAG,
    SET_TAG,
    SHARD_TAG,
    commit,
)
from mlp_assets.models.search import with_params
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.code_version import code_version
from mlp_assets.orchestration.scope import Scope
from mlp_assets.training_sets.shard_writer import write_rows
from mlp_assets.training_sets.training_set_asset import pinned_recipe
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Lake
from mlp_resources.ports.registry import Dataset, RegisteredVersion
from mlp_resources.ports.training import TrainingResult, run_job

_HARDWARE = ("processor", "processors", "processes", "threads", "device")


class NotReproducibleError(MlpError):
    """A version cannot be made again: it is not there, or what it was made of is gone."""


@dataclass(frozen=True)
class Compared:
    """One thing of a version, as it was registered and as it is now."""

    what: str
    then: str
    now: str

    @property
    def same(self) -> bool:
        return self.then == self.now


@dataclass(frozen=True)
class Reproduction:
    """A version that was made again.

    Args:
        causes: data, code, seed, libraries and hardware.
        commit: of the code.
        weights: the digests of both artifacts.
        largest: the largest difference of two predictions of the test rows.
        metrics: on the test rows, of both.
        tolerance: by what part of itself a metric may differ where a cause does.
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
        """Equal weights; or, where a cause other than the data differs, metrics within the tolerance."""
        if self.weights.same:
            return "training set" not in self.differs
        close = all(abs(now - then) <= self.tolerance * abs(then) for _, then, now in self.metrics)
        return bool(self.differs) and "training set" not in self.differs and close


def reproduce(scope: Scope, model: Model, number: str, tolerance: float, scratch: Environment) -> Reproduction:
    """Rebuilds the training set from the versions that were read, trains again and compares.

    Args:
        scope: whose lake, registry and runner are used; nothing in them is changed.
        number: of the version.
        scratch: where the training set is written.

    Raises:
        NotReproducibleError: the version, or something that it was made of, is gone.
    """
    version = _version(scope, model, number)
    dataset = _rebuilt(scope, model, version, scratch.lake)
    code = code_version(model, model.train)
    chosen = json.loads(version.tags.get(SEARCHED_TAG, "{}"))
    job = replace(with_params(training_job(model, dataset, code), chosen), resume_key="")
    result = run_job(scope.environment.runner, job)
    return _compared(scope, model, version, scratch.lake, dataset, code, result, tolerance)


def _version(scope: Scope, model: Model, number: str) -> RegisteredVersion:
    registry, name = scope.environment.registry, keys.registered_model(scope.home(model), model)
    found = {version.version: version for version in registry.versions(name)}
    if number not in found:
        there = ", ".join(found) or "none"
        raise NotReproducibleError(f"{name} has no version {number}. There are: {there}.")
    if READ_TAG not in found[number].tags:
        raise NotReproducibleError(
            f"Version {number} of {name} does not say which versions of its tables it was made of, so it cannot be "
            "made again. It was registered before that was kept, or its training set was written anew meanwhile."
        )
    return found[number]


def _rebuilt(scope: Scope, model: Model, version: RegisteredVersion, lake: Lake) -> Dataset:
    table = keys.table(keys.training_set(scope.home(model.training_set), model.training_set))
    try:
        rows = pinned_recipe(scope, model.training_set, json.loads(version.tags[READ_TAG]))
        made = write_rows(rows, lake, table, scope.environment.shards, int(version.tags[SHARD_TAG]))
    except KeyError as error:
        raise NotReproducibleError(
            f"{model.training_set.where} reads {error} now, which version {version.version} was not made of. Check out "
            f"the commit that it was trained at: {version.tags[COMMIT_TAG]}."
        ) from error
    except (OSError, pl.exceptions.PolarsError, LakeError) as error:
        raise NotReproducibleError(
            f"Files that version {version.version} was made of are gone ({error}): a vacuum ends how far back one "
            "can be made again. Restore them, or keep more in delta.deletedFileRetentionDuration."
        ) from error
    return Dataset(str(table), lake.location(table), made.written.version, made.digest)


def _compared(
    scope: Scope, model: Model, version: RegisteredVersion, lake: Lake, dataset: Dataset, code: str,
    result: TrainingResult, tolerance: float,
) -> Reproduction:  # fmt: skip
    registry = scope.environment.registry
    then = json.loads(registry.document(version, ENVIRONMENT))
    now = environment(model.compute.processes, result.device, model.compute.cpus)
    table = keys.table(keys.training_set(scope.home(model.training_set), model.training_set))
    test = part(lake.scan(table, dataset.version).collect(), "test")
    old = load_scorer(registry.download(version), version.digest)
    new = load_scorer(result.folder, result.digest)
    before, after = (scorer.predict(scorer.encoding.matrix(test)) for scorer in (old, new))
    classes = old.known.classes.union(new.known.classes)
    before, after = old.known.classes.reordered_to(before, classes), new.known.classes.reordered_to(after, classes)
    truth = classes.truth(test[model.training_set.target])
    metrics = [scores(model.task_kind, truth, predicted) for predicted in (before, after)]
    return Reproduction(
        tuple(_causes(model, version, dataset, code, then, now)),
        Compared("commit", version.tags[COMMIT_TAG], commit(model)),
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
    yield Compared("training set", tags[SET_TAG], dataset.digest)
    yield Compared("code", tags[CODE_TAG], code)
    yield Compared("seed", tags["mlp.seed"], str(model.seed))
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
