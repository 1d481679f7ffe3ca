"""The definitions that Dagster loads through workspace.yaml."""

import dagster as dg

from mlp_assets.platform import definitions_for
from mlp_assets.template.project import project


@dg.definitions
def definitions() -> dg.Definitions:
    return definitions_for(project)
