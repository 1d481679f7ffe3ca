"""The definitions that ``workspace.yaml`` loads: assets with their attributes, jobs, schedules and sensors."""

from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
import yaml


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from mlp_assets.definitions import definitions as root

    loaded = root()
    return loaded if isinstance(loaded, dg.Definitions) else loaded.load_definitions()  # type: ignore[attr-defined]


def test_the_workspace_names_the_composition_root() -> None:
    (entry,) = yaml.safe_load(Path("workspace.yaml").read_text())["load_from"]
    assert entry["python_module"]["module_name"] == "mlp_assets.definitions"


def test_every_asset_has_owner_kinds_group_description_and_code_version(definitions: dg.Definitions) -> None:
    specs = list(definitions.resolve_all_asset_specs())
    assert Counter(spec.group_name for spec in specs) == {"retail": 32, "catalogue": 8}
    for spec in specs:
        assert spec.owners == [f"team:{spec.group_name}"], spec.key
        assert spec.kinds
        assert spec.description
        assert spec.code_version


def test_every_node_of_the_graph_has_a_unique_name(definitions: dg.Definitions) -> None:
    names = [spec.key.path[-1] for spec in definitions.resolve_all_asset_specs()]
    assert len(set(names)) == len(names)


def test_one_graph_from_the_raw_table_to_the_alarm(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    key = dg.AssetKey(["retail", "alarms", "repurchase_health_alarms"])
    upstream, waiting = set(), [key]
    while waiting:
        asset = waiting.pop()
        upstream.add(asset)
        waiting += [parent for parent in graph.get(asset).parent_keys if parent not in upstream]
    kinds = {asset.path[1] for asset in upstream}
    assert kinds == {
        "source", "features", "online", "training_set", "candidate", "champion", "endpoint", "predictions", "drift",
        "feedback", "estimated_performance", "realised_performance", "alarms",
    }  # fmt: skip


def test_jobs_schedules_and_sensors(definitions: dg.Definitions) -> None:
    jobs = {job.name for job in definitions.resolve_all_job_defs()}
    assert {
        "retail__weekly", "retail__train_repurchase", "retail__train_demand", "retail__drain_repurchase_score",
        "catalogue__train_product_category",
    } <= jobs  # fmt: skip
    sensors = {sensor.name: sensor.default_status for sensor in definitions.sensors or []}
    names = ("recompute_monitors", "retrain_on_alarm", "watch_aliases")
    assert sensors == dict.fromkeys(names, dg.DefaultSensorStatus.RUNNING)
    assert len(list(definitions.schedules or [])) == 3  # one for each endpoint: it drains the predictions
