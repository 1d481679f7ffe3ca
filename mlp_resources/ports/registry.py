"""The port of the model registry: plain data in and out, and Protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from mlp_assets.errors import MlpError
from mlp_resources.ports.search import Outcome


class RegistryError(MlpError):
    """The model registry refused, or another promotion happened in between."""


@dataclass(frozen=True)
class Dataset:
    """The rows that a model was trained on: a Delta table at a version, and the canonical digest of its rows."""

    name: str
    location: str
    version: int
    digest: str


@dataclass(frozen=True)
class Candidate:
    """A model to register: its artifact and facts about it. ``key`` identifies it, so a retry registers it once.

    Args:
        card: the model card, in Markdown.
        documents: file name -> text of a file that is registered with it.
        pictures: name -> PNG.
        trials: the trials of the search that chose the params.
    """

    model: str
    key: str
    artifact: Path
    digest: str
    example: pl.DataFrame
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    history: tuple[tuple[int, str, float], ...]
    tags: Mapping[str, str]
    pictures: Mapping[str, bytes]
    dataset: Dataset
    card: str = ""
    documents: Mapping[str, str] = field(default_factory=dict[str, str])
    trials: Sequence[Outcome] = ()


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry."""

    model: str
    version: str
    run_id: str
    digest: str
    tags: Mapping[str, str]


class Registry(Protocol):
    """Registered versions of models, and the alias ``champion``."""

    def register(self, candidate: Candidate) -> RegisteredVersion: ...

    def versions(self, model: str) -> list[RegisteredVersion]:
        """All versions, oldest first."""
        ...

    def champion(self, model: str) -> RegisteredVersion | None:
        """The version that the alias names, whoever moved it; None without an alias."""
        ...

    def url(self, version: RegisteredVersion) -> str:
        """The page of the version in the registry's web UI."""
        ...

    def document(self, version: RegisteredVersion, name: str) -> str:
        """The text of a file that was registered with the version. Raises RegistryError where there is none."""
        ...

    def name_champion(self, model: str, version: str) -> None:
        """Moves the alias."""
        ...

    def download(self, version: RegisteredVersion) -> Path:
        """The folder of the version's artifact, verified against its digest."""
        ...


class Signer(Protocol):
    """Signs decisions with a key that no training process can read."""

    def sign(self, record: Mapping[str, Any]) -> str: ...

    def read(self, text: str) -> dict[str, Any]:
        """The record of a signed text. Raises RecordError when another key signed it, or when it was changed."""
        ...
