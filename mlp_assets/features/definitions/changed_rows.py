"""Finds the rows by which a publication differs from the one that is online, where they are certain.

The table's commits since then note the first moment of which they changed a row. The rows of the moments before it are
the same in both versions of the table. The last of them that was online is the *kept* moment. An entity without any row
that begins after it, in either version, has one value from then on: that of its row around the kept moment. So its row
online stays, if this row reaches the newest moment in both versions. All other entities are looked up again.

The publication replaces all rows if anything speaks against it: another day or table, a row that became known since, a
row whose TTL has passed, or an entity whose rows end without a closing one. It does so too where many entities changed,
because replacing all rows takes no longer then.
"""

from dataclasses import dataclass, replace
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

_FEW, _LARGE_SHARE = 1000, 0.25


@dataclass(frozen=True)
class _Step:
    """The step from a base to the publication that follows it.

    Args:
        newest: the newest moment of the publication.
        kept: the last moment of the base whose rows are the same in both versions of the table.
        partition: the one that holds both moments.
    """

    base: OnlineBase
    target: PublishableTable
    newest: datetime
    kept: datetime
    partition: str

    @property
    def keys(self) -> list[str]:
        return list(self.target.view.entity.keys)

    @property
    def rows(self) -> pl.LazyFrame:
        """The rows of the partition now."""
        return self.target.rows.filter(pl.col("partition") == self.partition)

    def rows_before(self) -> pl.LazyFrame:
        """Those of the base. Raises LostVersionError if they are gone."""
        rows = self.target.lake.scan(self.target.table, self.base.version)
        return rows.filter(pl.col("partition") == self.partition)

    def shown(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Those of the rows that the publication may show."""
        return up_to(self.target.progress.publishable(self.target.view, rows), self.target.now, self.target.every)

    def entities(self, rows: pl.LazyFrame) -> pl.DataFrame:
        return rows.select(self.keys).drop_nulls().unique().collect()


def find_changes(base: OnlineBase, target: PublishableTable) -> tuple[Changes, OnlineBase] | None:
    """What a publication changes of its base, and the base that it leaves; None if all rows have to be replaced."""
    step = _step(base, target)
    if step is None or not are_standing(step.rows):
        return None
    standing = step.rows.select((pl.col(UNTIL) >= step.newest).sum()).collect().item()
    fresh = step.rows.filter(_begins_after(step.kept)).collect()
    changed = _changed_entities(step, fresh)
    if not standing or changed is None or changed.height > max(_FEW, standing * _LARGE_SHARE):
        return None
    rows = _rows_to_look_up(step, fresh, changed)
    if rows is None:
        return None
    publishable = target.progress.publishable(target.view, rows)
    published = newest_rows(target.view, publishable, target.now, changed, step.newest)
    removed = changed.join(published, on=step.keys, how="anti")
    return Changes(published, removed, step.newest), _base_after(step, published, fresh)


def _step(base: OnlineBase, target: PublishableTable) -> _Step | None:
    """The step; None if the base is of another table or day, if rows of it have to go or to appear, or moments lack."""
    newest, version = target.newest, target.version
    if newest is None or version is None or base.newest > newest or base.origin != target.origin():
        return None
    if base.seen_until > target.seen_until or (base.unseen is not None and base.unseen <= target.seen_until):
        return None
    ttl, spans = target.view.ttl_length, target.progress.spans
    expired = ttl is not None and base.oldest is not None and base.oldest < newest - ttl
    if expired or _until(base.newest, base.spans) != _until(base.newest, spans):
        return None
    first = changed_from(target.lake, target.table, base.version, version, base.newest + target.every)
    if first is None:
        return None
    kept, moments = first - target.every, Moments.of(target.view)
    names = {name for at in (kept, newest) for name in moments.names(target.view, at)}
    whole = any(begin <= kept and newest <= end for begin, end in spans)
    return _Step(base, target, newest, kept, names.pop()) if whole and len(names) == 1 else None


def _until(moment: datetime, spans: tuple[Span, ...]) -> list[Span]:
    return [(first, min(last, moment)) for first, last in spans if first <= moment]


def _begins_after(kept: datetime) -> pl.Expr:
    """Rows that begin after the kept moment, and its versions: these stand for it alone."""
    is_version = (pl.col("event_time") == pl.lit(kept)) & (pl.col("known_at") > pl.lit(kept))
    return (pl.col("event_time") > pl.lit(kept)) | is_version


def _changed_entities(step: _Step, fresh: pl.DataFrame) -> pl.DataFrame | None:
    """The keys of the entities whose row online may be another; None if that of an unchanged one ends."""
    changed, base = step.entities(step.shown(fresh.lazy())), step.base
    if step.kept < base.newest:
        try:
            before = step.rows_before()
        except LostVersionError:
            return None
        online = (pl.col("event_time") <= base.newest) & (pl.col("known_at") <= base.seen_until)
        changed = pl.concat([changed, step.entities(before.filter(_begins_after(step.kept), online))]).unique()
        if _ends(step, before, base.newest, changed):
            return None
    return None if _ends(step, step.rows, step.newest, changed) else changed


def _ends(step: _Step, rows: pl.LazyFrame, newest: datetime, changed: pl.DataFrame) -> bool:
    """Whether the row of an unchanged entity around the kept moment has features and ends before the newest one."""
    kept = pl.lit(step.kept)
    around = rows.filter(
        pl.col("event_time") <= kept, pl.col(UNTIL) >= kept, pl.col("known_at") == pl.col("event_time")
    )
    others = around.filter(pl.col(UNTIL) < newest).join(changed.lazy(), on=step.keys, how="anti")
    has_feature = pl.any_horizontal(pl.col(step.target.view.feature_names).is_not_null())
    return others.select(has_feature.any()).collect().item()


def _rows_to_look_up(step: _Step, fresh: pl.DataFrame, changed: pl.DataFrame) -> pl.LazyFrame | None:
    """The rows that hold the newest one of each changed entity; None if an entity has none in the partition.

    A fresh row of the newest moment is it: the other rows of this moment are those that it is a later version of. An
    entity without one may have an earlier row that reaches further.
    """
    at_newest = as_newest(step.shown(fresh.lazy())).filter(pl.col("event_time") == step.newest)
    others = changed.join(step.entities(at_newest), on=step.keys, how="anti")
    if others.is_empty():
        return fresh.lazy()
    present = step.entities(step.shown(step.rows).join(others.lazy(), on=step.keys, how="semi"))
    return step.rows if present.height == others.height else None


def _base_after(step: _Step, published: pl.DataFrame, fresh: pl.DataFrame) -> OnlineBase:
    base, target = step.base, step.target
    later = fresh.filter(pl.col("event_time") <= step.newest, pl.col("known_at") > target.seen_until)
    unseen = [base.unseen, later.select(pl.col("known_at").min()).item()]
    oldest = [base.oldest, oldest_before(step.newest, published)]
    return replace(
        base,
        version=target.version or 0,
        seen_until=target.seen_until,
        spans=target.progress.spans,
        newest=step.newest,
        oldest=min((time for time in oldest if time is not None), default=None),
        unseen=min((time for time in unseen if time is not None), default=None),
    )
