"""Where a training's checkpoints lie: below the runs of this machine, or in an object store; its own while it runs."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mlp_resources.ports.training import TrainingFailedError, TrainingJob

VARIABLE = "MLP_CHECKPOINTS"


@contextlib.contextmanager
def checkpoints_of(job: TrainingJob, folder: Path, runs: Path, store: str | None) -> Iterator[str]:
    """The folder or address: gone when the training is done, and there for who runs it again when not.

    Args:
        folder: of this one run; its checkpoints lie there while the same is being trained by another one here.
        store: the address of a folder in an object store; None for disk.

    Raises:
        TrainingFailedError: the address is none.
    """
    name, kept = f"{job.name}-{job.same}", runs / "checkpoints"
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / f"{name}.lock").open("w") as lock:
        own = bool(job.same) and _locked(lock)
        place = _within(store or str(kept), name) if own else str(folder / "checkpoints")
        _opened(place)
        yield place
        files, path = _opened(place)
        with contextlib.suppress(FileNotFoundError):
            files.delete_dir(path)


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _within(base: str, name: str) -> str:
    """The address below another one, whose settings come after a question mark."""
    path, mark, settings = base.partition("?")
    return f"{path.rstrip('/')}/{name}{mark}{settings}"


def _opened(place: str) -> Any:
    """The file system, and the path in it."""
    from pyarrow import fs
    from pyarrow.lib import ArrowInvalid

    try:
        return fs.FileSystem.from_uri(place)
    except ArrowInvalid as error:
        raise TrainingFailedError(
            f"Checkpoints cannot be kept at {place.partition('?')[0]!r}: {error}. Write {VARIABLE}=s3://bucket/folder, "
            "gs://bucket/folder or an absolute path, or leave it out."
        ) from None
