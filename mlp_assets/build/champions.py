"""Model -> the champion: the alias that endpoints serve, moved only after the gates."""

import dagster as dg

from mlp_assets.build import keys
from mlp_assets.build.common import Scope
from mlp_assets.build.metadata import measured
from mlp_assets.build.models import GATES_TAG, NO_RIVAL, PASSED, RIVAL_TAG
from mlp_assets.spec.errors import MlpError
from mlp_assets.spec.model import Model
from mlp_resources.ports_training import RegisteredVersion


def champion_asset(scope: Scope, model: Model) -> dg.AssetsDefinition:
    """The asset of the alias ``champion``: it moves to the newest version whose gates passed.

    It moves only from the version that the newest one was judged against, so no comparison is left out.
    """
    name = keys.registered_model(scope.project.name, model)

    @scope.asset(
        key=keys.champion(scope.project.name, model),
        deps=[keys.candidate(scope.project.name, model)],
        spec=model,
        kinds=["mlflow"],
        what=f"The version of {model.name} that endpoints serve.",
    )
    def promote() -> dg.MaterializeResult:
        registry = scope.environment.registry
        with measured() as cost:
            live = registry.champion(name)
            chosen = _chosen(name, registry.versions(name), live)
            before = live.version if live is not None else NO_RIVAL
            if chosen.version != before:
                rival = chosen.tags[RIVAL_TAG]
                registry.promote(name, chosen.version, expected=None if rival == NO_RIVAL else rival)
        return dg.MaterializeResult(
            metadata={
                "version": chosen.version,
                "before": before,
                "digest": chosen.digest,
                "mlflow": dg.MetadataValue.url(registry.url(chosen)),
            }
            | cost.shown,
            data_version=dg.DataVersion(f"{chosen.version}-{chosen.digest[:12]}"),
        )

    return promote


def _chosen(name: str, versions: list[RegisteredVersion], live: RegisteredVersion | None) -> RegisteredVersion:
    """The newest version that passed; the live one again when nothing came after it. Raises MlpError for a refusal."""
    if not versions:
        raise MlpError(f"{name} has no version yet. Materialize its candidate first.")
    after = [found for found in versions if live is None or int(found.version) >= int(live.version)]
    passed = [found for found in after if found.tags.get(GATES_TAG) == PASSED]
    newest = versions[-1]
    if not passed or (newest is not passed[-1] and live is not None and passed[-1].version == live.version):
        raise MlpError(f"Version {newest.version} of {name} did not pass its gates, so it is not promoted.")
    return passed[-1]
