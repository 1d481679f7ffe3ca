"""The Redis store: rows of a killed publisher are never read and later removed, and the password is shown nowhere."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import redis

from mlp_assets.errors import MlpError
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.online import redis as online_redis
from mlp_resources.online.open_view import open_view, view_opener
from mlp_resources.online.redis import RedisOnlineStore
from mlp_resources.ports.serving import OnlineUnavailableError, StalePublicationError
from tests.support.redis_server import NEEDED, redis_server

pytestmark = NEEDED
SECRET = "s3cr3t-w0rd"
KEYS, FEATURES = ["user_id"], ["spend"]
# Kills itself before its nth message to Redis.
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
import polars as pl
from redis.connection import AbstractConnection
from mlp_resources.online import redis as online_redis
online_redis._CHUNK = 100
sent, send = [], AbstractConnection.send_packed_command
def dying(self, command, *rest, **more):
    text = b"".join([command] if isinstance(command, bytes) else list(command))
    if b"CLIENT" not in text and b"HELLO" not in text:
        if len(sent) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        sent.append(text)
    return send(self, command, *rest, **more)
AbstractConnection.send_packed_command = dying
frame = pl.DataFrame({"user_id": range(1000), "spend": [9.0] * 1000})
frame = frame.with_columns(event_time=pl.lit(datetime(2024, 2, 1, tzinfo=UTC)))
store = online_redis.RedisOnlineStore(sys.argv[1].partition("#")[0])
store.publish(sys.argv[1], ["user_id"], ["spend"], frame, version=9)
print(len(sent))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def client(server: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server) as connection:
        connection.flushall()
        yield connection


def publish(store: RedisOnlineStore, location: str, spend: float, version: int, count: int = 3) -> None:
    frame = pl.DataFrame({"user_id": range(count), "spend": [spend] * count})
    frame = frame.with_columns(event_time=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)))
    store.publish(location, KEYS, FEATURES, frame, version=version)


def publish_and_die(location: str, message: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED, location, str(message)], capture_output=True, text=True, check=False
    )


def test_a_killed_publisher_leaves_old_or_new_rows_and_the_next_one_cleans_up(server: str, client: redis.Redis) -> None:
    store = RedisOnlineStore(server)
    location = store.location("shop", "spending")
    publish(store, location, 1.0, 1)
    complete = publish_and_die(location, 10_000)
    messages = int(complete.stdout)
    assert messages >= 14  # the live version, ten chunks and their set, the switch, and the list of staged publications
    assert open_view(location).get_one((0,)) == ((9.0,), 1706745600000000, 9)
    for message in range(messages):
        client.flushall()
        publish(store, location, 1.0, 1)
        view = open_view(location)
        assert publish_and_die(location, message).returncode == -9
        after = view.get_many([(0,), (1,), (2,), (999,)])
        old = ([1.0, 1.0, 1.0], [True, True, True, False], 1)
        new = ([9.0, 9.0, 9.0], [True, True, True, True], 9)
        assert (after.values[:3, 0].tolist(), after.found.tolist(), after.version) == (
            new if message >= messages - 2 else old
        )
        publish(store, location, 2.0, 10)
        assert view.get_one((0,)).values == (2.0,)
        live = client.get("mlp:shop/spending:live")
        assert isinstance(live, bytes)
        assert sorted(client.keys()) == sorted([b"mlp:shop/spending:live", b"mlp:shop/spending:" + live])  # type: ignore[arg-type]


def test_a_publication_overtaken_by_a_newer_one_changes_nothing(
    server: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisOnlineStore(server)
    location = store.location("shop", "spending")
    publish(store, location, 1.0, 1)
    stage = online_redis._stage

    def overtaken(*arguments: object) -> None:
        stage(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(online_redis, "_stage", stage)
        publish(store, location, 5.0, 5)

    for version in (4, 5):
        monkeypatch.setattr(online_redis, "_stage", overtaken)
        with pytest.raises(StalePublicationError):
            publish(store, location, 4.0, version)
        assert open_view(location).get_one((0,)).values == (5.0,)
    assert len(client.keys()) == 2  # type: ignore[arg-type]


def test_a_publication_with_missing_rows_never_goes_live(
    server: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisOnlineStore(server)
    location = store.location("shop", "spending")
    publish(store, location, 1.0, 1)
    stage = online_redis._stage

    def losing(connection: redis.Redis, name: str, publication: str, *rest: object) -> None:
        stage(connection, name, publication, *rest)  # type: ignore[arg-type]
        connection.hdel(f"{name}:{publication}", online_redis.pack_key((1,)))

    monkeypatch.setattr(online_redis, "_stage", losing)
    with pytest.raises(StalePublicationError, match="removed its rows"):
        publish(store, location, 2.0, 2)
    assert open_view(location).get_one((1,)) == ((1.0,), 1704067200000000, 1)


def test_rows_evicted_by_redis_are_an_error_and_not_unknown_keys(server: str, client: redis.Redis) -> None:
    store = RedisOnlineStore(server)
    location = store.location("shop", "spending")
    publish(store, location, 1.0, 1)
    view = open_view(location)
    live = client.get("mlp:shop/spending:live")
    assert isinstance(live, bytes)
    client.delete(b"mlp:shop/spending:" + live)
    with pytest.raises(MlpError, match="are gone from Redis. Materialize its online asset"):
        view.get_many([(0,)])
    client.delete("mlp:shop/spending:live")
    with pytest.raises(MlpError, match="is not online yet"):
        view.get_many([(0,)])


def test_a_reader_survives_a_lost_connection(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        store = RedisOnlineStore(url)
        location = store.location("shop", "spending")
        publish(store, location, 1.0, 1)
        view = open_view(location)
        redis.Redis.from_url(url).client_kill_filter(_type="normal", skipme=True)
        assert view.get_one((0,)).values == (1.0,)
    with pytest.raises(OnlineUnavailableError, match="does not answer"):
        view.get_one((0,))


def test_the_password_is_in_no_location_repr_message_or_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with redis_server(tmp_path, SECRET) as url:
        with_password = url.replace("redis://", f"redis://default:{SECRET}@")
        monkeypatch.setenv("MLP_ONLINE", with_password)
        environment = LocalEnvironment(tmp_path)
        location = environment.online.location("shop", "spending")
        publish(environment.online, location, 1.0, 1)  # type: ignore[arg-type]
        view = view_opener(with_password, None)(location)
        shown = [location, repr(environment), repr(environment.online), repr(view), repr(vars(view))]
        assert view.get_one((0,)).values == (1.0,)
        assert view_opener(url, SECRET)(location).get_one((0,)).values == (1.0,)
        assert RedisOnlineStore(url, SECRET).open_view(location).get_one((0,)).values == (1.0,)
        with pytest.raises(OnlineUnavailableError, match="MLP_REDIS_PASSWORD") as refused:
            view_opener(url, f"{SECRET}-wrong")(location)
        shown += [str(refused.value), repr(refused.value)]
    for wrong in (
        f"http://u:{SECRET}@h/0",
        f"redis://u:{SECRET}@h:port/0",
        f"redis://u:{SECRET}@h/0?x=1",
        f"redis://:{SECRET}@",
    ):
        with pytest.raises(MlpError, match="MLP_ONLINE=redis://host:6379/0") as refused_address:
            RedisOnlineStore(wrong)
        shown.append(repr(refused_address.value))
    assert SECRET not in json.dumps(shown) + caplog.text


def test_another_process_reads_with_the_password_in_its_environment(tmp_path: Path) -> None:
    with redis_server(tmp_path, SECRET) as url:
        store = RedisOnlineStore(url.replace("redis://", f"redis://:{SECRET}@"))
        publish(store, store.location("shop", "spending"), 3.0, 1)
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from mlp_resources.environments.local import LocalEnvironment\n"
            "print(LocalEnvironment(Path(sys.argv[2])).online.open_view(sys.argv[1]).get_one((0,)))"
        )
        command = [sys.executable, "-c", code, store.location("shop", "spending"), str(tmp_path)]
        environment = os.environ | {"MLP_ONLINE": url, "MLP_REDIS_PASSWORD": SECRET}
        reader = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert reader.stdout.startswith("OnlineRow(values=(3.0,)")
