"""Feeds the retail year to the platform week by week: ingests data, sends requests, drains predictions."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.errors import MlpError
from mlp_assets.examples.retail import feed
from mlp_assets.examples.retail.project import demand_health, project, purchases, repurchase_health
from mlp_assets.local_http import local_client
from mlp_assets.models.promotions import champion
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.source import Window
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.run_assets import materialize
from mlp_assets.orchestration.scope import Scope
from mlp_assets.platform import definitions_for
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Table
from mlp_resources.ports.registry import RegisteredVersion

WEEK = timedelta(days=7)
FIRST_WEEK = datetime(2016, 12, 26, tzinfo=UTC)
DEPLOYED = datetime(2017, 7, 3, tzinfo=UTC)
_BATCH, _TRICKLE = 1000, 20


class RehearsalError(MlpError):
    """A stage of a rehearsal did not happen."""


@dataclass
class Traffic:
    """Counts of the requests that were sent, and the model versions that answered, by endpoint."""

    requests: int = 0
    rows: int = 0
    failed: int = 0
    versions: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


class RetailStream:
    """Runs the retail project's assets and calls its endpoints with the data of a week. It never reads later data.

    Args:
        share: of the households whose requests are sent, 0 to 1.
    """

    def __init__(self, environment: Environment, instance: dg.DagsterInstance, share: float) -> None:
        self.environment = environment
        self.share = share
        self.traffic = Traffic()
        self.instance = instance
        definitions = definitions_for(project, environment=environment)
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self._client = local_client(timeout=30)
        self._entities: dict[datetime, dict[str, pl.DataFrame]] = {}

    def ingest(self, first: datetime, end: datetime) -> None:
        """Materializes sources, features and publications of the weeks from ``first`` to before ``end``, in one run."""
        kinds = ("source", "features", "online")
        tags = {
            "dagster/asset_partition_range_start": f"{first:%Y-%m-%d}",
            "dagster/asset_partition_range_end": f"{end - WEEK:%Y-%m-%d}",
        }
        self.materialize([key for key in self._job.asset_layer.executable_asset_keys if key.path[1] in kinds], tags)

    def materialize(self, keys: Sequence[dg.AssetKey], tags: dict[str, str] | None = None) -> None:
        """Materializes the assets in one run. Raises MlpError with the reason when it fails."""
        materialize(self._job, self.instance, keys, tags)

    def deploy(self, model: Model, endpoint: Endpoint) -> None:
        """Materializes training set, candidate, champion and endpoint of one model, in one run."""
        self.materialize(
            [
                keys.training_set(project.name, model.training_set),
                keys.candidate(project.name, model),
                keys.champion(project.name, model),
                keys.endpoint(project.name, endpoint),
            ]
        )

    def drain(self) -> None:
        """Moves the logged predictions of all endpoints to the lake."""
        self.materialize([keys.predictions(project.name, endpoint) for endpoint in project.endpoints])

    def champion(self, model: Model) -> RegisteredVersion:
        """Raises RehearsalError where the model has none."""
        version = champion(Scope(project, self.environment), model)
        if version is None:
            raise RehearsalError(f"{model.name} has no champion.")
        return version

    def send_week(self, week: datetime) -> None:
        """Sends every request that callers would have sent on the Monday of the week."""
        for endpoint, rows in self._entities_of(week).items():
            for batch in rows.iter_slices(_BATCH):
                self._send(endpoint, batch, week)

    def trickle(self, week: datetime) -> None:
        """Sends each endpoint one small request of the week, as load while something else happens."""
        for endpoint, rows in self._entities_of(week).items():
            self._send(endpoint, rows.sample(min(_TRICKLE, rows.height), seed=self.traffic.requests), week)

    def _entities_of(self, week: datetime) -> dict[str, pl.DataFrame]:
        if week not in self._entities:
            table = self.environment.lake.scan(Table(project.name, "source", purchases.name))
            known = table.filter(pl.col("bought_at") < week)
            window = Window(week, week + WEEK)
            sampled = pl.col("household_id").hash(7) % 10_000 < self.share * 10_000
            pairs = feed.repurchase_outcomes(window, known).filter(sampled).select("household_id", "category")
            stocks = feed.demand_outcomes(window, known).select("store_id", "category", "displays", "mailers")
            self._entities = {week: {"repurchase_score": pairs.collect(), "demand_forecast": stocks.collect()}}
        return self._entities[week]

    def _send(self, endpoint: str, rows: pl.DataFrame, week: datetime) -> None:
        url = f"{self.environment.serving.url(f'/{endpoint}')}/v2/models/{endpoint}/infer"
        answer = self._client.post(url, json=infer_request(rows, week + feed.ASKED))
        self.traffic.requests += 1
        self.traffic.rows += rows.height
        if answer.status_code != 200:
            self.traffic.failed += 1
            return
        seen = self.traffic.versions.setdefault(endpoint, [])
        version = answer.json()["model_version"]
        if version not in seen:
            seen.append(version)

    def example(self, week: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
        """A request of one household and its response."""
        row = pl.DataFrame({"household_id": [900], "category": ["CHEESE"]})
        request = infer_request(row, week + feed.ASKED)
        url = f"{self.environment.serving.url('/repurchase_score')}/v2/models/repurchase_score/infer"
        return request, self._client.post(url, json=request).json()


def infer_request(rows: pl.DataFrame, at: datetime) -> dict[str, Any]:
    """The rows as a request of the Open Inference Protocol."""
    kinds: dict[Any, str] = {pl.Int64: "INT64", pl.String: "BYTES", pl.Float64: "FP64"}
    return {
        "inputs": [
            {"name": c.name, "datatype": kinds[c.dtype.base_type()], "shape": [len(c)], "data": c.to_list()}
            for c in rows
        ],
        "parameters": {"at": at.isoformat()},
    }


def weeks(first: datetime, count: int) -> Iterator[datetime]:
    """The starts of ``count`` weeks."""
    return (first + number * WEEK for number in range(count))


def wait_for(what: str, seconds: float, condition: Callable[[], Any], every: float = 1.0) -> Any:
    """Polls until ``condition()`` is true, and returns its value. Raises RehearsalError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise RehearsalError(f"No {what} within {seconds:g} s.")


MODELS = tuple((health.watches.model, health.watches) for health in (repurchase_health, demand_health))
