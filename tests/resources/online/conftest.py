"""The online stores, each for the tests that it has to pass."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.online.redis import RedisOnlineStore
from mlp_resources.ports.serving import OnlineStore
from tests.support.redis_server import NEEDED, redis_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["lmdb", pytest.param("redis", marks=NEEDED)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OnlineStore:
    if request.param == "lmdb":
        return LmdbOnlineStore(tmp_path)
    return RedisOnlineStore(request.getfixturevalue("server"))
