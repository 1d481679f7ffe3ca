"""The catalogue of features: what each one is, who owns it, how fresh it is, and what uses it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlp_assets.errors import LakeError
from mlp_assets.features.compute.lineage import UseGraph, Uses, formula, source_columns
from mlp_assets.features.compute.statistics import age, null_rate
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Lake


@dataclass(frozen=True)
class CatalogueEntry:
    """One feature.

    Args:
        columns: the source columns that it reads.
        statistics: the keys of ``features.compute.statistics.SCHEMA``; None before the view is computed.
        uses: kind -> ``project.name`` of each thing that uses the feature.
        now: the moment at which its age is counted.
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
        """The age of the newest row; None without rows."""
        return age(self.newest, self.now)

    @property
    def fresh(self) -> bool | None:
        """Whether the newest row is younger than ``fresh_within``; None without rows, or if it is not declared."""
        seconds = self.age_seconds
        if seconds is None or self.view.fresh_within is None:
            return None
        return seconds <= texts.duration(self.view.fresh_within).total_seconds()

    @property
    def null_rate(self) -> float | None:
        return null_rate(self.statistics) if self.statistics is not None else None

    @property
    def window(self) -> str | None:
        """The window of its aggregation, or both of a ratio; None for attributes and derived features."""
        feature = self.view.features.get(self.name)
        spans = [part.over for part in feature.parts if part.over is not None] if feature is not None else []
        return " / ".join(dict.fromkeys(spans)) or None

    def as_json(self) -> dict[str, Any]:
        """The entry as plain data, times in ISO 8601."""
        view, source = self.view, self.view.source
        figures = {name: value for name, value in (self.statistics or {}).items() if name not in ("feature", "newest")}
        return {
            "path": self.path, "project": self.project, "view": view.name, "feature": self.name,
            "description": self.description, "owner": self.owner, "tags": dict(self.tags), "type": "Float64",
            "entity": view.entity.name, "keys": list(view.entity.keys), "formula": formula(view, self.name),
            "source": source.name, "source_columns": list(self.columns), "root": view.root.name,
            "window": self.window, "every": view.every, "ttl": view.ttl, "online": view.online,
            "fresh_within": view.fresh_within, "fresh": self.fresh, "age_seconds": self.age_seconds,
            "newest": self.newest.isoformat() if self.newest is not None else None,
            "null_rate": self.null_rate, "statistics": figures or None,
            "used_by": {kind: list(names) for kind, names in self.uses.items()},
        }  # fmt: skip


def catalogue(projects: Sequence[Project], lake: Lake, now: datetime) -> list[CatalogueEntry]:
    """Every feature of the projects, in the order of their files. Reads one small table per project."""
    known = {id(project): project for own in projects for project in (*own.used, own)}
    homes = {id(spec): project for project in known.values() for spec in project.specs}
    graph = UseGraph(spec for project in known.values() for spec in project.specs)
    entries: list[CatalogueEntry] = []
    for project in known.values():
        statistics = _stored_statistics(lake, project.name)
        for view in project.feature_views:
            columns = source_columns(view)
            for name in view.feature_names:
                about = view.about(name)
                entries.append(
                    CatalogueEntry(
                        project=project.name,
                        view=view,
                        name=name,
                        description=about.description,
                        owner=about.owner or project.owner,
                        tags=about.tags,
                        columns=columns[name],
                        statistics=statistics.get((view.name, name)),
                        uses=_named(graph.uses(view, name), homes),
                        now=now,
                    )
                )
    return entries


def _stored_statistics(lake: Lake, project: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(view, feature) -> its statistics."""
    try:
        rows = lake.scan(tables.statistics(project)).collect()
    except LakeError:
        return {}  # the project has not computed any view yet
    return {(row.pop("partition"), row["feature"]): row for row in rows.to_dicts()}


def _named(uses: Uses, homes: Mapping[int, Project]) -> dict[str, tuple[str, ...]]:
    kinds = ("training_sets", "models", "endpoints", "batch_scores", "monitors")
    named = {kind: tuple(f"{homes[id(spec)].name}.{spec.name}" for spec in getattr(uses, kind)) for kind in kinds}
    return {"features": uses.derived, **named}


def matching(features: Iterable[CatalogueEntry], wanted: Sequence[str]) -> list[CatalogueEntry]:
    """The features that have each of the words in their names, description, entity, owner or tags.

    Features with a word in their path come first.
    """
    lowered = [word.lower() for word in wanted]
    matches = [entry for entry in features if all(word in _text(entry) for word in lowered)]
    if not lowered:
        return matches
    return sorted(matches, key=lambda entry: not any(word in entry.path.lower() for word in lowered))


def named_exactly(features: Iterable[CatalogueEntry], name: str) -> list[CatalogueEntry]:
    """The features with this name: ``feature``, ``view.feature`` or ``project.view.feature``."""
    return [entry for entry in features if name in (entry.path, entry.path.partition(".")[2], entry.name)]


def closest(features: Iterable[CatalogueEntry], word: str) -> str:
    """A sentence that names the closest match for the word."""
    known = {text for entry in features for text in (entry.path, entry.path.partition(".")[2], *_words(entry))}
    return texts.did_you_mean(word.lower(), known)


def _text(entry: CatalogueEntry) -> str:
    return " ".join(
        [*_words(entry), entry.path, entry.description, *(f"{key}={tag}" for key, tag in entry.tags.items())]
    ).lower()


def _words(entry: CatalogueEntry) -> tuple[str, ...]:
    entity, tags = entry.view.entity, entry.tags
    return (
        entry.project, entry.view.name, entry.name, entry.owner, entity.name, *entity.keys, *tags, *tags.values()
    )  # fmt: skip
