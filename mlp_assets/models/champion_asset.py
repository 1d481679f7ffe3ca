"""Model -> the champion: the version that endpoints serve, changed only by a version whose gates passed."""

from datetime import UTC, datetime

import dagster as dg

from mlp_assets.errors import MlpError
from mlp_assets.models.promotions import judgement_of, promote, read_record
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import ALIAS_AS_RECORDED
from mlp_assets.orchestration.metadata import measured
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.registry import RegisteredVersion, RegistryError

_ALIAS = "The alias champion names the version that was promoted, not one that somebody moved it to."


def champion_asset(scope: Scope, model: Model) -> dg.AssetsDefinition:
    """The asset of the champion: the newest version whose gates passed, recorded and named by the alias.

    It changes only from the version that the newest one was judged against, so no comparison is left out. An alias
    that somebody moved is put back.
    """
    key = keys.champion(scope.project.name, model)

    @scope.asset(
        key=key,
        deps=[keys.candidate(scope.project.name, model)],
        check_specs=[dg.AssetCheckSpec(ALIAS_AS_RECORDED, asset=key, description=_ALIAS)],
        spec=model,
        kinds=["mlflow"],
        what=f"The version of {model.name} that endpoints serve.",
    )
    def promote_newest() -> dg.MaterializeResult:
        registry = scope.environment.registry
        with measured() as cost:
            before = record = read_record(scope, model)
            versions = registry.versions(record.model)
            live = record.champion(versions)
            chosen = choose_version(scope, record.model, versions, live.version if live is not None else None)
            if live is None or chosen.version != live.version.version:
                record = promote(scope, model, record, chosen, at=datetime.now(UTC).isoformat())
            if record.alias_problem(registry.champion(record.model)) is not None:
                registry.name_champion(record.model, record.version)
        assert record.last is not None
        return dg.MaterializeResult(
            metadata={
                "version": chosen.version,
                "before": before.version,
                "digest": chosen.digest,
                "mlflow": dg.MetadataValue.url(registry.url(chosen)),
                "record": dg.MetadataValue.json(dict(record.last.record)),
            }
            | cost.shown,
            data_version=dg.DataVersion(f"{chosen.version}-{chosen.digest[:12]}"),
            check_results=[dg.AssetCheckResult(passed=True, check_name=ALIAS_AS_RECORDED)],
        )

    return promote_newest


def choose_version(
    scope: Scope, name: str, versions: list[RegisteredVersion], live: RegisteredVersion | None
) -> RegisteredVersion:
    """The newest version whose signed judgement passed, or the champion where no newer version exists.

    Args:
        name: of the registered model.
        versions: oldest first.
        live: the champion.

    Raises:
        MlpError: there is no version, or no version since the champion passed its gates; the message is about the
            newest one.
    """
    if not versions:
        raise MlpError(f"{name} has no version yet. Materialize its candidate first.")
    newer = [version for version in versions if live is None or int(version.version) > int(live.version)]
    if live is not None and not newer:
        return live
    refusals: list[MlpError] = []
    for version in reversed(newer):
        try:
            if judgement_of(scope, version)["passed"]:
                return version
            refusals.append(
                MlpError(f"Version {version.version} of {name} did not pass its gates, so it is not promoted.")
            )
        except RegistryError as error:
            refusals.append(error)
    raise refusals[0]
