"""Tags of a run in which gates refused a candidate: the run succeeded, and the list of runs shows them."""

from collections.abc import Sequence
from typing import Final

import dagster as dg

_TAG: Final = "mlp.refused/"  # before the registered model. Dagster stores it, so it never changes


def tag_refusal(context: dg.AssetExecutionContext, model: str, version: str, gates: Sequence[str]) -> None:
    """Says in a tag of the run which gates refused a version of the registered model."""
    context.instance.add_run_tags(context.run.run_id, {f"{_TAG}{model}": f"version {version}: {', '.join(gates)}"})


def refusals_of(run: dg.DagsterRun) -> list[str]:
    """A sentence for each candidate of the run that its gates refused."""
    return [
        f"A candidate of {tag.removeprefix(_TAG)} was refused by its gates ({what}). The Dagster UI says why."
        for tag, what in run.tags.items()
        if tag.startswith(_TAG)
    ]
