"""``FeatureStore``: any features for any entities at any times, what is online, and training sets, as Polars frames."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from mlp_assets.feature_store.catalogue import CatalogueEntry, catalogue, matching
from mlp_assets.feature_store.entities import checked_entities, times_of
from mlp_assets.feature_store.errors import StoreError
from mlp_assets.feature_store.feature_selection import Wanted, chosen
from mlp_assets.feature_store.frames import as_known, as_online
from mlp_assets.feature_store.workspace import load_workspace, nearest_workspace
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.training_set import TrainingSet
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.home import home
from mlp_resources.ports import tables
from mlp_resources.ports.environment import Environment


class FeatureStore:
    """Reads the features of a project, and of those that it uses.

    Args:
        project: the project, or its name in the workspace; without one, all projects of the workspace.
        workspace: the workspace file; the nearest one, from the working directory upwards, by default.
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
            self.projects, beside = _loaded(project, file), file.resolve().parent
        self.environment = environment if environment is not None else configured_environment(home(beside))

    def features(
        self,
        features: Sequence[Wanted] | Wanted,
        entities: pl.DataFrame,
        at: datetime | date | str | None = None,
    ) -> pl.DataFrame:
        """The entities with the features as they were known at a time, by the join that makes training sets.

        Args:
            features: names (``"view.feature"``, ``"view"`` for all of it, or a feature's name alone) or views.
            entities: a row for each question, with the key columns of the features' entities; other columns stay.
            at: one time for all rows, or the name of a column of ``entities`` with a time each; now by default. A time
                without a zone is in UTC.

        Returns:
            ``entities``, in its order, and a Float64 column a feature, null where none was known or its TTL was over.
            A name that two views share is written ``view.feature``.

        Raises:
            StoreError: a name, a key column or a time is not as it must be.
            LakeError: a view has not been computed yet.
        """
        views = chosen(self.projects, features)
        spine = times_of(checked_entities(entities, views), entities, at, self.environment.now())
        return as_known(self.environment.lake, views, entities, spine)

    def online(self, features: Sequence[Wanted] | Wanted, entities: pl.DataFrame) -> pl.DataFrame:
        """The entities with what an endpoint would look up now.

        Returns:
            As ``features`` does; and a column ``<view>.status`` a view: ``found``, ``unknown`` (no row of the entity is
            online), ``expired`` (it is past its TTL) or ``partial`` (some of the features are missing).

        Raises:
            StoreError: a name or a key column is not as it must be, or a view is not online.
            MlpError: a view has not been published yet.
        """
        views = chosen(self.projects, features)
        spine = checked_entities(entities, views)
        return as_online(self.environment.online, views, entities, spine, self.environment.now())

    def training_set(
        self,
        training_set: TrainingSet | str,
        *,
        split: Literal["train", "validation", "test"] | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """The rows of a training set: keys, ``at``, ``known_at``, features, target and ``split``.

        Args:
            split: the part that is wanted; all by default.
            version: the Delta version; the newest by default.
        """
        home, found = self._training_set(training_set)
        rows = self.environment.lake.scan(tables.training_set(home.name, found.name), version)
        return (rows if split is None else rows.filter(pl.col("split") == split)).collect()

    def catalogue(self, *words: str) -> list[CatalogueEntry]:
        """What is known of each feature, or of those that the words are about."""
        return matching(catalogue(self.projects, self.environment.lake, self.environment.now()), words)

    def _training_set(self, wanted: TrainingSet | str) -> tuple[Project, TrainingSet]:
        every = [
            (project, one) for own in self.projects for project in (own, *own.used) for one in project.training_sets
        ]
        found = [(project, one) for project, one in every if wanted in (one, one.name, f"{project.name}.{one.name}")]
        if not found:
            name = wanted if isinstance(wanted, str) else wanted.name
            raise StoreError(f"There is no training set {name!r}. {did_you_mean(name, [one.name for _, one in every])}")
        if len({id(one) for _, one in found}) > 1:
            paths = " or ".join(f"'{project.name}.{one.name}'" for project, one in found)
            raise StoreError(f"Several projects have a training set {wanted!r}. Write {paths}.")
        return found[0]


def _loaded(name: str | None, file: Path) -> tuple[Project, ...]:
    workspace = load_workspace(file)
    found = tuple(project for project in workspace.projects if name in (None, project.name))
    if found:
        return found
    why = " ".join(f"Code location {place}: {reason}" for place, reason in workspace.failed.items())
    choices = [project.name for project in workspace.projects]
    asked = f"project {name!r}" if name is not None else "project"
    raise StoreError(f"There is no {asked} in {file}. {did_you_mean(name or '', choices)} {why}".strip())
