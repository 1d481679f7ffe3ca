"""The nouns and helpers of which a team's project file is made. Importing this imports no heavy library."""

from mlp_assets.spec.aggregation import (
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
from mlp_assets.spec.compute import Accelerate, Local
from mlp_assets.spec.encoders import Categories, Standardized, Tokens, Vector
from mlp_assets.spec.endpoint import Endpoint
from mlp_assets.spec.entity import Entity
from mlp_assets.spec.errors import MlpError, Problem, ProjectError
from mlp_assets.spec.feature_view import FeatureView
from mlp_assets.spec.gates import (
    AtLeast,
    AtMost,
    BetterThan,
    Calibrated,
    FasterThan,
    NoWorseThan,
    OnEverySlice,
    SmallerThan,
)
from mlp_assets.spec.model import Model
from mlp_assets.spec.monitor import DriftAlarm, Monitor, PerformanceAlarm, QualityAlarm
from mlp_assets.spec.project import Project
from mlp_assets.spec.search import Choice, FloatRange, IntRange, Search, StopEarly
from mlp_assets.spec.source import Source, Window
from mlp_assets.spec.split import SplitByGroup, SplitByTime
from mlp_assets.spec.training_set import TrainingSet
from mlp_assets.training.frameworks.own import OwnModel
from mlp_assets.training.run import Split, TrainingRun

__all__ = [
    "Accelerate",
    "Aggregation",
    "AtLeast",
    "AtMost",
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
