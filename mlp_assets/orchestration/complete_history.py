"""The check that nothing is missing of what an asset reads: no partition was left out of its inputs' histories."""

from collections.abc import Callable, Mapping, Set
from typing import Any

import dagster as dg

from mlp_assets.nouns.feature_view import ViewInput
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import COMPLETE_HISTORY
from mlp_assets.orchestration.scope import Scope


def complete_history_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        COMPLETE_HISTORY, asset=asset, description="Every partition that is read was computed, or ingested."
    )


def complete_history(asset: dg.AssetKey, missing: str | None, facts: Mapping[str, Any]) -> dg.AssetCheckResult:
    """A warning where something is missing.

    Args:
        missing: what is missing, and what to do.
    """
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=COMPLETE_HISTORY,
        passed=missing is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=missing,
        metadata=facts,
    )


def materialized_partitions(scope: Scope, instance: dg.DagsterInstance) -> Callable[[ViewInput], Set[str]]:
    """The partitions of a source or view that Dagster recorded as materialized."""
    return lambda rows: instance.get_materialized_partitions(keys.view_input(scope.home(rows), rows))
