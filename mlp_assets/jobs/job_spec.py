"""The description of a training as JSON: written once by the platform, read by the training's processes.

The same text starts a training on this machine and elsewhere, so it holds plain data only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlp_assets.errors import MlpError

FORMAT = 1


class JobSpecError(MlpError):
    """The text is not a job spec that this release reads."""


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One training: a function, the rows that it reads, and the compute that it needs.

    Args:
        function: ``package.module:function`` of the user's training function.
        table: folder or address of the training set's Delta table, read at ``version``.
        features: the inputs of the model, before encoding.
        params: the settings of the training function, as ``run.params``.
        resume_key: hash of everything that determines the result. An interrupted job with the same key resumes; empty
            starts afresh.
        asked_by: who needs the result: a run and its retries are one. A result that was taken is given to the same one
            again; for anybody else, and where it is empty, the job is made anew.
        compute: the arguments of ``run.accelerator()``.
        processes: in all, spread evenly over ``machines``.
        gpus: in all; 0 for none, None to take them where there are enough.
        gpu_type: the kind of GPU; None for any.
        cpus: processors of each process; None for an equal share of the machine.
        memory_bytes: memory of each machine; None for what there is.
        image: the container image; None for the platform's own.
        patience_seconds: how long a process may go without a batch or a logged metric before it counts as stalled.
        sharing: how many trainings run side by side on this machine.
        checkpoints: folder or address of the checkpoints; the runner that starts the job fills it in.
        resume_from: address of one checkpoint of an earlier attempt, where each attempt has a folder of its own; the
            runner fills it in, too.
        stop: the bounds of an early stop: ``metric``, ``higher_is_better``, ``bounds`` as (step, value) pairs.
        encoders: fitted encoders of some inputs, as ``artifact/encoding.py`` writes them.
        classes: the target's values of a multiclass model, in the order of the model's outputs.
    """

    name: str
    function: str
    table: str
    version: int
    features: tuple[str, ...]
    target: str
    task: str
    seed: int
    processes: int = 1
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    resume_key: str = ""
    asked_by: str = ""
    compute: Mapping[str, Any] = field(default_factory=dict[str, Any])
    machines: int = 1
    gpus: int | None = None
    gpu_type: str | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    image: str | None = None
    patience_seconds: float = 1800.0
    sharing: int = 1
    checkpoints: str = ""
    resume_from: str = ""
    stop: Mapping[str, Any] | None = None
    encoders: Mapping[str, Any] = field(default_factory=dict[str, Any])
    classes: tuple[Any, ...] = ()

    @property
    def job_name(self) -> str | None:
        """The name by which another process finds the job; None without a resume key."""
        return f"{self.name}-{self.resume_key}" if self.resume_key else None

    def to_json(self) -> str:
        """The spec as JSON. Raises TypeError where a param is not plain data."""
        return json.dumps({"format": FORMAT} | {item.name: getattr(self, item.name) for item in fields(self)})

    @classmethod
    def from_json(cls, text: str) -> "JobSpec":
        """Reads what ``to_json`` wrote.

        Raises:
            JobSpecError: the format is another one, or a field has another type.
        """
        data = json.loads(text)
        written = data.pop("format", None)
        if written != FORMAT:
            raise JobSpecError(
                f"The job spec has format {written!r}, and this release reads format {FORMAT}. Train with an image of "
                "the release that submits the job."
            )
        try:
            return _adapter(cls).validate_python(data)
        except ValidationError as error:
            raise JobSpecError(f"The job spec cannot be read: {error}") from error


@cache
def _adapter(cls: type[JobSpec]) -> TypeAdapter[JobSpec]:
    return TypeAdapter(cls)
