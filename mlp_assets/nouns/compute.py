"""Compute: how many processes train a model, on which hardware, and how they share the work."""

from dataclasses import dataclass
from typing import Any, Literal

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts


@dataclass(frozen=True)
class Local:
    """Trains in one separate process.

    Args:
        patience: how long a started training may go without a batch or a logged metric before it counts as hung.
    """

    patience: str = "30m"
    processes = machines = 1
    gpus = 0

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
        patience: how long a process may go without a batch or a logged metric before it counts as hung.
    """

    processes: int = 1
    machines: int = 1
    gpus: int | None = None
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    gradient_accumulation: int = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"
    patience: str = "30m"

    @property
    def options(self) -> dict[str, Any]:
        """Settings that every training process gets."""
        return {
            "mixed_precision": self.mixed_precision,
            "gradient_accumulation_steps": self.gradient_accumulation,
            "strategy": self.strategy,
        }


Compute = Local | Accelerate


def compute_problems(where: str, compute: Compute) -> list[Problem]:
    """Problems of a model's compute."""
    problems = texts.duration_problems(where, "patience", compute.patience)
    if compute.processes < 1:
        problems.append(
            Problem(where, f"processes={compute.processes} leaves no process to train in", "Write processes=1 or more.")
        )
    if isinstance(compute, Local) or problems:
        return problems
    if compute.machines < 1 or compute.processes % compute.machines:
        what = f"processes={compute.processes} cannot be spread evenly over machines={compute.machines}"
        machines = max(1, compute.machines)
        fix = f"Write processes={machines * -(-compute.processes // machines)}, for example."
        problems.append(Problem(where, what, fix))
    if compute.gpus not in (None, 0, compute.processes):
        what = f"gpus={compute.gpus} is not one per process of processes={compute.processes}"
        problems.append(Problem(where, what, f"Write gpus={compute.processes}, gpus=0, or leave it out."))
    if compute.gradient_accumulation < 1:
        what = f"gradient_accumulation={compute.gradient_accumulation} never steps the optimizer"
        problems.append(Problem(where, what, "Write 1 or more."))
    if compute.mixed_precision == "fp16" and compute.gpus == 0:
        what = "mixed_precision='fp16' needs a GPU, and gpus=0"
        problems.append(Problem(where, what, "Write mixed_precision='bf16', which also works on CPUs."))
    return problems
