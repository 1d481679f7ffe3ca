"""The record of promotions: which version is the champion, who judged it, and by what; signed, and only added to.

The alias in the registry is for people and other programs. What is judged against, and what is served, goes by the
record, so an alias that somebody moved changes neither.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlp_assets.artifact.signed_records import RecordError, digest
from mlp_assets.models.evaluation.judgement import Judgement
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Transaction
from mlp_resources.ports.registry import RegisteredVersion, RegistryError

JUDGEMENT_TAG = "mlp.judgement"
NO_RIVAL = "none"
_APPLICATION = "promotions"


@dataclass(frozen=True)
class Promotion:
    """One promotion as it was signed; ``number`` counts from 1."""

    number: int
    version: str
    digest: str
    text: str


def signed_judgement(
    scope: Scope, judgement: Judgement, artifact: str, training_set: str, against: RegisteredVersion | None
) -> str:
    """What the gates said of an artifact, signed.

    Args:
        artifact, training_set: their digests.
        against: the champion that it was compared with.
    """
    checks = {
        one.name: {
            "passed": bool(one.passed),
            "digest": digest([one.name, bool(one.passed), one.sentence, {k: float(v) for k, v in one.numbers.items()}]),
        }
        for one in judgement.results
    }
    return scope.environment.signer.sign(
        {
            "artifact": artifact,
            "training_set": training_set,
            "checks": checks,
            "passed": judgement.passed,
            "against": against.version if against is not None else NO_RIVAL,
        }
    )


def judgement_of(scope: Scope, version: RegisteredVersion) -> dict[str, Any]:
    """The signed judgement of a version. Raises RegistryError when there is none that holds for its artifact."""
    where = f"Version {version.version} of {version.model}"
    try:
        found = scope.environment.signer.read(version.tags.get(JUDGEMENT_TAG, ""))
    except RecordError as error:
        raise RegistryError(
            f"{where} has no judgement to be promoted by: {error}. Materialize the candidate anew."
        ) from error
    if found["artifact"] != version.digest:
        raise RegistryError(f"{where} was judged with another artifact than it has. Materialize the candidate anew.")
    return found


def promotions(scope: Scope, model: Model) -> list[Promotion]:
    """All promotions of a model, oldest first. Raises RegistryError when the record was tampered with."""
    table = keys.promotions(scope.home(model), model)
    lake = scope.environment.lake
    if lake.version(table) is None:
        return []
    found: list[Promotion] = []
    for number, text in lake.scan(table).sort("number").select("number", "record").collect().iter_rows():
        try:
            record = scope.environment.signer.read(text)
        except RecordError as error:
            raise RegistryError(f"Promotion {number} of {table.name} cannot be trusted: {error}.") from error
        follows = (record["number"], record["previous"]) == (len(found) + 1, _named(found))
        if not follows or record["model"] != _name(scope, model):
            raise RegistryError(f"Promotion {number} of {table.name} does not follow the one before it.")
        found.append(Promotion(number, record["version"], record["artifact"], text))
    return found


def champion(scope: Scope, model: Model) -> RegisteredVersion | None:
    """The version that was promoted last, with the digest that was signed then."""
    found = promotions(scope, model)
    if not found:
        return None
    name, last = _name(scope, model), found[-1]
    for version in scope.environment.registry.versions(name):
        if version.version == last.version:
            return RegisteredVersion(name, version.version, version.run_id, last.digest, version.tags)
    raise RegistryError(
        f"Version {last.version} of {name} is the champion, and the registry no longer has it. Put it back, or "
        "materialize the candidate and the champion anew."
    )


def promote(scope: Scope, model: Model, chosen: RegisteredVersion, at: str) -> None:
    """Adds the promotion to the record, if the champion is still the version that this one was judged against.

    Raises:
        RegistryError: its judgement is not signed, not favourable, or was made against another champion.
    """
    judged = judgement_of(scope, chosen)
    found = promotions(scope, model)
    live = found[-1].version if found else NO_RIVAL
    if not judged["passed"]:
        raise RegistryError(f"Version {chosen.version} of {chosen.model} did not pass its gates, so it stays as it is.")
    if judged["against"] != live:
        raise _came_between(chosen, live, judged["against"])
    number = len(found) + 1
    record = judged | {
        "model": chosen.model,
        "version": chosen.version,
        "number": number,
        "previous": _named(found),
        "before": live,
        "at": at,
    }
    text = scope.environment.signer.sign(record)
    row = pl.DataFrame({"number": [number], "version": [chosen.version], "record": [text]})
    table = keys.promotions(scope.home(model), model)
    written = scope.environment.lake.append(table, row, Transaction(_APPLICATION, number, after=number - 1))
    if not written.changed:
        raise _came_between(chosen, promotions(scope, model)[-1].version, live)


def standing(scope: Scope, model: Model) -> str | None:
    """What is wrong with the alias, in a sentence; None when it names the version that was promoted."""
    name = _name(scope, model)
    found, alias = promotions(scope, model), scope.environment.registry.champion(name)
    named = alias.version if alias is not None else NO_RIVAL
    recorded = found[-1].version if found else NO_RIVAL
    if named == recorded:
        return None
    return (
        f"The alias champion of {name} names version {named}, and no promotion did that: the record says {recorded}, "
        "which goes on being served. Materialize the champion to put the alias back."
    )


def _came_between(chosen: RegisteredVersion, live: str, expected: str) -> RegistryError:
    return RegistryError(
        f"The champion of {chosen.model} is version {live}, not {expected}: another promotion came between, and "
        f"version {chosen.version} was not compared with it. Materialize the candidate again."
    )


def _named(found: list[Promotion]) -> str:
    return hashlib.sha256(found[-1].text.encode()).hexdigest() if found else ""


def _name(scope: Scope, model: Model) -> str:
    return keys.registered_model(scope.home(model), model)
