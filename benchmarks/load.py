"""Seconds to load 200 projects of retail's shape, to load as many bare assets, and to tick a sensor of 200 monitors."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

OURS = """
import time, sys
from dataclasses import replace
import dagster as dg
from mlp_assets.examples.retail import project as retail
import mlp_assets as mlp
from mlp_assets.platform import definitions_for
begun = time.perf_counter()
projects = [mlp.Project(f"retail_{n}", owner="team:retail", assets=[retail.repurchase_health, retail.demand_health])
            for n in range(int(sys.argv[1]))]
definitions = definitions_for(*projects)
definitions.resolve_asset_graph()
print(time.perf_counter() - begun, len(list(definitions.resolve_all_asset_specs())))
"""
BARE = """
import time, sys
import dagster as dg
begun = time.perf_counter()
def make(n):
    deps = [dg.AssetKey(["bare", str(n - 1)])] if n % 10 else []
    @dg.asset(key=["bare", str(n)], deps=deps, group_name="bare", owners=["team:x"], kinds={"polars"})
    def made():
        return None
    return made
definitions = dg.Definitions(assets=[make(n) for n in range(int(sys.argv[1]))])
definitions.resolve_asset_graph()
print(time.perf_counter() - begun)
"""
TICK = """
import time, sys
import dagster as dg
import mlp_assets as mlp
from mlp_assets.examples.retail import project as retail
from mlp_sensors.monitoring import monitoring_sensor
from mlp_sensors.watched_monitors import watched_monitors
import sqlalchemy
projects = [mlp.Project(f"retail_{n}", owner="team:retail", assets=[retail.repurchase_health])
            for n in range(int(sys.argv[1]))]
monitors = watched_monitors(projects)
with dg.instance_for_test() as instance:
    for monitor in monitors:
        tags = {"dagster/data_version": "delta:0"}
        instance.report_runless_asset_event(dg.AssetMaterialization(monitor.drained[0], tags=tags))
    counted = []
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", lambda *a: counted.append(a[2]))
    context = dg.build_sensor_context(instance=instance)
    begun = time.perf_counter()
    result = monitoring_sensor("tick", monitors, 30)(context)
    seconds = time.perf_counter() - begun
    queries = [text for text in counted if text.lstrip().startswith("SELECT")]
    print(seconds, len(queries), len(result.run_requests))
"""
BARS = {"ratio": 3.0, "tick_s": 1.0, "linear": 1.5}


def timed(code: str, size: int, runs: int = 3) -> list[float]:
    """Medians of the numbers that the code prints, over fresh processes."""
    printed: list[list[float]] = []
    with tempfile.TemporaryDirectory() as home:
        for number in range(runs):
            print(f"  run {number + 1} of {runs}", file=sys.stderr, flush=True)
            command = [sys.executable, "-W", "ignore", "-c", code, str(size)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=os.environ | {"MLP_HOME": home}
            )
            printed.append([float(word) for word in done.stdout.split()])
    return [statistics.median(column) for column in zip(*printed, strict=True)]


def staged(name: str, work: Callable[[], list[float]]) -> list[float]:
    print(f"{name} ...", file=sys.stderr, flush=True)
    begun = time.perf_counter()
    result = work()
    print(f"{name}: {result} in {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return result


def main() -> int:
    ours, assets = staged("200 projects", lambda: timed(OURS, 200))
    half, _ = staged("100 projects", lambda: timed(OURS, 100))
    (bare,) = staged(f"{assets:.0f} bare assets", lambda: timed(BARE, int(assets)))
    tick, queries, requests = staged("a tick over 200 monitors", lambda: timed(TICK, 200))
    _, few_queries, _ = staged("a tick over 20 monitors", lambda: timed(TICK, 20))
    figures = {
        "ours_s": round(ours, 3), "bare_dagster_s": round(bare, 3), "ratio": round(ours / bare, 2),
        "linear": round(ours / half / 2, 2), "assets": int(assets),
        "tick_s": round(tick, 3), "tick_queries": int(queries), "tick_queries_at_20": int(few_queries),
        "tick_requests": int(requests),
    }  # fmt: skip
    ok = figures["ratio"] <= BARS["ratio"] and tick <= BARS["tick_s"] and queries == few_queries
    ok = bool(ok and figures["linear"] <= BARS["linear"])
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "load", "machine": machine, "figures": figures, "bars": BARS, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
