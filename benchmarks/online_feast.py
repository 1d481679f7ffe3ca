"""Feast's own reads from SQLite. Runs in Feast's virtual environment: ``python online_feast.py FOLDER ROUNDS READS``.

FOLDER holds ``rows.parquet`` (user_id, event_time, f0 ... f9) and ``asked.json`` (entities whose values to tell).
Writes ``feast.parquet``. Prints one JSON object: p50 and p99 in microseconds of each round, for 1 and 100 entities.
"""

import json
import random
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64


def made(folder: Path, names: list[str], rows: pd.DataFrame) -> FeatureStore:
    """A Feast store with the rows online in SQLite."""
    config = RepoConfig(
        project="bench", provider="local", registry=str(folder / "registry.db"), entity_key_serialization_version=3,
        online_store={"type": "sqlite", "path": str(folder / "feast.db")},
    )  # fmt: skip
    store = FeatureStore(config=config)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    source = FileSource(path=str(folder / "rows.parquet"), timestamp_field="event_time")
    schema = [Field(name=name, dtype=Float64) for name in names]
    view = FeatureView(name="view", entities=[user], ttl=timedelta(days=90), schema=schema, source=source)
    store.apply([user, view])
    store.write_to_online_store("view", rows)
    return store


def main() -> None:
    folder, rounds, reads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rows = pd.read_parquet(folder / "rows.parquet")
    names = [name for name in rows.columns if name.startswith("f")]
    refs = [f"view:{name}" for name in names]
    begun = time.perf_counter()
    store = made(folder, names, rows)
    figures = {"publish_s": time.perf_counter() - begun, "1": [], "100": []}
    asked = json.loads((folder / "asked.json").read_text())
    answers = []
    for start in range(0, len(asked), 500):
        entities = [{"user_id": user} for user in asked[start : start + 500]]
        answers.append(store.get_online_features(features=refs, entity_rows=entities).to_df())
    pd.concat(answers)[["user_id", *names]].to_parquet(folder / "feast.parquet")
    for _ in range(rounds):
        for count, times in ((1, reads), (100, max(reads // 20, 50))):
            taken = []
            for _ in range(times):
                entities = [{"user_id": random.randrange(len(rows))} for _ in range(count)]
                begun = time.perf_counter()
                store.get_online_features(features=refs, entity_rows=entities)
                taken.append(time.perf_counter() - begun)
            taken.sort()
            figures[str(count)].append([taken[len(taken) // 2] * 1e6, taken[int(len(taken) * 0.99)] * 1e6])
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
