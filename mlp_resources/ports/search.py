"""What a search of a model's settings takes and gives: plain data and Protocols."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mlp_resources.ports.shards import Item, Result

State = Literal["done", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """Settings to try. Numbers count from 0."""

    number: int
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Args:
        value: the metric on the validation rows; None for a trial that was given up or failed.
        told: why it has none.
        history: what it logged, as (step, name, value).
    """

    number: int
    params: Mapping[str, Any]
    state: State
    value: float | None
    told: str
    history: tuple[tuple[int, str, float], ...]
    seconds: float


class Tuner(Protocol):
    """Chooses what is tried next. It keeps all that it was told, so a search that was broken off goes on."""

    def next(self, at_once: int, trials: int) -> list[Trial]:
        """The next ``at_once`` of so many trials, to be run side by side and told together; or, where those before were
        broken off, the rest of them."""
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None: ...

    def outcomes(self) -> list[Outcome]:
        """What it was told, in the order of the trials."""
        ...

    def close(self) -> None:
        """Lets go of what is kept, for whoever goes on."""
        ...

    def forget(self) -> None:
        """Removes what is kept: the search is done with."""
        ...


class Trials(Protocol):
    """Runs trials side by side."""

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results in the order of the items. Raises MlpError where there is no room for one."""
        ...
