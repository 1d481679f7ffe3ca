"""The gate on skew. The endpoints judge it, because they know how a model looks up its features."""

from collections.abc import Callable, Mapping
from typing import Final

from mlp_assets.models.evaluation.judgement import GateResult
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration.scope import Scope

SKEW_DESCRIPTION: Final = "The features that the candidate will read online equal those of the offline path."

JudgeSkew = Callable[[Scope, Model, Mapping[str, str]], GateResult]
"""Judges a candidate of a model by the tags that it will be registered with."""
