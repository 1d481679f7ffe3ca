"""Checkpoints of a training: whole or not there, kept by a policy, on disk or in an object store."""

import hashlib
import io
import json
import random
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from mlp_assets.training.sharded import cut, like_of, whole

_MANIFEST, _STATE, _LOG = "manifest.json", "state.pt", "metrics.jsonl"


class Stateful(Protocol):
    """A torch module, an optimizer, a schedule, a loader: anything that gives its state and takes it back."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Any, /) -> Any: ...


class Checkpoints:
    """Saves the objects' states every so many steps; a training that is run again goes on from the newest one.

    A checkpoint is its files and, written last, a manifest of their hashes: one without is never read. Process 0 writes
    what all processes have alike, and shards made whole; each writes the state of its own random numbers. Nothing is
    unpickled but tensors.

    Args:
        location: a folder, or the address of one in an object store.
        objects: what is saved, by name. Modules may be wrapped by Accelerate.
        every: steps from one checkpoint to the next.
        keep: how many of the newest are kept.
        log: the run's logged metrics so far, as bytes, which a checkpoint has too; and how to put them back.
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
    ) -> None:
        from pyarrow import fs

        self._store, self._folder = fs.FileSystem.from_uri(location)
        self._objects = {name: _unwrapped(each) for name, each in objects.items()}
        self._every, self._keep, self._rank, self._world_size, self._log = every, keep, rank, world_size, log
        self.done = 0
        self._restore()

    def step(self) -> None:
        """Counts a step that is done, and saves when one is due. Every process calls it after every step."""
        self.done += 1
        if self.done % self._every == 0:
            self.save()

    def save(self) -> None:
        """Writes a checkpoint of now."""
        name = f"step-{self.done:012d}"
        own = {f"random-{self._rank}.pt": _bytes(_random_state())}
        state = whole({key: each.state_dict() for key, each in self._objects.items()})
        if self._rank == 0:
            own[_STATE] = _bytes(state)
            own[_LOG] = self._log.read() if self._log is not None else b""
        self._store.create_dir(f"{self._folder}/{name}")
        hashes = {file: self._write(f"{name}/{file}", data) for file, data in own.items()}
        everyone = _gathered(hashes, self._world_size)
        if self._rank == 0:
            manifest = {"step": self.done, "world_size": self._world_size, "files": everyone}
            partial, final = f"{self._folder}/{name}/{_MANIFEST}.partial", f"{self._folder}/{name}/{_MANIFEST}"
            with self._store.open_output_stream(partial) as stream:
                stream.write(json.dumps(manifest).encode())
            self._store.move(partial, final)
            self._prune(name)

    def _restore(self) -> None:
        for name in reversed(self._names()):
            found = self._whole(name)
            if found is not None:
                self._load(name, found)
                return

    def _load(self, name: str, manifest: dict[str, Any]) -> None:
        state = _tensors(self._read(f"{name}/{_STATE}"))
        for key, each in self._objects.items():
            each.load_state_dict(cut(state[key], like_of(each)))
        self.done = manifest["step"]
        if self._log is not None and self._rank == 0:
            self._log.write(self._read(f"{name}/{_LOG}"))
        if manifest["world_size"] == self._world_size:
            _set_random_state(_tensors(self._read(f"{name}/random-{self._rank}.pt")))

    def _whole(self, name: str) -> dict[str, Any] | None:
        """The checkpoint's manifest; None when it is torn, or of other objects."""
        try:
            manifest = json.loads(self._read(f"{name}/{_MANIFEST}"))
            hashes = {file: _hash(self._read(f"{name}/{file}")) for file in manifest["files"]}
        except (OSError, ValueError, KeyError):
            return None
        if hashes != manifest["files"]:  # what is torn is not even looked into
            return None
        return manifest if _tensors(self._read(f"{name}/{_STATE}")).keys() == self._objects.keys() else None

    def _names(self) -> list[str]:
        from pyarrow import fs

        found = self._store.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))
        return sorted(each.base_name for each in found if each.base_name.startswith("step-"))

    def _prune(self, newest: str) -> None:
        older = [name for name in self._names() if name < newest]
        for name in older[: len(older) - (self._keep - 1)]:
            self._store.delete_dir(f"{self._folder}/{name}")

    def _write(self, path: str, data: bytes) -> str:
        with self._store.open_output_stream(f"{self._folder}/{path}") as stream:
            stream.write(data)
        return _hash(data)

    def _read(self, path: str) -> bytes:
        with self._store.open_input_stream(f"{self._folder}/{path}") as stream:
            return stream.read()


class MetricsLog(Protocol):
    """The metrics that a training has logged."""

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...


def _unwrapped(each: Any) -> Any:
    """The module itself: a wrapper names its parameters in another way."""
    return each.module if type(each).__name__ == "DistributedDataParallel" else each


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


def _gathered(hashes: dict[str, str], world_size: int) -> dict[str, str]:
    """The hashes of all processes; so none goes on before all have written."""
    if world_size == 1:
        return hashes
    import torch.distributed as dist

    everyone: list[Any] = [None] * world_size
    dist.all_gather_object(everyone, hashes)
    return {file: digest for each in everyone for file, digest in each.items()}


def _random_state() -> dict[str, Any]:
    import torch

    kind, keys, place, cached, value = np.random.get_state()  # users draw from it
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
