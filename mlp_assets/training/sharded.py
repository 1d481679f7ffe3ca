"""States of which each process has a shard (FSDP): made whole to be kept, and cut again for those that go on."""

import sys
from collections.abc import Mapping
from typing import Any


def whole(state: Any) -> Any:
    """The state with whole tensors in place of shards; every process must call it, and gets the same."""
    if isinstance(state, Mapping):
        return {key: whole(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(whole(value) for value in state)
    return state.full_tensor().detach().cpu() if _is_shard(state) else state


def cut(state: Any, like: Any) -> Any:
    """The state with this process's shards in place of whole tensors, where ``like`` has shards."""
    if isinstance(state, Mapping):
        if not isinstance(like, Mapping):
            return state
        return {key: cut(value, like.get(key)) for key, value in state.items()}
    if not _is_shard(like) or not hasattr(state, "shape") or state.shape != like.shape:
        return state
    from torch.distributed.tensor import distribute_tensor

    device = like.to_local().device
    return distribute_tensor(state.to(device), like.device_mesh, like.placements, src_data_rank=None)


def like_of(each: Any) -> Any:
    """What the state of the object looks like here; that of an optimizer, as its parameters do, before it has any."""
    if not hasattr(each, "param_groups"):
        return each.state_dict()
    parameters = [parameter for group in each.param_groups for parameter in group["params"]]
    return {"state": {place: _AllLike(parameter) for place, parameter in enumerate(parameters)}}


def is_sharded(module: Any) -> bool:
    """Whether this process has only a part of the module."""
    return any(_is_shard(parameter) for parameter in module.parameters())


class _AllLike(dict[str, Any]):
    """A mapping that gives the same for every key."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def get(self, key: str, default: Any = None) -> Any:
        return self._value


def _is_shard(value: Any) -> bool:
    tensors = sys.modules.get("torch.distributed.tensor")  # who has a shard has imported it
    return tensors is not None and isinstance(value, tensors.DTensor)
