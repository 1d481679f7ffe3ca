"""Derived features of the retail project, as Polars expressions that are the same offline and online."""

import polars as pl


def buying_rhythm() -> dict[str, pl.Expr]:
    """How often the household buys the category, and how overdue the next purchase is."""
    gap = 182 / (pl.col("category_baskets_182d") + 1)
    return {"usual_gap_days": gap, "overdue": pl.col("days_since_category") / gap}


def category_share() -> dict[str, pl.Expr]:
    """The share of the household's trips on which it buys the category."""
    return {
        "share_of_trips_28d": pl.col("category_baskets_28d") / (pl.col("trips_28d") + 1),
        "share_of_trips_182d": pl.col("category_baskets_182d") / (pl.col("trips_182d") + 1),
        "expected_baskets": pl.col("category_baskets_182d") / (pl.col("trips_182d") + 1) * pl.col("trips_28d") / 4,
    }


def demand_level() -> dict[str, pl.Expr]:
    """Mean units per week over four weeks, and the last week relative to it."""
    level = pl.col("units_28d") / 4
    return {"units_week_mean_4w": level, "units_trend": pl.col("units_7d") / (level + 1)}
