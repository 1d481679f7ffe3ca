"""Metadata of materializations: rows, time, versions, schema, lineage, pictures."""

import base64
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.nouns.source import Columns
from mlp_assets.orchestration.facts import TableFacts
from mlp_resources.ports.lake import WriteResult


@dataclass
class Cost:
    """Wall and CPU seconds of a block, in this process and its finished children; ``shown`` is their metadata."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    shown: dict[str, Any] = field(default_factory=dict[str, Any])


@contextmanager
def measured() -> Iterator[Cost]:
    """Measures the block. The cost is filled in when the block ends."""
    cost, wall, cpu = Cost(), time.perf_counter(), _cpu()
    yield cost
    cost.seconds, cost.cpu_seconds = time.perf_counter() - wall, _cpu() - cpu
    cost.shown = {
        "seconds": dg.MetadataValue.float(round(cost.seconds, 3)),
        "cpu_seconds": dg.MetadataValue.float(round(cost.cpu_seconds, 3)),
    }


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def table_metadata(frame: pl.DataFrame, written: WriteResult, read: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a table that was written: rows, bytes, versions, schema and the first rows.

    Args:
        read: table -> the Delta version (or versions) that were read.
    """
    return {
        "dagster/row_count": frame.height,
        "bytes": written.bytes,
        **TableFacts(written.version, read).to_metadata(),
        "dagster/column_schema": column_schema(frame.schema),
        "preview": dg.MetadataValue.md(markdown_table(frame.head(5))),
    }


def column_schema(schema: Columns, descriptions: Mapping[str, str] | None = None) -> dg.TableSchema:
    """The columns of a table, with a description where there is one."""
    described = descriptions or {}
    return dg.TableSchema([dg.TableColumn(name, str(dtype), described.get(name)) for name, dtype in schema.items()])


def column_lineage(lineage: Mapping[str, Sequence[tuple[dg.AssetKey, str]]]) -> dg.TableColumnLineage:
    """Column lineage as Dagster takes it.

    Args:
        lineage: output column -> the (asset, column) pairs that it is computed from; duplicates are dropped.
    """
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=key, column_name=name) for key, name in dict.fromkeys(sources)]
            for column, sources in lineage.items()
        }
    )


def markdown_table(frame: pl.DataFrame, digits: int = 4) -> str:
    """A small frame as a Markdown table."""

    def text_of(value: object) -> str:
        if value is None:
            return "–"
        return f"{value:.{digits}g}" if isinstance(value, float) else str(value)

    head = "| " + " | ".join(frame.columns) + " |\n|" + " --- |" * frame.width
    return "\n".join([head, *("| " + " | ".join(map(text_of, row)) + " |" for row in frame.iter_rows())])


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A small PNG that the web UI shows inline."""
    return dg.MetadataValue.md(f"![picture](data:image/png;base64,{base64.b64encode(png).decode()})")
