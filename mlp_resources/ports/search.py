"""The port of a search of a model's settings: plain data in and out, and Protocols."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mlp_resources.ports.shards import Item, Result

State = Literal["done", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """Settings to try. Trials are numbered from 0."""

    number: int
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Args:
        value: the metric on the validation rows; None for a trial that was stopped early or failed.
        reason: why it has no value.
        history: the logged metrics as (step, name, value).
    """

    number: int
    params: Mapping[str, Any]
    state: State
    value: float | None
    reason: str
    history: tuple[tuple[int, str, float], ...]
    seconds: float


class Tuner(Protocol):
    """Chooses the settings of the next trials. It stores all outcomes, so an interrupted search resumes."""

    def next(self, at_once: int, trials: int) -> list[Trial]:
        """The next batch of trials, of ``trials`` in all; after a crash, the unfinished ones of the last batch.

        Args:
            at_once: the size of a batch, whose trials run side by side and whose outcomes are reported together.
        """
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Stores the outcomes of a batch."""
        ...

    def outcomes(self) -> list[Outcome]:
        """All stored outcomes, by the number of the trial."""
        ...

    def close(self) -> None:
        """Releases the storage, so that another process may resume the search."""
        ...

    def forget(self) -> None:
        """Deletes the storage of a search whose result is registered."""
        ...


class Trials(Protocol):
    """Runs trials side by side."""

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """``work`` of each item, in the order of the items. Raises MlpError where there is no room for one."""
        ...
