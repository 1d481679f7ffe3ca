"""The data of a new project: forty weeks of generated orders. Only their dates depend on when it is written."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

CUSTOMERS, WEEKS, SEED = 500, 40, 7
_STAYS, _RETURNS = 0.9, 0.12
_CATEGORIES = np.array(["clothes", "food", "toys", "tools"])


def sample_orders(start: datetime) -> pl.DataFrame:
    """Orders of the weeks from ``start`` (a Monday in UTC) on: customer_id, ordered_at, amount, category.

    Each customer alternates between active weeks and pauses. So recency predicts the next week better than frequency
    over the year does.
    """
    rng = np.random.default_rng(SEED)
    pace = rng.gamma(2.0, 0.7, CUSTOMERS)
    taste = rng.integers(0, len(_CATEGORIES), CUSTOMERS)
    active = rng.random(CUSTOMERS) < 0.6
    weeks: list[pl.DataFrame] = []
    for week in range(WEEKS):
        active = np.where(active, rng.random(CUSTOMERS) < _STAYS, rng.random(CUSTOMERS) < _RETURNS)
        who = np.repeat(np.arange(CUSTOMERS), rng.poisson(np.where(active, pace, 0.0)))
        minutes = rng.integers(0, 7 * 24 * 60, len(who))
        favourite = rng.random(len(who)) < 0.7
        category = np.where(favourite, taste[who], rng.integers(0, len(_CATEGORIES), len(who)))
        data = {
            "customer_id": 1000 + who,
            "ordered_at": [start + timedelta(weeks=week, minutes=int(minute)) for minute in minutes],
            "amount": np.round(rng.gamma(3.0, 8.0, len(who)) + 2, 2),
            "category": _CATEGORIES[category],
        }
        weeks.append(pl.DataFrame(data))
    return pl.concat(weeks).sort("ordered_at", "customer_id", "amount")
