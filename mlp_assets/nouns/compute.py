"""Compute: how many processes train a model, on which hardware, and how they share the work."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.noun import later_field

_MEMORY = re.compile(r"([1-9][0-9]*)\s?(MB|GB|TB|MiB|GiB|TiB)")
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@dataclass(frozen=True)
class Local:
    """Trains in one separate process.

    Args:
        patience: how long a started training may go without a batch or a logged metric before it counts as stalled.
        image: the container image, if trainings run in containers. None means the platform's own image. A training on
            this machine runs in the platform's Python and logs that it ignores the image.
        cpus: CPUs of the process, which limit its threads. None means its share of the machine.
        memory: memory of the machine, such as ``"8GB"``. None means no requirement. A training on this machine logs if
            the machine has less.
    """

    patience: str = "30m"
    image: str | None = later_field(None)
    cpus: float | None = later_field(None)
    memory: str | None = later_field(None)
    processes = machines = 1
    gpus = 0
    gpu_type: ClassVar[str | None] = None

    @property
    def options(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Accelerate:
    """Trains with Hugging Face Accelerate in several processes. ``train`` calls ``run.accelerator()``.

    Args:
        processes: total number.
        machines: number of machines, each with the same number of processes.
        gpus: total number, one per process. 0 trains on CPUs. None uses GPUs if there are enough.
        mixed_precision: ``"bf16"``, or ``"fp16"`` on GPUs.
        gradient_accumulation: batches per process for each optimizer step.
        strategy: ``"ddp"`` keeps the whole model in each process, ``"fsdp"`` a shard of it.
        patience: how long a process may go without a batch or a logged metric before it counts as stalled.
        image: as in ``Local``.
        cpus: CPUs of each process.
        memory: memory of each machine, shared by its processes.
        gpu_type: the type of all GPUs by the name that the cluster gives it, such as ``"nvidia-h100"``. None means any.
            A training on this machine uses the GPUs that it has.
    """

    processes: int = 1
    machines: int = 1
    gpus: int | None = None
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    gradient_accumulation: int = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"
    patience: str = "30m"
    image: str | None = later_field(None)
    cpus: float | None = later_field(None)
    memory: str | None = later_field(None)
    gpu_type: str | None = later_field(None)

    @property
    def options(self) -> dict[str, Any]:
        """Settings that every training process gets."""
        return {
            "mixed_precision": self.mixed_precision,
            "gradient_accumulation_steps": self.gradient_accumulation,
            "strategy": self.strategy,
        }


Compute = Local | Accelerate


def memory_bytes(text: str | None) -> int | None:
    """Turns ``"8GB"`` or ``"512MiB"`` into bytes; None stays None. Raises ValueError for another text."""
    if text is None:
        return None
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError("is not an amount of memory")
    return int(match[1]) * _BYTES[match[2]]


def compute_problems(where: str, compute: Compute) -> list[Problem]:
    """Problems of a model's compute."""
    problems = texts.duration_problems(where, "patience", compute.patience)
    if compute.processes < 1:
        problems.append(
            Problem(where, f"processes={compute.processes} leaves no process to train in", "Write processes=1 or more.")
        )
    problems += _machine_problems(where, compute)
    return problems if isinstance(compute, Local) or problems else _accelerate_problems(where, compute)


def _machine_problems(where: str, compute: Compute) -> list[Problem]:
    """Problems of the resources of each process and machine."""
    problems: list[Problem] = []
    if compute.cpus is not None and compute.cpus <= 0:
        problems.append(Problem(where, f"cpus={compute.cpus} leaves a process without a CPU", "Write cpus=1 or more."))
    try:
        memory_bytes(compute.memory)
    except ValueError as error:
        fix = "Write a whole number and MB, GB, MiB or GiB, such as '8GB'."
        problems.append(Problem(where, f"memory={compute.memory!r} {error}", fix))
    for field, value, example in (("image", compute.image, "shop:1.4"), ("gpu_type", compute.gpu_type, "nvidia-h100")):
        if value is not None and (not value or any(letter.isspace() for letter in value)):
            fix = f"Write {field}={example!r}, for example, or leave it out."
            problems.append(Problem(where, f"{field}={value!r} is not a name", fix))
    return problems


def _accelerate_problems(where: str, compute: Accelerate) -> list[Problem]:
    """Problems of numbers that contradict each other."""
    problems: list[Problem] = []
    if compute.machines < 1 or compute.processes % compute.machines:
        what = f"processes={compute.processes} cannot be spread evenly over machines={compute.machines}"
        machines = max(1, compute.machines)
        fix = f"Write processes={machines * -(-compute.processes // machines)}, for example."
        problems.append(Problem(where, what, fix))
    if compute.gpus not in (None, 0, compute.processes):
        what = f"gpus={compute.gpus} is not one per process of processes={compute.processes}"
        problems.append(Problem(where, what, f"Write gpus={compute.processes}, gpus=0, or leave it out."))
    if compute.gpu_type is not None and compute.gpus == 0:
        what = f"gpu_type={compute.gpu_type!r} needs a GPU, and gpus=0"
        problems.append(Problem(where, what, f"Write gpus={compute.processes}, or leave gpu_type out."))
    if compute.gradient_accumulation < 1:
        what = f"gradient_accumulation={compute.gradient_accumulation} never steps the optimizer"
        problems.append(Problem(where, what, "Write 1 or more."))
    if compute.mixed_precision == "fp16" and compute.gpus == 0:
        what = "mixed_precision='fp16' needs a GPU, and gpus=0"
        problems.append(Problem(where, what, "Write mixed_precision='bf16', which also works on CPUs."))
    return problems
