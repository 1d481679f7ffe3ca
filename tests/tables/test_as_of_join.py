"""The as-known join against a brute-force oracle: nothing from the future, TTL, ties, nulls, versions of a row."""

from dataclasses import replace

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlp_assets.tables.as_of_join import join_as_visible
from mlp_assets.tables.best_rows import best_when_visible
from tests.support.as_of_cases import Asked, Case, cases, spine_of, spines

BOTH = ("user", "shop")


@given(st.lists(cases, min_size=1, max_size=3), spines)
@settings(max_examples=300)
@example([Case(BOTH, [(0, "a", 0, 0), (0, "a", 0, 4), (0, "a", 1, 0)], None)], [(0, "a", 3), (0, "a", 4), (0, "a", 4)])
@example([Case(("user",), [(0, "a", 0, 0)], 3)], [(0, None, 3), (0, None, 4), (None, "a", 3)])
def test_each_row_sees_the_newest_row_known_at_its_time(tables: list[Case], asked: list[Asked]) -> None:
    names = [f"value_{number}" for number in range(len(tables))]
    spine = spine_of(asked)
    joined = join_as_visible(
        spine.lazy(), "at", [case.table(n) for n, case in zip(names, tables, strict=True)]
    ).collect()
    assert joined.columns == [*spine.columns, *names]
    assert joined["row"].to_list() == spine.sort("at", maintain_order=True)["row"].to_list()
    ordered = joined.sort("row")
    for name, case in zip(names, tables, strict=True):
        assert ordered[name].to_list() == [case.seen_by(row) for row in asked]


@given(cases)
def test_without_late_rows_every_row_is_a_best_row(case: Case) -> None:
    on_time = Case(case.keys, [(*row[:3], 0) for row in case.rows], case.ttl).table("value")
    best = best_when_visible(on_time.rows, case.keys).drop("visible_at")
    assert best.collect().sort(pl.all()).equals(on_time.rows.collect().sort(pl.all()))


@given(cases, spines)
def test_keys_far_apart_are_joined_too(case: Case, asked: list[Asked]) -> None:
    """Keys are packed into one integer if they fit, and numbered otherwise."""
    far = pl.col("user") * 2**61 - 2**62
    table, spine = case.table("value"), spine_of(asked)
    if "user" in case.keys:
        table = replace(table, rows=table.rows.with_columns(far))
    joined = join_as_visible(spine.with_columns(far).lazy(), "at", [table]).collect()
    assert joined.sort("row")["value"].to_list() == [case.seen_by(row) for row in asked]
