"""The leak check raises no false alarm on clean rows, whatever the data, and names what leaks."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.publications.progress import Progress
from mlp_assets.publications.record import Publication
from mlp_assets.publications.visibility import recorded_visibility
from mlp_assets.tables.as_of_join import FeatureTable, join_as_visible
from mlp_assets.tables.declared_visibility import declared_visibility, grid_of
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.events import UTC_TIME, as_events
from mlp_assets.tables.visibility import AS_KNOWN, visible_at, visible_since
from mlp_assets.training_sets.compute.leaks import ViewEvidence, find_leaks
from mlp_assets.training_sets.compute.seen import Published, Seen
from mlp_assets.training_sets.compute.target_leaks import find_target_leaks
from tests.support import samples as s
from tests.support.aggregations import FEATURES

START = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 20
COLUMNS = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime, "arrived": pl.Datetime}


def shares() -> dict[str, pl.Expr]:
    return {"per_visit": pl.col("spend") / pl.col("visits"), "odd": (pl.col("spend") - pl.col("mean")).sin()}


def levels() -> dict[str, pl.Expr]:
    return {"above": pl.col("spend") - pl.col("per_visit")}


def whole_table() -> dict[str, pl.Expr]:
    return {"above": pl.col("spend") - pl.col("spend").mean()}


def random_training_set(seed: int) -> tuple[mlp.TrainingSet, pl.DataFrame]:
    """A training set over three weeks of random orders, some of them late; and the orders."""
    rng = random.Random(seed)
    late, external = rng.random() < 0.6, rng.random() < 0.5
    source = s.source(
        columns=COLUMNS,
        start="2024-03-01",
        known_at="arrived" if late else None,
        delay=None if late else "1d",
        **({"read": None, "delta": "orders"} if external else {}),
    )
    ttl = rng.choice([None, "1d", "3d", "30d"])
    view = s.view(
        source=source,
        features=FEATURES,
        every=rng.choice(["1d", "1w"]) if ttl in (None, "30d") else "1d",
        ttl=ttl,
        derive=shares,
        publish=rng.choice(["on_schedule", "on_arrival"]) if external else "on_schedule",
    )
    orders = []
    for _ in range(rng.randint(5, 150)):
        at = START + timedelta(days=rng.uniform(0, DAYS))
        wait = timedelta(days=rng.choice([0, 0, 0, 0.1, 1.5, 4]))
        amount = rng.choice([None, rng.gauss(0, 100), rng.randint(-2, 2) * 1.0])
        orders.append({"user_id": rng.randint(0, 4), "amount": amount, "at": at, "arrived": at + wait})
    return s.training_set(features=[view], derive=levels, request=[]), pl.DataFrame(
        orders, schema_overrides={"amount": pl.Float64}
    )


def random_record(rng: random.Random, moments: list[datetime]) -> list[Publication]:
    """Publications at random times, of which some fail. A moment may be in them late, but stays."""
    record: list[Publication] = []
    computed: list[datetime] = []
    known_until = START
    begun = moments[rng.randrange(len(moments))] + timedelta(hours=rng.uniform(0, 30))
    while begun < moments[-1] + timedelta(days=5):
        computed += [moment for moment in moments if moment <= begun and moment not in computed and rng.random() < 0.8]
        spans = tuple((moment, moment) for moment in computed)
        known_until = max([known_until, *computed, begun - timedelta(hours=rng.choice([0, 0, 5, 40]))])
        visible = None if rng.random() < 0.2 else begun + timedelta(minutes=rng.uniform(1, 200))
        outcome = "failed" if visible is None else "published"
        progress = Progress(known_until, spans)
        record.append(Publication(str(begun), "store", "1d", "1", 1, progress, begun, visible, outcome))
        begun += timedelta(hours=rng.uniform(4, 60))
    return record


def seen_by(view: mlp.FeatureView, availability: Any, record: list[Publication]) -> tuple[pl.Expr, Seen]:
    """When rows are visible as the platform computes it, and as the leak check does."""
    project = mlp.Project("shop", owner="team:shop", assets=[view])
    finished = [Published(p.visible, p.progress.known_until, p.progress.spans) for p in record if p.visible is not None]
    if availability == "known":
        return AS_KNOWN, Seen(project, view, availability)
    grid = grid_of(view, START + timedelta(days=DAYS + 9))
    declared = declared_visibility(project, view, grid)
    if availability == "declared" or not record:
        return visible_at(grid, declared), Seen(project, view, availability)
    recorded = visible_since(grid, declared, record[0].begun, recorded_visibility(grid, record))
    return recorded, Seen(project, view, availability, record[0].begun, finished)


def rows_of(training_set: mlp.TrainingSet, orders: pl.DataFrame, seed: int = 0) -> tuple[pl.DataFrame, ViewEvidence]:
    """Training rows as the platform makes them, and the evidence for their view."""
    (view,) = training_set.features
    events = as_events(view.source, orders.lazy()).collect()
    step = {"1d": 1, "1w": 7}[view.every]
    moments = [START + timedelta(days=day) for day in range(step, DAYS + 1, step)]
    table = feature_rows(view, events.lazy(), moments)
    rng = random.Random(seed)
    spine = pl.DataFrame(
        [{"user_id": rng.randint(0, 5), "at": START + timedelta(days=rng.uniform(0, DAYS + 5))} for _ in range(60)]
    ).with_columns(pl.col("at").cast(UTC_TIME), bought=pl.Series([float(rng.randint(0, 1)) for _ in range(60)]))
    availability = rng.choice(["known", "declared", "served", "served"])
    visible, seen = seen_by(view, availability, random_record(rng, moments))
    features = FeatureTable(table.lazy(), ("user_id",), view.feature_names, view.ttl_length, visible)
    joined = join_as_visible(spine.lazy(), "at", [features]).collect()
    rows = with_derived(joined, training_set.derived, view.feature_names)
    return rows, ViewEvidence(view, events, table["event_time"].unique().sort().to_list(), seen)


@pytest.mark.parametrize("seed", range(200))
def test_a_clean_training_set_passes(seed: int) -> None:
    training_set, orders = random_training_set(seed)
    rows, evidence = rows_of(training_set, orders, seed)
    assert list(find_leaks(training_set, rows.to_dicts(), [evidence])) == []


def test_a_statistic_over_the_whole_table_is_reported() -> None:
    training_set, orders = random_training_set(3)
    leaky = s.training_set(features=training_set.features, derive=whole_table, request=[])
    rows, evidence = rows_of(leaky, orders)
    (leak,) = find_leaks(leaky, rows.to_dicts(), [evidence])
    assert leak.feature == "above"
    assert "it depends on rows other than its own" in str(leak)


def test_a_value_from_the_future_is_reported_with_its_moment() -> None:
    training_set, orders = random_training_set(5)
    rows, evidence = rows_of(training_set, orders)
    two_days_early = rows.with_columns(at=pl.col("at") - timedelta(days=2)).to_dicts()
    messages = {leak.feature: str(leak) for leak in find_leaks(training_set, two_days_early, [evidence])}
    assert "which was in the future" in messages["spend"]
    assert "of row user_id=" in messages["spend"]


@pytest.mark.parametrize(
    ("column", "target"),
    [
        ([0, 1, 1, 0, 1] * 20, [0, 1, 1, 0, 1] * 20),
        ([5, None, None, 5, None] * 20, [0, 1, 1, 0, 1] * 20),
        (range(100), range(100)),
    ],
)
def test_a_feature_that_determines_the_target_is_reported(column: list[float], target: list[float]) -> None:
    training_set, _ = random_training_set(1)
    noise = {name: [float((7 * n) % 13) for n in range(100)] for name in training_set.feature_names}
    rows = pl.DataFrame(noise | {"spend": column, "bought": target}, strict=False)
    assert list(find_target_leaks(training_set, rows)) == ["spend"]
    assert find_target_leaks(s.training_set(features=training_set.features, derive=levels, trust=["spend"]), rows) == {}


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        (["a", "b", "c"], ["named", "code"]),
        ([0.0, 1.0, 0.0], ["named"]),  # 0, 1, 2 do not rank 0, 1, 0
        ([1.5, 2.5, 9.0], ["code"]),  # an amount may follow from a text
    ],
)
def test_a_text_or_number_that_determines_the_target_is_reported(targets: list[object], wanted: list[str]) -> None:
    kinds, count = ["x", "y", "z"] * 60, 180
    rows = pl.DataFrame({
        "named": kinds, "unlike": [f"text {n}" for n in range(count)], "loose": ["u", "v"] * 90,
        "code": [float("xyz".index(kind)) for kind in kinds], "bought": targets * 60,
    })  # fmt: skip
    columns = {"named": pl.String, "unlike": pl.String, "loose": pl.String, "code": pl.Float64}
    labels = s.labels(columns=s.labels().columns | columns | {"bought": rows.schema["bought"]})
    training_set = s.training_set(labels=labels, features=[], entity=s.user, request=list(columns))
    assert list(find_target_leaks(training_set, rows)) == wanted
