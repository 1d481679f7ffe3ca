"""The record of a view's publications: a Delta table with what was published, when it began, and when it was seen.

The beginning is written first. If a process dies before the end is written, the record is completed from what the
online store holds: the store keeps the id of each publication with its rows.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import uuid4

import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.publications.progress import Progress, spans_from_text, spans_to_text
from mlp_assets.tables.events import UTC_TIME
from mlp_resources.ports import tables
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Table, Transaction
from mlp_resources.ports.serving import OnlineUnavailableError

Outcome = Literal["begun", "failed", "published"]
_OUTCOMES: tuple[Outcome, ...] = ("begun", "failed", "published")  # a later one outweighs an earlier one
_APPLICATION = "record"
_SCHEMA = {
    "publication": pl.String, "store": pl.String, "cadence": pl.String, "definition": pl.String,
    "table_version": pl.Int64, "known_until": UTC_TIME, "moments": pl.String, "begun": UTC_TIME, "visible": UTC_TIME,
    "outcome": pl.String,
}  # fmt: skip


class Note(Protocol):
    """Writes the note of a publication: its id, the time, and further facts."""

    def __call__(self, facts: Mapping[str, Any] | None = None) -> str: ...


@dataclass(frozen=True)
class Publication:
    """A publication of a view.

    Args:
        cadence: the view's ``publication_mode`` of then.
        store: the location of the view in the online store, whatever its definition.
        definition: the name of the definition that its rows follow; releases before it was recorded wrote another text.
        progress: what it holds: the moments, and until when what became known.
        visible: when requests saw it; None if they never did.
    """

    publication: str
    store: str
    cadence: str
    definition: str
    table_version: int
    progress: Progress
    begun: datetime
    visible: datetime | None
    outcome: Outcome

    @property
    def definition_name(self) -> str:
        """The name of the definition; empty for the first one, and where it was not recorded."""
        return self.definition if "-" in self.definition else ""


class PublicationRecord:
    """The record of one view.

    Args:
        project: the name of the project that owns the view.
        location: in the online store, for an earlier definition of a view; by default the view's own.
    """

    def __init__(self, environment: Environment, project: str, view: FeatureView, location: str | None = None) -> None:
        self._environment, self._project, self._view = environment, project, view
        self.table: Table = tables.publications(project, view.name)
        self.store = location or environment.online.location(project, view.name)

    @contextlib.contextmanager
    def recording(self, table_version: int, progress: Progress, definition: str = "") -> Iterator[Note]:
        """Records a publication that the block makes. Yields the note that the block gives to the online store.

        Args:
            definition: the name of the definition that the rows follow.
        """
        self.complete()
        now = self._environment.now
        name, cadence = uuid4().hex, self._view.publication_mode
        begun = Publication(name, self.store, cadence, definition, table_version, progress, now(), None, "begun")
        self._append(begun)
        try:
            yield lambda facts=None: json.dumps({"publication": name, "at": now().isoformat(), **(facts or {})})
        except BaseException:
            with contextlib.suppress(OnlineUnavailableError):  # the next publication completes the record
                self._settle(begun)
            raise
        self._append(begun, visible=now(), outcome="published")
        with contextlib.suppress(LakeError):  # another writer was faster; the next publication merges its files too
            self._environment.lake.compact(self.table)

    def complete(self) -> None:
        """Records the end of publications whose process died."""
        for row in self.rows().filter(pl.col("outcome") == "begun").iter_rows(named=True):
            self._settle(publication_of(row))

    def version(self) -> int | None:
        """The newest version of the record; None if nothing was ever published."""
        return self._environment.lake.version(self.table)

    def read(self, version: int | None = None) -> list[Publication]:
        """The publications of this store in the order in which they began, with their last outcome."""
        return [publication_of(row) for row in self.rows(version).iter_rows(named=True)]

    def rows(self, version: int | None = None) -> pl.DataFrame:
        """What ``read`` gives as a table: at five minutes a year has a hundred thousand publications."""
        lake = self._environment.lake
        if version is None and lake.version(self.table) is None:
            return pl.DataFrame(schema=_SCHEMA)
        rows = lake.scan(self.table, version).filter(pl.col("store") == self.store).collect()
        outcome = pl.col("outcome").replace_strict({name: place for place, name in enumerate(_OUTCOMES)})
        return rows.sort(outcome, "visible").unique("publication", keep="last").sort("begun")

    def _settle(self, begun: Publication) -> None:
        """Records the end of a publication by what the store holds."""
        text = self._environment.online.note(self._location(begun))
        note = json.loads(text) if text else {}
        if note.get("publication") == begun.publication:
            self._append(begun, visible=datetime.fromisoformat(note["at"]), outcome="published")
        else:
            self._append(begun, outcome="failed")

    def _location(self, publication: Publication) -> str:
        """Where the publication is: each definition has a place of its own."""
        if not publication.definition_name:
            return self.store
        name = tables.of_definition(self._view.name, publication.definition_name)
        return self._environment.online.location(self._project, name)

    def _append(self, publication: Publication, visible: datetime | None = None, outcome: Outcome = "begun") -> None:
        lake, progress = self._environment.lake, publication.progress
        row = {
            "publication": publication.publication, "store": publication.store, "cadence": publication.cadence,
            "definition": publication.definition, "table_version": publication.table_version,
            "known_until": progress.known_until, "moments": spans_to_text(progress.spans),
            "begun": publication.begun, "visible": visible, "outcome": outcome,
        }  # fmt: skip
        frame = pl.DataFrame([row], schema=_SCHEMA)
        appended = False
        while not appended:  # until no other writer was faster
            number = lake.transaction(self.table, _APPLICATION) or 0
            appended = lake.append(self.table, frame, Transaction(_APPLICATION, number + 1, number)).changed


def publication_of(row: dict[str, Any]) -> Publication:
    """A row of the record's table as a publication."""
    progress = Progress(row.pop("known_until"), spans_from_text(row.pop("moments")))
    return Publication(progress=progress, **row)
