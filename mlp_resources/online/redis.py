"""The online store for many machines: Redis. A publication is one hash, and a pointer names the live one of a view.

The keys of a view begin with ``mlp:<project>/<view>``:

- ``:live`` is the pointer, "version.attempt".
- ``:staged`` is the set of publications that are not live: being written, left by a killed publisher, or replaced.
- ``:<version>.<attempt>`` is a hash of packed key -> packed row, description and note. Changes of rows rename it.
"""

import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import redis

from mlp_assets.errors import MlpError
from mlp_resources.online.redis_address import WRITE_SECONDS, Address, shared_client, unavailable
from mlp_resources.online.redis_changes import change_live_rows, version_of
from mlp_resources.online.rows import (
    ABOUT,
    NEVER,
    NOTE,
    Layout,
    description,
    newest_moment,
    pack_key,
    pack_rows,
)
from mlp_resources.ports.serving import (
    Changes,
    Key,
    OnlineRow,
    OnlineRows,
    OnlineUnavailableError,
    StalePublicationError,
)

_CHUNK = 2000
_ATTEMPTS = 20
# Moves the pointer unless a newer version is live or staged rows are missing. Returns what is live, or why it refused.
_SWITCH = """
local live = redis.call('GET', KEYS[1])
if live == ARGV[1] then return {'live', live} end
if live and tonumber(string.match(live, '^%d+')) > tonumber(ARGV[2]) then return {'stale', live} end
if redis.call('HLEN', KEYS[3]) ~= tonumber(ARGV[3]) then return {'lost', live or ''} end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[2], ARGV[1])
if live then redis.call('SADD', KEYS[2], live) end
return {'live', ARGV[1]}
"""
# Removes a publication unless it is live.
_REMOVE = """
redis.call('SREM', KEYS[2], ARGV[1])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then redis.call('UNLINK', KEYS[3]) end
"""


class RedisOnlineStore:
    """Publishes views to a Redis server. A location is ``redis://host:port/db#project/view``, without a password."""

    def __init__(self, url: str, password: str | None = None) -> None:
        self._address = Address.parse(url)
        self._password = self._address.password or password

    def __repr__(self) -> str:
        return f"RedisOnlineStore({self._address.shown!r})"

    def location(self, project: str, view: str) -> str:
        return f"{self._address.shown}#{project}/{view}"

    def publish(
        self,
        location: str,
        keys: Sequence[str],
        features: Sequence[str],
        frame: pl.DataFrame,
        *,
        version: int,
        note: Callable[[], str] | None = None,
    ) -> None:
        client, name = shared_client(location, WRITE_SECONDS, self._password)
        newest = newest_moment(frame)
        packed = pack_rows(keys, features, frame, newest)
        publication = f"{version}.{secrets.token_hex(6)}"
        try:
            live = client.get(f"{name}:live")
            if live is not None and version_of(live) > version:
                raise _stale(name, version_of(live), version)
            try:
                _stage(client, name, publication, description(keys, features, frame.height, newest), packed)
                client.hset(f"{name}:{publication}", NOTE, note() if note is not None else "")
                _switch(client, name, publication, frame.height + 2)
            except BaseException:
                with contextlib.suppress(redis.RedisError):
                    _remove(client, name, publication)
                raise
            for staged in client.smembers(f"{name}:staged"):
                if version_of(staged) <= version:  # a newer one may still be written
                    _remove(client, name, staged.decode())
        except redis.RedisError as error:
            raise unavailable(location, error) from error

    def publish_changes(
        self,
        location: str,
        keys: Sequence[str],
        features: Sequence[str],
        changes: Changes,
        *,
        base: str,
        version: int,
        note: Callable[[], str],
    ) -> int | None:
        client, name = shared_client(location, WRITE_SECONDS, self._password)
        try:
            return change_live_rows(client, name, (keys, features), changes, base=base, version=version, note=note)
        except redis.RedisError as error:
            raise unavailable(location, error) from error

    def open_view(self, location: str, features: Sequence[str] | None = None) -> "RedisView":
        return RedisView(location, features, self._password)

    def remove(self, location: str) -> None:
        client, name = shared_client(location, WRITE_SECONDS, self._password)
        try:
            live, staged = client.get(f"{name}:live"), client.smembers(f"{name}:staged")
            publications = [publication.decode() for publication in {*staged, *([live] if live else [])}]
            client.unlink(f"{name}:live", f"{name}:staged", *(f"{name}:{each}" for each in publications))
        except redis.RedisError as error:
            raise unavailable(location, error) from error

    def note(self, location: str) -> str | None:
        client, name = shared_client(location, password=self._password)
        try:
            live = client.get(f"{name}:live")
            text = None if live is None else client.hget(f"{name}:{live.decode()}", NOTE)
        except redis.RedisError as error:
            raise unavailable(location, error) from error
        return text.decode() if text else None


def _stage(client: Any, name: str, publication: str, about: bytes, packed: tuple[list[bytes], list[bytes]]) -> None:
    """Writes the rows under a name that nobody reads yet, and lists it as staged first."""
    _, staged, rows = _names(name, publication)
    fields = [part for pair in zip(*packed, strict=True) for part in pair]
    pipeline = client.pipeline(transaction=False)
    pipeline.sadd(staged, publication)
    pipeline.execute_command("HSET", rows, ABOUT, about)
    pipeline.execute()
    for start in range(0, len(fields), 2 * _CHUNK):
        pipeline.sadd(staged, publication)  # again: a newer publisher may have removed it as abandoned
        pipeline.execute_command("HSET", rows, *fields[start : start + 2 * _CHUNK])
        pipeline.execute()


def _switch(client: Any, name: str, publication: str, rows: int) -> None:
    version = int(publication.partition(".")[0])
    verdict, live = client.eval(_SWITCH, 3, *_names(name, publication), publication, version, rows)
    if verdict == b"stale":
        raise _stale(name, version_of(live), version)
    if verdict == b"lost":
        raise StalePublicationError(
            f"{name}: another publication of version {version} or newer went online while this one was written, and "
            "removed its rows. The rows online are as new as these. Publish again to replace them."
        )


def _remove(client: Any, name: str, publication: str) -> None:
    """Removes a publication that is not live. Redis frees its rows in the background."""
    client.eval(_REMOVE, 3, *_names(name, publication), publication)


def _names(name: str, publication: str) -> tuple[str, str, str]:
    return f"{name}:live", f"{name}:staged", f"{name}:{publication}"


class RedisView:
    """Reads one view in one round trip: the rows of the publication seen last, then the pointer.

    If the pointer still names that publication, its rows were complete when they were read. If it has moved, the rows
    are read again.
    """

    def __init__(self, location: str, features: Sequence[str] | None = None, password: str | None = None) -> None:
        self._location = location
        self._client, self._name = shared_client(location, password=password)
        self._pointer = f"{self._name}:live".encode()
        self._seen = b"", b"", 0, NEVER, Layout(self._name, ())
        self._wanted = features
        _, _, _, layout = self._read([])
        self.features = self._wanted = layout.wanted

    def get_one(self, key: Key) -> OnlineRow:
        (packed,), version, newest, layout = self._read([pack_key(key)])
        time, values = layout.one(packed, newest)
        return OnlineRow(values, None if time == NEVER else time, version)

    def get_many(self, keys: Sequence[Key]) -> OnlineRows:
        packed, version, newest, layout = self._read([pack_key(key) for key in keys])
        return layout.many(packed, newest, version)

    def _read(self, keys: list[bytes]) -> tuple[list[bytes | None], int, int, Layout]:
        """The records of the keys, and the version, newest moment and layout of their publication."""
        for _ in range(_ATTEMPTS):
            live, about, version, newest, layout = self._seen  # one value, because threads share the view
            hmget = (b"HMGET", self._name.encode() + b":" + live, ABOUT, *keys)
            values, pointer = self._ask([hmget, (b"GET", self._pointer)])
            if pointer is None:
                raise MlpError(f"View {self._name!r} is not online yet. Materialize its online asset.")
            if pointer != live:
                self._seen = self._read_description(pointer)
            elif values[0] != about:
                raise MlpError(f"The rows of view {self._name!r} are gone from Redis. Materialize its online asset.")
            else:
                return values[1:], version, newest, layout
        raise OnlineUnavailableError(f"View {self._name!r} was published {_ATTEMPTS} times during one read.")

    def _read_description(self, live: bytes) -> tuple[bytes, bytes, int, int, Layout]:
        """What ``_seen`` holds, of the live publication; what it holds already if that was just replaced."""
        (about,) = self._ask([(b"HGET", self._name.encode() + b":" + live, ABOUT)])
        if about is None:
            return self._seen
        described = json.loads(about)
        layout = Layout(self._name, described["features"], self._wanted)
        return live, about, version_of(live), described.get("newest", NEVER), layout

    def _ask(self, commands: list[tuple[bytes, ...]]) -> list[Any]:
        """Sends the commands together. A broken connection is replaced and tried once more."""
        try:
            return _answers(self._client, commands)
        except redis.ConnectionError:
            try:
                return _answers(self._client, commands)
            except redis.RedisError as error:
                raise unavailable(self._location, error) from error
        except redis.RedisError as error:
            raise unavailable(self._location, error) from error


def _answers(client: Any, commands: list[tuple[bytes, ...]]) -> list[Any]:
    """The answers to the commands. Not redis-py's pipeline, which takes half of a read's time in this process."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_packed_command(connection.pack_commands(commands))
        return [connection.read_response() for _ in commands]
    except BaseException:
        connection.disconnect()  # it may still deliver answers
        raise
    finally:
        client.connection_pool.release(connection)


def _stale(name: str, live: int, version: int) -> StalePublicationError:
    return StalePublicationError(
        f"{name}: version {live} is online, and version {version} is older. "
        f"If the view's table was created again, remove the key {name}:live from Redis and publish again."
    )
