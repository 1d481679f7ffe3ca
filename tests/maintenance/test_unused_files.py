"""Old versions that nothing recorded can be removed; each place that records a version keeps it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlp_assets.errors import LostVersionError, MlpError
from mlp_assets.features.definitions.definition_note import ViewDefinition
from mlp_assets.maintenance.unused_files_asset import UnusedFilesConfig, unused_files_asset
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.facts import TableFacts, metadata_of
from mlp_assets.orchestration.scope import Scope
from mlp_assets.platform import definitions_for, reproduce_version
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Table, Transaction
from tests.support import shop
from tests.support.candidate import candidate
from tests.support.champions import with_champion
from tests.support.mlflow_store import empty_store
from tests.support.snapshots import Snapshots

VIEW, SOURCE = tables.features("shop", "spending"), tables.source("shop", "purchases")
LOG = tables.predictions("shop", "score")
KEPT, LOST = 2, 3
AFTER_A_YEAR = datetime.now(UTC) + timedelta(days=365)
KEY = keys.unused_files("shop")


class Home:
    """The shop's home a year later, with a Dagster instance."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, now: datetime = AFTER_A_YEAR) -> None:
        self.folder, self.instance = folder, instance
        self.scope = Scope(shop.make(), LocalEnvironment(folder, now=lambda: now))
        self.lake = self.scope.environment.lake

    def rewrite(self, table: Table, count: int = 5) -> None:
        """Writes one partition ``count`` times: versions 1 to ``count``, each with a file of its own."""
        for number in range(1, count + 1):
            rows = pl.DataFrame({"number": [number], "partition": ["a"]})
            self.lake.write_partitions(table, rows, ["a"])

    def maintain(self, *, remove: bool = True, keep_days: int = 30) -> dict[str, object]:
        """The metadata of a run of the maintenance asset."""
        config = UnusedFilesConfig(remove=remove, keep_days=keep_days)
        name = KEY.to_python_identifier()
        run_config = dg.RunConfig(ops={name: config})
        assert dg.materialize([unused_files_asset(self.scope)], instance=self.instance, run_config=run_config).success
        return metadata_of(self.instance.get_latest_materialization_event(KEY))

    def readable(self, table: Table) -> set[int]:
        newest = self.lake.version(table)
        assert newest is not None
        return {version for version in range(1, newest + 1) if self._can_read(table, version)}

    def _can_read(self, table: Table, version: int) -> bool:
        try:
            assert self.lake.scan(table, version).collect()["number"].to_list() == [version]
        except LostVersionError:
            return False
        return True


@pytest.fixture
def made(home: Path) -> Home:
    empty_store(home / "mlflow")
    return Home(home, dg.DagsterInstance.ephemeral())


def read_by(home: Home, key: dg.AssetKey, table: Table | str, version: object) -> None:
    metadata = TableFacts(1, {str(table): version}).to_metadata()
    home.instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))


def predict(home: Home, _: Path) -> None:
    """A drained prediction, whose asset was materialized."""
    rows = pl.DataFrame({"view_versions": [json.dumps({"spending": KEPT})], "partition": ["2024-01-01"]})
    home.lake.append(LOG, rows, Transaction("spool:1", 1))
    (endpoint,) = home.scope.project.endpoints
    home.instance.report_runless_asset_event(dg.AssetMaterialization(keys.predictions("shop", endpoint)))


def register(home: Home, folder: Path) -> None:
    made_of = {"mlp.tables_read": json.dumps({str(VIEW): KEPT, "/elsewhere/purchases": None})}
    home.scope.environment.registry.register(replace(candidate(folder, "one"), tags=made_of))


def describe(home: Home, _: Path) -> None:
    rows = pl.DataFrame({"features_version": [KEPT], "partition": ["spending"]})
    home.lake.write_partitions(tables.statistics("shop"), rows, ["spending"])


RECORDS: dict[str, Callable[[Home, Path], None]] = {
    "a training set": lambda home, _: read_by(home, dg.AssetKey(["shop", "training_set", "history"]), VIEW, KEPT),
    "a monitor": lambda home, _: read_by(home, dg.AssetKey(["shop", "drift", "health_drift"]), VIEW, [KEPT]),
    "another project's view": lambda home, _: read_by(home, dg.AssetKey(["other", "features", "x"]), VIEW, KEPT),
    "an asset of a user": lambda home, _: read_by(home, dg.AssetKey("report"), VIEW, KEPT),
    "an asset that writes no table": lambda home, _: home.instance.report_runless_asset_event(
        dg.AssetMaterialization(dg.AssetKey("chart"), metadata={"delta_versions_read": {str(VIEW): KEPT}})
    ),
    "a location": lambda home, _: read_by(home, dg.AssetKey("report"), home.lake.location(VIEW), KEPT),
    "a registered model": register,
    "a prediction": predict,
    "the catalogue": describe,
}


@pytest.mark.parametrize("place", RECORDS)
def test_a_version_that_is_recorded_stays(made: Home, tmp_path: Path, place: str) -> None:
    made.rewrite(VIEW)
    RECORDS[place](made, tmp_path)
    metadata = made.maintain()
    assert made.readable(VIEW) == {KEPT, 5}
    assert metadata["files"] == 3
    assert "| shop/features/spending | 1, 3-4 | 1 | 3 |" in str(metadata["removed"])


def test_the_source_that_a_needed_version_of_a_view_follows_from_stays(made: Home) -> None:
    made.rewrite(SOURCE)
    rows = pl.DataFrame({"number": [1], "partition": ["a"]})
    steps = [(KEPT + 1, 0), (4 + 1, KEPT + 1), (5 + 1, 4 + 1)]  # counters: the source version and one
    for number, (after, before) in enumerate(steps, 1):
        frame = rows.with_columns(number=pl.lit(number))
        made.lake.write_partitions(VIEW, frame, ["a"], Transaction("source", after, before))
    read_by(made, dg.AssetKey(["shop", "training_set", "history"]), VIEW, 1)
    made.maintain()
    assert made.readable(VIEW) == {1, 3}
    assert made.readable(SOURCE) == {KEPT, 5}


def test_the_last_version_of_an_earlier_definition_stays(made: Home) -> None:
    made.rewrite(VIEW)
    notes = ViewDefinition("6-abcdef", ended={"": KEPT}).to_notes()
    made.lake.write_partitions(VIEW, pl.DataFrame({"number": [6], "partition": ["a"]}), ["a"], notes=notes)
    made.maintain()
    assert made.readable(VIEW) == {KEPT, 6}


def test_what_only_the_own_views_and_publications_read_is_removed(made: Home) -> None:
    made.rewrite(VIEW)
    for kind, name in (("features", "spending"), ("online", "spending_online")):
        read_by(made, dg.AssetKey(["shop", kind, name]), VIEW, KEPT)
    made.maintain()
    assert made.readable(VIEW) == {5}


def test_a_dry_run_removes_nothing_and_says_what_it_would_remove(made: Home) -> None:
    made.rewrite(VIEW)
    first = made.maintain(remove=False)
    assert made.readable(VIEW) == {1, 2, 3, 4, 5}
    assert (first["dry_run"], first["files"]) == (True, 4)
    assert "| shop/features/spending | 1-4 | 0 | 4 |" in str(first["would_remove"])
    size = sum(file.stat().st_size for file in Path(made.lake.location(VIEW)).rglob("*.parquet"))
    assert 0 < int(str(first["bytes"])) < size
    done = made.maintain()
    assert (done["files"], done["bytes"], done["dry_run"]) == (4, first["bytes"], False)
    again = made.maintain()
    assert (again["files"], again["removed"]) == (0, "nothing")


def test_versions_of_the_last_days_stay(home: Home | Path) -> None:
    assert isinstance(home, Path)
    empty_store(home / "mlflow")
    soon = Home(home, dg.DagsterInstance.ephemeral(), datetime.now(UTC) + timedelta(days=2))
    soon.rewrite(VIEW)
    assert soon.maintain(keep_days=3)["files"] == 0
    assert soon.maintain(keep_days=1)["files"] == 4
    with pytest.raises(MlpError, match="keep_days=0 would remove files that a running asset may be reading. Write 1"):
        soon.maintain(keep_days=0)


def test_a_registered_version_is_reproduced_after_all_else_was_removed(home: Path, snapshots: Snapshots) -> None:
    platform = with_champion(snapshots, home)
    for _ in range(2):
        platform.run("source", "features", tags=shop_weeks())
    made = Home(home, platform.instance)
    assert int(str(made.maintain()["files"])) > 0
    project = shop.make()
    again = reproduce_version(project, project.models[0], "1", environment=made.scope.environment)
    assert again.holds, again


def shop_weeks() -> dict[str, str]:
    return {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-04-22"}


def test_no_job_materializes_it() -> None:
    definitions = definitions_for(shop.make())
    jobs = [job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__ASSET")]
    assert jobs
    assert all(KEY not in job.asset_layer.executable_asset_keys for job in jobs)
