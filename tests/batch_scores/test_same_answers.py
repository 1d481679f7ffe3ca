"""A row that is scored in a batch gets the answer that the endpoint gives at that moment, to the last bit."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.replica.prediction_log import read_rows
from mlp_assets.endpoints.replica.protocol import datatype
from mlp_assets.endpoints.replica.spool import PREDICTIONS, spooled_files
from mlp_assets.endpoints.serving_plan import serving_plan
from mlp_assets.models.promotions import champion
from mlp_assets.orchestration.scope import Scope
from mlp_resources.online.open_view import open_view
from mlp_resources.ports.lake import Table
from tests.support import visits
from tests.support.live_endpoint import serving
from tests.support.platform import Platform

WEEKS = ("2024-04-15", "2024-04-22", "2024-05-13")
HOW_IT_WAS_SCORED = ["prediction_id", "requested_at", "endpoint", "view_versions"]


def served(built: Platform, name: str, week: datetime) -> ServedModel:
    """The endpoint as it stands when the week begins: with the features that were published by then."""
    visits.CLOCK.time = week
    built.run("online")
    scope = Scope(built.project, built.environment)
    (endpoint,) = (one for one in built.project.endpoints if one.name == name)
    live = champion(scope, endpoint.model)
    assert live is not None
    plan = serving_plan(scope, endpoint, live.version, built.environment.registry.artifact(live), live.digest)
    return ServedModel(ServingPlan.from_json(plan), open_view)


def body(model: ServedModel, rows: pl.DataFrame) -> dict[str, Any]:
    (at,) = set(rows["asked_at"])
    tensors = [
        {
            "name": name, "datatype": datatype(kind), "shape": model.plan.shape(name, rows.height),
            "data": rows[name].to_list(),
        }
        for name, kind in model.plan.columns.items()
    ]  # fmt: skip
    return {"inputs": tensors, "parameters": {"at": at.isoformat()}}


def logged_by(model: ServedModel) -> pl.DataFrame:
    frames: list[pl.DataFrame] = []
    for file in spooled_files(model.plan.spool, PREDICTIONS):
        offset = 0
        while (found := read_rows(file, offset, PREDICTIONS)) is not None:
            frames.append(found[0])
            offset = found[1]
    return pl.concat(frames, how="diagonal")


@pytest.mark.parametrize(("name", "batch"), [("score", "weekly_scores"), ("kind", "weekly_kinds")])
def test_a_batch_and_the_live_endpoint_give_the_same_answers(built: Platform, name: str, batch: str) -> None:
    answers: list[dict[str, Any]] = []
    model = None
    for week in WEEKS:
        start = datetime.fromisoformat(f"{week}T00:00:00+00:00")
        model = served(built, name, start)
        rows = visits.read_rows(mlp.Window(start, start + timedelta(days=7)))
        with serving(model) as address, httpx.Client(base_url=f"http://{address}") as client:
            # Rows of one moment go in one request, the others alone.
            for _, asked in rows.group_by("asked_at", maintain_order=True):
                answer = client.post(f"/v2/models/{name}/infer", json=body(model, asked))
                assert answer.status_code == 200, answer.text
                outputs = {one["name"]: one["data"] for one in answer.json()["outputs"]}
                answers += pl.DataFrame(outputs).with_columns(asked.select("user_id", at="asked_at")).to_dicts()
    assert model is not None
    logged = logged_by(model)
    live = pl.DataFrame(answers).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))).sort("at", "user_id")
    table = built.environment.lake.scan(Table("shop", "batch_score", batch))
    scored = table.filter(pl.col("partition").is_in(WEEKS)).sort("at", "user_id").collect()
    assert scored.height == live.height == 3 * 54
    assert scored.select("at", "user_id").equals(live.select("at", "user_id"))
    number = "probability" if "probability" in live.columns else "prediction"
    assert bits(scored[number]) == bits(live[number])
    assert scored["prediction"].to_list() == live["prediction"].to_list()
    assert scored["degraded"].to_list() == live["degraded"].to_list()
    assert reasons(scored) == live["reasons"].to_list()
    assert set(live["reasons"]) == {"", "spending:unknown", "spending:partial"}
    same_log(scored, logged.sort("at", "user_id"))


def same_log(scored: pl.DataFrame, logged: pl.DataFrame) -> None:
    """All columns of the prediction log, in its order and types, and their values bit for bit."""
    assert set(scored.columns) == set(logged.columns)
    assert {name: scored.schema[name] for name in logged.columns} == dict(logged.schema)
    content = [name for name in logged.columns if name not in (*HOW_IT_WAS_SCORED, "partition")]
    assert scored.select(content).equals(logged.select(content))
    assert set(scored["partition"]) == set(WEEKS)


def bits(values: pl.Series) -> list[int]:
    return np.ascontiguousarray(values.to_numpy()).view(np.uint64).tolist()


def reasons(scored: pl.DataFrame) -> list[str]:
    flags = {"missing_views": "unknown", "expired_views": "expired", "partial_views": "partial"}
    named = [[f"spending:{flags[name]}" for name in flags if row[name]] for row in scored.iter_rows(named=True)]
    return [",".join(found) for found in named]
