"""What serving takes and gives: the online store of features, and the control of endpoints."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.errors import MlpError


class StalePublicationError(MlpError):
    """A publication is older than what is online already."""


class PublicationRefusedError(MlpError):
    """A publication would take from a live endpoint what it looks up."""


class ServingUnavailableError(MlpError):
    """The serving cluster does not answer; the message says how to start it."""


class DeploymentFailedError(MlpError):
    """An endpoint did not become ready; what served before goes on serving."""


class OnlineUnavailableError(MlpError):
    """The online store does not answer."""


Key = tuple[Any, ...]


class OnlineRows(NamedTuple):
    """The rows of some keys, all from one publication.

    ``values`` is (rows, features) with NaN for missing, and the caller's to change; ``times`` (rows,) is the event time
    in microseconds; ``found`` (rows,) says for which keys there is a row; ``version`` is the publication's.
    """

    values: NDArray[np.float64]
    times: NDArray[np.int64]
    found: NDArray[np.bool_]
    version: int


class OnlineRow(NamedTuple):
    """The row of one key; without one, ``time`` is None and all values are NaN."""

    values: tuple[float, ...]
    time: int | None
    version: int


class OnlineView(Protocol):
    """One view for reading. Every call sees one whole publication, and never fails because a newer one comes.

    Raises:
        MlpError: the view is not online (any more), or without a feature that is read.
        OnlineUnavailableError: the store does not answer.
    """

    @property
    def features(self) -> tuple[str, ...]: ...

    def get_one(self, key: Key) -> OnlineRow: ...

    def get_many(self, keys: Sequence[Key]) -> OnlineRows: ...


class OpenView(Protocol):
    """Opens a view at a location, for the features named, in this order; for all of them without."""

    def __call__(self, location: str, features: Sequence[str] | None = None) -> OnlineView: ...


class OnlineStore(Protocol):
    """The newest features of each entity, by view."""

    def location(self, project: str, view: str) -> str:
        """Where a view is, for readers in other processes. Holds no password."""
        ...

    def publish(
        self, location: str, keys: Sequence[str], features: Sequence[str], frame: pl.DataFrame, *, version: int
    ) -> None:
        """Replaces all rows of a view: readers see all old ones until they see all new ones.

        Args:
            frame: one row of each entity: its keys, ``event_time`` and the features.
            version: not older than what is online, else StalePublicationError.
        """
        ...

    def open_view(self, location: str, features: Sequence[str] | None = None) -> OnlineView: ...


class ServingControl(Protocol):
    """The one writer of which endpoints are live."""

    def apply(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        """Makes the endpoint of the plan live (or moves it to the plan's model) and returns its URL."""
        ...

    def desired(self) -> dict[str, Any]:
        """``project.endpoint`` -> its entry with the ``plan`` by which it is live, or should be."""
        ...

    def remove(self, name: str) -> None:
        """Takes an endpoint down; raises DeploymentFailedError when there is none of this name."""
        ...

    def url(self, route: str) -> str: ...

    def reconcile(self) -> list[str]:
        """Makes live again what should be, as after a restart; returns the names."""
        ...
