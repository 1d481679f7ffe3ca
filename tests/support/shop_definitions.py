"""The code location of the tests on Kubernetes: the shop, and scores of a batch."""

import dagster as dg

import mlp_assets as mlp
from mlp_assets.platform import definitions_for
from tests.support import shop


def project() -> mlp.Project:
    made = shop.make()
    (model,) = made.models
    weekly = mlp.BatchScore("weekly", model=model, rows=model.training_set.labels)
    return mlp.Project("shop", owner="team:shop", assets=[*made.assets, weekly])


@dg.definitions
def definitions() -> dg.Definitions:
    return definitions_for(project())
