"""The shop up to its champion, built once for many tests, and what is promoted in it."""

from pathlib import Path

import mlp_assets as mlp
from mlp_assets.models.promotions import champion
from mlp_assets.orchestration.scope import Scope
from tests.support import shop
from tests.support.platform import Platform, weeks
from tests.support.snapshots import Snapshots

WEEKS = weeks("2024-01-01", "2024-04-22")


def with_features(snapshots: Snapshots, home: Path, project: mlp.Project | None = None) -> Platform:
    """The project, or the shop, with the shop's features."""

    def build(folder: Path) -> None:
        Platform(shop.make(), folder).run("source", "features", tags=WEEKS)

    return snapshots.copy_home("shop-features", home, project or shop.make(), build)


def with_champion(snapshots: Snapshots, home: Path, project: mlp.Project | None = None) -> Platform:
    """The project, or the shop, with the shop's version 1 as the champion."""

    def build(folder: Path) -> None:
        with_features(snapshots, folder).run("online", "training_set", "candidate", "champion")

    return snapshots.copy_home("shop-champion", home, project or shop.make(), build)


def with_successor(snapshots: Snapshots, home: Path) -> Platform:
    """The shop with version 1 as the champion, and version 2 that may become it."""

    def build(folder: Path) -> None:
        with_champion(snapshots, folder).run("candidate")

    return snapshots.copy_home("shop-successor", home, shop.make(), build)


def scope_and_model(made: Platform) -> tuple[Scope, mlp.Model]:
    (model,) = made.project.models
    return Scope(made.project, made.environment), model


def live_version(made: Platform) -> str:
    live = champion(*scope_and_model(made))
    assert live is not None
    return live.version
