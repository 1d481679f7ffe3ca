"""The ports of serving: the online store of features, and the control of endpoints."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.errors import MlpError


class StalePublicationError(MlpError):
    """A newer publication is online already."""


class PublicationRefusedError(MlpError):
    """The view's table does not follow the view's definition yet."""


class ServingUnavailableError(MlpError):
    """The serving cluster does not answer."""


class NotServedError(MlpError):
    """The environment serves no endpoints. What does not need them works."""


class DeploymentFailedError(MlpError):
    """An endpoint did not become ready. The version before it still serves."""


class OnlineUnavailableError(MlpError):
    """The online store does not answer."""


Key = tuple[Any, ...]


class OnlineRows(NamedTuple):
    """The rows of some keys, all from one publication.

    Args:
        values: (rows, features) with NaN for missing; the caller may change it.
        times: (rows,) event times in microseconds of the epoch.
        found: (rows,) whether the key has a row.
        version: of the publication.
    """

    values: NDArray[np.float64]
    times: NDArray[np.int64]
    found: NDArray[np.bool_]
    version: int


class OnlineRow(NamedTuple):
    """The row of one key. A key without a row has ``time`` None and values of NaN."""

    values: tuple[float, ...]
    time: int | None
    version: int


class Changes(NamedTuple):
    """What a publication changes of the one that is online.

    Args:
        rows: one row for each entity whose row is new or another: its keys, ``event_time`` and the features.
        removed: keys of the entities that have no row any more. Those that have none online change nothing.
        newest: the newest moment. The rows of the newest moment that is online become rows of this one.
    """

    rows: pl.DataFrame
    removed: pl.DataFrame
    newest: datetime


class OnlineView(Protocol):
    """Reads one view. Every call sees one whole publication, even while a newer one replaces it.

    Raises:
        MlpError: the view is not online, or its publication lacks a feature that is read.
        OnlineUnavailableError: the store does not answer.
    """

    @property
    def features(self) -> tuple[str, ...]: ...

    def get_one(self, key: Key) -> OnlineRow: ...

    def get_many(self, keys: Sequence[Key]) -> OnlineRows: ...


class OpenView(Protocol):
    """Opens the view at a location for these features in this order; for all of them by default."""

    def __call__(self, location: str, features: Sequence[str] | None = None) -> OnlineView: ...


class OnlineStore(Protocol):
    """The newest features of each entity, by view."""

    def location(self, project: str, view: str) -> str:
        """Where a view is, for readers in any process. Holds no password."""
        ...

    def publish(
        self,
        location: str,
        keys: Sequence[str],
        features: Sequence[str],
        frame: pl.DataFrame,
        *,
        version: int,
        note: Callable[[], str] | None = None,
    ) -> None:
        """Replaces all rows of a view at once: a reader sees the old rows or the new ones.

        Args:
            frame: one row per entity: its keys, ``event_time`` and the features.
            version: of the view's table.
            note: called just before the rows are switched; its text is kept with them.

        Raises:
            StalePublicationError: a newer version is online.
        """
        ...

    def publish_changes(
        self,
        location: str,
        keys: Sequence[str],
        features: Sequence[str],
        changes: Changes,
        *,
        base: str,
        version: int,
        note: Callable[[], str],
    ) -> int | None:
        """Changes rows of a view at once, like ``publish``: a reader sees none of the changes or all.

        Args:
            base: the note of the publication that the changes follow.
            version: of the view's table.
            note: called just before the rows are switched; its text is kept with them.

        Returns:
            The number of rows that are online then; None if nothing was done, because another publication than ``base``
            is online, or one with other features, or because there are more changes than the store makes at once.
        """
        ...

    def open_view(self, location: str, features: Sequence[str] | None = None) -> OnlineView: ...

    def note(self, location: str) -> str | None:
        """The note of the publication that is online; None if there is none.

        Raises:
            OnlineUnavailableError: the store does not answer.
        """
        ...

    def remove(self, location: str) -> None:
        """Takes a view offline and frees its rows; nothing happens if it is not online.

        Raises:
            OnlineUnavailableError: the store does not answer.
        """
        ...


class ServingControl(Protocol):
    """Decides which endpoints are live. It is the only writer of that state."""

    def apply(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        """Makes the endpoint of the plan live, or moves it to the plan's model. Returns its URL.

        Raises:
            NotServedError: the environment serves no endpoints.
            ServingUnavailableError: the cluster does not answer.
            DeploymentFailedError: the endpoint did not become ready.
        """
        ...

    def desired(self) -> dict[str, Any]:
        """``project.endpoint`` -> its entry, whose ``plan`` is the desired one."""
        ...

    def remove(self, name: str) -> None:
        """Takes an endpoint down. Raises DeploymentFailedError when there is none of this name."""
        ...

    def url(self, route: str) -> str:
        """The address of an endpoint's route."""
        ...

    def reconcile(self) -> list[str]:
        """Brings the desired endpoints back, as after a restart. Returns their names."""
        ...
