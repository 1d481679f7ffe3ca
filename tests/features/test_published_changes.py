"""A publication by changes leaves what a publication of all rows would, and is used where that is certain."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.features.definitions import changed_rows, publishing
from mlp_assets.features.definitions.publishing import WrittenRows
from mlp_assets.features.moments import changed_moments
from mlp_assets.features.source_rows import lake_table
from mlp_assets.tables.standing_rows import UNTIL
from tests.support.published_views import HOUR, START, USERS, Order, Shop
from tests.support.redis_server import NEEDED, redis_server

amounts = st.integers(1, 9).map(lambda number: number / 4)
lags = st.sampled_from([0.0, 0.0, 0.0, 0.25, 1.0, 2.5, 7.0])
steps = st.fixed_dictionaries(
    {
        "hours": st.sampled_from([0.25, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 5.0]),
        "orders": st.lists(
            st.tuples(st.none() | st.integers(0, USERS - 1), amounts, st.floats(0, 1.2), lags, st.booleans()),
            max_size=3,
        ),
        "withdraw": st.sampled_from([False] * 9 + [True]),
        "compute": st.sampled_from([True] * 5 + [False]),
        "publish": st.sampled_from([True] * 4 + [False]),
    }
)
chains = st.fixed_dictionaries(
    {
        "start": st.sampled_from([1.0, 10.0, 20.0]),
        "ttl": st.sampled_from([None, "2h", "5h"]),
        "times": st.sampled_from([{"known_at": "arrived_at"}] * 4 + [{"delay": "2h"}, {"delay": "13h"}]),
        "steps": st.lists(steps, min_size=4, max_size=9),
    }
)
used: Counter[str] = Counter()


def orders_at(hour: float, drawn: list[Any]) -> list[Order]:
    """Orders of the hour before; a late one arrives now, and one that is declared ahead later."""
    orders: list[Order] = []
    for user, amount, ago, lag, ahead in drawn:
        at = max(0.0, hour - ago - (0 if ahead else lag))
        orders.append((user, amount, at, at + lag if ahead else hour if lag else at))
    return orders


@given(chains)
@settings(max_examples=12, deadline=None)
def replay(chain: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        shop = Shop(Path(folder), {"ttl": chain["ttl"]} if chain["ttl"] else {}, chain["times"])
        hour = chain["start"]
        shop.arrive(*((user, 1.0 + user, hour - 0.3 * user, 0.0) for user in range(USERS - 2) if hour > 2))
        for step in chain["steps"]:
            hour += step["hours"]
            shop.now = START + hour * HOUR
            shop.arrive(*orders_at(hour, step["orders"]))
            if step["withdraw"] and shop.orders:
                shop.withdraw(len(shop.orders) // 2)
            if step["compute"] or step is chain["steps"][0]:
                shop.compute()
            if step["publish"]:
                published = shop.publish()
                used["changes" if published.written.changed is not None else "all"] += 1


def test_publications_by_changes_leave_what_publications_of_all_rows_would() -> None:
    used.clear()
    replay()
    assert used["changes"] > used.total() / 4, used


@pytest.fixture(params=["lmdb", pytest.param("redis", marks=NEEDED)])
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with contextlib.ExitStack() as stack:
        if request.param == "redis":
            monkeypatch.setenv("MLP_ONLINE", stack.enter_context(redis_server(tmp_path)))
        yield Shop(tmp_path)


def compute_at(shop: Shop, hour: float, *orders: Order) -> None:
    shop.now = START + hour * HOUR
    shop.arrive(*orders)
    shop.compute()


def hour_of(shop: Shop, hour: float, *orders: Order) -> WrittenRows:
    """Computes and publishes an hour's orders."""
    compute_at(shop, hour, *orders)
    return shop.publish().written


def test_an_hour_publishes_the_rows_that_changed(shop: Shop) -> None:
    everybody = [(user, 2.0, 8.7, 8.7) for user in range(USERS)]
    assert hour_of(shop, 9, *everybody).changed is None
    later = hour_of(shop, 10, (1, 5.0, 9.5, 9.5))
    assert (later.changed, later.online, later.rows["user_id"].to_list()) == (1, USERS, [1])
    assert later.newest == START + 10 * HOUR
    nothing = hour_of(shop, 10.5)
    assert (nothing.changed, nothing.online) == (0, USERS)
    late = hour_of(shop, 11, (2, 5.0, 8.8, 10.6))  # it changes rows of two earlier moments
    assert late.changed is not None
    assert 2 in late.rows["user_id"]
    assert hour_of(shop, 25).changed is None  # another day


def test_all_rows_are_replaced_where_many_changed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_rows, "_FEW", 1)
    hour_of(shop, 9, *((user, 2.0, 8.7, 8.7) for user in range(USERS)))
    assert hour_of(shop, 10, (1, 5.0, 9.5, 9.5)).changed == 1
    assert hour_of(shop, 11, (2, 5.0, 10.5, 10.5), (3, 5.0, 10.5, 10.5)).changed is None


def test_an_entity_that_went_quiet_is_removed_and_comes_back(shop: Shop) -> None:
    hour_of(shop, 2, (1, 2.0, 1.2, 1.2), (2, 2.0, 1.2, 1.2), (2, 2.0, 12.5, 12.5))
    kept = [hour_of(shop, hour).online for hour in (4, 13, 15)]
    assert kept == [2, 2, 1]
    back = hour_of(shop, 16, (1, 3.0, 15.5, 15.5))
    assert (back.changed, back.online) == (1, 2)


def test_a_version_that_was_online_ends_with_its_moment(tmp_path: Path) -> None:
    """A late order of 06:12 counts at 10:00 for the last time. The row of 11:00 is that of 10:00 as known then."""
    shop = Shop(tmp_path)
    hour_of(shop, 10, (1, 2.0, 9.9, 9.9))
    late = hour_of(shop, 10.25, (1, 1.0, 6.2, 10.1))
    assert late.rows["spend"].to_list() == [3.0]
    ended = hour_of(shop, 11)
    assert (ended.changed, ended.rows["spend"].to_list()) == (1, [2.0])


def test_a_version_of_a_moment_between_hides_no_row_that_reaches_further(tmp_path: Path) -> None:
    """A late order of 05:12 changes the rows from 06:00 to 09:00. The row of 05:00 stands for 10:00."""
    shop = Shop(tmp_path)
    hour_of(shop, 8, (1, 2.0, 0.9, 0.9), (2, 2.0, 7.9, 7.9))
    compute_at(shop, 9.25, (1, 1.0, 5.2, 9.1))
    ten = hour_of(shop, 10)
    assert ten.changed is not None
    assert ten.rows.filter(pl.col("user_id") == 1)["event_time"].to_list() == [START + 10 * HOUR]


def test_an_order_that_a_repair_removed_is_gone(tmp_path: Path) -> None:
    """Without it, the rows from 08:00 on are those of the hours before, so none of them begins then."""
    shop = Shop(tmp_path)
    hour_of(shop, 7, (1, 2.0, 0.9, 0.9), (1, 1.0, 7.2, 7.2))
    nine = hour_of(shop, 9)
    shop.withdraw(1)
    ten = hour_of(shop, 10)
    assert (nine.rows["orders"].to_list(), ten.rows["orders"].to_list()) == ([0.0], [0.0])
    assert (nine.rows["spend"].to_list(), ten.rows["spend"].to_list()) == ([1.0], [0.0])


def test_an_order_that_is_known_after_all_windows_have_passed_is_never_online(tmp_path: Path) -> None:
    """It makes versions of the moments from 01:00 to 12:00, and one of 13:00 that closes them."""
    shop = Shop(tmp_path, {"ttl": "2h"})
    hour_of(shop, 13, (2, 2.0, 12.5, 12.5), (1, 2.0, 0.4, 13.4))
    assert [hour_of(shop, hour).online for hour in (14, 15, 16)] == [1, 1, 1]


def test_a_row_of_an_earlier_moment_is_published_until_its_ttl(tmp_path: Path) -> None:
    """Tables of earlier releases lack the row of 13:00 that closes the versions of a late order."""
    shop = Shop(tmp_path, {"ttl": "2h"})
    hour_of(shop, 13, (2, 2.0, 12.5, 12.5), (1, 2.0, 0.4, 13.4))
    compute_at(shop, 14)
    rewrite(shop, lambda rows: rows.filter(pl.col("large").is_not_null()))
    assert shop.publish().written.online == 2
    later = hour_of(shop, 15)
    assert (later.changed, later.online) == (None, 1)


def test_an_entity_whose_rows_end_without_a_closing_one_is_not_trusted(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    hour_of(shop, 9, *((user, 2.0, 8.7, 8.7) for user in range(USERS)))
    compute_at(shop, 10, (1, 2.0, 9.5, 9.5))
    cut = pl.when(pl.col("user_id") == 3).then("event_time").otherwise(UNTIL).alias(UNTIL)
    rewrite(shop, lambda rows: rows.with_columns(cut))
    assert shop.publish().written.changed is None


def rewrite(shop: Shop, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Writes the view's table as another program or an earlier release would have, with the notes that it has."""
    lake, table = shop.scope.environment.lake, lake_table(shop.scope, shop.view)
    rows, notes = lake.scan(table).collect(), lake.notes(table)
    lake.write_partitions(table, change(rows), list(rows["partition"].unique()), notes=notes)


def test_a_publication_that_was_overtaken_replaces_all_rows(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    hour_of(shop, 9, *((user, 2.0, 8.7, 8.7) for user in range(USERS)))
    find_changes = publishing.find_changes

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(publishing, "find_changes", find_changes)
        found = find_changes(*arguments)
        assert shop.publish().written.changed == 1
        return found

    monkeypatch.setattr(publishing, "find_changes", overtaken)
    assert hour_of(shop, 10, (1, 5.0, 9.5, 9.5)).changed is None


def test_commits_without_a_note_are_not_trusted(shop: Shop) -> None:
    hour_of(shop, 9, (1, 2.0, 8.7, 8.7))
    lake, table = shop.scope.environment.lake, lake_table(shop.scope, shop.view)
    rows, notes = lake.scan(table).collect(), lake.notes(table)
    assert notes.pop(changed_moments.NOTE) != ""
    lake.write_partitions(table, rows.with_columns(spend=pl.lit(7.0)), list(rows["partition"].unique()), notes=notes)
    assert shop.publish().written.changed is None
