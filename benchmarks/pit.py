"""The platform's training-set join against bare Polars, DuckDB and Feast: seconds and peak memory, Delta to Delta.

Each contender runs in a process of its own; its seconds are those from the first read to the last write, its memory the
kernel's high-water mark of the process (``ru_maxrss``). Figures are medians of three rounds, in which the contenders
take turns, in both orders; the scale case runs once.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from peers import python_of

HERE, ROUNDS = Path(__file__).parent, 3
OURS, BARE = (str(HERE / "pit_contenders.py"), "ours"), (str(HERE / "pit_contenders.py"), "bare")
DUCKDB, FEAST = (str(HERE / "pit_duckdb.py"),), (str(HERE / "pit_feast.py"),)
BARS = {
    "ours_5m_to_polars": 1.5, "duckdb_5m_to_ours": 1.0, "feast_1m_to_ours": 20.0, "ours_5m_gb": 2.0, "wide_s": 5.0,
    "wide_gb": 2.0, "scale_gb": 4.0,
}  # fmt: skip
AT_LEAST = ("duckdb_5m_to_ours", "feast_1m_to_ours")
Run = tuple[float, float, str]  # seconds, GB, the digest of what was written


def main() -> int:
    pythons = {
        DUCKDB: python_of("duckdb", ["duckdb", "deltalake", "pyarrow"]),
        FEAST: python_of("feast-duckdb", ["feast[duckdb]", "deltalake"]),
    }
    runs: dict[str, list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="mlp-pit", dir=os.environ.get("MLP_BENCH")) as folder:
        home = Path(folder)
        for case in ("retail", "wide"):
            _make(case, home)
        turns = [
            ("ours_1m", OURS, "labels_1m"), ("polars_1m", BARE, "labels_1m"), ("feast_duckdb_1m", FEAST, "labels_1m"),
            ("ours_5m", OURS, "labels_5m"), ("polars_5m", BARE, "labels_5m"), ("duckdb_5m", DUCKDB, "labels_5m"),
            ("wide", OURS, "labels_wide"), ("polars_wide", BARE, "labels_wide"),
        ]  # fmt: skip
        for number in range(ROUNDS):
            for name, command, labels in turns if number % 2 else reversed(turns):
                runs[name].append(_run(pythons.get(command), command, home, labels, f"{name}, round {number + 1}"))
        _make("scale", home)
        runs["scale"].append(_run(None, OURS, home, "labels_scale", "scale"))
    return _report(runs)


def _make(case: str, home: Path) -> None:
    print(f"{case}: writing the tables", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, str(HERE / "pit_data.py"), case, str(home)], check=True)


def _run(python: Path | None, command: tuple[str, ...], home: Path, labels: str, what: str) -> Run:
    with tempfile.TemporaryDirectory(dir=home) as folder:
        out = Path(folder) / "out"
        os.sync()  # what was written before is no burden to who writes next
        arguments = [str(python or sys.executable), *command, str(home), labels, str(out)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, arguments)
        seconds, memory = float(output.split()[-1]), used.ru_maxrss / 1e6
        check = [sys.executable, str(HERE / "pit_contenders.py"), "same", str(home), labels, str(out)]
        written = subprocess.run(check, check=True, capture_output=True, text=True).stdout.strip()
    print(f"{what}: {seconds:.2f} s, {memory:.2f} GB, {written[:40]}", file=sys.stderr, flush=True)
    return seconds, memory, written


def _report(runs: dict[str, list[Run]]) -> int:
    for first, second in (("ours_1m", "polars_1m"), ("ours_1m", "feast_duckdb_1m"), ("ours_5m", "polars_5m"),
                       ("ours_5m", "duckdb_5m"), ("wide", "polars_wide")):  # fmt: skip
        if len({written for _, _, written in runs[first] + runs[second]}) != 1:
            reason = f"{first} and {second} wrote different rows"
            print(json.dumps({"benchmark": "pit", "ok": False, "reason": reason}))
            return 1
    figures = {f"{name}_s": round(statistics.median(run[0] for run in timed), 2) for name, timed in runs.items()}
    figures |= {f"{name}_gb": round(max(run[1] for run in timed), 2) for name, timed in runs.items()}
    figures["ours_5m_to_polars"] = round(figures["ours_5m_s"] / figures["polars_5m_s"], 2)
    figures["duckdb_5m_to_ours"] = round(figures["duckdb_5m_s"] / figures["ours_5m_s"], 2)
    figures["feast_1m_to_ours"] = round(figures["feast_duckdb_1m_s"] / figures["ours_1m_s"], 1)
    ok = all(figures[name] >= bar if name in AT_LEAST else figures[name] <= bar for name, bar in BARS.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "pit", "machine": machine, "figures": figures, "bars": BARS, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
