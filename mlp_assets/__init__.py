"""The nouns and helpers for a team's project file. Importing it imports no heavy library."""

from mlp_assets.errors import MlpError, Problem, ProjectError
from mlp_assets.nouns.aggregation import (
    Aggregation,
    Ratio,
    attribute,
    count,
    count_distinct,
    days_since_last,
    expression,
    first,
    latest,
    maximum,
    mean,
    minimum,
    ratio,
    std,
    total,
)
from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.nouns.compute import Accelerate, Local
from mlp_assets.nouns.encoders import Categories, Standardized, Tokens, Vector
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.entity import Entity
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.gates import (
    AtLeast,
    AtMost,
    BetterThan,
    Calibrated,
    FasterThan,
    NoWorseThan,
    OnEverySlice,
    SmallerThan,
)
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import DriftAlarm, Monitor, PerformanceAlarm, QualityAlarm
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.search import Choice, FloatRange, IntRange, Search, StopEarly
from mlp_assets.nouns.source import Source, Window
from mlp_assets.nouns.training_set import SplitByGroup, SplitByTime, TrainingSet
from mlp_assets.training.frameworks.own import OwnModel
from mlp_assets.training.run import Split, TrainingRun

__all__ = [
    "Accelerate",
    "Aggregation",
    "AtLeast",
    "AtMost",
    "BatchScore",
    "BetterThan",
    "Calibrated",
    "Categories",
    "Choice",
    "DriftAlarm",
    "Endpoint",
    "Entity",
    "FasterThan",
    "FeatureView",
    "FloatRange",
    "IntRange",
    "Local",
    "MlpError",
    "Model",
    "Monitor",
    "NoWorseThan",
    "OnEverySlice",
    "OwnModel",
    "PerformanceAlarm",
    "Problem",
    "Project",
    "ProjectError",
    "QualityAlarm",
    "Ratio",
    "Search",
    "SmallerThan",
    "Source",
    "Split",
    "SplitByGroup",
    "SplitByTime",
    "Standardized",
    "StopEarly",
    "Tokens",
    "TrainingRun",
    "TrainingSet",
    "Vector",
    "Window",
    "attribute",
    "count",
    "count_distinct",
    "days_since_last",
    "expression",
    "first",
    "latest",
    "maximum",
    "mean",
    "minimum",
    "ratio",
    "std",
    "total",
]
