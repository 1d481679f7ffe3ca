"""The catalogue: what every feature of some projects is, who owns it, how fresh it is, and who uses it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlp_assets.errors import LakeError
from mlp_assets.features.compute.statistics import age, null_rate
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.lineage import UseGraph, Uses, formula, source_columns
from mlp_assets.nouns.project import Project
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Lake


@dataclass(frozen=True)
class CatalogueEntry:
    """One feature of the catalogue.

    ``statistics`` has the keys of ``engine.statistics.SCHEMA``, and is None before the view is computed. ``uses`` names
    what is made of the feature: ``project.name``, by kind.
    """

    project: str
    view: FeatureView
    name: str
    description: str
    owner: str
    tags: Mapping[str, str]
    columns: tuple[str, ...]
    statistics: Mapping[str, Any] | None
    uses: Mapping[str, tuple[str, ...]]
    now: datetime

    @property
    def path(self) -> str:
        return f"{self.project}.{self.view.name}.{self.name}"

    @property
    def newest(self) -> datetime | None:
        return self.statistics["newest"] if self.statistics is not None else None

    @property
    def age_seconds(self) -> float | None:
        """How old the newest row is."""
        return age(self.newest, self.now)

    @property
    def fresh(self) -> bool | None:
        """Whether the newest row is younger than ``fresh_within``; None where that or the row is not there."""
        seconds = self.age_seconds
        if seconds is None or self.view.fresh_within is None:
            return None
        return seconds <= texts.duration(self.view.fresh_within).total_seconds()

    @property
    def null_rate(self) -> float | None:
        return null_rate(self.statistics) if self.statistics is not None else None

    @property
    def window(self) -> str | None:
        """Its own window, or windows; None for an attribute and for a derived feature."""
        feature = self.view.features.get(self.name)
        spans = [part.over for part in feature.parts if part.over is not None] if feature is not None else []
        return " / ".join(dict.fromkeys(spans)) or None

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data, times in ISO 8601."""
        view, source = self.view, self.view.source
        told = {name: value for name, value in (self.statistics or {}).items() if name not in ("feature", "newest")}
        return {
            "path": self.path, "project": self.project, "view": view.name, "feature": self.name,
            "description": self.description, "owner": self.owner, "tags": dict(self.tags), "type": "Float64",
            "entity": view.entity.name, "keys": list(view.entity.keys), "formula": formula(view, self.name),
            "source": source.name, "source_columns": list(self.columns), "root": view.root.name,
            "window": self.window, "every": view.every, "ttl": view.ttl, "online": view.online,
            "fresh_within": view.fresh_within, "fresh": self.fresh, "age_seconds": self.age_seconds,
            "newest": self.newest.isoformat() if self.newest is not None else None,
            "null_rate": self.null_rate, "statistics": told or None,
            "used_by": {kind: list(names) for kind, names in self.uses.items()},
        }  # fmt: skip


def catalogue(projects: Sequence[Project], lake: Lake, now: datetime) -> list[CatalogueEntry]:
    """Every feature of the projects, in the order of their files. Reads one small table a project, and no features."""
    known = {id(project): project for own in projects for project in (*own.used, own)}
    homes = {id(spec): project for project in known.values() for spec in project.specs}
    graph = UseGraph(spec for project in known.values() for spec in project.specs)
    made: list[CatalogueEntry] = []
    for project in known.values():
        kept = _kept(lake, project.name)
        for view in project.feature_views:
            columns = source_columns(view)
            for name in view.feature_names:
                about = view.about(name)
                uses = _named(graph.uses(view, name), homes)
                facts = kept.get((view.name, name))
                owner = about.owner or project.owner
                told = (about.description, owner, about.tags, columns[name], facts, uses, now)
                made.append(CatalogueEntry(project.name, view, name, *told))
    return made


def _kept(lake: Lake, project: str) -> dict[tuple[str, str], dict[str, Any]]:
    try:
        rows = lake.scan(tables.statistics(project)).collect()
    except LakeError:
        return {}  # nothing of the project has been computed yet
    return {(row.pop("partition"), row["feature"]): row for row in rows.to_dicts()}


def _named(uses: Uses, homes: Mapping[int, Project]) -> dict[str, tuple[str, ...]]:
    kinds = ("training_sets", "models", "endpoints", "monitors")
    named = {kind: tuple(f"{homes[id(spec)].name}.{spec.name}" for spec in getattr(uses, kind)) for kind in kinds}
    return {"features": uses.derived, **named}


def matching(features: Iterable[CatalogueEntry], wanted: Sequence[str]) -> list[CatalogueEntry]:
    """The features in whose names, description, entity, owner or tags each of the words stands; by name first."""
    lowered = [word.lower() for word in wanted]
    found = [one for one in features if all(word in _text(one) for word in lowered)]
    return sorted(found, key=lambda one: not any(word in one.path.lower() for word in lowered)) if lowered else found


def named_exactly(features: Iterable[CatalogueEntry], name: str) -> list[CatalogueEntry]:
    """The features of this name, written alone or after its view, or after its project and view."""
    return [one for one in features if name in (one.path, one.path.partition(".")[2], one.name)]


def closest(features: Iterable[CatalogueEntry], word: str) -> str:
    """A sentence that names what there is and is written most like the word."""
    known = {text for one in features for text in (one.path, one.path.partition(".")[2], *_words(one))}
    return texts.did_you_mean(word.lower(), known)


def _text(one: CatalogueEntry) -> str:
    return " ".join(
        [*_words(one), one.path, one.description, *(f"{key}={tag}" for key, tag in one.tags.items())]
    ).lower()


def _words(one: CatalogueEntry) -> tuple[str, ...]:
    entity = one.view.entity
    return (one.project, one.view.name, one.name, one.owner, entity.name, *entity.keys, *one.tags, *one.tags.values())
