"""The accelerator of a training, with checks for divergence and sharding on processors."""

from collections.abc import Mapping
from typing import Any

from mlp_assets.training.divergence import check_divergence


def make_accelerator(options: Mapping[str, Any], *, sharded: bool, cpu: bool) -> Any:
    """An ``accelerate.Accelerator``; with ``sharded``, one that gives each process a shard of the model (FSDP2)."""
    from accelerate import Accelerator, FullyShardedDataParallelPlugin

    if not sharded:
        return check_divergence(Accelerator(cpu=cpu, **options))
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, cpu_ram_efficient_loading=False)
    accelerator = Accelerator(cpu=cpu, fsdp_plugin=plugin, **options)
    if cpu:
        _shard_on_processors(accelerator, plugin)
    return check_divergence(accelerator)


def _shard_on_processors(accelerator: Any, plugin: Any) -> None:
    """Restores FSDP: without GPUs Accelerate silently falls back to DDP, although PyTorch shards on processors, too."""
    from accelerate.utils import DistributedType

    if accelerator.mixed_precision != "no":
        plugin.set_mixed_precision(accelerator.mixed_precision)
    accelerator.state.distributed_type, accelerator.state.fsdp_plugin = DistributedType.FSDP, plugin
