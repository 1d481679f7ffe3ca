"""Materializes everything from the orders to the champion in a temporary folder. Takes half a minute."""

from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlp_assets.platform import definitions_for
from mlp_assets.template.project import END, START, project


def test_from_the_orders_to_the_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_HOME", str(tmp_path))
    assets = definitions_for(project).resolve_asset_graph().assets_defs
    last = (datetime.fromisoformat(END) - timedelta(weeks=1)).strftime("%Y-%m-%d")
    all_weeks = {"dagster/asset_partition_range_start": START, "dagster/asset_partition_range_end": last}
    weekly, final = ("source", "features", "online"), ("training_set", "candidate", "champion")
    with dg.DagsterInstance.ephemeral() as instance:
        for kinds, tags in ((weekly, all_weeks), (final, {})):
            groups = [dg.AssetSelection.key_prefixes([project.name, kind]) for kind in kinds]
            selection = groups[0] | groups[1] | groups[2]
            result = dg.materialize(assets, selection=selection, instance=instance, tags=tags)
            assert result.success
        checks = {event.check_name: event.passed for event in result.get_asset_check_evaluations()}
    # The gates of project.py, which the champion passed.
    assert checks["roc_auc_at_least"]
    assert all(checks.values()), checks
