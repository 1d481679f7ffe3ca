"""The Accelerator of a training."""

from collections.abc import Mapping
from typing import Any

from mlp_assets.training.diverged import watched


def accelerator(options: Mapping[str, Any], *, sharded: bool, cpu: bool) -> Any:
    """An ``accelerate.Accelerator``; where ``sharded``, one that gives each process a shard of the model (FSDP2)."""
    from accelerate import Accelerator, FullyShardedDataParallelPlugin

    if not sharded:
        return watched(Accelerator(cpu=cpu, **options))
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, cpu_ram_efficient_loading=False)
    made = Accelerator(cpu=cpu, fsdp_plugin=plugin, **options)
    if cpu:
        _shard_on_processors(made, plugin)
    return watched(made)


def _shard_on_processors(made: Any, plugin: Any) -> None:
    """Accelerate goes over to DDP without a word where there are no GPUs, though PyTorch shards there too."""
    from accelerate.utils import DistributedType

    if made.mixed_precision != "no":
        plugin.set_mixed_precision(made.mixed_precision)
    made.state.distributed_type, made.state.fsdp_plugin = DistributedType.FSDP, plugin
