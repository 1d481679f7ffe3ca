"""Reads of online features, embedded and from Redis, in process and over HTTP, against Feast; and publications."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import redis
from online_timing import ENTITIES, ROUNDS, Calls, as_figures, free_port, log, over_http, rounds, running, timed
from peers import python_of

from mlp_assets.endpoints.replica.lookup import Lookup
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.features.parity_check import compare_online_with_offline
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.tables.as_of_join import FeatureTable
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.online.redis import RedisOnlineStore
from mlp_resources.online.rows import pack_rows
from mlp_resources.ports.serving import Changes, OnlineStore

HERE = Path(__file__).parent
FEATURES = [f"f{number}" for number in range(10)]
TTL, NOW, TIME = timedelta(days=90), datetime.now(UTC), pl.Datetime("us", "UTC")
BARS = {
    "embedded_1_p50_us": 10.0, "embedded_100_p50_us": 200.0, "redis_1_ratio": 1.3, "redis_100_ratio": 1.3,
    "publish_1m_embedded_s": 5.0, "publish_1m_redis_s": 20.0,
    "publish_10k_of_1m_s": 0.2, "publish_10k_of_1m_redis_s": 0.2, "differences": 0,
}  # fmt: skip
TIMES_FEAST = 20
Figures = dict[str, Any]


def per_feature() -> dict[str, pl.Expr]:
    """Derived features, computed from ten stored ones."""
    return {"ratio": pl.col("f0") / pl.col("f1"), "sum": pl.col("f2") + pl.col("f3"), "log": pl.col("f4").log()}


def table(count: int) -> pl.DataFrame:
    """Rows of 10 features. One value in 20 is null; one row in 50 is older than its TTL."""
    draw = np.random.default_rng(7)
    values = {name: draw.normal(size=count) for name in FEATURES}
    nulls = [pl.when(pl.Series(draw.random(count) > 0.05)).then(name).alias(name) for name in FEATURES]
    age = pl.Series(np.where(draw.random(count) < 0.02, 100, 1) * 86_400_000_000, dtype=pl.Duration("us"))
    frame = pl.DataFrame({"user_id": np.arange(count), **values}).with_columns(nulls)
    return frame.with_columns(event_time=pl.lit(NOW).cast(TIME) - age)


def lookup(store: OnlineStore, location: str, derive: bool = False) -> Lookup:
    view = ViewPlan("view", ("user_id",), tuple(FEATURES), int(TTL.total_seconds()), location)
    unused: dict[str, Any] = dict.fromkeys(ServingPlan.__dataclass_fields__)
    inputs = (*FEATURES, *per_feature()) if derive else tuple(FEATURES)
    plan = unused | {"keys": {"user_id": "Int64"}, "request": {}, "views": (view,), "derived": {}}
    plan |= {"inputs": inputs, "numbers": inputs}
    made = ServingPlan(**plan | {"derive": f"{__name__}:{per_feature.__name__}" if derive else None})
    return Lookup(made, {"view": store.open_view(location, FEATURES)})


def in_process(name: str, store: OnlineStore, location: str, bare: redis.Redis | None) -> Figures:
    """The platform's read, from keys to the model's matrix with flags; for Redis also a bare MGET."""
    at = datetime.now(UTC)
    plain, derived = lookup(store, location), lookup(store, location, derive=True)
    calls: Calls = {name: lambda asked: plain({"user_id": asked}, at)}
    if bare is not None:
        keys = [b"bare:%d" % user for user in range(ENTITIES)]
        calls = {**calls, "bare_mget": lambda asked: bare.mget([keys[user] for user in asked])}
    medians = rounds(calls)
    figures = as_figures(medians)
    if bare is not None:
        figures |= {f"redis_{n}_ratio": round(medians[name][n][0] / medians["bare_mget"][n][0], 2) for n in (1, 100)}
        return figures
    derive = [
        timed({"derive": lambda asked: derived({"user_id": asked}, at)}, 1, 1000)["derive"] for _ in range(ROUNDS)
    ]
    return figures | {"derive_1_p50_us": round(statistics.median(p50 for p50, _ in derive), 1)}


def publishing(name: str, store: OnlineStore, million: pl.DataFrame) -> Figures:
    """Seconds to publish a million entities over a million earlier ones, packing included."""
    location, taken = store.location("bench", "million"), []
    for version in range(ROUNDS + 1):
        begun = time.perf_counter()
        store.publish(location, ["user_id"], FEATURES, million, version=version)
        taken.append(time.perf_counter() - begun)
    log(f"  publish 1 M, {name}: {', '.join(f'{seconds:.2f}' for seconds in taken)} s")
    return {f"publish_1m_{name}_s": round(statistics.median(taken[1:]), 2)}


def publishing_changes(name: str, store: OnlineStore, million: pl.DataFrame) -> Figures:
    """Seconds to publish ten thousand changed rows of a million that are online, packing included."""
    location, taken = store.location("bench", "changed"), []
    store.publish(location, ["user_id"], FEATURES, million, version=0, note=lambda: "0")
    for version in range(1, ROUNDS + 2):
        newest = NOW + timedelta(hours=version)
        rows = million.sample(10_000, seed=version).with_columns(event_time=pl.lit(newest).cast(TIME))
        changes = Changes(rows, rows.select("user_id").clear(), newest)
        options: dict[str, Any] = {"base": str(version - 1), "version": version, "note": partial(str, version)}
        begun = time.perf_counter()
        online = store.publish_changes(location, ["user_id"], FEATURES, changes, **options)
        taken.append(time.perf_counter() - begun)
        if online != million.height:
            raise SystemExit(f"{name}: {online} rows are online after a publication of changes, not {million.height}.")
    log(f"  publish 10 k of 1 M, {name}: {', '.join(f'{seconds:.3f}' for seconds in taken)} s")
    suffix = "" if name == "embedded" else f"_{name}"
    return {f"publish_10k_of_1m{suffix}_s": round(statistics.median(taken[1:]), 3)}


def differences(store: OnlineStore, location: str, rows: pl.DataFrame) -> tuple[int, int]:
    """(values that differ from the offline join, values compared), by the same check as every publication."""
    plan = ViewPlan("view", ("user_id",), tuple(FEATURES), int(TTL.total_seconds()), location)
    known = rows.with_columns(known_at="event_time").lazy()
    published = store.open_view(location, FEATURES)
    table = FeatureTable(known, plan.keys, plan.features, TTL)
    facts = compare_online_with_offline(plan, table, published, datetime.now(UTC)).facts
    return facts["differences"], facts["values_compared"]


def feast(folder: Path, rows: pl.DataFrame, ours: Lookup) -> Figures:
    """Feast on SQLite with the same rows. Checks that values within the TTL are equal, then measures."""
    python = python_of("feast", ["feast"])
    rows.write_parquet(folder / "rows.parquet")
    asked = rows.filter(pl.col("event_time") > NOW - TTL)["user_id"].sample(2000, seed=1).to_list()
    (folder / "asked.json").write_text(json.dumps(asked))
    command = [str(python), str(HERE / "online_feast.py"), str(folder), str(ROUNDS), "1000"]
    environment = os.environ | {"FEAST_USAGE": "False"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=folder, env=environment)
    theirs = pl.read_parquet(folder / "feast.parquet")
    mine = ours({"user_id": asked}, datetime.now(UTC)).matrix
    same = theirs.select(FEATURES).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if theirs["user_id"].to_list() != asked or not np.array_equal(mine, same, equal_nan=True):
        raise SystemExit("Feast gives other values for the same entities: its times are not compared.")
    times = json.loads(done.stdout.splitlines()[-1])
    figures: Figures = {"feast_publish_100k_s": round(times["publish_s"], 1)}
    for count in ("1", "100"):
        for place, name in enumerate(("p50", "p99")):
            figures[f"feast_sqlite_{count}_{name}_us"] = round(
                statistics.median(pair[place] for pair in times[count]), 1
            )
    return figures


def of_store(name: str, store: OnlineStore, folder: Path, bare: redis.Redis | None = None) -> Figures:
    """All figures of one store."""
    log(f"{name} ...")
    rows, location = table(ENTITIES), store.location("bench", "view")
    store.publish(location, ["user_id"], FEATURES, rows, version=1)
    if bare is not None:
        packed = pack_rows(["user_id"], FEATURES, rows)[1]
        for start in range(0, ENTITIES, 1000):
            bare.mset({b"bare:%d" % user: packed[user] for user in range(start, start + 1000)})
    differ, values = differences(store, location, rows)
    figures = in_process(name, store, location, bare) | over_http(name, location, folder)
    million = table(1_000_000)
    figures |= publishing(name, store, million) | publishing_changes(name, store, million)
    return figures | {f"differences_{name}": differ, f"compared_{name}": values}


def measured(folder: Path) -> Figures:
    embedded = LmdbOnlineStore(folder / "online")
    figures = of_store("embedded", embedded, folder)
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is not installed here. On Debian: apt-get install redis-server")
    port = free_port()
    client = redis.Redis(port=port)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with running(command, client.ping):
        figures |= of_store("redis", RedisOnlineStore(f"redis://127.0.0.1:{port}/0"), folder, client)
    log("feast ...")
    figures |= feast(folder, table(ENTITIES), lookup(embedded, embedded.location("bench", "view")))
    figures["differences"] = figures.pop("differences_embedded") + figures.pop("differences_redis")
    figures["feast_ratio_1"] = round(figures["feast_sqlite_1_p50_us"] / figures["embedded_1_p50_us"], 1)
    figures["feast_ratio_100"] = round(figures["feast_sqlite_100_p50_us"] / figures["embedded_100_p50_us"], 1)
    return figures


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mlp-online") as folder:
        figures = measured(Path(folder))
    ok = all(figures[name] <= bar for name, bar in BARS.items())
    ok = ok and min(figures["feast_ratio_1"], figures["feast_ratio_100"]) >= TIMES_FEAST
    bars = BARS | {"feast_ratio_1": TIMES_FEAST, "feast_ratio_100": TIMES_FEAST}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "online", "machine": machine, "figures": figures, "bars": bars, "ok": bool(ok)}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
