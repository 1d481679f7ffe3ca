"""What a training process learns from environment variables: those of torchrun, Dagster Pipes and the runner."""

import os


def rank() -> int:
    """The number of this process among all that train; 0 without torchrun."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes train; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world_size() -> int:
    """How many processes train on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def started_by_dagster() -> bool:
    """Whether Dagster Pipes listens to this training."""
    return "DAGSTER_PIPES_CONTEXT" in os.environ


def keeps_off_gpus() -> bool:
    """Whether the runner set ``MLP_DEVICE=cpu``."""
    return os.environ.get("MLP_DEVICE") == "cpu"
