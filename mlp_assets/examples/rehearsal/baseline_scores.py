"""Scores the first version and its baselines on every request that it answered, once the outcomes are known."""

import json
from typing import Any

import polars as pl

from mlp_assets.examples.retail.project import project
from mlp_assets.models.evaluation.gates import judge
from mlp_assets.models.evaluation.judgement import Evaluation
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.gates import BetterThan
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration.keys import registered_model
from mlp_resources.ports import registry_tags
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Table


def score_first_version(environment: Environment, model: Model, endpoint: Endpoint) -> dict[str, Any]:
    """Metrics and paired bootstrap intervals over the rows that version 1 answered.

    The baselines are fitted on the same training rows as that version.
    """
    training_set, lake = model.training_set, environment.lake
    first = environment.registry.versions(registered_model(project.name, model))[0]
    ((name, version),) = json.loads(first.tags[registry_tags.TRAINING_SET]).items()
    history = lake.scan(Table(*name.split("/")), version)
    labels = training_set.labels
    outcomes = lake.scan(Table(project.name, "source", labels.name))
    outcomes = outcomes.select(*training_set.keys, pl.col(labels.event_time).alias("at"), training_set.target)
    answered = lake.scan(Table(project.name, "predictions", endpoint.name)).filter(
        pl.col("model_version") == first.version
    )
    rows = answered.join(outcomes, on=[*training_set.keys, "at"]).sort("at", *training_set.keys).collect()
    evaluation = Evaluation(
        model.task_kind, training_set.target, training_set.keys, training_set.feature_names,
        LabelledRows.of_part(history, "train"), LabelledRows(rows.lazy()), rows["prediction"].to_numpy(), None,
        model.seed,
    )  # fmt: skip
    judgement = judge(evaluation, tuple(gate for gate in model.gates if isinstance(gate, BetterThan)))
    return {
        "rows": rows.height,
        "weeks": rows["at"].n_unique(),
        "metrics": {who: {k: round(v, 4) for k, v in values.items()} for who, values in judgement.metrics.items()},
        "better_than_baselines": judgement.passed,
        "sentences": [result.sentence for result in judgement.results],
    }
