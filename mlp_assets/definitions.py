"""The composition root that ``workspace.yaml`` loads. No module imports it."""

import dagster as dg

from mlp_assets.examples.catalogue.project import project as catalogue
from mlp_assets.examples.retail.project import project as retail
from mlp_assets.platform import definitions_for


@dg.definitions
def definitions() -> dg.Definitions:
    return definitions_for(retail, catalogue)
