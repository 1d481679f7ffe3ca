"""How the rows of a training set are divided into parts: by time, or by groups that stay together."""

from dataclasses import dataclass

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts


@dataclass(frozen=True)
class SplitByTime:
    """The newest ``test`` of the labelled time is for the gates, the ``validation`` before it for early stopping.

    ``train`` bounds how far back training rows go; None means to the beginning.
    """

    validation: str = "2w"
    test: str = "4w"
    train: str | None = None

    def problems(self, where: str) -> list[Problem]:
        found: list[Problem] = []
        for name in ("validation", "test", "train"):
            found += texts.duration_problems(f"{where}, split", name, getattr(self, name))
        return found


@dataclass(frozen=True)
class SplitByGroup:
    """Rows with the same value of a column are in the same part, whenever they are from: by a hash of the value.

    For rows that are much alike within a group, such as texts; where the future is to be predicted, split by time.

    Args:
        by: a column of the labels, or a key.
        validation, test: shares of the groups.
        seed: another one divides the groups in another way.
    """

    by: str
    validation: float = 0.1
    test: float = 0.2
    seed: int = 0

    def problems(self, where: str) -> list[Problem]:
        shares = (self.validation, self.test)
        if all(share > 0 for share in shares) and sum(shares) < 1:
            return []
        what = f"validation={self.validation:g} and test={self.test:g} are no shares that leave some for training"
        return [Problem(f"{where}, split", what, "Write validation=0.1, test=0.2, say.")]
