"""What a job asks of this machine: what it must have, what is ignored here, and the environment of the processes."""

import os
import sys
from collections.abc import Mapping

from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.jobs.provenance import threads_of
from mlp_resources.compute.import_paths import import_folder
from mlp_resources.compute.memory import read_memory
from mlp_resources.ports.training import TrainingFailedError

_GB = 1e9
# glibc keeps freed memory for each thread, so two arenas. Blocks of 32 MB and more get pages of their own: a layer's
# outputs are often of 4 to 32 MB, and new pages for them in each step cost a training a quarter of its speed.
_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "67108864",
}  # fmt: skip


def check_machine(spec: JobSpec) -> None:
    """Raises TrainingFailedError where the job cannot run here: on several machines, or with GPUs that are not here."""
    if spec.machines > 1:
        raise TrainingFailedError(
            f"Training {spec.name} asks for {spec.machines} machines, and here is one. Write machines=1, or run it in "
            "an environment with more."
        )
    if spec.gpus:
        import torch

        if torch.cuda.device_count() < spec.gpus:
            present = torch.cuda.device_count()
            raise TrainingFailedError(
                f"Training {spec.name} asks for {spec.gpus} GPUs, and here are {present}. Write gpus={present}, or "
                "leave it out to train on processors where there are too few."
            )


def notes(spec: JobSpec) -> list[str]:
    """What the job asks for and does not get here, one sentence each; it runs all the same.

    A project file says what its trainings need on a cluster, and still has to run on a laptop, with fewer rows.
    """
    lines: list[str] = []
    if spec.image is not None:
        lines.append(f"image={spec.image!r} is ignored: trainings on this machine run in the platform's own Python")
    memory = read_memory()
    if spec.memory_bytes is not None and spec.memory_bytes > memory.total:
        has = f"{memory.place} has {memory.total / _GB:.1f} GB"
        lines.append(f"asks for {spec.memory_bytes / _GB:g} GB of memory, and {has}")
    threads = threads_of(spec.processes * spec.sharing, spec.cpus)
    if spec.cpus is not None and spec.cpus > threads:
        lines.append(f"asks for {spec.cpus:g} CPUs in each process, and this machine has room for {threads}")
    if spec.gpu_type is not None:
        lines.append(f"gpu_type={spec.gpu_type!r} is ignored: trainings on this machine take the GPUs that it has")
    return lines


def training_environment(spec: JobSpec, inherited: Mapping[str, str], device: str | None = None) -> dict[str, str]:
    """The environment variables of the job's processes.

    Args:
        inherited: those of every process of the platform.
        device: ``cpu`` keeps the job off the GPUs, whatever it asks for.
    """
    # Dagster has a code location's folder on its path only while it loads it.
    search = os.pathsep.join(path for path in [*sys.path, import_folder(spec.function)] if path)
    changes = {
        "OMP_NUM_THREADS": str(threads_of(spec.processes * spec.sharing, spec.cpus)),
        "PYTHONPATH": search,
        "PYTHONUNBUFFERED": "1",
    }
    device = "cpu" if spec.gpus == 0 else device
    return {**_ALLOCATOR, **inherited, **changes, **({"MLP_DEVICE": device} if device else {})}
