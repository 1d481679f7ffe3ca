"""Feast's historical features with its DuckDB engine, in its own environment: ``pit_feast.py HOME LABELS OUT``.

It reads Parquet copies of the feature tables (``HOME/parquet``). The last line of the output is the seconds.
"""

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from deltalake import DeltaTable
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

HOUSEHOLD = ("trips_7d", "trips_28d", "trips_91d", "spend_7d", "spend_28d", "spend_91d")
SHELF = ("units_7d", "units_28d", "units_91d", "value_28d", "value_91d")


def store_of(home: Path, folder: str) -> FeatureStore:
    config = RepoConfig(
        project="bench", provider="local", registry=f"{folder}/registry.db", entity_key_serialization_version=3,
        offline_store={"type": "duckdb"}, online_store={"type": "sqlite", "path": f"{folder}/online.db"},
    )  # fmt: skip
    store = FeatureStore(config=config)
    household = Entity(name="household", join_keys=["household_id"], value_type=ValueType.INT64)
    category = Entity(name="category", join_keys=["category"], value_type=ValueType.STRING)
    views = [("household", [household], HOUSEHOLD), ("shelf", [household, category], SHELF)]
    made = [
        FeatureView(
            name=name,
            entities=entities,
            ttl=timedelta(days=28),
            schema=[Field(name=feature, dtype=Float64) for feature in features],
            source=FileSource(path=str(home / "parquet" / f"{name}.parquet"), timestamp_field="event_time"),
        )
        for name, entities, features in views
    ]
    store.apply([household, category, *made])
    return store


def main() -> None:
    home, labels, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    out.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        store = store_of(home, folder)
        begun = time.perf_counter()
        asked = DeltaTable(str(home / labels)).to_pandas().rename(columns={"asked_at": "event_timestamp"})
        wanted = [f"household:{name}" for name in HOUSEHOLD] + [f"shelf:{name}" for name in SHELF]
        frame: pd.DataFrame = store.get_historical_features(entity_df=asked, features=wanted).to_df()
        frame.rename(columns={"event_timestamp": "asked_at"}).to_parquet(out / "rows.parquet")
        print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
