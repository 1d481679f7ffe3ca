"""Shows a backfill: what it will compute, how far it is, and what it did."""

from collections.abc import Sequence

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mlp_assets.cli.formatting import count
from mlp_assets.platform import AssetWork, Summary


class BackfillProgress:
    """A line or a progress bar for each run, above it the plan. Used as a context manager."""

    def __init__(self, console: Console, run_url: str | None) -> None:
        self._console, self._run_url = console, run_url
        columns = (
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(),
        )  # fmt: skip
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._runs, self._number = 0, 0

    def __enter__(self) -> "BackfillProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def plan(self, work: Sequence[AssetWork], runs: int) -> None:
        """Prints what each asset lacks."""
        self._runs = runs
        table = Table(show_edge=False)
        table.add_column("asset", min_width=_longest(work))
        for column in ("range", "to compute", "up to date"):
            table.add_column(column, justify="left" if column == "range" else "right")
        for each in work:
            names = sorted((*each.todo, *each.current))
            span = f"{names[0]} … {names[-1]}" if names else "nothing in the range"
            why = f"{len(each.todo)}" + (f" ({len(each.stale)} changed)" if each.stale else "")
            table.add_row(each.key.to_user_string(), span, why, str(len(each.current)))
        self._console.print(table)
        self._console.print(count(runs, "run") if runs else "Everything is up to date.", highlight=False)

    def wait(self, run: dg.DagsterRun) -> None:
        """Says which run is waited for, and what to do if it will never end."""
        self._say(
            f"Waiting for run {self._shown(run.run_id)}, which computes the same assets now. If its process was "
            f"killed, end the run: dagster run delete {run.run_id}"
        )

    def begin(self, assets: Sequence[dg.AssetKey], partitions: Sequence[str]) -> None:
        """Begins the bar of a run."""
        self._number += 1
        span = f", {partitions[0]} … {partitions[-1]}" if partitions else ""
        text = f"run {self._number} of {self._runs}: {', '.join(key.path[-1] for key in assets)}{span}"
        self._task = self._bars.add_task(escape(text), total=len(assets) * max(1, len(partitions)))
        if not self._console.is_terminal:
            self._say(text)

    def advance(self, asset: dg.AssetKey, partition: str | None) -> None:
        """Moves the bar. Partitions with late rows count too, so the total may grow."""
        self._bars.advance(self._task)

    def summarize(self, summary: Summary) -> None:
        """Prints what was computed, what was not and why, and the runs."""
        self._bars.stop()
        table = Table(show_edge=False)
        table.add_column("asset", min_width=_longest(summary.work))
        for column in ("computed", "skipped", "not computed"):
            table.add_column(column, justify="right")
        table.add_column("why not", no_wrap=True, overflow="ellipsis", max_width=24)  # in full below the table
        for each in summary.work:
            lacking = len(each.todo) - summary.computed_of(each)
            why = summary.failed.get(each.key, "")
            table.add_row(
                each.key.to_user_string(), str(summary.computed(each.key)), str(summary.skipped_of(each)), str(lacking),
                escape(why.splitlines()[0] if why else ""),
            )  # fmt: skip
        if summary.runs or summary.failed:
            self._console.print(table)
        for planned, run in summary.runs:
            names = ", ".join(key.path[-1] for key in planned.assets)
            end = "succeeded" if run.succeeded else "interrupted" if run.interrupted else "failed"
            self._say(f"{self._shown(run.id)}  {run.seconds:.1f} s  {end}: {names}")
        for key, why in summary.failed.items():
            self._say(f"{key.to_user_string()}: {why}")

    def _shown(self, run_id: str) -> str:
        return f"{self._run_url}/{run_id}" if self._run_url is not None else run_id

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _longest(work: Sequence[AssetWork]) -> int:
    """The width at which the assets of a table can be told apart in a narrow terminal."""
    return max((len(each.key.to_user_string()) for each in work), default=0)
