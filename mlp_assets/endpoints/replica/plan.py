"""The serving plan: all that a replica knows, read once from plain JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.features.view_plan import ViewPlan

# What a key or a request column may be, by the name that a plan gives it.
TYPES: Mapping[str, type[pl.DataType] | pl.DataType] = {
    "Int64": pl.Int64,
    "Float64": pl.Float64,
    "String": pl.String,
    "Boolean": pl.Boolean,
    "List": pl.List(pl.Float64),
}


@dataclass(frozen=True)
class ServingPlan:
    """An endpoint: what callers send, what is looked up, which model answers. See ``build/plans.py``.

    Args:
        inputs: what the model is given; ``numbers`` are those of them that are numbers as they are.
        sizes: how many numbers a list has that callers send.
        label: the Polars type of what is predicted.
    """

    project: str
    endpoint: str
    route: str
    keys: Mapping[str, str]
    request: Mapping[str, str]
    views: tuple[ViewPlan, ...]
    derive: str | None
    inputs: tuple[str, ...]
    numbers: tuple[str, ...]
    model_name: str
    model_version: str
    model_path: Path
    model_digest: str
    spool: Path
    max_rows: int
    max_body_bytes: int
    task: str
    target: str
    refuses: tuple[str, ...]
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    label: str = "Float64"

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> "ServingPlan":
        model = plan["model"]
        plain = ("project", "endpoint", "route", "keys", "request", "derive", "max_rows", "max_body_bytes", "task")
        return cls(
            **{name: plan[name] for name in (*plain, "target")},
            refuses=tuple(plan["refuses"]),
            views=tuple(ViewPlan.from_json(view) for view in plan["views"]),
            inputs=tuple(plan["inputs"]),
            numbers=tuple(plan.get("numbers", plan["inputs"])),
            sizes=plan.get("sizes", {}),
            label=plan.get("label", "Float64"),
            model_name=model["name"],
            model_version=str(model["version"]),
            model_path=Path(model["path"]),
            model_digest=model["digest"],
            spool=Path(plan["spool"]),
        )

    def shape(self, name: str, rows: int) -> list[int]:
        """Of a tensor that callers send."""
        return [rows, self.sizes[name]] if name in self.sizes else [rows]

    @property
    def asked(self) -> tuple[str, ...]:
        """The request columns that are numbers."""
        return tuple(name for name in self.request if name in self.numbers)

    @property
    def columns(self) -> dict[str, str]:
        """What a caller sends: name -> Polars type name."""
        return {**self.keys, **self.request}
