"""The ports of the model registry and of the key that signs its decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from mlp_assets.errors import MlpError
from mlp_resources.ports.search import Outcome


class RegistryError(MlpError):
    """The registry refused a request, or another promotion came first."""


@dataclass(frozen=True)
class Dataset:
    """The rows that a model was trained on: a table's location and version, and the canonical digest of the rows."""

    name: str
    location: str
    version: int
    digest: str


@dataclass(frozen=True)
class Candidate:
    """A model to register: its artifact and facts about it.

    Args:
        key: identifies the candidate, so that a retry registers it once.
        artifact: the folder with the artifact's files.
        example: a few rows of the model's inputs.
        history: logged metrics as (step, name, value).
        card: the model card, in Markdown.
        documents: file name -> text that is registered with it.
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
    """A version in the registry. ``digest`` is that of its artifact."""

    model: str
    version: str
    run_id: str
    digest: str
    tags: Mapping[str, str]


class Registry(Protocol):
    """Registered versions of models, and the alias ``champion``."""

    def register(self, candidate: Candidate) -> RegisteredVersion:
        """Registers the candidate. A second call with the same key returns the version of the first."""
        ...

    def models(self) -> list[str]:
        """The names of all registered models, of every project."""
        ...

    def versions(self, model: str) -> list[RegisteredVersion]:
        """All versions, oldest first."""
        ...

    def champion(self, model: str) -> RegisteredVersion | None:
        """The version that the alias names; None without an alias. Anybody can move it: it proves no promotion."""
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

    def artifact(self, version: RegisteredVersion) -> str:
        """The address of the version's artifact, ``file://`` or of an object store, for readers in any process."""
        ...

    def download(self, version: RegisteredVersion) -> Path:
        """A local folder with the files of the version's artifact, verified against its digest."""
        ...


class Signer(Protocol):
    """Signs decisions with a key that no training process can read."""

    def sign(self, record: Mapping[str, Any]) -> str:
        """The record and its signature as one text."""
        ...

    def read(self, text: str) -> dict[str, Any]:
        """The record in a signed text. Raises RecordError when it was changed or another key signed it."""
        ...
