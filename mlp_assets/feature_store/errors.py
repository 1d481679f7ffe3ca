"""What can be wrong with a question to the feature store."""

from mlp_assets.errors import MlpError


class StoreError(MlpError):
    """A question to the feature store cannot be answered as it is written."""
