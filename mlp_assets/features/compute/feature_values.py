"""Makes feature rows out of the contents of windows."""

import polars as pl

from mlp_assets.features.compute.partials import value_at
from mlp_assets.features.compute.representable import check_representable
from mlp_assets.features.compute.time_steps import ID, MARK, MOMENT, Steps
from mlp_assets.features.compute.window_contents import NEWEST
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.standing_rows import UNTIL


def feature_values(steps: Steps, contents: pl.DataFrame) -> pl.DataFrame:
    """The features of rows, beside the columns of the row itself: ``__id``, ``event_time`` and others.

    All features are null for an entity that has gone quiet: no event is in its longest window.

    Args:
        contents: rows as ``WindowContents.of`` returns them.
    """
    view = steps.view
    zero = [place for place, part in steps.parts.items() if part.traits.zero_without_events and view.empty == "zero"]
    check_representable(view, steps.parts, contents)
    rows = contents.with_columns(pl.col(zero).fill_null(0)).with_columns(_features(steps))
    derived = with_derived(rows.select(ID, *view.features), view.derived, view.features)
    lookback = steps.count(view.lookback) if view.lookback is not None else None
    active = pl.col(NEWEST).is_not_null() if lookback is None else pl.col(NEWEST) >= pl.col(MARK) - lookback
    kept = (pl.when(rows.select(active).to_series()).then(pl.col(name)).alias(name) for name in view.feature_names)
    own = [name for name in (ID, MOMENT, "event_time", "known_at", UNTIL) if name in rows.columns]
    return rows.select(own).hstack(derived.select(kept))


def _features(steps: Steps) -> list[pl.Expr]:
    end = pl.col("event_time")
    values = iter([value_at(part, place, end).cast(pl.Float64) for place, part in steps.parts.items()])
    features: list[pl.Expr] = []
    for name, feature in steps.view.features.items():
        parts = [next(values) for _ in feature.parts]
        features.append((parts[0] / parts[1] if len(parts) == 2 else parts[0]).alias(name))
    return features
