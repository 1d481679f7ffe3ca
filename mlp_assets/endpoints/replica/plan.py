"""The plans of replicas and batches: a model's artifact, the features to look up, and the columns that callers send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import polars as pl

from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.jobs.local_folder import local_folder
from mlp_assets.nouns.task import Task

# The types that a key or a request column may have, by the name that a plan gives them.
TYPES: Mapping[str, type[pl.DataType] | pl.DataType] = {
    "Int64": pl.Int64,
    "Float64": pl.Float64,
    "String": pl.String,
    "Boolean": pl.Boolean,
    "List": pl.List(pl.Float64),
}


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    """One version of a model and the columns that it needs. Written by ``endpoints/serving_plan.py``.

    Args:
        endpoint: name of the endpoint or batch score that answers; logged with each prediction.
        keys, request: column -> type name in ``TYPES``.
        derived: derived feature -> its expression, as ``expression_to_text`` writes it.
        derive: ``package.module:function`` that returns derived features which a text cannot hold, or None.
        inputs: inputs of the model, in order; ``numbers`` are the inputs that are numbers without an encoder.
        sizes: request column that is a list -> its length.
        model_address: of the artifact: a URI, or a plain path in plans of earlier releases.
        label: Polars type name of the prediction.
    """

    project: str
    endpoint: str
    keys: Mapping[str, str]
    request: Mapping[str, str]
    views: tuple[ViewPlan, ...]
    derive: str | None
    inputs: tuple[str, ...]
    numbers: tuple[str, ...]
    model_name: str
    model_version: str
    model_address: str
    model_digest: str
    task: Task
    target: str
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    derived: Mapping[str, str] = field(default_factory=dict[str, str])
    label: str = "Float64"

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> Self:
        return cls(**cls._arguments(plan))

    @classmethod
    def _arguments(cls, plan: Mapping[str, Any]) -> dict[str, Any]:
        model = plan["model"]
        plain = ("project", "endpoint", "keys", "request", "derive", "target")
        return {
            **{name: plan[name] for name in plain},
            "task": Task.of(plan["task"]),
            "views": tuple(ViewPlan.from_json(view) for view in plan["views"]),
            "inputs": tuple(plan["inputs"]),
            "numbers": tuple(plan.get("numbers", plan["inputs"])),
            "sizes": plan.get("sizes", {}),
            "derived": plan.get("derived", {}),
            "label": plan.get("label", "Float64"),
            "model_name": model["name"],
            "model_version": str(model["version"]),
            "model_address": model["path"],
            "model_digest": model["digest"],
        }

    @property
    def request_numbers(self) -> tuple[str, ...]:
        """The request columns that are numbers."""
        return tuple(name for name in self.request if name in self.numbers)

    @property
    def columns(self) -> dict[str, str]:
        """Columns that a caller sends, keys first: name -> type name."""
        return {**self.keys, **self.request}


@dataclass(frozen=True, kw_only=True)
class ServingPlan(ModelPlan):
    """Everything that a replica of an endpoint needs, read once from plain JSON.

    Args:
        spool: folder of the prediction log's spool on the replica's machine.
        refuses: reasons for missing features for which a request is refused.
        nullable: request columns of numbers that may be null, because some were in training.
    """

    route: str
    spool: Path
    max_rows: int
    max_body_bytes: int
    refuses: tuple[str, ...]
    nullable: tuple[str, ...] = ()

    @classmethod
    def _arguments(cls, plan: Mapping[str, Any]) -> dict[str, Any]:
        plain = {name: plan[name] for name in ("route", "max_rows", "max_body_bytes")}
        own = {
            "refuses": tuple(plan["refuses"]),
            "nullable": tuple(plan.get("nullable", ())),
            "spool": local_folder(plan["spool"]),
        }
        return super()._arguments(plan) | plain | own

    def shape(self, name: str, rows: int) -> list[int]:
        """Shape of the input tensor ``name`` for ``rows`` rows; -1 means any."""
        return [rows, self.sizes[name]] if name in self.sizes else [rows]
