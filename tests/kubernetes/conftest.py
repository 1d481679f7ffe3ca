"""A namespace of a real cluster for each test.

The variables say which: ``KUBECONFIG``; ``TEST_IMAGE``, an image of ``tests/kubernetes/Dockerfile``; the address of an
object store, ``TEST_STORE`` from this machine and ``TEST_STORE_IN_CLUSTER`` from pods; ``TEST_STORE_KEY`` and
``TEST_STORE_SECRET``; and ``TEST_BUCKET``. The chart's tests need helm and kubectl besides, PostgreSQL
(``TEST_POSTGRES`` with its password, from this machine; ``TEST_POSTGRES_IN_CLUSTER`` without, and
``TEST_POSTGRES_PASSWORD``), and Redis (``TEST_REDIS_IN_CLUSTER``, ``TEST_REDIS_PASSWORD``).
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlp_resources.kubernetes.training_job import Place
from tests.support.cluster import Cluster

_NEEDED = ("KUBECONFIG", "TEST_IMAGE", "TEST_STORE", "TEST_STORE_IN_CLUSTER", "TEST_STORE_KEY", "TEST_STORE_SECRET",
           "TEST_BUCKET")  # fmt: skip
_GIVEN = {name: os.environ.get(name, "") for name in _NEEDED}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    missing = [name for name, value in _GIVEN.items() if not value]
    if missing:
        pytest.skip(f"There is no cluster: {', '.join(missing)} not set")
    keys = {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": _GIVEN["TEST_STORE_KEY"],
        "AWS_SECRET_ACCESS_KEY": _GIVEN["TEST_STORE_SECRET"],
    }
    for name, value in (keys | {"AWS_ENDPOINT_URL": _GIVEN["TEST_STORE"]}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KUBECONFIG", _GIVEN["KUBECONFIG"])
    name = f"mlp-{uuid.uuid4().hex[:8]}"
    place = Place(name, _GIVEN["TEST_IMAGE"], secret="store")
    in_pods = keys | {"AWS_ENDPOINT_URL": _GIVEN["TEST_STORE_IN_CLUSTER"]}
    made = Cluster(place, f"s3://{_GIVEN['TEST_BUCKET']}/{name}", tmp_path, in_pods)
    made.create()
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig()))
    yield made
    made.delete()
