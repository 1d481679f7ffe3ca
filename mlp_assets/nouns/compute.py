"""Compute: in how many processes a model is trained, on what, and how they share the work."""

from dataclasses import dataclass
from typing import Any, Literal

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts


@dataclass(frozen=True)
class Local:
    """Training in one process of its own.

    Args:
        patience: how long it may go without a batch or a logged metric, once it has begun, before it counts as hung.
    """

    patience: str = "30m"
    processes = machines = 1
    gpus = 0

    @property
    def options(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Accelerate:
    """Training with Hugging Face Accelerate in processes that share the work; ``train`` asks for ``run.accelerator()``.

    Args:
        processes: in all.
        machines: over which the processes are spread evenly.
        gpus: in all, one for each process; 0 trains on processors. None takes the GPUs where there are enough.
        mixed_precision: ``"bf16"``, or ``"fp16"`` on GPUs.
        gradient_accumulation: batches of a process for each step of the optimizer.
        strategy: ``"ddp"``: each process has the whole model; ``"fsdp"``: a shard of it.
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
        """What every process is told of it."""
        return {
            "mixed_precision": self.mixed_precision,
            "gradient_accumulation_steps": self.gradient_accumulation,
            "strategy": self.strategy,
        }


Compute = Local | Accelerate


def compute_problems(where: str, compute: Compute) -> list[Problem]:
    """What is wrong with a model's compute."""
    found = texts.duration_problems(where, "patience", compute.patience)
    if compute.processes < 1:
        found.append(Problem(where, f"processes={compute.processes} trains nothing", "Write processes=1 or more."))
    if isinstance(compute, Local) or found:
        return found
    if compute.machines < 1 or compute.processes % compute.machines:
        what = f"processes={compute.processes} cannot be spread evenly over machines={compute.machines}"
        fix = f"Write processes={max(1, compute.machines) * -(-compute.processes // max(1, compute.machines))}, say."
        found.append(Problem(where, what, fix))
    if compute.gpus not in (None, 0, compute.processes):
        what = f"gpus={compute.gpus} is not one for each of processes={compute.processes}"
        found.append(Problem(where, what, f"Write gpus={compute.processes}, gpus=0, or leave it out."))
    if compute.gradient_accumulation < 1:
        what = f"gradient_accumulation={compute.gradient_accumulation} never steps the optimizer"
        found.append(Problem(where, what, "Write 1 or more."))
    if compute.mixed_precision == "fp16" and compute.gpus == 0:
        what = "mixed_precision='fp16' needs a GPU, and gpus=0"
        found.append(Problem(where, what, "Write mixed_precision='bf16', which processors have, too."))
    return found
