"""The skew check names each seeded fault, and finds nothing without one: real endpoint, store, tables and drains."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from mlp_assets.endpoints.replica import model as replica
from mlp_assets.endpoints.replica.lookup import Lookup
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.orchestration.check_names import FEATURE_SKEW
from mlp_resources.ports.lake import Table
from tests.support.asked_visits import (
    EVERYBODY,
    HOUR,
    ask,
    publish_instead,
    published,
    rounded_otherwise,
)
from tests.support.late_visits import DAY, TRAINED, USERS, Clock, days, make
from tests.support.platform import Platform


def drain(platform: Platform) -> tuple[dg.AssetCheckEvaluation, dict[str, Any]]:
    evaluations = platform.run("predictions").get_asset_check_evaluations()
    (check,) = [each for each in evaluations if each.check_name == FEATURE_SKEW]
    assert check.severity == dg.AssetCheckSeverity.WARN
    return check, {name: value.value for name, value in check.metadata.items()}


def table(markdown: str) -> dict[str, dict[str, str]]:
    """Rows of a Markdown table by their first column."""
    head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]
    return {line[0]: dict(zip(head, line, strict=True)) for line in lines}


def differing(shown: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {name: row for name, row in table(shown["features"]).items() if float(row["share_differing"])}


def test_a_faultless_run_over_publications_with_late_rows_shows_no_difference(shop: Platform) -> None:
    client, _ = shop.serve()
    newest = TRAINED
    for number in range(3):
        for at in (newest - 2 * HOUR, newest, newest + 6 * HOUR, newest + 4 * DAY, newest + 4 * DAY + HOUR):
            ask(client, at)
        if number < 2:
            shop.run("source", "features", tags=days(newest, newest))
            shop.run("online")
            newest += DAY
    check, shown = drain(shop)
    assert check.passed, check.description
    assert (shown["differences"], shown["rows_of_other_versions"]) == (0, 0)
    assert shown["rows_drained"] == shown["rows_compared"] == 15 * (len(EVERYBODY) + 2)
    assert shown["rows_in_store_outages"] == shown["rows_not_judged"] == {}
    names = ["spend_7d", "visits_7d", "mean_visit", "largest_3d", "hourly"]
    assert list(table(shown["features"])) == names
    assert shown["values_compared"] == shown["rows_compared"] * len(names)
    assert shown["picture"].startswith("![picture](data:image/png;base64,")
    logged = shop.environment.lake.scan(Table("shop", "predictions", "score")).collect()
    assert logged["view_versions"].n_unique() == 3
    assert all(logged[name].null_count() and logged[name].drop_nulls().len() for name in names)
    stored = shop.environment.lake.scan(Table("shop", "features", "spending"))
    assert stored.filter(pl.col("known_at") > pl.col("event_time")).collect().height > USERS  # late rows
    again, repeated = drain(shop)  # nothing new
    assert (again.passed, repeated) == (True, shown | {"check_seconds": repeated["check_seconds"]})


def test_another_rounding_online_is_named(shop: Platform) -> None:
    publish_instead(shop, rounded_otherwise(user=7))
    client, _ = shop.serve()
    ask(client, TRAINED + HOUR)
    check, shown = drain(shop)
    assert not check.passed
    found = differing(shown)
    assert list(found) == ["spend_7d", "hourly"]
    row = found["spend_7d"]
    assert (row["likely_cause"], row["first_entity"], row["view"]) == ("another rounding", "user_id=7", "spending")
    assert row["first_at"] == str(TRAINED + HOUR)
    assert float(row["logged"]) == np.nextafter(float(row["offline"]), np.inf)
    assert float(row["largest_difference"]) == pytest.approx(float(row["logged"]) - float(row["offline"]), rel=1e-3)
    assert float(row["share_differing"]) == pytest.approx(1 / (len(EVERYBODY) + 2), rel=1e-3)
    assert found["hourly"]["likely_cause"] == "follows from spend_7d"
    assert "spend_7d of spending differs in 3.7 % of the rows: another rounding." in str(check.description)


def test_another_ttl_in_the_serving_plan_is_named(shop: Platform) -> None:
    _, model = shop.serve()
    views = [view.to_json() for view in model.plan.views]
    views[0]["ttl_seconds"] = 2 * 86_400
    client, _ = shop.serve(views=views)
    for age in (6 * HOUR, 2 * DAY, 3 * DAY, 5 * DAY):
        ask(client, TRAINED + age)
    check, shown = drain(shop)
    assert not check.passed
    found = differing(shown)
    assert list(found) == ["spend_7d", "visits_7d", "mean_visit", "hourly"]
    row = found["visits_7d"]
    assert row["likely_cause"] == "another TTL: at least 2 d and less than 3 d"
    assert (row["logged"], row["first_at"], row["largest_difference"]) == ("missing", str(TRAINED + 3 * DAY), "0")


def test_a_stale_publication_is_named_though_its_values_are_those_of_its_version(
    shop: Platform, clock: Clock, tmp_path: Path
) -> None:
    _, location, _, before = published(shop)
    shutil.copytree(location, tmp_path / "before")
    clock.behind = HOUR / 2
    shop.run("source", "features", tags=days(TRAINED, TRAINED))
    shop.run("online")
    clock.behind = timedelta()
    after = published(shop)[3]
    client, _ = shop.serve()
    ask(client, TRAINED + DAY + HOUR)
    assert drain(shop)[0].passed
    shutil.rmtree(location)
    shutil.copytree(tmp_path / "before", location)
    client, _ = shop.serve()
    ask(client, TRAINED + DAY + HOUR)
    check, shown = drain(shop)
    assert not check.passed
    assert (shown["differences"], shown["rows_of_other_versions"]) == (0, len(EVERYBODY) + 2)
    row = table(shown["other_versions"])["spending"]
    assert (row["rows"], row["logged"], row["visible"]) == (str(len(EVERYBODY) + 2), str(before), str(after))
    assert f"read version {before} when version {after} was published: stale publication" in str(check.description)


@pytest.mark.parametrize("hours", [5, -5])
def test_a_shift_of_the_time_asked_about_is_named(shop: Platform, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    class Shifted(Lookup):
        def __call__(self, columns: Any, at: datetime) -> Any:
            return super().__call__(columns, at + hours * HOUR)

    monkeypatch.setattr(replica, "Lookup", Shifted)
    client, _ = shop.serve()
    for age in (-2 * HOUR, 2 * HOUR, 2 * DAY):
        ask(client, TRAINED + age)
    check, shown = drain(shop)
    assert not check.passed
    found = differing(shown)
    assert set(found) == {"spend_7d", "visits_7d", "mean_visit", "largest_3d", "hourly"}
    expected = "times shifted by at least +2 h" if hours > 0 else "times shifted by at least -2.25 h"
    assert {found[name]["likely_cause"] for name in ("spend_7d", "largest_3d")} == {expected}


def test_a_shift_of_event_times_is_named(shop: Platform) -> None:
    publish_instead(shop, pl.col("event_time") + 5 * HOUR)
    client, _ = shop.serve()
    for age in (2 * HOUR, 2 * DAY, 4 * DAY + 2 * HOUR):
        ask(client, TRAINED + age)
    check, shown = drain(shop)
    assert not check.passed
    found = differing(shown)
    assert set(found) == {"spend_7d", "visits_7d", "mean_visit", "hourly"}
    assert found["spend_7d"]["likely_cause"] == "times shifted by at least -2.25 h"


def test_swapped_keys_are_named(shop: Platform) -> None:
    publish_instead(shop, pl.col("user_id").replace({5: 6, 6: 5}))
    client, _ = shop.serve()
    ask(client, TRAINED + HOUR)
    check, shown = drain(shop)
    assert not check.passed
    row = differing(shown)["spend_7d"]
    assert row["likely_cause"] == "the values of other entities: swapped keys"
    assert row["first_entity"] == "user_id=5"
    assert float(row["share_differing"]) == pytest.approx(2 / (len(EVERYBODY) + 2), rel=1e-3)


def newest_names(platform: Platform) -> list[str]:
    """The names under which the views are published by today's definitions."""
    published = [platform.metadata("online", view.name)["location"] for view in platform.project.feature_views]
    return [Path(str(location)).name for location in published]


def test_another_definition_under_the_same_name_is_named(shop: Platform, home: Path, clock: Clock) -> None:
    changed = Platform(make(window="9d"), home, now=clock)
    changed.run("features", tags=days(TRAINED - 4 * DAY, TRAINED - DAY))
    clock.behind = HOUR / 2
    changed.run("online")
    clock.behind = timedelta()
    today = [
        ViewPlan.of(view, changed.environment.online.location("shop", name)).to_json()
        for view, name in zip(changed.project.feature_views, newest_names(changed), strict=True)
    ]
    client, model = changed.serve(views=today)
    assert model.plan.model_version == "1"
    ask(client, TRAINED + HOUR)
    check, shown = drain(changed)
    assert not check.passed
    assert shown["differences"] == 0  # the endpoint gave what the table holds
    assert "spend_7d of spending: another definition." in str(check.description)
    rows = table(shown["features"])
    assert (rows["spend_7d"]["likely_cause"], rows["visits_7d"]["likely_cause"]) == ("another definition", "")
    assert 'over="7d"' in str(check.description).replace("'", '"')
    assert 'over="9d"' in str(check.description).replace("'", '"')
    assert "visits_7d" not in str(check.description)


def test_rows_without_a_logged_version_are_counted_as_outages(shop: Platform) -> None:
    client, model = shop.serve()
    ask(client, TRAINED + HOUR)
    (file,) = model.plan.spool.glob("predictions-*.jsonl")
    lines = file.read_text().splitlines()
    version = published(shop)[3]
    lines[0] = lines[0].replace(f'"spending":{version}', '"spending":null')
    assert "null}" in lines[0] or "null," in lines[0]
    file.write_text("\n".join(lines) + "\n")
    check, shown = drain(shop)
    assert check.passed, check.description
    assert shown["rows_in_store_outages"] == {"spending": len(EVERYBODY)}
    assert (shown["rows_compared"], shown["differences"]) == (2, 0)


def test_a_check_that_cannot_be_made_does_not_undo_the_drain(shop: Platform) -> None:
    client, _ = shop.serve()
    ask(client, TRAINED + HOUR)
    (log,) = (shop.environment.home / "mlflow").glob("mlflow.db")
    log.write_bytes(b"no database")
    check, shown = drain(shop)
    assert not check.passed
    assert "not judged" in str(check.description)
    assert shown == {"rows_drained": len(EVERYBODY) + 2}
    assert shop.metadata("predictions", "score")["rows_drained"] == len(EVERYBODY) + 2
