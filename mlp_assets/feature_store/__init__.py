"""For notebooks and scripts: ``FeatureStore`` reads features as they were known at a time, and as they are online."""

from mlp_assets.feature_store.feature_store import FeatureStore

__all__ = ["FeatureStore"]
