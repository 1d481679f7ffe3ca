"""The checks of what an asset reads: every partition is there, and the feed brought as many rows as it usually does."""

from collections.abc import Callable, Mapping, Set
from typing import Any

import dagster as dg

from mlp_assets.nouns.feature_view import ViewInput
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import COMPLETE_HISTORY, USUAL_ROWS
from mlp_assets.orchestration.scope import Scope


def complete_history_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        COMPLETE_HISTORY, asset=asset, description="Every partition that is read was computed, or ingested."
    )


def usual_rows_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        USUAL_ROWS, asset=asset, description="The feed brought about as many rows as for the 28 partitions before."
    )


def warning(asset: dg.AssetKey, check: str, wrong: str | None, facts: Mapping[str, Any]) -> dg.AssetCheckResult:
    """The result of a check that warns and stops nothing.

    Args:
        wrong: what is wrong, and what to do; None if nothing is.
    """
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=wrong is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=wrong,
        metadata=facts,
    )


def materialized_partitions(scope: Scope, instance: dg.DagsterInstance) -> Callable[[ViewInput], Set[str]]:
    """The partitions of a source or view that Dagster recorded as materialized."""
    return lambda rows: instance.get_materialized_partitions(keys.view_input(scope.home(rows), rows))
