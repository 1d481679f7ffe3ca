"""Facts that assets record in Dagster and that sensors and later runs read back.

A key in use today is written; keys of earlier releases are read too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

DATA_VERSION: Final = "dagster/data_version"
CODE_VERSION: Final = "dagster/code_version"
NO_ROWS_YET: Final = "no rows yet"
_MESSAGE, _EARLIER_MESSAGE = "message", "told"
_READ: Final = "delta_versions_read"


@dataclass(frozen=True)
class AlarmFacts:
    """The newest alarm episode of a monitor, as its alarms asset records it.

    Args:
        episode_open: whether the newest episode is open.
        episode: the id of the newest episode; empty if there was none yet.
        message: why the episode began.
    """

    episode_open: bool
    episode: str
    message: str

    def to_metadata(self) -> dict[str, Any]:
        return {"episode_open": self.episode_open, "episode": self.episode, _MESSAGE: self.message}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "AlarmFacts | None":
        """None for metadata without these facts."""
        if "episode_open" not in metadata:
            return None
        message = metadata.get(_MESSAGE, metadata.get(_EARLIER_MESSAGE, ""))
        return cls(bool(metadata["episode_open"]), str(metadata.get("episode", "")), str(message))


@dataclass(frozen=True)
class TableFacts:
    """The Delta version that a materialization wrote, and the versions that it read.

    Args:
        versions_read: table or location -> Delta version, or several of them; None for what has no versions.
        shard_bytes: the most bytes of a shard of a training set; None for other tables.
    """

    delta_version: int
    versions_read: Mapping[str, Any]
    shard_bytes: int | None = None

    def to_metadata(self) -> dict[str, Any]:
        shards = {} if self.shard_bytes is None else {"shard_bytes": self.shard_bytes}
        read = dg.MetadataValue.json(dict(self.versions_read))
        return {"delta_version": self.delta_version, _READ: read} | shards

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "TableFacts | None":
        """None for metadata without these facts."""
        if "delta_version" not in metadata or _READ not in metadata:
            return None
        return cls(metadata["delta_version"], metadata[_READ], metadata.get("shard_bytes"))


def versions_read_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Table or location -> version, versions or None; empty where a materialization recorded none."""
    read = metadata.get(_READ)
    return read if isinstance(read, Mapping) else {}


def metadata_of(entry: dg.EventLogEntry | None) -> dict[str, Any]:
    """The plain values of a materialization's metadata; empty without a materialization."""
    materialization = entry.asset_materialization if entry is not None else None
    return {name: value.value for name, value in materialization.metadata.items()} if materialization else {}


def data_version_of(entry: dg.EventLogEntry | None) -> str | None:
    materialization = entry.asset_materialization if entry is not None else None
    return (materialization.tags or {}).get(DATA_VERSION) if materialization else None


def drained_version(version: int | None) -> str:
    """The data version of a drained table is its Delta version: a drain without new rows is no news to sensors."""
    return NO_ROWS_YET if version is None else f"delta:{version}"
