"""Stored names of assets and tables stay as they are, and facts are read as they were written."""

import dagster as dg

from mlp_assets.orchestration import keys
from mlp_assets.orchestration.facts import AlarmFacts, TableFacts, metadata_of
from mlp_resources.ports.lake import Table
from tests.support import shop


def test_keys_and_tables_keep_their_names() -> None:
    project = shop.make()
    (monitor,) = project.monitors
    endpoint, model = monitor.watches, monitor.watches.model
    (view,) = project.feature_views
    names = {
        keys.source("shop", view.root): "purchases",
        keys.features("shop", view): "spending",
        keys.online("shop", view): "spending_online",
        keys.training_set("shop", model.training_set): "history",
        keys.candidate("shop", model): "comes_again_candidate",
        keys.champion("shop", model): "comes_again_champion",
        keys.endpoint("shop", endpoint): "score",
        keys.predictions("shop", endpoint): "score_predictions",
        keys.feedback("shop", endpoint): "score_feedback",
        keys.drift("shop", monitor): "health_drift",
        keys.estimated_performance("shop", monitor): "health_estimated",
        keys.realised_performance("shop", monitor): "health_realised",
        keys.alarms("shop", monitor): "health_alarms",
        keys.unused_files("shop"): "shop_unused_files",
    }
    assert {key: key.path[-1] for key in names} == names
    assert keys.table(keys.predictions("shop", endpoint)) == Table("shop", "predictions", "score")
    assert keys.table(keys.estimated_performance("shop", monitor)) == Table("shop", "estimated_performance", "health")
    assert str(keys.promotions("shop", model)) == "shop/promotions/comes_again"


def test_facts_are_read_back_as_they_were_written() -> None:
    alarm = AlarmFacts(episode_open=True, episode="shop.health:1:2024-04-29", message="drift")
    table = TableFacts(3, {"shop/source/outcomes": 2, "/lake/purchases": None}, shard_bytes=4_000_000)
    with dg.DagsterInstance.ephemeral() as instance:
        key = dg.AssetKey("asset")
        instance.report_runless_asset_event(
            dg.AssetMaterialization(key, metadata=alarm.to_metadata() | table.to_metadata())
        )
        metadata = metadata_of(instance.get_latest_materialization_event(key))
    assert AlarmFacts.from_metadata(metadata) == alarm
    assert TableFacts.from_metadata(metadata) == table
    assert AlarmFacts.from_metadata({}) is None
    assert TableFacts.from_metadata({"delta_version": 3}) is None
