"""The skew check over two million predictions of a faultless replay, beside Polars' as-of join of the same rows.

Every prediction is made by the code of a replica, from publications of real runs, and goes through the spool. ``ROWS``
as an argument replays fewer.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from skew_project import DAYS, START, USERS, make

import mlp_assets as mlp
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ModelPlan, ServingPlan
from mlp_assets.endpoints.replica.prediction_log import read_rows
from mlp_assets.endpoints.replica.protocol import InferRequest
from mlp_assets.endpoints.replica.spool import PREDICTIONS, spooled_files
from mlp_assets.endpoints.serving_plan import model_plan, serving_plan
from mlp_assets.endpoints.skew.compared_rows import versions_of
from mlp_assets.endpoints.skew.even_sample import EvenSample
from mlp_assets.endpoints.skew.report import SkewReport
from mlp_assets.endpoints.skew.skew_check import ROWS, VERSIONS, check_skew
from mlp_assets.endpoints.skew_gate import judge_skew
from mlp_assets.features.definitions.kept_table import version_of
from mlp_assets.models.promotions import champion
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_assets.platform import definitions_for
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Transaction

PREDICTED, MOMENTS, IN_REQUEST, ROUNDS = 2_000_000, 20, 1000, 3
BARS = {"differences": 0, "not_judged": 0, "check_s": 5.0, "check_of_earlier_definition_s": 5.0, "gate_s": 10.0}
TRAINED = START + timedelta(days=DAYS - MOMENTS)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# Requests ask this long after the newest row: before it, at its TTL and past it too.
AGES = [timedelta(0), HOUR, 6 * HOUR, 20 * HOUR, -2 * HOUR, 5 * DAY, 6 * DAY]


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def span(first: datetime, last: datetime) -> dict[str, str]:
    """Tags of a run over the partitions of these days."""
    names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    return {name: f"{day:%Y-%m-%d}" for name, day in zip(names, (first, last), strict=True)}


class Bench:
    """A project in its home, as production runs it but without services."""

    def __init__(self, project: mlp.Project, home: Path) -> None:
        self.environment = LocalEnvironment(home)
        self.scope = Scope(project, self.environment)
        (self.endpoint,) = project.endpoints
        self.table = keys.table(keys.predictions(project.name, self.endpoint))
        self._instance = dg.DagsterInstance.ephemeral()
        self._job = definitions_for(project, environment=self.environment).resolve_implicit_global_asset_job_def()

    def run(self, *kinds: str, tags: dict[str, str] | None = None) -> None:
        selected = [key for key in self._job.asset_layer.executable_asset_keys if key.path[1] in kinds]
        assert self._job.execute_in_process(instance=self._instance, asset_selection=selected, tags=tags or {}).success

    def serve(self) -> ServedModel:
        """The champion as a replica has it. Its plan becomes the desired state."""
        live = champion(self.scope, self.endpoint.model)
        assert live is not None
        artifact = self.environment.registry.artifact(live)
        plan = serving_plan(self.scope, self.endpoint, live.version, artifact, live.digest)
        state = self.environment.home / "serving" / "desired.json"
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps({"bench.score": {"plan": plan, "options": {}}}))
        return ServedModel(ServingPlan.from_json(plan), self.environment.online.open_view)

    def check(self, sample: EvenSample, most_versions: int = VERSIONS) -> tuple[SkewReport, float]:
        """The check of a drain, and its seconds."""
        plan = ModelPlan.from_json(model_plan(self.scope, self.endpoint.model, self.endpoint.name, "", "", ""))
        begun = time.perf_counter()
        report = check_skew(self.scope, self.endpoint, plan, sample, most_versions)
        return report, time.perf_counter() - begun

    def drain(self, served: ServedModel) -> Iterator[pl.DataFrame]:
        """The rows of the spool, moved to the log."""
        lake = self.environment.lake
        for file in spooled_files(served.plan.spool, PREDICTIONS):
            offset = 0
            while (read := read_rows(file, offset, PREDICTIONS)) is not None:
                frame, end = read
                lake.append(self.table, frame, Transaction(f"spool:{file.name}", end, after=offset))
                yield frame
                offset = end
            file.unlink()


def ask(served: ServedModel, draw: np.random.Generator, newest: datetime, requests: int, rows: int) -> None:
    """Requests for random users; one in eleven is unknown."""
    for number in range(requests):
        users = draw.integers(0, USERS * 11 // 10, rows).tolist()
        columns = {"user_id": users, "basket": draw.random(rows).round(3).tolist()}
        served.infer(InferRequest(None, columns, rows, newest + AGES[number % len(AGES)]))


@dataclass
class Totals:
    """What the checks of all drains found."""

    predictions: int = 0
    compared: int = 0
    values: int = 0
    present: int = 0
    differences: int = 0
    not_judged: int = 0
    seconds: float = 0.0
    asked: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])

    def add(self, report: SkewReport, seconds: float) -> None:
        self.predictions += report.drained
        self.compared += report.compared
        self.values += sum(each.rows for each in report.features)
        self.differences += report.differences + len(report.definitions) + sum(map(len, report.versions.values()))
        self.not_judged += sum(report.not_judged.values()) + sum(report.outages.values())
        self.seconds += seconds


def replay(bench: Bench, predictions: int) -> Totals:
    """Publishes day after day; each drain holds rows of two publications."""
    totals, draw = Totals(), np.random.default_rng(8)
    requests = predictions // MOMENTS // IN_REQUEST
    for moment in range(MOMENTS):
        newest = TRAINED + moment * DAY
        served = bench.serve()
        ask(served, draw, newest, requests // 2, IN_REQUEST)
        bench.run("source", "features", tags=span(newest, newest))
        bench.run("online")
        ask(served, draw, newest + DAY, requests - requests // 2, IN_REQUEST)
        sample = EvenSample(predictions)
        for frame in bench.drain(served):
            sample.add(frame)
        report, seconds = bench.check(sample, most_versions=predictions)
        totals.add(report, seconds)
        for frame in sample.frames():
            totals.present += sum(frame[each.feature].count() for each in report.features)
            totals.asked.append(frame.select("user_id", "at"))
        log(f"  {totals.predictions:,} predictions, {totals.differences} differences, {totals.seconds:.1f} s of checks")
    return totals


def as_of_join(bench: Bench, asked: pl.DataFrame) -> float:
    """Seconds of Polars' as-of join of the rows with the tables of both views."""
    begun = time.perf_counter()
    rows = asked.lazy().sort("at")
    for view in bench.endpoint.model.training_set.features:
        table = bench.environment.lake.scan(keys.table(keys.features("bench", view)))
        features = table.select("user_id", "event_time", *view.feature_names).sort("event_time")
        rows = rows.join_asof(
            features, left_on="at", right_on="event_time", by="user_id", tolerance=view.ttl_length
        ).drop("event_time")
    rows.collect()
    return time.perf_counter() - begun


def production_check(bench: Bench, newest: datetime, *, earlier: bool = False) -> float:
    """Seconds of a check of 2,000 requests of one row each; the median of some rounds.

    Args:
        earlier: whether the rows read a definition of the view that is kept beside today's.
    """
    draw, taken = np.random.default_rng(9), list[float]()
    for _ in range(ROUNDS):
        served = bench.serve()
        ask(served, draw, newest, ROWS, 1)
        sample = EvenSample(ROWS)
        for frame in bench.drain(served):
            sample.add(frame)
        report, seconds = bench.check(sample)
        assert report.compared == ROWS, report
        assert report.passed, report.message
        version = versions_of(sample.frames()[0]["view_versions"][0])["spending"]
        assert version is not None
        assert (version_of(version) is not None) == earlier
        taken.append(seconds)
    return statistics.median(taken)


def gate_seconds(bench: Bench) -> float:
    """Seconds of the gate for a candidate like the champion, on the whole log; the median of some rounds."""
    newest = bench.environment.registry.versions("bench.comes")[-1]
    taken: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        result = judge_skew(bench.scope, bench.endpoint.model, newest.tags)
        taken.append(time.perf_counter() - begun)
        assert result.passed, result.sentence
        assert result.numbers["differences"] == 0, result.sentence
    log(f"  {result.sentence}")
    return statistics.median(taken)


def measured(home: Path, predictions: int) -> dict[str, Any]:
    bench = Bench(make(), home)
    log("ingest, compute, publish, train ...")
    bench.run("source", "features", tags=span(START, TRAINED - DAY))
    bench.run("online")
    bench.run("training_set", "candidate", "champion")
    log("replay ...")
    totals = replay(bench, predictions)
    log("as-of join ...")
    joined = statistics.median(as_of_join(bench, pl.concat(totals.asked)) for _ in range(ROUNDS))
    newest = TRAINED + MOMENTS * DAY
    log("checks of production size ...")
    today = production_check(bench, newest)
    gate = gate_seconds(bench)
    changed = Bench(make(recent="9d"), home)
    changed.run("features", tags=span(START, newest - DAY))
    changed.run("online")
    earlier = production_check(changed, newest, earlier=True)
    return {
        "predictions": totals.predictions,
        "compared": totals.compared,
        "values": totals.values,
        "values_present": totals.present,
        "differences": totals.differences,
        "not_judged": totals.not_judged,
        "all_checks_s": round(totals.seconds, 1),
        "rows_per_s": round(totals.compared / totals.seconds),
        "as_of_join_s": round(joined, 2),
        "ratio_to_as_of_join": round(totals.seconds / joined, 1),
        "check_s": round(today, 2),
        "check_of_earlier_definition_s": round(earlier, 2),
        "gate_s": round(gate, 2),
    }


def main() -> int:
    predictions = int(sys.argv[1]) if len(sys.argv) > 1 else PREDICTED
    with tempfile.TemporaryDirectory(prefix="mlp-skew") as folder:
        figures = measured(Path(folder), predictions)
    ok = all(figures[name] <= bar for name, bar in BARS.items()) and figures["compared"] == predictions
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "skew", "machine": machine, "figures": figures, "bars": BARS, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
