"""The port of training: plain data in and out, and a Protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlp_assets.errors import MlpError


class TrainingFailedError(MlpError):
    """A training ended without a model; the message says why, in the training's own words where it has any."""


class TrainingStoppedError(TrainingFailedError):
    """A trial was given up, as the search asked for; ``history`` is what it logged."""

    def __init__(self, told: str, history: tuple[tuple[int, str, float], ...]) -> None:
        super().__init__(told)
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.history)


@dataclass(frozen=True)
class TrainingJob:
    """One training: which function, on which rows, with what compute.

    Args:
        table: folder or address of the training set's Delta table, read at ``version``.
        same: what names all that decides the outcome; a training of the same that was broken off is gone on with.
            Empty to begin anew.
        features: the inputs of the model.
        encoders: of some inputs, fitted and as plain data; see ``engine/encoding.py``.
        classes: of a multiclass model: the values of the target, in the order of the model's outputs.
        compute: what ``run.accelerator()`` goes by.
        gpus: in all; 0 for none, None to take them where there are enough.
        sharing: how many trainings share this machine's processors.
        stop: at which bounds a trial is given up: ``metric``, ``higher_is_better``, ``bounds`` as (step, value).
        patience_seconds: how long a process that has begun may go without a batch or a logged metric.
    """

    name: str
    function: str
    table: str
    version: int
    features: tuple[str, ...]
    target: str
    task: str
    processes: int
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    same: str = ""
    compute: Mapping[str, Any] = field(default_factory=dict[str, Any])
    machines: int = 1
    gpus: int | None = None
    patience_seconds: float = 1800.0
    sharing: int = 1
    stop: Mapping[str, Any] | None = None
    encoders: Mapping[str, Any] = field(default_factory=dict[str, Any])
    classes: Sequence[Any] = ()


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves: a verified artifact, its digest, the metrics as (step, name, value), and what it used.

    Args:
        cpu_seconds, peak_memory_bytes: of all its processes.
        rows_per_second: that its loaders gave, over all processes; 0 where it used none.
    """

    artifact: Path
    digest: str
    history: tuple[tuple[int, str, float], ...]
    seconds: float
    peak_memory_bytes: int
    cpu_seconds: float = 0.0
    device: str = "cpu"
    gpu_memory_bytes: int = 0
    rows_per_second: float = 0.0


class TrainingRunner(Protocol):
    """Runs a training outside of this process."""

    def run(self, job: TrainingJob, context: Any = None) -> TrainingResult:
        """Raises TrainingFailedError. ``context`` is the Dagster context whose log shows the training's lines."""
        ...
