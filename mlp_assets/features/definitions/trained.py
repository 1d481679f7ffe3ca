"""The definitions of features by which the versions of a model were trained.

The rows of a training set follow the definitions of its views' tables at the versions that it read, and its ``derive``
of that day. The commit of its table notes the derived features as texts.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from mlp_assets.features.definitions.definition_note import FIRST, definition_at
from mlp_assets.features.definitions.documents import StoredDerive, view_of_document
from mlp_assets.features.definitions.kept_table import LostDefinitionError
from mlp_assets.features.definitions.view_definition import is_same, read_document
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_notes import FeatureDefinition, definitions_of, recorded_definitions
from mlp_assets.nouns.feature_view import Derive, FeatureView
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.stored_expressions import (
    UnreadableExpressionError,
    expression_to_text,
    expressions_from_texts,
)
from mlp_resources.ports import registry_tags
from mlp_resources.ports.lake import Table

_DERIVED = "derived"


def derived_notes(training_set: TrainingSet) -> dict[str, str]:
    """The note on the derived features, to leave with a write of the training set's table."""
    derived = {name: [expression_to_text(each), str(each)] for name, each in training_set.derived.items()}
    return {_DERIVED: json.dumps(derived)}


@dataclass(frozen=True)
class TrainedView:
    """What a model was trained on of a view.

    Args:
        definition: the name of the definition that the table followed.
        ttl: of then; empty where it is not recorded.
        source: the definition of the view below, as ``ViewDefinition`` has it.
        features: of the view, with their definitions of then.
    """

    definition: str
    source: str
    ttl: str | None
    features: Mapping[str, FeatureDefinition]
    polars: str

    def is_equal(self, ttl: str | None, features: Mapping[str, FeatureDefinition]) -> bool:
        """Whether these are the features, in their order, with their definitions and their TTL."""
        same = list(features) == list(self.features) and self.ttl in ("", ttl)
        return same and all(is_same(old, features[name], self.polars) for name, old in self.features.items())

    def is_served_by(self, other: "TrainedView", names: set[str]) -> bool:
        """Whether the other one has the same source, TTL and definitions of these features.

        Names of features that are of no view are ignored.
        """
        same_ttl = "" in (self.ttl, other.ttl) or self.ttl == other.ttl
        return (same_ttl and self.source == other.source) and all(
            name in other.features and is_same(definition, other.features[name], self.polars)
            for name, definition in self.features.items()
            if name in names
        )


class TrainedDefinitions:
    """The definitions of the features that each version of a model was trained on. Reads each of them once.

    Args:
        unregistered: name of a version that is not in the registry yet -> the tags that it will have.
    """

    def __init__(self, scope: Scope, model: Model, unregistered: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._scope, self._model, self._unregistered = scope, model, unregistered or {}
        self._views: dict[tuple[str, int], TrainedView] = {}
        self._models: dict[str, Model] = {}
        self._tags: dict[str, Mapping[str, str]] | None = None

    def view(self, view: FeatureView, model_version: str) -> TrainedView | None:
        """None where the registry does not know which tables the version was trained on."""
        table_version = self._tag(model_version, registry_tags.TABLES_READ).get(str(lake_table(self._scope, view)))
        return self.at(view, table_version) if table_version is not None else None

    def training_table(self, model_version: str) -> tuple[Table, int] | None:
        """The table of the training set of a version of the model, and its Delta version; None if not recorded."""
        read = self._tag(model_version, registry_tags.TRAINING_SET).items()
        return next(((Table(*table.split("/")), number) for table, number in read), None)

    def at(self, view: FeatureView, table_version: int | None = None) -> TrainedView:
        """What a training at a version of the view's table is trained on, the newest by default."""
        lake, table = self._scope.environment.lake, lake_table(self._scope, view)
        version = lake.version(table) if table_version is None else table_version
        if version is None:
            return TrainedView(FIRST, FIRST, "", {}, pl.__version__)
        if (str(table), version) not in self._views:
            definition = definition_at(lake, table, version)
            features = recorded_definitions(self._scope, table, version)
            self._views[str(table), version] = TrainedView(
                definition.name, definition.source, definition.ttl, features, definition.polars
            )
        return self._views[str(table), version]

    def earlier_definition(self, view: FeatureView, model_version: str, table_version: int | None = None) -> str | None:
        """The name of the definition that the version was trained on, where the view's table follows another one.

        None where the table computes what the model reads as it was trained, or where that is not recorded.

        Args:
            table_version: the newest by default.
        """
        then, read = self.view(view, model_version), self.read_features(model_version)
        return None if then is None or then.is_served_by(self.at(view, table_version), read) else then.definition

    def looked_up(self, view: FeatureView, model_version: str) -> str:
        """The name of the definition that an endpoint looks up for the version."""
        earlier = self.earlier_definition(view, model_version)
        return self.at(view).definition if earlier is None else earlier

    def read_features(self, model_version: str) -> set[str]:
        """The inputs of the version of the model, and what its derived features read."""
        training_set = self.model(model_version).training_set
        read = set(training_set.feature_names)
        return read.union(*(expression.meta.root_names() for expression in training_set.derived.values()))

    def model(self, model_version: str) -> Model:
        """The model with its training set as the version was trained on it.

        Where that is not recorded, or cannot be read back, the features of its views are today's.

        Raises:
            LostDefinitionError: its ``derive`` was another one than today's, and cannot be read back.
        """
        if model_version not in self._models:
            training_set = self._model.training_set
            views = [self._spec(view, model_version) for view in training_set.features]
            then = replace(training_set, features=views, derive=self._derive(model_version))
            self._models[model_version] = replace(self._model, training_set=then)
        return self._models[model_version]

    def spec(self, view: FeatureView, model_version: str) -> FeatureView:
        """The view as the version was trained on it."""
        views = self.model(model_version).training_set.features
        return next(spec for spec in views if spec.name == view.name)

    def _spec(self, view: FeatureView, model_version: str) -> FeatureView:
        then = self.view(view, model_version)
        if then is None or then.is_equal(view.ttl, definitions_of(view)):
            return view
        document = read_document(self._scope.owning(view), view, then.definition)
        try:
            return view_of_document(view, document, view.name, view.source, then.features) if document else view
        except UnreadableExpressionError:
            return view

    def _derive(self, model_version: str) -> Derive | None:
        training_set = self._model.training_set
        table = keys.table(keys.training_set(self._scope.home(training_set), training_set))
        version = self._tag(model_version, registry_tags.TRAINING_SET).get(str(table))
        note = self._scope.environment.lake.notes(table, version).get(_DERIVED) if version is not None else None
        if note is None:
            return training_set.derive
        recorded: dict[str, tuple[str | None, str]] = json.loads(note)
        texts = {name: text for name, (text, _) in recorded.items() if text is not None}
        if len(texts) == len(recorded):
            with contextlib.suppress(UnreadableExpressionError):
                return StoredDerive(expressions_from_texts(texts))
        shown = {name: str(expression) for name, expression in training_set.derived.items()}
        if shown == {name: text for name, (_, text) in recorded.items()}:
            return training_set.derive
        raise LostDefinitionError(
            f"{training_set.where}: version {model_version} of {self._model.name} was trained on another derive than "
            "today's, and it cannot be read back. Train the model again, or restore the derive of then."
        )

    def _tag(self, model_version: str, tag: str) -> dict[str, Any]:
        """A tag of a version of the model that holds table -> version; empty where there is none."""
        if self._tags is None:
            name = keys.registered_model(self._scope.home(self._model), self._model)
            registered = {each.version: each.tags for each in self._scope.environment.registry.versions(name)}
            self._tags = registered | dict(self._unregistered)
        return json.loads(self._tags.get(model_version, {}).get(tag, "{}"))
