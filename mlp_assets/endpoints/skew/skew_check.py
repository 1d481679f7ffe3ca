"""Compares a sample of the prediction log with the offline path: values, versions and definitions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

from mlp_assets.endpoints.replica.plan import TYPES, ModelPlan
from mlp_assets.endpoints.skew.compared_rows import ComparedRows, compare_rows, versions_of
from mlp_assets.endpoints.skew.even_sample import EvenSample
from mlp_assets.endpoints.skew.feature_differences import count_differences
from mlp_assets.endpoints.skew.publications_read import PublicationsRead
from mlp_assets.endpoints.skew.report import SkewReport
from mlp_assets.endpoints.skew.trained_definitions import OtherDefinition, differing_definitions
from mlp_assets.endpoints.skew.visible_versions import OtherVersion, find_other_version, publications_since
from mlp_assets.errors import LakeError
from mlp_assets.features.definitions.kept_table import version_of
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.record import Publication
from mlp_assets.tables.derived import computable

ROWS: Final = 2000
"""The most rows of a drain that are compared."""
VERSIONS: Final = 12
"""The most combinations of versions of the views in one check: each is read from their tables."""
_VERSION_COLUMN = "view_versions"


def check_skew(
    scope: Scope, endpoint: Endpoint, plan: ModelPlan, drained: EvenSample, most_versions: int = VERSIONS
) -> SkewReport:
    """The skew of the rows that a drain moved to the log.

    Args:
        plan: of the endpoint's model by today's specs. Rows of models with other columns are not judged.
        most_versions: the most combinations of versions that are compared.
    """
    training_set, trained = endpoint.model.training_set, TrainedDefinitions(scope, endpoint.model)
    check = SkewCheck(scope, plan, trained, training_set.features, most_versions=most_versions)
    sampled = drained.frames()
    for frame in sampled:
        check.add(frame)
    return check.report(drained.seen, sum(frame.height for frame in sampled))


class SkewCheck:
    """Judges rows of a prediction log.

    Args:
        plan: the columns that are compared.
        views: of the plan, as they are today.
        derived: the derived features of the plan; by default those that the model of the rows was trained with.
    """

    def __init__(
        self,
        scope: Scope,
        plan: ModelPlan,
        trained: TrainedDefinitions,
        views: Sequence[FeatureView],
        *,
        derived: Mapping[str, pl.Expr] | None = None,
        most_versions: int = VERSIONS,
    ) -> None:
        self._plan, self._trained, self._views = plan, trained, views
        self._derived, self._most_versions = derived, most_versions
        self._publications = PublicationsRead(scope, trained)
        self._groups: list[ComparedRows] = []
        self._not_judged, self._outages = Counter[str](), Counter[str]()
        self._versions: dict[str, list[OtherVersion]] = {view.name: [] for view in self._views}
        self._definitions: list[OtherDefinition] = []
        self._read_derived: dict[str, pl.Expr] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Judges rows of one schema."""
        if not self._has_columns(frame):
            self._not_judged["of a model with other columns"] += frame.height
            return
        self._judge_versions(frame)
        self._judge_definitions(frame)
        for versions, rows in self._by_versions(frame):
            try:
                compared = self._compare(versions, rows)
            except LakeError:
                self._not_judged["of a version that is gone"] += rows.height
            else:
                self._groups.append(compared)

    def _compare(self, versions: Mapping[str, Any], rows: pl.DataFrame) -> ComparedRows:
        answered: Any = rows["requested_at"].min()
        model = str(rows["model_version"][0])
        offline = {
            view.name: self._publications.offline(view, model, int(versions[view.name]), answered)
            for view in self._views
        }
        derived = self._trained.model(model).training_set.derived if self._derived is None else self._derived
        stored = [name for view in self._plan.views for name in view.features]
        derived = computable(derived, [*self._plan.columns, *stored])
        self._read_derived |= derived
        return compare_rows(self._plan, derived, offline, rows)

    def report(self, drained: int, sampled: int, newest: Mapping[str, int] | None = None) -> SkewReport:
        """What the rows show.

        Args:
            newest: view -> the version of a publication. Only rows that read it count for the view. By default, all do.
        """
        keys = tuple(self._plan.keys)
        differences = count_differences(self._groups, self._views, self._read_derived, keys, newest)
        versions = {view: _of_version(found, (newest or {}).get(view)) for view, found in self._versions.items()}
        return SkewReport(
            drained=drained,
            sampled=sampled,
            compared=sum(group.asked.height for group in self._groups),
            features=tuple(differences),
            versions=versions,
            definitions=tuple(self._definitions),
            outages=dict(self._outages),
            not_judged=dict(self._not_judged),
        )

    def _has_columns(self, frame: pl.DataFrame) -> bool:
        keys = self._plan.keys.items()
        return set(self._plan.numbers) | set(self._plan.columns) <= set(frame.columns) and all(
            frame.schema[key] == TYPES[kind] for key, kind in keys
        )

    def _judge_versions(self, frame: pl.DataFrame) -> None:
        by = ["requested_at", _VERSION_COLUMN, "model_version"]
        asked = frame.group_by(by).len("rows").sort(by)
        for view in self._views:
            histories: dict[tuple[str, bool], Sequence[Publication]] = {}
            for requested_at, text, model_version, rows in asked.iter_rows():
                logged = versions_of(text).get(view.name)
                if logged is None:
                    continue
                place = model_version, version_of(logged) is not None
                if place not in histories:
                    history = self._publications.history(view, model_version, beside=place[1])
                    histories[place] = publications_since(history, asked["requested_at"][0])
                other = find_other_version(view.name, histories[place], logged, requested_at)
                self._versions[view.name] += [other] * rows if other is not None else []

    def _judge_definitions(self, frame: pl.DataFrame) -> None:
        for text, model_version in frame.select(_VERSION_COLUMN, "model_version").unique().sort(pl.all()).iter_rows():
            versions = versions_of(text)
            for view in self._views:
                logged = versions.get(view.name)
                if logged is None or version_of(logged) is not None:
                    continue  # an earlier definition's own table follows no other
                found = differing_definitions(self._trained, view, model_version, logged)
                known = {(each.feature, each.model_version) for each in self._definitions}
                self._definitions += [each for each in found if (each.feature, each.model_version) not in known]

    def _by_versions(self, frame: pl.DataFrame) -> Iterator[tuple[Mapping[str, Any], pl.DataFrame]]:
        """Versions of the views -> the rows that read them, spread evenly over the time if there are too many."""
        groups = frame.sort("requested_at").partition_by(_VERSION_COLUMN, "model_version", maintain_order=True)
        complete: list[tuple[Mapping[str, Any], pl.DataFrame]] = []
        for rows in groups:
            versions = versions_of(rows[_VERSION_COLUMN][0])
            lacking = [view.name for view in self._views if versions.get(view.name) is None]
            for name in lacking:
                self._outages[name] += rows.height
            if not lacking:
                complete.append((versions, rows))
        most = self._most_versions
        chosen = {place * len(complete) // most for place in range(most)}
        for place, group in enumerate(complete):
            if len(complete) <= most or place in chosen:
                yield group
            else:
                self._not_judged["of further versions"] += group[1].height


def _of_version(found: Sequence[OtherVersion], version: int | None) -> tuple[OtherVersion, ...]:
    """Those that read the version, or all, in the order of the requests."""
    chosen = [each for each in found if version in (None, each.logged)]
    return tuple(sorted(chosen, key=lambda each: each.requested_at))
