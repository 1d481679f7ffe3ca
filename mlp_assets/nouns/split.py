"""How a training set is split into train, validation and test: by time, or by group."""

from dataclasses import dataclass

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts


@dataclass(frozen=True)
class SplitByTime:
    """Splits the labelled time: the newest ``test`` for the gates, the ``validation`` before it for early stopping.

    ``train`` limits how far back training rows go. None means no limit.
    """

    validation: str = "2w"
    test: str = "4w"
    train: str | None = None

    def problems(self, where: str) -> list[Problem]:
        problems: list[Problem] = []
        for name in ("validation", "test", "train"):
            problems += texts.duration_problems(f"{where}, split", name, getattr(self, name))
        return problems


@dataclass(frozen=True)
class SplitByGroup:
    """Puts all rows with the same value of a column into the same part, by a hash of the value.

    For rows that resemble each other within a group, such as texts. To predict the future, split by time instead.

    Args:
        by: a column of the labels, or a key.
        validation: share of the groups.
        test: share of the groups.
        seed: another seed assigns the groups to other parts.
    """

    by: str
    validation: float = 0.1
    test: float = 0.2
    seed: int = 0

    def problems(self, where: str) -> list[Problem]:
        shares = (self.validation, self.test)
        if all(share > 0 for share in shares) and sum(shares) < 1:
            return []
        what = f"validation={self.validation:g} and test={self.test:g} leave no groups for training, or are not above 0"
        return [Problem(f"{where}, split", what, "Write validation=0.1, test=0.2, for example.")]
