"""Everything that assets use of their surroundings, as one Protocol: an implementation chooses the adapters."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from mlp_assets.nouns.search import Search
from mlp_resources.ports.lake import Lake
from mlp_resources.ports.monitoring import MonitoringEngine
from mlp_resources.ports.registry import Registry, Signer
from mlp_resources.ports.search import Trials, Tuner
from mlp_resources.ports.serving import OnlineStore, OpenView, ServingControl
from mlp_resources.ports.shards import ShardRunner
from mlp_resources.ports.training import TrainingRunner


class Environment(Protocol):
    """The adapters of one installation. Making one is cheap: each adapter is made on first use."""

    @property
    def now(self) -> Callable[[], datetime]:
        """The clock: returns the current time, in UTC. Tests and replays give one of their own."""
        ...

    @property
    def lake(self) -> Lake: ...

    @property
    def online(self) -> OnlineStore: ...

    @property
    def open_view(self) -> OpenView:
        """Opens a published view by the location that a serving plan names. Replicas use it."""
        ...

    @property
    def runner(self) -> TrainingRunner: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def signer(self) -> Signer: ...

    @property
    def serving(self) -> ServingControl: ...

    @property
    def monitoring(self) -> MonitoringEngine: ...

    @property
    def shards(self) -> ShardRunner: ...

    def tuner(self, name: str, search: Search, seed: int, *, higher_is_better: bool) -> Tuner:
        """The tuner of a search. An interrupted search of the same name resumes."""
        ...

    def trials(self, cpus: float, function: str) -> Trials:
        """Runs the trials of a search.

        Args:
            cpus: processors that each trial reserves.
            function: ``package.module:function`` of the model's training function, which the workers import.
        """
        ...

    def spool_path(self, project: str, endpoint: str) -> str:
        """The folder where the replicas of an endpoint write predictions and feedback."""
        ...

    def scratch(self) -> AbstractContextManager["Environment"]:
        """An environment of the same kind without any data. What is written there is removed at the end."""
        ...
