"""Times online reads: calls take turns on the same entities, in this process and over HTTP."""

import contextlib
import http.client
import json
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import redis

ENTITIES, ROUNDS, READS = 100_000, 3, 4000
Calls = Mapping[str, Callable[[list[int]], object]]


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()[1]


@contextlib.contextmanager
def running(command: list[str], ready: Callable[[], object]) -> Iterator[None]:
    """A server process; the block begins once it answers."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError, redis.ConnectionError):
                ready()
                break
            time.sleep(0.05)
        yield
    finally:
        server.kill()
        server.wait()


def timed(calls: Calls, count: int, reads: int) -> dict[str, tuple[float, float]]:
    """p50 and p99 in microseconds, by call. All calls read the same random entities, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(reads + reads // 10):
        asked = random.sample(range(ENTITIES), count)
        for name, call in calls.items():
            begun = time.perf_counter()
            call(asked)
            if number >= reads // 10:
                taken[name].append((time.perf_counter() - begun) * 1e6)
    return {
        name: (statistics.median(micros), sorted(micros)[int(len(micros) * 0.99)]) for name, micros in taken.items()
    }


def rounds(calls: Calls, reads: int = READS) -> dict[str, dict[int, list[float]]]:
    """Call -> number of entities (1, 100) -> medians over the rounds of p50 and p99."""
    medians: dict[str, dict[int, list[float]]] = {name: {} for name in calls}
    for count, times in ((1, reads), (100, max(reads // 4, 100))):
        measured = [timed(calls, count, times) for _ in range(ROUNDS)]
        for name in calls:
            medians[name][count] = [statistics.median(times[name][place] for times in measured) for place in (0, 1)]
        log(f"  {count} entities: { {name: round(medians[name][count][0], 1) for name in calls} } us")
    return medians


def as_figures(medians: Mapping[str, Mapping[int, list[float]]]) -> dict[str, float]:
    """The figures ``<call>_<entities>_p50_us`` and ``..._p99_us``."""
    return {
        f"{name}_{count}_{percentile}_us": round(value, 1)
        for name, by_count in medians.items()
        for count, both in by_count.items()
        for percentile, value in zip(("p50", "p99"), both, strict=True)
    }


def over_http(name: str, location: str, folder: Path) -> dict[str, float]:
    """Whole predictions through HTTP, one client with one connection."""
    port = free_port()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    command = [
        sys.executable,
        str(Path(__file__).parent / "online_http.py"),
        str(folder / f"http_{name}"),
        location,
        str(port),
    ]

    def asked_for(users: list[int]) -> None:
        tensor = {"name": "user_id", "datatype": "INT64", "shape": [len(users)], "data": users}
        headers = {"content-type": "application/json"}
        connection.request("POST", "/v2/models/score/infer", json.dumps({"inputs": [tensor]}), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"HTTP {answer.status}: {body[:300]!r}")

    with running(command, lambda: socket.create_connection(("127.0.0.1", port), 1).close()):
        medians = rounds({f"http_{name}": asked_for}, reads=600)
    return as_figures(medians)
