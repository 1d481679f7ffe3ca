"""The address of a Redis server, which may be shown, and its password, which may not."""

import os
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mlp_assets.errors import MlpError
from mlp_resources.ports.serving import OnlineUnavailableError

SCHEMES = ("redis", "rediss")
READ_SECONDS, WRITE_SECONDS = 2.0, 60.0
_CLIENTS: dict[tuple[str, int, str | None, float], Any] = {}
_CONNECTING = threading.Lock()


@dataclass(frozen=True, repr=False)
class Address:
    """A server's address. ``shown`` contains no password."""

    shown: str
    password: str | None

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Reads ``redis://[user[:password]@]host[:port][/db]``. Raises MlpError, which does not repeat the URL."""
        try:
            parts = urlsplit(url)
            port, database = parts.port or 6379, int(parts.path.strip("/") or 0)
            if parts.scheme not in SCHEMES or not parts.hostname or parts.query or parts.fragment:
                raise ValueError
        except ValueError:
            raise MlpError(
                "MLP_ONLINE is not the address of a Redis server. Write MLP_ONLINE=redis://host:6379/0, and the "
                "password in MLP_REDIS_PASSWORD. Without MLP_ONLINE the store is embedded."
            ) from None
        user = f"{parts.username}@" if parts.username else ""
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        shown = f"{parts.scheme}://{user}{host}:{port}/{database}"
        return cls(shown, unquote(parts.password) if parts.password else None)

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"


def shared_client(location: str, seconds: float = READ_SECONDS, password: str | None = None) -> tuple[Any, str]:
    """A client of the server at a view's location, shared in this process, and the view's name in Redis.

    Args:
        seconds: how long to wait for an answer.
        password: None for a server without one.
    """
    server, _, view = location.partition("#")
    shown = Address.parse(server).shown
    with _CONNECTING:
        key = (shown, os.getpid(), password, seconds)
        if key not in _CLIENTS:
            _CLIENTS[key] = redis.Redis.from_url(
                shown,
                password=password,
                socket_timeout=seconds,
                socket_connect_timeout=READ_SECONDS,
                retry=Retry(NoBackoff(), 1),
            )
        return _CLIENTS[key], f"mlp:{view}"


def password_for(location: str, address: str | None, password: str | None) -> str | None:
    """The password of the server at a view's location.

    Args:
        address: of the online store, with or without a password.
        password: set on its own; it wins over the one in the address.
    """
    if password or not address or not address.startswith(SCHEMES):
        return password
    store = Address.parse(address)
    return store.password if store.shown == Address.parse(location.partition("#")[0]).shown else None


def unavailable(location: str, error: Exception) -> OnlineUnavailableError:
    """The error of a server that does not answer."""
    return OnlineUnavailableError(
        f"Redis at {location} does not answer ({type(error).__name__}: {error}). Check that it runs, that "
        "MLP_ONLINE names it, and that MLP_REDIS_PASSWORD holds its password if it has one."
    )
