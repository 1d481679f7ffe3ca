"""The promotions of one model, as they were signed: the last one is the champion."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlp_resources.ports import registry_tags as tags
from mlp_resources.ports.registry import RegisteredVersion, RegistryError

NO_RIVAL = "none"
_TRAINED_UNTIL, _SPLIT_BY_GROUP = "trained_until", "split_by_group"


@dataclass(frozen=True)
class TrainedOn:
    """Which rows a training saw.

    Args:
        until: the time of the newest row, in ISO 8601; None where it is not known.
        split: fingerprint of the rule that kept whole groups from the training; None for a split by time.
    """

    until: str | None
    split: str | None = None

    def to_dict(self) -> dict[str, str]:
        named = {_TRAINED_UNTIL: self.until, _SPLIT_BY_GROUP: self.split}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Promotion:
    """One promotion; ``number`` counts from 1.

    Args:
        record: what was signed.
        text: the record with its signature, as it is stored.
    """

    number: int
    version: str
    digest: str
    record: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class Champion:
    """The version that was promoted last, with the digest that was signed, and what was signed of its training."""

    version: RegisteredVersion
    trained_on: TrainedOn


@dataclass(frozen=True)
class PromotionRecord:
    """All promotions of a model, oldest first, as they were when the record was read."""

    model: str
    promotions: tuple[Promotion, ...] = ()

    @property
    def last(self) -> Promotion | None:
        return self.promotions[-1] if self.promotions else None

    @property
    def version(self) -> str:
        """The number of the champion's version, or ``none``."""
        return self.last.version if self.last is not None else NO_RIVAL

    def follows(self, promotion: Promotion) -> bool:
        """Whether the promotion is the next one of this model."""
        wanted = (len(self.promotions) + 1, self.previous, self.model)
        return tuple(promotion.record[name] for name in ("number", "previous", "model")) == wanted

    @property
    def previous(self) -> str:
        """SHA-256 of the last promotion, which the next one names; empty where there is none."""
        return hashlib.sha256(self.last.text.encode()).hexdigest() if self.last is not None else ""

    def with_next(self, promotion: Promotion) -> "PromotionRecord":
        return replace(self, promotions=(*self.promotions, promotion))

    def champion(self, versions: list[RegisteredVersion]) -> Champion | None:
        """The champion among the model's registered versions.

        Raises:
            RegistryError: the registry no longer has it.
        """
        if self.last is None:
            return None
        for version in versions:
            if version.version == self.last.version:
                return Champion(replace(version, digest=self.last.digest), _trained_on(self.last, version))
        raise RegistryError(
            f"Version {self.last.version} of {self.model} is the champion, and the registry no longer has it. Put it "
            "back, or materialize the candidate and the champion again."
        )

    def alias_problem(self, alias: RegisteredVersion | None) -> str | None:
        """What is wrong with the alias, in a sentence; None where it names the champion."""
        named = alias.version if alias is not None else NO_RIVAL
        if named == self.version:
            return None
        return (
            f"The alias champion of {self.model} names version {named}, and no promotion did that: the record says "
            f"{self.version}, which stays in service. Materialize the champion to put the alias back."
        )


def _trained_on(promotion: Promotion, version: RegisteredVersion) -> TrainedOn:
    """What was signed. Where a promotion is older than this part of the record, the tags of its version say it."""
    if _TRAINED_UNTIL in promotion.record:
        return TrainedOn(promotion.record[_TRAINED_UNTIL], promotion.record.get(_SPLIT_BY_GROUP))
    return TrainedOn(version.tags.get(tags.TRAINED_UNTIL), version.tags.get(tags.SPLIT_BY_GROUP))
