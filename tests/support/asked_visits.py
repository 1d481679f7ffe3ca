"""Requests to the endpoint of the project with late visits, and faults in what it reads."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from starlette.testclient import TestClient

import mlp_assets as mlp
from mlp_assets.features.definitions.definition_note import newest_location
from tests.support.late_visits import USERS, Clock, build, make
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots

HOUR = timedelta(hours=1)
EVERYBODY = [*range(USERS), 9999]


def with_publications(snapshots: Snapshots, home: Path, clock: Clock) -> Platform:
    """A champion; what it reads was published an hour ago."""
    snapshots.copy_home("late-visits", home, make(), build)
    made = Platform(make(), home, now=clock)
    clock.behind = HOUR
    made.run("online")
    clock.behind = timedelta()
    return made


def ask(client: TestClient, at: datetime, users: Sequence[int] = EVERYBODY) -> None:
    """One request for all users, and one for each of two."""
    for asked in (users, users[:1], users[-1:]):
        columns = [("user_id", asked), ("hour", [user % 24 for user in asked])]
        inputs = [{"name": n, "datatype": "INT64", "shape": [len(asked)], "data": list(v)} for n, v in columns]
        body = {"inputs": inputs, "parameters": {"at": at.isoformat()}}
        answer = client.post("/v2/models/score/infer", json=body)
        assert answer.status_code == 200, answer.text


def published(platform: Platform, view: str = "spending") -> tuple[mlp.FeatureView, str, pl.DataFrame, int]:
    """The view, its location, and what is online: keys, ``event_time``, features; and the version."""
    (spec,) = [each for each in platform.project.feature_views if each.name == view]
    location = newest_location(platform.environment, "shop", view)
    users = pl.Series("user_id", EVERYBODY)
    rows = platform.environment.open_view(location).get_many([(user,) for user in users])
    times = pl.Series("event_time", rows.times).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame([users, times]).hstack(pl.DataFrame(rows.values, schema=list(spec.feature_names)))
    return spec, location, frame.filter(pl.Series(rows.found)), rows.version


def publish_instead(platform: Platform, change: pl.Expr | Sequence[pl.Expr]) -> None:
    """Replaces the rows online, as a faulty writer would: neither the version nor the record changes."""
    spec, location, frame, version = published(platform)
    platform.environment.online.publish(
        location, spec.entity.keys, spec.feature_names, frame.with_columns(change), version=version
    )


def rounded_otherwise(user: int) -> pl.Expr:
    """The user's ``spend_7d`` is larger by its last bit."""
    next_up = pl.col("spend_7d").map_batches(lambda values: pl.Series(np.nextafter(values.to_numpy(), np.inf)))
    return pl.when(pl.col("user_id") == user).then(next_up).otherwise("spend_7d").alias("spend_7d")
