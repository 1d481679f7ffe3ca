"""The online stores there are: chosen by MLP_ONLINE for publications, by a view's location for reads."""

from collections.abc import Sequence
from pathlib import Path

from mlp_resources.online.lmdb import LmdbOnlineStore, LmdbView
from mlp_resources.ports.serving import OnlineStore, OnlineView


def online_store(address: str | None, home: Path) -> OnlineStore:
    """The store at an address, ``redis://host:port/db``; without one, the embedded store below ``home``."""
    if not address:
        return LmdbOnlineStore(home / "online")
    from mlp_resources.online.redis import RedisOnlineStore

    return RedisOnlineStore(address)


def open_view(location: str, features: Sequence[str] | None = None) -> OnlineView:
    """Opens the view at a location, as a serving plan names it, for these features in this order."""
    if "://" not in location:
        return LmdbView(location, features)
    from mlp_resources.online.redis import RedisView

    return RedisView(location, features)
