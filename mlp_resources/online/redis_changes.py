"""Changes rows of the live publication in Redis: one transaction renames its hash, changes the rows, moves the pointer.

A reader that knows the hash by its former name finds either all old rows there or none, and the moved pointer next.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import redis

from mlp_assets.tables.expiry import microseconds
from mlp_resources.online.rows import ABOUT, NOTE, description, pack_keys, pack_rows
from mlp_resources.ports.serving import Changes

_CHUNK = 2000
_MOST = 100_000  # rows; Redis answers nobody during a transaction


def change_live_rows(
    client: Any,
    name: str,
    layout: tuple[Sequence[str], Sequence[str]],
    changes: Changes,
    *,
    base: str,
    version: int,
    note: Callable[[], str],
) -> int | None:
    """Returns the number of rows; None if another publication than ``base`` is live, or if there are too many changes.

    Args:
        layout: the names of the keys and of the features.
        base: the note of the live publication.
    """
    if changes.rows.height + changes.removed.height > _MOST:
        return None
    newest, removed = microseconds(changes.newest), pack_keys(changes.removed)
    rows = pack_rows(*layout, changes.rows, newest)
    publication = f"{version}.{secrets.token_hex(6)}"
    pointer, changed = f"{name}:live", f"{name}:{publication}"
    with client.pipeline() as pipe:
        try:
            pipe.watch(pointer)
            live = pipe.get(pointer)
            before = f"{name}:{live.decode()}" if live is not None else ""
            pipe.watch(before)  # Redis may evict it
            about, noted = pipe.hmget(before, ABOUT, NOTE)
            count = _rows_of(about, layout) if noted == base.encode() else None
            newer = live is not None and version_of(live) > version
            if count is None or newer or pipe.hlen(before) != count + len((ABOUT, NOTE)):
                return None
            count += len(rows[0]) - _present(pipe, before, rows[0]) - _present(pipe, before, removed)
            pipe.multi()
            pipe.rename(before, changed)
            for part in _parts(removed):
                pipe.hdel(changed, *part)
            for part in _parts([*zip(*rows, strict=True)]):
                pipe.execute_command("HSET", changed, *(each for pair in part for each in pair))
            pipe.execute_command("HSET", changed, ABOUT, description(*layout, count, newest), NOTE, note())
            pipe.set(pointer, publication)
            pipe.execute()
        except redis.WatchError:
            return None
    return count


def _rows_of(about: bytes | None, layout: tuple[Sequence[str], Sequence[str]]) -> int | None:
    """The number of rows of a description; None if it has another layout."""
    described = json.loads(about or "{}")
    same = described.get("keys") == list(layout[0]) and described.get("features") == list(layout[1])
    return described["rows"] if same and "newest" in described else None


def _present(pipe: Any, rows: str, keys: list[bytes]) -> int:
    """How many of the packed keys have a row."""
    return sum(value is not None for part in _parts(keys) for value in pipe.hmget(rows, part))


def _parts(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]


def version_of(publication: bytes) -> int:
    """The version of the view's table that a publication is named after."""
    return int(publication.partition(b".")[0])
