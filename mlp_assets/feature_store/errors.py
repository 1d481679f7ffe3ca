"""The error that the feature store raises."""

from mlp_assets.errors import MlpError


class StoreError(MlpError):
    """A request to the feature store is wrong; the message says what to write instead."""
