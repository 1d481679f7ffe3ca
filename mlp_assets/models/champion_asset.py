"""Model -> the champion: the version that endpoints serve, which another becomes only after the gates."""

from datetime import UTC, datetime

import dagster as dg

from mlp_assets.errors import MlpError
from mlp_assets.models.promotions import NO_RIVAL, champion, promote, promotions, standing
from mlp_assets.models.registering import GATES_TAG, PASSED
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import ALIAS_AS_RECORDED
from mlp_assets.orchestration.metadata import measured
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.registry import RegisteredVersion

_ALIAS = "The alias champion names the version that was promoted, not one that somebody moved it to."


def champion_asset(scope: Scope, model: Model) -> dg.AssetsDefinition:
    """The asset of the champion: the newest version whose gates passed, recorded and named by the alias.

    It changes only from the version that the newest one was judged against, so no comparison is left out. An alias
    that somebody moved is put back.
    """
    name, key = keys.registered_model(scope.project.name, model), keys.champion(scope.project.name, model)

    @scope.asset(
        key=key,
        deps=[keys.candidate(scope.project.name, model)],
        check_specs=[dg.AssetCheckSpec(ALIAS_AS_RECORDED, asset=key, description=_ALIAS)],
        spec=model,
        kinds=["mlflow"],
        what=f"The version of {model.name} that endpoints serve.",
    )
    def crown() -> dg.MaterializeResult:
        registry = scope.environment.registry
        with measured() as cost:
            live = champion(scope, model)
            chosen = _chosen(name, registry.versions(name), live)
            if live is None or chosen.version != live.version:
                promote(scope, model, chosen, at=datetime.now(UTC).isoformat())
            moved = standing(scope, model)
            if moved is not None:
                registry.name_champion(name, chosen.version)
        return dg.MaterializeResult(
            metadata={
                "version": chosen.version,
                "before": live.version if live is not None else NO_RIVAL,
                "digest": chosen.digest,
                "mlflow": dg.MetadataValue.url(registry.url(chosen)),
                "record": dg.MetadataValue.json(scope.environment.signer.read(promotions(scope, model)[-1].text)),
            }
            | cost.shown,
            data_version=dg.DataVersion(f"{chosen.version}-{chosen.digest[:12]}"),
            check_results=[dg.AssetCheckResult(passed=True, check_name=ALIAS_AS_RECORDED)],
        )

    return crown


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
