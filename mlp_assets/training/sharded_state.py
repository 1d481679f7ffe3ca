"""States of sharded models (FSDP): gathered into whole tensors for a checkpoint, and sharded again to resume."""

import sys
from collections.abc import Mapping
from typing import Any


def gather(state: Any) -> Any:
    """The state with whole tensors in place of shards. Every process must call it; all get the same state."""
    if isinstance(state, Mapping):
        return {key: gather(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(gather(value) for value in state)
    return state.full_tensor().detach().cpu() if _is_shard(state) else state


def shard_like(state: Any, template: Any) -> Any:
    """The state with this process's shards in place of whole tensors, wherever ``template`` has shards."""
    if isinstance(state, Mapping):
        if not isinstance(template, Mapping):
            return state
        return {key: shard_like(value, template.get(key)) for key, value in state.items()}
    if not _is_shard(template) or not hasattr(state, "shape") or state.shape != template.shape:
        return state
    from torch.distributed.tensor import distribute_tensor

    device = template.to_local().device
    return distribute_tensor(state.to(device), template.device_mesh, template.placements, src_data_rank=None)


def template_of(item: Any) -> Any:
    """The state of the object in this process, as a template for ``shard_like``.

    Before the first step an optimizer has no state, so its parameters stand in.
    """
    if not hasattr(item, "param_groups"):
        return item.state_dict()
    parameters = [parameter for group in item.param_groups for parameter in group["params"]]
    return {"state": {place: _Always(parameter) for place, parameter in enumerate(parameters)}}


def is_sharded(module: Any) -> bool:
    """Whether this process holds only a shard of the module."""
    return any(_is_shard(parameter) for parameter in module.parameters())


class _Always(dict[str, Any]):
    """A mapping with the same value for every key."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def get(self, key: str, default: Any = None) -> Any:
        return self._value


def _is_shard(value: Any) -> bool:
    tensors = sys.modules.get("torch.distributed.tensor")  # a shard exists only once it is imported
    return tensors is not None and isinstance(value, tensors.DTensor)
