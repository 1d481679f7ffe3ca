"""The online stores: the settings choose one for publications, a view's location chooses one for reads."""

from collections.abc import Sequence
from pathlib import Path

from mlp_resources.online.lmdb import LmdbOnlineStore, LmdbView
from mlp_resources.ports.serving import OnlineStore, OnlineView, OpenView


def online_store(address: str | None, password: str | None, home: Path) -> OnlineStore:
    """The Redis store at an address, ``redis://host:port/db``; the embedded store below ``home`` by default."""
    if not address:
        return LmdbOnlineStore(home / "online")
    from mlp_resources.online.redis import RedisOnlineStore

    return RedisOnlineStore(address, password)


def open_view(location: str, features: Sequence[str] | None = None, password: str | None = None) -> OnlineView:
    """Opens the view at a location, as a serving plan names it, for these features in this order."""
    if "://" not in location:
        return LmdbView(location, features)
    from mlp_resources.online.redis import RedisView

    return RedisView(location, features, password)


def view_opener(address: str | None, password: str | None) -> OpenView:
    """Returns ``open_view`` with the Redis password, or the one in the store's address, filled in."""

    def open_with_password(location: str, features: Sequence[str] | None = None) -> OnlineView:
        if "://" not in location:
            return LmdbView(location, features)
        from mlp_resources.online.redis_address import password_for

        return open_view(location, features, password_for(location, address, password))

    return open_with_password
