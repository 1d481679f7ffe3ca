"""The rows on which a champion is compared with a candidate: with the features that the champion was trained on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.definitions.trained_tables import trained_tables
from mlp_assets.features.source_rows import lake_table
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.visibility import record_versions, row_visibility
from mlp_assets.tables.as_of_join import FeatureTable, join_frame_as_visible
from mlp_assets.tables.derived import computable, with_derived

_AT = "at"


@contextmanager
def rows_of_champion(
    scope: Scope, model: Model, version: str, rows: LabelledRows, read: Mapping[str, int | None]
) -> Iterator[LabelledRows]:
    """The rows in their order, with the features by the definitions that the champion was trained on.

    Args:
        version: of the champion.
        rows: of the candidate's training set. They are returned if their definitions are the champion's.
        read: table -> the version that the training set was made of; the newest where it is not known.

    Raises:
        LostDefinitionError: an earlier definition cannot be computed any more.
    """
    trained = TrainedDefinitions(scope, model)
    if _are_same(scope, model.training_set, trained, version, read):
        yield rows
        return
    then = trained.model(version).training_set
    with TemporaryDirectory() as folder:
        tables = _feature_tables(scope, model.training_set, trained, version)
        for number, batch in enumerate(rows.batches(list(dict.fromkeys([*then.keys, _AT, *then.request])))):
            joined = join_frame_as_visible(batch, _AT, tables, narrowed=True)
            numbers = [name for name in then.numbers if name not in then.derived]
            derived = computable(then.derived, joined.columns)  # not of a view that the training set did away with
            with_derived(joined, derived, numbers).write_parquet(Path(folder, f"{number:06d}.parquet"))
        yield LabelledRows(pl.scan_parquet(f"{folder}/*.parquet"))


def _are_same(
    scope: Scope, training_set: TrainingSet, trained: TrainedDefinitions, version: str, read: Mapping[str, int | None]
) -> bool:
    earlier = (
        trained.earlier_definition(view, version, read.get(str(lake_table(scope, view))))
        for view in training_set.features
    )
    derived = trained.model(version).training_set.derived
    return all(each is None for each in earlier) and _texts(derived) == _texts(training_set.derived)


def _texts(expressions: Mapping[str, pl.Expr]) -> dict[str, bytes]:
    return {name: expression.meta.serialize() for name, expression in expressions.items()}


def _feature_tables(
    scope: Scope, training_set: TrainingSet, trained: TrainedDefinitions, version: str
) -> list[FeatureTable]:
    views, environment = training_set.features, scope.environment
    served = training_set.availability == "served"
    records = record_versions(environment, scope.project, views) if served else {}
    tables: list[FeatureTable] = []
    for each in trained_tables(scope, trained, views, version):
        visible = row_visibility(environment, scope.project, each.view, training_set.availability, records)
        rows, spec = environment.lake.scan(each.table, each.version), each.spec
        tables.append(FeatureTable.of(spec, rows, visible))
    return tables
