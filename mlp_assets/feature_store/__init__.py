"""What notebooks and scripts use: ``FeatureStore`` reads features as they were known, and as they are online."""

from mlp_assets.feature_store.feature_store import FeatureStore

__all__ = ["FeatureStore"]
