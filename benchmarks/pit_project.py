"""The specs of the point-in-time benchmark: views over the tables that ``pit_data`` wrote, and their training set."""

from pathlib import Path

import polars as pl

import mlp_assets as mlp
from mlp_assets.orchestration.scope import Scope
from mlp_resources.environments.local import LocalEnvironment

HOUSEHOLD = ("trips_7d", "trips_28d", "trips_91d", "spend_7d", "spend_28d", "spend_91d")
SHELF = ("units_7d", "units_28d", "units_91d", "value_28d", "value_91d")
KEYS = {"household_id": pl.Int64, "category": pl.String}
WIDE = {f"wide_{view}": tuple(f"wide_{view}_{number}" for number in range(100)) for view in range(10)}
SCALE = tuple(f"scale_{number}" for number in range(10))
TTL = "28d"


def training_set_of(home: Path, labels: str) -> mlp.TrainingSet:
    """The training set of the case: ``labels_1m``, ``labels_5m``, ``labels_wide`` or ``labels_scale``."""
    if labels == "labels_wide":
        keys, views = ["household_id"], dict(WIDE)
    elif labels == "labels_scale":
        keys, views = ["household_id"], {"scale": SCALE}
    else:
        keys, views = list(KEYS), {"household": HOUSEHOLD, "shelf": SHELF}
    return mlp.TrainingSet(
        "history",
        labels=_source(home / labels, labels, keys, "asked_at"),
        target="bought_again",
        features=[_view(home, name, features) for name, features in views.items()],
        availability="known",  # as the other contenders join
    )


def scope_of(home: Path, training_set: mlp.TrainingSet) -> Scope:
    return Scope(mlp.Project("bench", owner="team:bench", assets=[training_set]), LocalEnvironment(home))


def _view(home: Path, name: str, features: tuple[str, ...]) -> mlp.FeatureView:
    keys = list(KEYS) if name == "shelf" else ["household_id"]
    return mlp.FeatureView(
        name,
        entity=mlp.Entity(f"of_{name}", keys=keys),
        source=_source(home / "events", f"events_of_{name}", keys, "bought_at"),
        every="1d" if name == "household" else "1w",
        ttl=TTL,
        features={feature: mlp.total("bought_again", over="7d") for feature in features},
    )


def _source(path: Path, name: str, keys: list[str], time: str) -> mlp.Source:
    columns = {**{key: KEYS[key] for key in keys}, time: pl.Datetime, "bought_again": pl.Float64}
    return mlp.Source(name, delta=str(path), start="2017-01-01", event_time=time, columns=columns)
