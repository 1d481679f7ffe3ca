"""Memory of the idle platform; seconds and peak memory of each stage of the demo, by process.

Memory is the proportional share (PSS) of all processes of the platform, in GB of 2^30 bytes: shared pages count once.
"""

import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mlp_assets.local_platform.memory_use import memory_by_role

BARS = {"demo_s": 300.0, "idle_gb": 1.5, "peak_gb": 4.0}
_MLP = str(Path(sys.executable).parent / "mlp")
_START_SECONDS, _SETTLE_SECONDS, _SAMPLES = 300, 60, 6
console = Console(stderr=True)


def main() -> int:
    idle = _idle()
    console.print(_by_process("the idle platform", idle))
    demo = _demo()
    if demo is None:
        print(json.dumps({"benchmark": "loop", "ok": False, "reason": "the demo failed"}))
        return 1
    console.print(_by_process("the peak of the demo", demo["processes"]))
    figures = {"demo_s": demo["total_s"], "idle_gb": round(sum(idle.values()), 2), "peak_gb": demo["peak_gb"]}
    ok = all(figures[name] <= bar for name, bar in BARS.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    shown = figures | {"stages": demo["stages"], "idle": idle, "peak": demo["processes"]}
    print(json.dumps({"benchmark": "loop", "machine": machine, "figures": shown, "bars": BARS, "ok": ok}))
    return 0 if ok else 1


def _idle() -> dict[str, float]:
    """Role -> GB of `mlp up` with the two examples, a minute after its start, when the sensors have run."""
    with tempfile.TemporaryDirectory(prefix="mlp-idle") as home, _up(home), _home(home):
        time.sleep(_SETTLE_SECONDS)
        samples: list[dict[str, int]] = []
        for _ in range(_SAMPLES):
            samples.append(memory_by_role())
            time.sleep(5)
        roles = {role for sample in samples for role in sample if role != "this command"}
        medians = {role: statistics.median(sample.get(role, 0) / 1024**3 for sample in samples) for role in roles}
        return {role: round(used, 3) for role, used in sorted(medians.items(), key=lambda entry: -entry[1])}


@contextlib.contextmanager
def _up(home: str) -> Iterator[None]:
    """The platform, once it is up."""
    process = subprocess.Popen([_MLP, "up"], stdout=subprocess.PIPE, text=True, env=os.environ | {"MLP_HOME": home})
    try:
        deadline = time.monotonic() + _START_SECONDS
        for line in process.stdout or ():
            console.print(line.rstrip(), markup=False)
            if "The platform is up" in line:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"`mlp up` was not up after {_START_SECONDS} s.")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)


@contextlib.contextmanager
def _home(home: str) -> Iterator[None]:
    """The home as this process's, so that its processes are found by their mark."""
    before = os.environ.get("MLP_HOME")
    os.environ["MLP_HOME"] = home
    try:
        yield
    finally:
        os.environ.pop("MLP_HOME")
        if before is not None:
            os.environ["MLP_HOME"] = before


def _demo() -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory(prefix="mlp-loop") as home:
        variables = os.environ | {"MLP_HOME": home}
        done = subprocess.run([_MLP, "demo"], stdout=sys.stderr, env=variables, check=False)
        return json.loads((Path(home) / "demo.json").read_text()) if done.returncode == 0 else None


def _by_process(title: str, memory: dict[str, float]) -> Table:
    table = Table(title=f"Memory of {title}", show_edge=False)
    table.add_column("process")
    table.add_column("GB", justify="right")
    for role, used in memory.items():
        table.add_row(role, f"{used:.2f}")
    table.add_row("all", f"{sum(memory.values()):.2f}", style="bold")
    return table


if __name__ == "__main__":
    sys.exit(main())
