"""Generated feature tables and spines, and by brute force the feature row that each row of a spine must see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from mlp_assets.tables.as_of_join import FeatureTable

START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
TICK = timedelta(microseconds=1)
KEYS = {"user": pl.Int64, "shop": pl.String}
Row = tuple[int, str | None, int, int]  # user, shop, event tick, ticks until known
Asked = tuple[int | None, str | None, int]  # user, shop, tick

_shops = st.sampled_from(["a", "b"])
_feature_rows = st.lists(
    st.tuples(st.integers(0, 2), _shops, st.integers(0, 9), st.sampled_from([0, 0, 0, 1, 4])), max_size=24, unique=True
)
spines = st.lists(
    st.tuples(st.none() | st.integers(0, 3), st.none() | _shops, st.integers(0, 14)), min_size=1, max_size=24
)


@dataclass(frozen=True)
class Case:
    """A feature table: its key columns, its rows, and its TTL in ticks."""

    keys: tuple[str, ...]
    rows: Sequence[Row]
    ttl: int | None

    def table(self, name: str) -> FeatureTable:
        frame = pl.DataFrame(
            {
                "user": [row[0] for row in self.rows],
                "shop": [row[1] for row in self.rows],
                "event_time": [tick(row[2]) for row in self.rows],
                "known_at": [tick(row[2] + row[3]) for row in self.rows],
                name: [float(number) for number in range(len(self.rows))],
            },
            schema={**KEYS, "event_time": TIME, "known_at": TIME, name: pl.Float64},
        )
        ttl = None if self.ttl is None else self.ttl * TICK
        own = frame.select(*self.keys, "event_time", "known_at", name)
        return FeatureTable(
            own.unique([*self.keys, "event_time", "known_at"], keep="first").lazy(), self.keys, (name,), ttl
        )

    def seen_by(self, asked: Asked) -> float | None:
        """The number of the feature row that a row of the spine sees."""
        visible: dict[tuple[int, int], int] = {}
        for number, row in enumerate(self.rows):
            matches = all(asked[place] is not None and asked[place] == row[place] for place in self._places)
            if matches and row[2] + row[3] <= asked[2]:
                visible.setdefault((row[2], row[2] + row[3]), number)
        if not visible:
            return None
        event, known = max(visible)
        return None if self.ttl is not None and asked[2] - event > self.ttl else float(visible[event, known])

    @property
    def _places(self) -> list[int]:
        return [list(KEYS).index(key) for key in self.keys]


cases = st.builds(
    Case,
    st.sampled_from([("user",), ("shop",), ("user", "shop"), ("shop", "user")]),
    _feature_rows,
    st.sampled_from([None, 0, 3]),
)


def tick(number: int) -> datetime:
    return START + number * TICK


def spine_of(asked: Sequence[Asked]) -> pl.DataFrame:
    """The spine's rows, numbered in the column ``row``."""
    columns = {"user": [a[0] for a in asked], "shop": [a[1] for a in asked], "at": [tick(a[2]) for a in asked]}
    return pl.DataFrame(columns, schema={**KEYS, "at": TIME}).with_columns(row=pl.int_range(pl.len()))
