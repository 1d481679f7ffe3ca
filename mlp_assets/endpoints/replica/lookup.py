"""Looks up the stored features of a request's rows in the online store."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.replica.row_features import Columns, FeatureAssembler, RowFeatures
from mlp_assets.features.online_reader import Read, ViewReader
from mlp_assets.jobs.function_paths import load_by_path
from mlp_assets.tables.expiry import microseconds
from mlp_assets.tables.stored_expressions import expressions_from_texts
from mlp_resources.ports.serving import OnlineView


class Lookup:
    """Compiled once for a plan; each call reads one snapshot of each view."""

    def __init__(self, plan: ServingPlan, views: Mapping[str, OnlineView]) -> None:
        self._readers = [ViewReader(view, views[view.name]) for view in plan.views]
        self._assembler = FeatureAssembler(plan, derived_expressions(plan))

    def __call__(self, columns: Columns, at: datetime) -> RowFeatures:
        """The features of the rows whose keys and request columns are given, as of the time ``at``."""
        now = microseconds(at)
        count = len(next(iter(columns.values())))
        reads: dict[str, Read] = {}
        if count == 1 and not self._assembler.derives:
            for reader in self._readers:
                reads[reader.name] = reader.read_one(tuple([columns[key][0] for key in reader.keys]), now)
            return self._assembler.single_row(reads, columns)
        for reader in self._readers:
            reads[reader.name] = reader.read_many(list(zip(*(columns[key] for key in reader.keys), strict=True)), now)
        return self._assembler.rows(reads, columns, count)


def derived_expressions(plan: ServingPlan) -> Mapping[str, pl.Expr]:
    """The derived features of a plan. Raises UnreadableExpressionError if another release of Polars wrote them."""
    return expressions_from_texts(plan.derived) if plan.derive is None else load_by_path(plan.derive)()
