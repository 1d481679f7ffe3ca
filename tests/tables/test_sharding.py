"""Shards: wherever a spine is cut, its rows equal those of one join, bit for bit."""

from datetime import timedelta

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlp_assets.tables.as_of_join import FeatureTable
from mlp_assets.tables.sharding import WHOLE, shards_of
from mlp_assets.training_sets.compute.split import TimeParts
from mlp_assets.training_sets.compute.training_rows import Recipe
from tests.support.as_of_cases import START, TICK, TIME, Asked, Case, cases, spine_of, spines, tick

KEYS = ("user", "shop")
PARTS = TimeParts(tick(1), tick(6), tick(10), tick(7), tick(11))


def recipe_of(spine: pl.LazyFrame, tables: list[FeatureTable], parts: TimeParts | None = None) -> Recipe:
    names = tuple(name for table in tables for name in table.features)
    derived = {"half": pl.col(names[0]) / 3}
    return Recipe(spine, "at", KEYS, tuple(tables), names, derived, (*names, "half"), "target", parts)


def labelled(asked: list[Asked]) -> pl.LazyFrame:
    known = pl.col("at") + pl.col("row") * TICK
    return spine_of(asked).lazy().with_columns(known_at=known, target=pl.col("row").cast(pl.Float64)).drop("row")


@given(st.lists(cases, min_size=1, max_size=2), spines, st.integers(1, 3000), st.sampled_from([None, PARTS]))
@settings(max_examples=150)
@example([Case(KEYS, [(0, "a", 0, 0), (0, "a", 0, 4), (0, "a", 1, 0)], None)], [(0, "a", 3), (0, "a", 4)] * 3, 1, None)
def test_shards_give_the_rows_of_the_whole(
    tables: list[Case], asked: list[Asked], most_bytes: int, parts: TimeParts | None
) -> None:
    spine = labelled(asked)
    recipe = recipe_of(spine, [case.table(f"value_{number}") for number, case in enumerate(tables)], parts)
    shards = shards_of(spine, "at", KEYS, recipe.tables, most_bytes)
    rows = [recipe.rows(shard) for shard in shards]
    assert pl.concat(rows).equals(recipe.rows())
    assert sum(shard.filter(spine).collect().height for shard in shards) == len(asked)


def test_a_small_input_is_one_shard() -> None:
    table = Case(("user",), [(0, "a", 0, 0)], None).table("value")
    assert shards_of(labelled([(0, "a", 3)]), "at", KEYS, [table], 10_000) == [WHOLE]


def test_a_key_with_many_rows_is_cut_in_time_and_a_moment_by_key() -> None:
    """A third of the rows are of one user and a third of one moment; no shard gets much more than its share."""
    rows = 30_000
    third = pl.int_range(pl.len()) % 3
    spine = pl.select(number=pl.int_range(rows)).select(
        user=pl.when(third == 0).then(7).otherwise(pl.col("number")),
        shop=pl.lit("a"),
        at=pl.lit(START).cast(TIME) + pl.when(third == 1).then(timedelta(hours=5)).otherwise(pl.col("number") * TICK),
        known_at=pl.lit(START).cast(TIME),
        target=pl.lit(0.0),
    )
    table = Case(KEYS, [(7, "a", 0, 0)], None).table("value")
    width = 8 + 24 + 8 + 8 + 8 + 8
    shards = shards_of(spine.lazy(), "at", KEYS, [table], rows * width // 10)
    heights = [shard.filter(spine.lazy()).collect().height for shard in shards]
    assert sum(heights) == rows
    assert len(heights) >= 10
    assert max(heights) <= 1.05 * rows / 10
    recipe = recipe_of(spine.lazy(), [table])
    assert pl.concat([recipe.rows(shard) for shard in shards]).equals(recipe.rows())


def test_feature_rows_outside_the_spine_make_no_shards() -> None:
    """Rows of other keys, and of times outside the spine's, are not read, so they take no memory."""
    days = pl.DataFrame({"day": range(400)}).join(pl.DataFrame({"user": range(500)}), how="cross")
    event = pl.lit(START).cast(TIME) + pl.col("day") * timedelta(days=1)
    rows = days.select("user", event_time=event, known_at=event, value=pl.lit(0.5))
    at = pl.lit(START).cast(TIME) + timedelta(days=200) + pl.col("number") * timedelta(hours=1)
    asked = pl.select(number=pl.int_range(100)).select(
        user=pl.col("number") % 5, shop=pl.lit("a"), at=at, known_at=at, target=pl.lit(0.0)
    )
    table = FeatureTable(rows.lazy(), ("user",), ("value",), timedelta(days=2))
    shards = shards_of(asked.lazy(), "at", KEYS, [table], 50_000)
    assert len(shards) == 1
    recipe = recipe_of(asked.lazy(), [table])
    assert pl.concat([recipe.rows(shard) for shard in shards]).equals(recipe.rows())
    assert recipe.rows()["value"].null_count() == 0
