"""The champion of the shop, for tests of what is promoted."""

import mlp_assets as mlp
from mlp_assets.models.promotions import champion
from mlp_assets.orchestration.scope import Scope
from tests.support.platform import Platform, weeks

WEEKS = weeks("2024-01-01", "2024-04-22")


def scope_and_model(made: Platform) -> tuple[Scope, mlp.Model]:
    (model,) = made.project.models
    return Scope(made.project, made.environment), model


def live_version(made: Platform) -> str:
    live = champion(*scope_and_model(made))
    assert live is not None
    return live.version
