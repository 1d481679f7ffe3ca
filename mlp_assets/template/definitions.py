"""What Dagster loads: see the entry in workspace.yaml."""

import dagster as dg

from mlp_assets.platform import definitions_for
from mlp_assets.template.project import project


@dg.definitions
def definitions() -> dg.Definitions:
    return definitions_for(project)
