"""The part of a model's plan that can be compared: some of its views, and the columns that are at hand."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import polars as pl

from mlp_assets.endpoints.replica.plan import ModelPlan
from mlp_assets.tables.derived import computable


@dataclass(frozen=True)
class NarrowedPlan:
    """A plan with its derived features: name -> expression."""

    plan: ModelPlan
    derived: Mapping[str, pl.Expr]


def narrow_plan(
    plan: ModelPlan, derived: Mapping[str, pl.Expr], views: Collection[str], columns: Collection[str]
) -> NarrowedPlan:
    """The plan with these views and request columns alone, and with the derived features that read nothing else."""
    kept = tuple(view for view in plan.views if view.name in views)
    request = {name: kind for name, kind in plan.request.items() if name in columns}
    stored = {name for view in kept for name in view.features}
    known, possible = {*stored, *request, *plan.keys}, dict(derived)
    if len(kept) < len(plan.views) or len(request) < len(plan.request):
        possible = {
            name: each for name, each in computable(derived, known).items() if not each.meta.has_multiple_outputs()
        }
    numbers = tuple(name for name in plan.numbers if name in known or name in possible)
    return NarrowedPlan(replace(plan, views=kept, request=request, numbers=numbers), possible)
