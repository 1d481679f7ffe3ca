"""Removes the files of old versions of a project's tables that nothing recorded. A dry run unless told otherwise."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from mlp_assets.errors import MlpError
from mlp_assets.maintenance.unused_files import UnusedFiles, find_unused_files, remove_unused_files
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import Cost, markdown_table, measured
from mlp_assets.orchestration.recorded_reads import prediction_tables, recorded_reads
from mlp_assets.orchestration.scope import Scope

_SHOWN_RANGES = 6


class UnusedFilesConfig(dg.Config):
    """What a run of the asset does."""

    remove: bool = Field(default=False, description="Removes the files. Without it, the run only lists them.")
    keep_days: int = Field(default=30, description="Versions that were the newest within so many days are kept too.")


def unused_files_asset(scope: Scope) -> dg.AssetsDefinition:
    """The maintenance asset of a project. No job or schedule materializes it."""
    project = scope.project

    @dg.asset(
        key=keys.unused_files(project.name),
        group_name=project.name,
        owners=[project.owner],
        kinds={"deltalake"},
        code_version="1",
        description=(
            "Lists the files of old table versions that nothing recorded: no training set, model, prediction, batch "
            "score or monitor. To remove them for good, choose *Open launchpad* beside *Materialize*, and launch it "
            "with `remove: true` in the config."
        ),
    )
    def find(context: dg.AssetExecutionContext, config: UnusedFilesConfig) -> dg.MaterializeResult:
        if config.keep_days < 1:
            raise MlpError(
                f"keep_days={config.keep_days} would remove files that a running asset may be reading. Write 1 or more."
            )
        with measured() as cost:
            reads = recorded_reads(context.instance, project.name)
            since = scope.environment.now() - timedelta(days=config.keep_days)
            unused = find_unused_files(scope, reads, prediction_tables(context.instance), since)
            if config.remove:
                remove_unused_files(scope.environment.lake, unused)
        return dg.MaterializeResult(metadata=_metadata(unused, config, cost))

    return find


def _metadata(unused: Sequence[UnusedFiles], config: UnusedFilesConfig, cost: Cost) -> dict[str, Any]:
    return {
        "removed" if config.remove else "would_remove": dg.MetadataValue.md(
            markdown_table(_table(unused)) if unused else "nothing"
        ),
        "files": sum(len(each.files) for each in unused),
        "bytes": sum(each.bytes for each in unused),
        "dry_run": not config.remove,
        "keep_days": config.keep_days,
    } | cost.shown


def _table(unused: Sequence[UnusedFiles]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "table": str(each.table),
                "versions that cannot be read then": _ranges(each.versions),
                "recorded versions kept": each.recorded,
                "files": len(each.files),
                "bytes": each.bytes,
            }
            for each in unused
        ]
    )


def _ranges(versions: Sequence[int]) -> str:
    """Numbers in order as text: 1-3, 7."""
    runs = [
        [number for _, number in run] for _, run in groupby(enumerate(versions), lambda placed: placed[1] - placed[0])
    ]
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    more = len(texts) - _SHOWN_RANGES
    return ", ".join(texts[:_SHOWN_RANGES]) + (f" and {more} more ranges" if more > 0 else "")
