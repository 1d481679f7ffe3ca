"""The composition root that ``workspace.yaml`` loads. Nobody imports it."""

import os

import dagster as dg

from mlp_assets.platform import definitions_for
from mlp_assets.projects.retail.project import project


@dg.definitions
def definitions() -> dg.Definitions:
    return definitions_for(project, sensor_interval_seconds=int(os.environ.get("MLP_SENSOR_SECONDS", "30")))
