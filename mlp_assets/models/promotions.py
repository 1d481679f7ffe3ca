"""The record of promotions: which version is the champion, who judged it and by what. Signed, and only added to.

The champion is the version of the last promotion. A run reads the record once, with ``read_record``, and everything in
that run goes by it. Tags and the alias in the registry are for people and other programs: they decide nothing here.
"""

from typing import Any

import polars as pl

from mlp_assets.artifact.signed_records import RecordError, digest
from mlp_assets.models.evaluation.judgement import Judgement
from mlp_assets.models.promotion_record import NO_RIVAL, Promotion, PromotionRecord, TrainedOn
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import registry_tags as tags
from mlp_resources.ports.lake import Transaction
from mlp_resources.ports.registry import RegisteredVersion, RegistryError

_APPLICATION = "promotions"


def read_record(scope: Scope, model: Model) -> PromotionRecord:
    """Reads and verifies the record. Raises RegistryError where it was tampered with."""
    table, lake = keys.promotions(scope.home(model), model), scope.environment.lake
    record = PromotionRecord(keys.registered_model(scope.home(model), model))
    if lake.version(table) is None:
        return record
    for number, text in lake.scan(table).sort("number").select("number", "record").collect().iter_rows():
        try:
            signed = scope.environment.signer.read(text)
        except RecordError as error:
            raise RegistryError(f"Promotion {number} of {table.name} cannot be trusted: {error}.") from error
        promotion = Promotion(number, signed["version"], signed["artifact"], signed, text)
        if not record.follows(promotion):
            raise RegistryError(f"Promotion {number} of {table.name} does not follow the one before it.")
        record = record.with_next(promotion)
    return record


def champion(scope: Scope, model: Model) -> RegisteredVersion | None:
    """The version that was promoted last, with the digest that was signed then."""
    record = read_record(scope, model)
    live = record.champion(scope.environment.registry.versions(record.model))
    return live.version if live is not None else None


def alias_problem(scope: Scope, model: Model) -> str | None:
    """What is wrong with the alias, in a sentence; None where it names the version that was promoted."""
    record = read_record(scope, model)
    return record.alias_problem(scope.environment.registry.champion(record.model))


def sign_judgement(
    scope: Scope,
    judgement: Judgement,
    *,
    artifact: str,
    training_set: str,
    against: RegisteredVersion | None,
    trained_on: TrainedOn,
) -> str:
    """Signs what the gates said of an artifact.

    Args:
        artifact, training_set: their digests.
        against: the champion that it was compared with.
    """
    checks = {
        gate.name: {
            "passed": bool(gate.passed),
            "digest": digest(
                [gate.name, bool(gate.passed), gate.sentence, {name: float(n) for name, n in gate.numbers.items()}]
            ),
        }
        for gate in judgement.results
    }
    return scope.environment.signer.sign(
        {
            "artifact": artifact,
            "training_set": training_set,
            "checks": checks,
            "passed": judgement.passed,
            "against": against.version if against is not None else NO_RIVAL,
            **trained_on.to_dict(),
        }
    )


def judgement_of(scope: Scope, version: RegisteredVersion) -> dict[str, Any]:
    """The signed judgement of a version. Raises RegistryError where none holds for its artifact."""
    where = f"Version {version.version} of {version.model}"
    try:
        judgement = scope.environment.signer.read(version.tags.get(tags.JUDGEMENT, ""))
    except RecordError as error:
        raise RegistryError(
            f"{where} has no judgement to be promoted by: {error}. Materialize the candidate again."
        ) from error
    if judgement["artifact"] != version.digest:
        raise RegistryError(f"{where} was judged with another artifact than it has. Materialize the candidate again.")
    return judgement


def promote(scope: Scope, model: Model, record: PromotionRecord, chosen: RegisteredVersion, at: str) -> PromotionRecord:
    """Adds the promotion to the record, if the champion is still the version that this one was judged against.

    Args:
        record: as it was read in this run; the write fails where another promotion came after it.

    Returns:
        The record with the promotion.

    Raises:
        RegistryError: the judgement is not signed, not favourable, or was made against another champion.
    """
    judgement = judgement_of(scope, chosen)
    if not judgement["passed"]:
        raise RegistryError(
            f"Version {chosen.version} of {chosen.model} did not pass its gates, so it is not promoted."
        )
    if judgement["against"] != record.version:
        raise _came_between(chosen, record.version, judgement["against"])
    number = len(record.promotions) + 1
    signed = judgement | {
        "model": chosen.model,
        "version": chosen.version,
        "number": number,
        "previous": record.previous,
        "before": record.version,
        "at": at,
    }
    text = scope.environment.signer.sign(signed)
    row = pl.DataFrame({"number": [number], "version": [chosen.version], "record": [text]})
    table = keys.promotions(scope.home(model), model)
    written = scope.environment.lake.append(table, row, Transaction(_APPLICATION, number, after=number - 1))
    if not written.changed:
        raise _came_between(chosen, read_record(scope, model).version, record.version)
    return record.with_next(Promotion(number, chosen.version, chosen.digest, signed, text))


def _came_between(chosen: RegisteredVersion, live: str, expected: str) -> RegistryError:
    return RegistryError(
        f"The champion of {chosen.model} is version {live}, not {expected}: another promotion came between, and "
        f"version {chosen.version} was not compared with it. Materialize the candidate again."
    )
