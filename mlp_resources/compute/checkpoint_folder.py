"""Where a training's checkpoints lie: below the runs of this machine, or in an object store."""

import contextlib
from pathlib import Path
from typing import Any

from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.ports.training import TrainingFailedError

VARIABLE = "MLP_CHECKPOINTS"


def checkpoint_address(spec: JobSpec, attempt: Path, runs: Path, store: str | None) -> str:
    """The folder or address of a job's checkpoints, which all attempts of the same name share.

    Args:
        attempt: the folder of this attempt; it holds the checkpoints of a job without a name.
        store: the address of a folder in an object store; None for this machine's disk.

    Raises:
        TrainingFailedError: ``store`` is not an address.
    """
    if spec.job_name is None:
        address = str(attempt / "checkpoints")
    else:
        address = _below(store or str(runs / "checkpoints"), spec.job_name)
    _open(address)
    return address


def delete_checkpoints(address: str) -> None:
    """Deletes them once the training has succeeded; those of an interrupted one stay for its next attempt."""
    files, path = _open(address)
    with contextlib.suppress(FileNotFoundError):
        files.delete_dir(path)


def _below(base: str, name: str) -> str:
    """The address of a folder below another one; its settings follow a question mark."""
    path, mark, settings = base.partition("?")
    return f"{path.rstrip('/')}/{name}{mark}{settings}"


def _open(address: str) -> Any:
    """The file system of an address, and the path in it."""
    from pyarrow import fs
    from pyarrow.lib import ArrowInvalid

    try:
        return fs.FileSystem.from_uri(address)
    except ArrowInvalid as error:
        raise TrainingFailedError(
            f"Checkpoints cannot be kept at {address.partition('?')[0]!r}: {error}. Write "
            f"{VARIABLE}=s3://bucket/folder, gs://bucket/folder or an absolute path, or leave it out."
        ) from None
