"""Features and training rows of a few orders: frames in, frames out, no Dagster."""

from datetime import UTC, datetime, timedelta

from mlp_assets import testing
from mlp_assets.template.project import START, habits, history

MONDAY = datetime.fromisoformat(START).replace(tzinfo=UTC)
ORDERS = {
    "customer_id": [1, 1, 2],
    "ordered_at": [MONDAY + timedelta(days=1), MONDAY + timedelta(days=8), MONDAY + timedelta(days=8)],
    "amount": [10.0, 30.0, 5.0],
    "category": ["food", "toys", "food"],
}


def after(weeks: int) -> datetime:
    return MONDAY + timedelta(weeks=weeks)


def test_habits_count_what_happened_before_each_monday() -> None:
    rows = testing.features(habits, ORDERS, at=[after(1), after(2)])
    first = rows.filter(customer_id=1, at=after(1)).row(0, named=True)
    second = rows.filter(customer_id=1, at=after(2)).row(0, named=True)
    assert (first["orders_7d"], first["spend_28d"], first["food_share_84d"]) == (1, 10, 1)
    assert (second["orders_7d"], second["orders_28d"], second["food_share_84d"]) == (1, 2, 0.25)
    assert second["days_since_order"] == 6


def test_a_customer_without_orders_has_no_features() -> None:
    rows = testing.features(habits, ORDERS, at=after(1), entities={"customer_id": [2]})
    assert rows.row(0, named=True)["orders_84d"] is None


def test_a_training_row_sees_what_a_request_at_its_time_is_given() -> None:
    asked_at = [after(1) + timedelta(hours=6), after(2) + timedelta(hours=6)]
    labels = {"customer_id": [1, 1], "asked_at": asked_at, "ordered_again": [1, 0]}
    rows = testing.training_set(history, labels, ORDERS, split=False)
    assert rows["orders_84d"].to_list() == [1, 2]
    assert rows["ordered_again"].to_list() == [1, 0]
    assert rows["known_at"].to_list() == [after(2), after(3)]
