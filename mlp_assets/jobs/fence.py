"""The fence of a lease: what is written under the lease passes here, and a holder that was superseded does not."""

import contextlib
import json
from collections.abc import Generator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlp_assets.errors import MlpError

# Bookkeeping of a lease takes milliseconds. Whoever holds it for longer was stopped in the middle of it.
_STUCK_SECONDS = 60.0
_FILE = "fence.json"


class LeaseLostError(MlpError):
    """Another process took the lease, so the write of this one is refused."""


@dataclass(frozen=True)
class Fence:
    """The number under which a holder writes, and the record that says which number is valid.

    Plain data, so that a child process of the holder can be given one.

    Args:
        record: path of the lease's record, a JSON file with ``number`` and ``owner``; or the address of a folder in an
            object store, in which each holder has a folder of its number.
        number: the holder's.
    """

    record: str
    number: int

    @classmethod
    def of_job(cls, folder: Path) -> "Fence | None":
        """The fence that the runner gave to the job of this folder; None where nobody else can run the same job."""
        file = folder / _FILE
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def give(self, folder: Path) -> None:
        """Gives the fence to the job of this folder, before it starts."""
        (folder / _FILE).write_text(json.dumps(asdict(self)))

    @contextlib.contextmanager
    def write(self) -> Generator[None]:
        """For the block, nobody else can take the lease. Keep it as short as the write itself.

        An object store has no locks: there, a holder is refused from the moment on at which a newer one has begun. What
        it was writing then is in a folder that the newer one does not read.

        Raises:
            LeaseLostError: somebody else took the lease already; nothing of the block is done.
        """
        if "://" in self.record:
            _check_newest(self.record, self.number)
            yield
            return
        with locked_record(Path(self.record)) as current:
            if current["number"] != self.number:
                raise LeaseLostError(
                    f"The lease {Path(self.record).stem} number {self.number} expired, and {current['owner']} took it "
                    f"as number {current['number']}. What was to be written under it is refused: the newer holder "
                    "writes it. Nothing needs to be done."
                )
            yield


def _check_newest(folder: str, number: int) -> None:
    fs: Any = import_module("pyarrow.fs")
    store, path = fs.FileSystem.from_uri(folder)
    names = [entry.base_name for entry in store.get_file_info(fs.FileSelector(path, allow_not_found=True))]
    newest = max((int(name) for name in names if name.isdecimal()), default=number)
    if newest > number:
        raise LeaseLostError(
            f"Attempt {number} of the training at {folder} was given up, and attempt {newest} has begun. What was to "
            "be written by the earlier one is refused: the newer one writes it. Nothing needs to be done."
        )


@contextlib.contextmanager
def locked_record(path: Path) -> Generator[dict[str, Any]]:
    """The record of a lease, which no other process reads or changes during the block; number 0 before the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_suffix(".lock"), timeout=_STUCK_SECONDS):
            yield json.loads(path.read_text()) if path.exists() else {"number": 0, "owner": "", "expires": 0.0}
    except Timeout as error:
        raise MlpError(
            f"Another process has locked {path.with_suffix('.lock')} for {_STUCK_SECONDS:g} s, which takes "
            f"milliseconds otherwise: it was probably stopped. See `fuser {path.with_suffix('.lock')}`, and continue "
            "it or end it."
        ) from error
