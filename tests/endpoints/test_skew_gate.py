"""A candidate that would read skewed features is refused; one that cures the skew is not. Real log, store and runs."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlp_assets.endpoints.skew_gate import judge_skew
from mlp_assets.models.evaluation.judgement import GateResult
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration.check_names import FEATURE_SKEW
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import registry_tags
from mlp_resources.ports.lake import Table
from tests.support.asked_visits import (
    EVERYBODY,
    HOUR,
    ask,
    publish_instead,
    published,
    rounded_otherwise,
)
from tests.support.late_visits import DAY, TRAINED, Clock, days, make, of_request_minutes
from tests.support.platform import Platform

ROWS = len(EVERYBODY) + 2
LOG = Table("shop", "predictions", "score")


def answer(platform: Platform, **plan: Any) -> None:
    """The endpoint answers some requests, and its log is drained."""
    client, _ = platform.serve(**plan)
    ask(client, TRAINED + HOUR)
    platform.run("predictions")


def with_skew(platform: Platform) -> Platform:
    """``spend_7d`` of one user is rounded otherwise in the online store."""
    publish_instead(platform, rounded_otherwise(user=7))
    answer(platform)
    return platform


def train(platform: Platform, *, passes: bool = True) -> dict[str, Any]:
    """Trains a candidate; returns the metadata of its check."""
    result = platform.run("training_set", "candidate", "champion")
    (check,) = [each for each in result.get_asset_check_evaluations() if each.check_name == FEATURE_SKEW]
    assert check.passed == passes, check.metadata
    return {name: value.value for name, value in check.metadata.items()}


def judged(platform: Platform, tags: dict[str, str] | None = None) -> GateResult:
    """The gate for a candidate that is like the newest version."""
    (model,) = platform.project.models
    tags = tags or dict(platform.environment.registry.versions("shop.comes")[-1].tags)
    return judge_skew(Scope(platform.project, platform.environment), model, tags)


def changed_to(project: Project, home: Path, clock: Clock) -> Platform:
    """The project after a change, with its features computed and published."""
    changed = Platform(project, home, now=clock)
    changed.run("source", "features", tags=days(TRAINED - 4 * DAY, TRAINED))
    changed.run("online")
    return changed


def test_a_candidate_that_reads_what_the_offline_path_gives_is_promoted(shop: Platform) -> None:
    answer(shop)
    shown = train(shop)
    values = 5 * 3 * ROWS  # of the log, and of look-ups at two times
    assert shown["message"] == (
        f"Endpoint 'score': {values} values equal the offline path, in {ROWS} rows of the newest predictions and "
        f"{2 * ROWS} rows of look-ups of now."
    )
    assert (shown["rows_compared"], shown["values_compared"], shown["differences"]) == (3 * ROWS, values, 0)


def test_a_candidate_that_would_read_a_skewed_feature_is_refused(shop: Platform) -> None:
    message = train(with_skew(shop), passes=False)["message"]
    assert message.startswith(
        f"Endpoint 'score': spend_7d of spending differs in {100 / ROWS:.3g} % of the newest predictions: another "
        "rounding. The largest difference is "
    )
    assert f"The first is user_id=7 at {TRAINED + HOUR}: " in message
    assert " online, " in message
    assert "hourly differs in" in message
    assert "follows from spend_7d" in message
    assert message.count("spend_7d of spending differs") == 1  # not once more for the look-ups
    assert "The candidate would be given the same. Look at the check feature_skew" in message
    assert "publish the view again. Once the newest predictions agree, materialize the candidate again" in message
    newest = shop.environment.registry.versions("shop.comes")[-1]
    assert (newest.version, newest.tags[registry_tags.GATES]) == ("2", registry_tags.GATES_REFUSED)
    checks = json.loads(shop.environment.registry.document(newest, "checks.json"))
    assert {each["name"]: each["passed"] for each in checks}[FEATURE_SKEW] is False


def test_without_predictions_the_gate_passes_and_says_so(shop: Platform) -> None:
    message = "Not judged: no predictions of Endpoint 'score' were drained yet."
    assert train(shop)["message"] == message
    newest = shop.environment.registry.versions("shop.comes")[-1]
    assert f"**{FEATURE_SKEW}** passed: {message}" in shop.environment.registry.document(newest, "model-card.md")


def test_without_an_endpoint_the_gate_passes_and_says_so(shop: Platform, home: Path) -> None:
    alone = Project("shop", owner="team:shop", assets=shop.project.models)
    result = judged(Platform(alone, home))
    assert result.passed
    assert result.sentence == "Not judged: no endpoint of project 'shop' serves Model 'comes'."


def test_a_candidate_that_does_without_the_view_is_promoted(shop: Platform, home: Path, clock: Clock) -> None:
    with_skew(shop)
    client, _ = shop.serve()
    fewer = Platform(make(hourly=None, reads=["habits"]), home, now=clock)
    ask(client, TRAINED + HOUR)  # the replica of before
    assert fewer.run("predictions").success
    shown = train(fewer)
    assert shown["values_compared"] == (2 * ROWS) + 2 * (2 * ROWS)  # of ``largest_3d`` alone


def test_a_candidate_of_another_definition_is_promoted_if_that_one_is_right(
    shop: Platform, home: Path, clock: Clock
) -> None:
    with_skew(shop)
    changed = changed_to(make(window="9d"), home, clock)
    message = train(changed)["message"]
    assert "Not judged by the newest predictions: spending, which the candidate reads by another definition." in message
    assert "values equal the offline path" in message
    publish_instead(changed, rounded_otherwise(user=8))
    message = judged(changed).sentence
    assert "spend_7d of spending differs in" in message
    assert "% of look-ups of now: another rounding." in message
    assert "user_id=8" in message


def test_a_candidate_that_was_trained_on_the_skewed_definition_is_refused_after_a_change_too(
    shop: Platform, home: Path, clock: Clock
) -> None:
    with_skew(shop)
    first = judged(shop)
    changed = changed_to(make(window="9d"), home, clock)
    later = judged(changed)
    assert not first.passed
    assert not later.passed
    assert "spend_7d of spending differs" in later.sentence


def test_a_right_publication_counts_once_predictions_have_read_it(shop: Platform, clock: Clock) -> None:
    with_skew(shop)
    clock.behind = HOUR / 2
    shop.run("source", "features", tags=days(TRAINED, TRAINED))
    shop.run("online")
    clock.behind = timedelta()
    assert "% of the newest predictions: another rounding" in judged(shop).sentence
    answer(shop)
    result = judged(shop)
    assert result.passed, result.sentence
    assert "values equal the offline path" in result.sentence


def test_a_stale_publication_is_a_skew_of_what_is_read_now(shop: Platform, clock: Clock, tmp_path: Path) -> None:
    _, location, _, before = published(shop)
    shutil.copytree(location, tmp_path / "before")
    clock.behind = HOUR / 2
    shop.run("source", "features", tags=days(TRAINED, TRAINED))
    shop.run("online")
    clock.behind = timedelta()
    after = published(shop)[3]
    answer(shop)
    assert judged(shop).passed
    shutil.rmtree(location)
    shutil.copytree(tmp_path / "before", location)
    assert f"{2 * ROWS} rows read version {before} when version {after} was published" in judged(shop).sentence


def test_a_derived_feature_counts_if_the_candidate_derives_it_alike(shop: Platform, home: Path, clock: Clock) -> None:
    other = shop.serve()[1].plan.derived | {"hourly": pl.col("spend_7d").meta.serialize(format="json")}
    answer(shop, derived=other)
    assert "hourly differs in" in judged(shop).sentence
    changed = Platform(make(hourly=of_request_minutes), home, now=clock)
    assert train(changed)["differences"] == 0


def lose_the_log(shop: Platform) -> None:
    for file in Path(shop.environment.lake.location(LOG)).rglob("*.parquet"):
        file.unlink()


def lose_the_views(shop: Platform) -> None:
    for view in ("spending", "habits"):
        table = Table("shop", "features", view)
        for file in Path(shop.environment.lake.location(table)).rglob("*.parquet"):
            file.unlink()


def stop_the_registry(shop: Platform) -> None:
    (shop.environment.home / "mlflow" / "mlflow.db").write_bytes(b"no database")


@pytest.mark.parametrize("fault", [lose_the_log, lose_the_views, stop_the_registry])
def test_what_cannot_be_read_is_not_judged(shop: Platform, fault: Callable[[Platform], None]) -> None:
    with_skew(shop)
    (newest,) = shop.environment.registry.versions("shop.comes")
    fault(shop)
    result = judged(shop, dict(newest.tags))
    assert result.passed
    assert result.sentence.startswith("Not judged")
    assert "Error" in result.sentence or "version that is gone" in result.sentence


def test_a_model_may_do_without_the_gate(shop: Platform, home: Path, clock: Clock) -> None:
    with_skew(shop)
    result = Platform(make(skew_gate=False), home, now=clock).run("training_set", "candidate", "champion")
    assert FEATURE_SKEW not in {each.check_name for each in result.get_asset_check_evaluations()}
