"""Finds the rows by which a publication differs from the one that is online, where they are certain.

The table's commits since then note the first moment of which they changed a row. The rows of the moments before it are
the same in both versions of the table. Call the last of these moments that was online the *kept* one. An entity without
any row that begins after it, in either version, has one value from then on: that of its row around the kept moment. So
its row online stays, if this row reaches the newest moment in both versions. All other entities are looked up again.

None is returned, and the publication replaces all rows, if anything speaks against it: another day or table, a row that
became known since, a row whose TTL has passed, or an entity whose rows end without a closing one.
"""

from dataclasses import replace
from datetime import datetime

import polars as pl

from mlp_assets.errors import LostVersionError
from mlp_assets.features.definitions.online_base import OnlineBase, PublishableTable, oldest_before
from mlp_assets.features.moments.changed_moments import changed_from
from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.nouns.cadence import Moments
from mlp_assets.publications.progress import Span
from mlp_assets.tables.standing_rows import UNTIL, are_standing, as_newest, up_to
from mlp_resources.ports.serving import Changes


def find_changes(base: OnlineBase, target: PublishableTable) -> tuple[Changes, OnlineBase] | None:
    """What a publication changes of its base, and the base that it leaves; None if that is not certain."""
    newest, version = target.newest, target.version
    if newest is None or version is None or not _may_be_compared(base, target, newest):
        return None
    day = _same_partition(base, target, newest)
    if day is None:
        return None
    partition, kept = day
    after = target.rows.filter(pl.col("partition") == partition)
    if not are_standing(after) or not after.select((pl.col(UNTIL) >= newest).any()).collect().item():
        return None
    fresh = after.filter(_begins_after(kept)).collect()
    shown = as_newest(_shown(target, fresh.lazy())).collect()
    changed = _entities(target, shown)
    if kept < base.newest:
        before = _rows_before(base, target, partition)
        if before is None:
            return None
        were = before.filter(_begins_after(kept)).filter(
            pl.col("event_time") <= base.newest, pl.col("known_at") <= base.seen_until
        )
        changed = pl.concat([changed, _entities(target, were.collect())]).unique()
        if _ends(target, before, (kept, base.newest), changed):
            return None
    if _ends(target, after, (kept, newest), changed):
        return None
    rows = _rows_to_look_up(target, after, fresh, shown.filter(pl.col("event_time") == newest), changed)
    if rows is None:
        return None
    keys = list(target.view.entity.keys)
    published = newest_rows(target.view, target.progress.publishable(target.view, rows), target.now, changed, newest)
    removed = changed.join(published, on=keys, how="anti")
    return Changes(published, removed, newest), _base_after(base, target, newest, published, fresh)


def _may_be_compared(base: OnlineBase, target: PublishableTable, newest: datetime) -> bool:
    if base.origin != target.origin() or base.seen_until > target.seen_until or base.newest > newest:
        return False
    if base.unseen is not None and base.unseen <= target.seen_until:
        return False
    ttl = target.view.ttl_length
    if ttl is not None and base.oldest is not None and base.oldest < newest - ttl:
        return False
    return _until(base.newest, base.spans) == _until(base.newest, target.progress.spans)


def _until(moment: datetime, spans: tuple[Span, ...]) -> list[Span]:
    return [(first, min(last, moment)) for first, last in spans if first <= moment]


def _same_partition(base: OnlineBase, target: PublishableTable, newest: datetime) -> tuple[str, datetime] | None:
    """The partition and the kept moment, if no moment is missing from there to the newest one."""
    after = base.newest + target.every
    first = changed_from(target.lake, target.table, base.version, target.version or 0, after)
    if first is None:
        return None
    kept, moments = first - target.every, Moments.of(target.view)
    names = {name for at in (kept, newest) for name in moments.names(target.view, at)}
    whole = any(first <= kept and newest <= last for first, last in target.progress.spans)
    return (names.pop(), kept) if whole and len(names) == 1 else None


def _rows_before(base: OnlineBase, target: PublishableTable, partition: str) -> pl.LazyFrame | None:
    """The rows of the partition at the base's version; None if its files are gone."""
    try:
        rows = target.lake.scan(target.table, base.version)
    except LostVersionError:
        return None
    return rows.filter(pl.col("partition") == partition)


def _begins_after(kept: datetime) -> pl.Expr:
    """Rows that begin after the kept moment, and its versions: these stand for it alone."""
    is_version = (pl.col("event_time") == pl.lit(kept)) & (pl.col("known_at") > pl.lit(kept))
    return (pl.col("event_time") > pl.lit(kept)) | is_version


def _shown(target: PublishableTable, rows: pl.LazyFrame) -> pl.LazyFrame:
    return up_to(target.progress.publishable(target.view, rows), target.now, target.every)


def _entities(target: PublishableTable, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(target.view.entity.keys).drop_nulls().unique()


def _ends(target: PublishableTable, rows: pl.LazyFrame, span: Span, changed: pl.DataFrame) -> bool:
    """Whether the row of an unchanged entity ends between two moments, and has features."""
    kept, newest = (pl.lit(moment) for moment in span)
    base = rows.filter(pl.col("known_at") == pl.col("event_time"), pl.col("event_time") <= kept)
    ending = base.filter(pl.col(UNTIL) >= kept, pl.col(UNTIL) < newest)
    others = ending.join(changed.lazy(), on=list(target.view.entity.keys), how="anti")
    has_feature = pl.any_horizontal(pl.col(target.view.feature_names).is_not_null())
    return others.select(has_feature.any()).collect().item()


def _rows_to_look_up(
    target: PublishableTable, day: pl.LazyFrame, fresh: pl.DataFrame, newest: pl.DataFrame, changed: pl.DataFrame
) -> pl.LazyFrame | None:
    """The rows that hold the newest one of each changed entity; None if an entity has none in the partition.

    A fresh row of the newest moment is it: the other rows of this moment are those that it is a later version of. An
    entity without one may have an earlier row that reaches further.
    """
    keys = list(target.view.entity.keys)
    others = changed.join(newest, on=keys, how="anti")
    if others.is_empty():
        return fresh.lazy()
    present = _shown(target, day).join(others.lazy(), on=keys, how="semi").select(keys).unique().collect()
    return day if present.height == others.height else None


def _base_after(
    base: OnlineBase, target: PublishableTable, newest: datetime, published: pl.DataFrame, fresh: pl.DataFrame
) -> OnlineBase:
    later = fresh.filter(pl.col("event_time") <= newest, pl.col("known_at") > target.seen_until)
    unseen = [base.unseen, later.select(pl.col("known_at").min()).item()]
    oldest = [base.oldest, oldest_before(newest, published)]
    return replace(
        base,
        version=target.version or 0,
        seen_until=target.seen_until,
        spans=target.progress.spans,
        newest=newest,
        oldest=min((time for time in oldest if time is not None), default=None),
        unseen=min((time for time in unseen if time is not None), default=None),
    )
