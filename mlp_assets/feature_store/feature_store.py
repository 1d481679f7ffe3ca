"""``FeatureStore``: features of any entities at any times, online features, and training sets, as Polars frames."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from mlp_assets.feature_store.catalogue import CatalogueEntry, catalogue, matching
from mlp_assets.feature_store.entities import checked_entities, times_of
from mlp_assets.feature_store.errors import StoreError
from mlp_assets.feature_store.feature_selection import Wanted, select_features
from mlp_assets.feature_store.frames import as_online, as_visible
from mlp_assets.feature_store.workspace import load_workspace, nearest_workspace
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.training_set import Availability, TrainingSet
from mlp_assets.publications.record import PublicationRecord
from mlp_assets.publications.visibility import row_visibility
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.home import home
from mlp_resources.ports import tables
from mlp_resources.ports.environment import Environment


class FeatureStore:
    """Reads the features of a project and of the projects that it uses.

    Args:
        project: the project, or its name in the workspace; all projects of the workspace by default.
        workspace: the workspace file; by default the nearest one, from the working directory upwards.
        environment: which adapters to use; those that the settings choose by default.

    Raises:
        StoreError: the workspace has no project of this name.
        WorkspaceError: there is no workspace file, or it cannot be read.
    """

    def __init__(
        self,
        project: Project | str | None = None,
        *,
        workspace: Path | str | None = None,
        environment: Environment | None = None,
    ) -> None:
        if isinstance(project, Project):
            self.projects, beside = (project,), Path.cwd()
        else:
            file = Path(workspace) if workspace is not None else nearest_workspace()
            self.projects, beside = _load_projects(project, file), file.resolve().parent
        self.environment = environment if environment is not None else configured_environment(home(beside))

    def features(
        self,
        features: Sequence[Wanted] | Wanted,
        entities: pl.DataFrame,
        at: datetime | date | str | None = None,
        *,
        availability: Availability = "known",
    ) -> pl.DataFrame:
        """The entities with their features at a time, by the join that makes training sets.

        Args:
            features: views, or names: ``"view.feature"``, ``"view"`` for all its features, or ``"feature"``.
            entities: the key columns of the features' entities; other columns are kept.
            at: one time for all rows, or the name of a column of ``entities`` with times; now by default. Times
                without a zone are in UTC.
            availability: which rows count, as in ``TrainingSet``: all that were known by then, or with ``"served"`` and
                ``"declared"`` those that a request at that time would have been given.

        Returns:
            ``entities`` in its order, and a Float64 column per feature, null where no row counts within its TTL. A
            feature name that two views share becomes ``view.feature``.

        Raises:
            StoreError: a name, a key column or a time is wrong.
            LakeError: a view has not been computed yet.
        """
        views = select_features(self.projects, features)
        spine = times_of(checked_entities(entities, views), entities, at, self.environment.now())

        def visible(home: str, view: FeatureView) -> pl.Expr:
            project = next(project for project in self._all_projects() if project.name == home)
            record = PublicationRecord(self.environment, home, view)
            versions = {str(record.table): record.version()}
            return row_visibility(self.environment, project, view, availability, versions)

        return as_visible(self.environment.lake, views, entities, spine, visible)

    def online(self, features: Sequence[Wanted] | Wanted, entities: pl.DataFrame) -> pl.DataFrame:
        """The entities with the features that an endpoint would look up now.

        Returns:
            Like ``features``, and a column ``<view>.status`` per view: ``found``, ``unknown`` (the entity has no row
            online), ``expired`` (its row is past its TTL) or ``partial`` (some features are missing).

        Raises:
            StoreError: a name or a key column is wrong, or a view is not online.
            MlpError: a view has not been published yet.
        """
        views = select_features(self.projects, features)
        spine = checked_entities(entities, views)
        return as_online(self.environment, views, entities, spine)

    def training_set(
        self,
        training_set: TrainingSet | str,
        *,
        split: Literal["train", "validation", "test"] | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """The rows of a training set: keys, ``at``, ``known_at``, features, target and ``split``.

        Args:
            split: the part to read; all parts by default.
            version: the Delta version; the newest by default.
        """
        home, spec = self._training_set(training_set)
        rows = self.environment.lake.scan(tables.training_set(home.name, spec.name), version)
        return (rows if split is None else rows.filter(pl.col("split") == split)).collect()

    def catalogue(self, *words: str) -> list[CatalogueEntry]:
        """The catalogue entries of the features that match all words; of all features without words."""
        return matching(catalogue(self.projects, self.environment.lake, self.environment.now()), words)

    def _all_projects(self) -> list[Project]:
        return [project for own in self.projects for project in (own, *own.used)]

    def _training_set(self, wanted: TrainingSet | str) -> tuple[Project, TrainingSet]:
        known = [(project, spec) for project in self._all_projects() for spec in project.training_sets]
        matches = [
            (project, spec) for project, spec in known if wanted in (spec, spec.name, f"{project.name}.{spec.name}")
        ]
        if not matches:
            name = wanted if isinstance(wanted, str) else wanted.name
            hint = did_you_mean(name, [spec.name for _, spec in known])
            raise StoreError(f"There is no training set {name!r}. {hint}")
        if len({id(spec) for _, spec in matches}) > 1:
            paths = " or ".join(f"'{project.name}.{spec.name}'" for project, spec in matches)
            raise StoreError(f"Several projects have a training set {wanted!r}. Write {paths}.")
        return matches[0]


def _load_projects(name: str | None, file: Path) -> tuple[Project, ...]:
    workspace = load_workspace(file)
    projects = tuple(project for project in workspace.projects if name in (None, project.name))
    if projects:
        return projects
    reasons = " ".join(f"Code location {place}: {reason}" for place, reason in workspace.failed.items())
    choices = [project.name for project in workspace.projects]
    wanted = f"project {name!r}" if name is not None else "project"
    raise StoreError(f"There is no {wanted} in {file}. {did_you_mean(name or '', choices)} {reasons}".strip())
