"""Model -> the champion: the version that endpoints serve, changed only by a version whose gates passed."""

from collections.abc import Iterator
from dataclasses import dataclass
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
    that somebody moved is put back. Where gates refused the newer versions, the champion stays, and what is after it
    runs with it; where there is none yet, nothing after it runs. The run succeeds in both cases.
    """
    key = keys.champion(scope.project.name, model)

    @scope.asset(
        key=key,
        deps=[keys.candidate(scope.project.name, model)],
        check_specs=[dg.AssetCheckSpec(ALIAS_AS_RECORDED, asset=key, description=_ALIAS)],
        spec=model,
        kinds=["mlflow"],
        what=f"The version of {model.name} that endpoints serve.",
        output_required=False,
    )
    def promote_newest(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        registry = scope.environment.registry
        with measured() as cost:
            before = record = read_record(scope, model)
            versions = registry.versions(record.model)
            live = record.champion(versions)
            choice = choose_version(scope, record.model, versions, live.version if live is not None else None)
            if choice.refused:
                context.log.warning(choice.refused)
            chosen = choice.version
            if chosen is None:
                yield _alias_check(record.alias_problem(registry.champion(record.model)))
                return
            if live is None or chosen.version != live.version.version:
                record = promote(scope, model, record, chosen, at=datetime.now(UTC).isoformat())
            if record.alias_problem(registry.champion(record.model)) is not None:
                registry.name_champion(record.model, record.version)
        assert record.last is not None
        yield dg.MaterializeResult(
            metadata={
                "version": chosen.version,
                "before": before.version,
                "digest": chosen.digest,
                "mlflow": dg.MetadataValue.url(registry.url(chosen)),
                "record": dg.MetadataValue.json(dict(record.last.record)),
            }
            | ({"refused": choice.refused} if choice.refused else {})
            | cost.shown,
            data_version=dg.DataVersion(f"{chosen.version}-{chosen.digest[:12]}"),
            check_results=[_alias_check(problem=None)],
        )

    return promote_newest


def _alias_check(problem: str | None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=problem is None, check_name=ALIAS_AS_RECORDED, description=problem)


@dataclass(frozen=True)
class Choice:
    """The version that should be the champion.

    Args:
        version: None where the model has no champion and no version passed its gates.
        refused: a sentence about the newest version where its gates refused it.
    """

    version: RegisteredVersion | None
    refused: str = ""


def choose_version(
    scope: Scope, name: str, versions: list[RegisteredVersion], live: RegisteredVersion | None
) -> Choice:
    """The newest version whose signed judgement passed, or the champion where no newer one did.

    Args:
        name: of the registered model.
        versions: oldest first.
        live: the champion.

    Raises:
        MlpError: there is no version.
        RegistryError: no version since the champion passed, and the newest has no judgement that can be trusted.
    """
    if not versions:
        raise MlpError(f"{name} has no version yet. Materialize its candidate first.")
    newer = [version for version in versions if live is None or int(version.version) > int(live.version)]
    refusals: list[str | RegistryError] = []
    for version in reversed(newer):
        try:
            judgement = judgement_of(scope, version)
        except RegistryError as error:
            refusals.append(error)
            continue
        if judgement["passed"]:
            return Choice(version, _refused(refusals, f"version {version.version} is promoted"))
        failed = ", ".join(name for name, check in judgement["checks"].items() if not check["passed"])
        refusals.append(f"Version {version.version} of {name} did not pass {failed}")
    if refusals and isinstance(refusals[0], RegistryError):
        raise refusals[0]
    return Choice(live, _refused(refusals, f"version {live.version} stays" if live else "there is no champion yet"))


def _refused(refusals: list[str | RegistryError], outcome: str) -> str:
    return f"{refusals[0]}: {outcome}." if refusals else ""
