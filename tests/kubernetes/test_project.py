"""A project whose model is trained on a cluster: the same file, the same gates, a promoted version."""

from pathlib import Path

import pytest

from mlp_assets.models.promotions import champion
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.local import LocalEnvironment
from tests.support import shop
from tests.support.champions import WEEKS, scope_and_model
from tests.support.cluster import Cluster
from tests.support.platform import Platform


@pytest.mark.timeout(600)
def test_a_project_trains_its_model_on_the_cluster(
    cluster: Cluster, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_ENVIRONMENT", "cluster")
    monkeypatch.setenv("MLP_LAKE", f"{cluster.root}/lake")
    monkeypatch.setenv("MLP_KUBERNETES_NAMESPACE", cluster.place.namespace)
    monkeypatch.setenv("MLP_KUBERNETES_IMAGE", cluster.place.image)
    monkeypatch.setenv("MLP_KUBERNETES_SECRET", str(cluster.place.secret))
    environment = configured_environment()
    assert isinstance(environment, LocalEnvironment)
    platform = Platform(shop.make(), home, environment=environment)
    platform.run("source", "features", tags=WEEKS)
    platform.run("online", "training_set", "candidate", "champion")
    live = champion(*scope_and_model(platform))
    assert live is not None
    assert live.version == "1"
    assert not cluster.objects()
