"""Facts about this training process, from the environment variables of torchrun and of the runner."""

import os


def rank() -> int:
    """The number of this process among all processes of the training; 0 without torchrun."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """The number of processes of the training; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this process among those on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world_size() -> int:
    """The number of the training's processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def keeps_off_gpus() -> bool:
    """Whether the runner set ``MLP_DEVICE=cpu``."""
    return os.environ.get("MLP_DEVICE") == "cpu"
