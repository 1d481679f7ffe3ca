"""Checkpoints of a training: complete or ignored, pruned by a policy, on disk or in an object store."""

import contextlib
import hashlib
import io
import json
import random
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from mlp_assets.jobs.fence import Fence
from mlp_assets.training.sharded_state import gather, shard_like, template_of

_MANIFEST, _STATE, _LOG = "manifest.json", "state.pt", "metrics.jsonl"


class Stateful(Protocol):
    """An object that gives its state and takes it back: a torch module, an optimizer, a schedule, a loader."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Any, /) -> Any: ...


class Checkpoints:
    """Saves the states of objects every ``every`` steps. A training that runs again resumes from the newest checkpoint.

    A checkpoint consists of files and, written last, a manifest of their hashes; one without a manifest is ignored.
    Process 0 writes the state that all processes share, with shards gathered into whole tensors. Each process writes
    the state of its random numbers. Only tensors and plain values are unpickled (``weights_only``).

    Args:
        location: a folder, or the address of one in an object store.
        objects: the objects to save, by name. Modules may be wrapped by Accelerate.
        every: steps from one checkpoint to the next.
        keep: the number of newest checkpoints that are kept.
        log: the metrics logged so far, which are saved and restored, too.
        fence: of the attempt of the job; None where no other attempt can write here.
        resume_from: the address of a checkpoint elsewhere, which counts where ``location`` has none.
    """

    def __init__(
        self,
        location: str,
        objects: Mapping[str, Stateful],
        *,
        every: int = 500,
        keep: int = 2,
        rank: int = 0,
        world_size: int = 1,
        log: "MetricsLog | None" = None,
        fence: Fence | None = None,
        resume_from: str = "",
    ) -> None:
        from pyarrow import fs

        self._store, self._folder = fs.FileSystem.from_uri(location)
        self._objects = {name: _unwrap(item) for name, item in objects.items()}
        self._every, self._keep, self._rank, self._world_size, self._log = every, keep, rank, world_size, log
        self._fence, self.done = fence, 0
        self._restore(resume_from)

    def step(self) -> None:
        """Counts a step, and saves when a checkpoint is due. Every process calls it after every step."""
        self.done += 1
        if self.done % self._every == 0:
            self.save()

    def save(self) -> None:
        """Writes a checkpoint now. Every process must call it.

        Raises:
            LeaseLostError: a newer attempt of the job has started, so the checkpoints are its own.
        """
        with self._fenced():
            pass  # before any file: the newer attempt may be writing one of the same step
        name = f"step-{self.done:012d}"
        files = {f"random-{self._rank}.pt": _bytes(_random_state())}
        state = gather({key: item.state_dict() for key, item in self._objects.items()})
        if self._rank == 0:
            files[_STATE] = _bytes(state)
            files[_LOG] = self._log.read() if self._log is not None else b""
        self._store.create_dir(f"{self._folder}/{name}")
        hashes = {file: self._write(f"{name}/{file}", data) for file, data in files.items()}
        everyone = _gather_hashes(hashes, self._world_size)
        if self._rank == 0:
            manifest = {"step": self.done, "world_size": self._world_size, "files": everyone}
            partial, final = f"{self._folder}/{name}/{_MANIFEST}.partial", f"{self._folder}/{name}/{_MANIFEST}"
            with self._store.open_output_stream(partial) as stream:
                stream.write(json.dumps(manifest).encode())
            with self._fenced():
                self._store.move(partial, final)
                self._prune(name)

    def _fenced(self) -> contextlib.AbstractContextManager[None]:
        return self._fence.write() if self._fence is not None else contextlib.nullcontext()

    def _restore(self, elsewhere: str) -> None:
        from pyarrow import fs

        places = [f"{self._folder}/{name}" for name in reversed(self._names())]
        places += [fs.FileSystem.from_uri(elsewhere)[1]] if elsewhere else []
        for place in places:
            manifest = self._complete_manifest(place)
            if manifest is not None:
                self._load(place, manifest)
                return

    def _load(self, place: str, manifest: dict[str, Any]) -> None:
        state = _tensors(self._read(f"{place}/{_STATE}"))
        for key, item in self._objects.items():
            item.load_state_dict(shard_like(state[key], template_of(item)))
        self.done = manifest["step"]
        if self._log is not None and self._rank == 0:
            self._log.write(self._read(f"{place}/{_LOG}"))
        if manifest["world_size"] == self._world_size:
            _set_random_state(_tensors(self._read(f"{place}/random-{self._rank}.pt")))

    def _complete_manifest(self, place: str) -> dict[str, Any] | None:
        """The checkpoint's manifest; None when it is incomplete, damaged, or of other objects."""
        try:
            manifest = json.loads(self._read(f"{place}/{_MANIFEST}"))
            hashes = {file: _hash(self._read(f"{place}/{file}")) for file in manifest["files"]}
        except (OSError, ValueError, KeyError):
            return None
        if hashes != manifest["files"]:  # a damaged file is not parsed
            return None
        return manifest if _tensors(self._read(f"{place}/{_STATE}")).keys() == self._objects.keys() else None

    def _names(self) -> list[str]:
        from pyarrow import fs

        entries = self._store.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))
        return sorted(entry.base_name for entry in entries if entry.base_name.startswith("step-"))

    def _prune(self, newest: str) -> None:
        older = [name for name in self._names() if name < newest]
        for name in older[: len(older) - (self._keep - 1)]:
            self._store.delete_dir(f"{self._folder}/{name}")

    def _write(self, path: str, data: bytes) -> str:
        with self._store.open_output_stream(f"{self._folder}/{path}") as stream:
            stream.write(data)
        return _hash(data)

    def _read(self, path: str) -> bytes:
        with self._store.open_input_stream(path) as stream:
            return stream.read()


class MetricsLog(Protocol):
    """The file of the metrics that a training logged."""

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...


def _unwrap(item: Any) -> Any:
    """The module itself; its wrapper would prefix the names of the parameters."""
    return item.module if type(item).__name__ == "DistributedDataParallel" else item


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes(state: Any) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def _tensors(data: bytes) -> Any:
    import torch

    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _gather_hashes(hashes: dict[str, str], world_size: int) -> dict[str, str]:
    """The hashes of all processes. It is a barrier, too: none continues before all have written."""
    if world_size == 1:
        return hashes
    import torch.distributed as dist

    everyone: list[Any] = [None] * world_size
    dist.all_gather_object(everyone, hashes)
    return {file: digest for hashes in everyone for file, digest in hashes.items()}


def _random_state() -> dict[str, Any]:
    import torch

    kind, keys, place, cached, value = np.random.get_state()  # users call the global generator
    state = {
        "torch": torch.get_rng_state(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys, np.int64)), place, cached, value],
        "python": list(_flat(random.getstate())),
    }
    return state | ({"cuda": torch.cuda.get_rng_state_all()} if torch.cuda.is_available() else {})


def _set_random_state(state: dict[str, Any]) -> None:
    import torch

    torch.set_rng_state(state["torch"])
    kind, keys, place, cached, value = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), place, cached, value))
    version, *words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def _flat(state: tuple[Any, ...]) -> tuple[Any, ...]:
    version, words, gauss = state
    return (version, *words, gauss)
