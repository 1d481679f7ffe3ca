"""Offline and online agree: a training row and a request at the same time have the same bits."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mlp_assets as mlp
from mlp_assets.endpoints.replica.lookup import Lookup
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.serving_plan import serving_plan
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.as_of_join import FeatureTable, join_as_visible
from mlp_assets.tables.derived import with_derived
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.online.open_view import open_view
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform, weeks

AT = datetime(2024, 5, 1, tzinfo=UTC)
STORED, REQUEST = ("a", "b"), {"hour": "Float64", "visits": "Int64", "member": "Boolean"}


def many() -> dict[str, pl.Expr]:
    """Expressions that distinguish null, NaN, infinity and the types of columns."""
    a, b, hour, visits, member = (pl.col(name) for name in (*STORED, *REQUEST))
    return {
        "ratio": a / b,
        "ratio_or_less": pl.col("ratio").fill_null(-1) * 2,
        "known": (a + b).is_not_null(),
        "nan": (a * hour).is_nan(),
        "log": hour.log(),
        "power": a.exp(),
        "third": visits / 3,
        "half": visits // 2,
        "squared": visits * visits,
        "one_more": member + 1,
        "membership": member * a,
        "largest": pl.max_horizontal(a, b, hour),
        "added": pl.sum_horizontal(pl.col("a", "b")),
        "letters": pl.col("user_id").cast(pl.String).str.len_chars(),
        "constant": pl.lit(3),
    }


def bits(values: NDArray[np.float64]) -> list[list[int]]:
    """The bits of each value: NaN is itself, and 0.0 is not -0.0."""
    return np.ascontiguousarray(values).view(np.uint64).tolist()


def offline(stored: pl.DataFrame, spine: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """As a training set is made: joined as known, then derived."""
    table = FeatureTable(stored.with_columns(known_at="event_time").lazy(), ("user_id",), STORED, timedelta(days=9))
    joined = join_as_visible(spine.with_columns(at=pl.lit(AT)).lazy(), "at", [table])
    rows = with_derived(joined.collect(), many(), [*STORED, *REQUEST]).sort("row")
    return rows.select(names).fill_null(float("nan")).to_numpy()


def online(path: Path, columns: Mapping[str, list[Any]], names: Sequence[str]) -> NDArray[np.float64]:
    """As a replica does it, from the view that lies at the path."""
    view = ViewPlan("stored", ("user_id",), STORED, 9 * 86_400, str(path))
    unused: dict[str, Any] = dict.fromkeys(ServingPlan.__dataclass_fields__)
    plan = unused | {"keys": {"user_id": "Int64"}, "request": REQUEST, "views": (view,), "inputs": tuple(names)}
    plan |= {"numbers": plan["inputs"]}
    made = ServingPlan(**plan | {"derive": f"{many.__module__}:{many.__qualname__}"})
    return Lookup(made, {"stored": open_view(str(path))})(columns, AT).matrix


floats = (
    st.none() | st.sampled_from([0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-310, 1e308]) | st.floats()
)
rows = st.lists(
    st.tuples(
        st.integers(0, 10**12), floats, floats, floats, st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.booleans(), st.booleans(),
    ),
    min_size=1, max_size=6, unique_by=lambda row: row[0],
)  # fmt: skip
versions = itertools.count(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("view")


@given(rows)
@settings(max_examples=60, deadline=None)
def test_a_training_row_and_a_request_have_the_same_bits(folder: Path, rows: list[tuple[Any, ...]]) -> None:
    kinds = {"user_id": pl.Int64, "a": pl.Float64, "b": pl.Float64}
    kinds |= {"hour": pl.Float64, "visits": pl.Int64, "member": pl.Boolean, "known": pl.Boolean}
    frame = pl.DataFrame(rows, schema=kinds, orient="row").with_row_index("row")
    stored = frame.filter("known").select("user_id", *STORED, event_time=pl.lit(AT - timedelta(days=3)))
    LmdbOnlineStore(Path("online")).publish(str(folder), ["user_id"], list(STORED), stored, version=next(versions))
    spine, names = frame.select("row", "user_id", *REQUEST), [*STORED, *REQUEST, *many()]
    columns = {name: spine[name].to_list() for name in ("user_id", *REQUEST)}
    trained, served = offline(stored, spine, names), online(folder, columns, names)
    assert not np.isinf(served).any()
    one_by_one = [
        online(folder, {name: values[row : row + 1] for name, values in columns.items()}, names)
        for row in range(frame.height)
    ]
    assert bits(np.concatenate(one_by_one)) == bits(served)
    for name, one, other in zip(names, bits(trained.T), bits(served.T), strict=True):
        assert one == other, name


QUIET, ZERO, BROKEN, ENDLESS, UNKNOWN = 1, 2, 3, 4, 5
AMOUNTS = {0: 12.5, ZERO: 0.0, BROKEN: float("nan"), ENDLESS: float("inf")}
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def read_visits(window: mlp.Window) -> pl.DataFrame:
    amounts = AMOUNTS | ({QUIET: 40.0} if window.start == FIRST else {})
    data = {"user_id": list(amounts), "amount": list(amounts.values()), "at": [window.start] * len(amounts)}
    return pl.DataFrame(data)


def read_outcomes(window: mlp.Window) -> pl.DataFrame:
    asked = [window.end - timedelta(days=7)] * 6
    came = [float((user + window.start.day) % 2) for user in range(6)]  # no feature tells it
    data = {"user_id": list(range(6)), "asked_at": asked, "came": came, "member": [True, False, None] * 2}
    return pl.DataFrame(data)


def per_visit() -> dict[str, pl.Expr]:
    return {"per_visit": pl.col("spend_7d") / pl.col("visits_7d"), "inverse": 1 / pl.col("spend_7d")}


def of_members() -> dict[str, pl.Expr]:
    return {
        "member_spend": pl.col("member") * pl.col("spend_7d"),
        "spelled": pl.col("member").cast(pl.String).str.len_chars(),
        "usual": pl.col("per_visit").fill_null(-1.0) + pl.col("inverse").fill_null(-1.0),
        "spend_ratio": pl.col("spend_7d") / pl.col("spend_14d"),
    }


def project() -> mlp.Project:
    year: dict[str, Any] = {"every": "1w", "start": "2024-01-01", "end": "2024-03-04"}
    columns = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime}
    visits = mlp.Source("visits", read=read_visits, event_time="at", columns=columns, **year)
    asked = {"user_id": pl.Int64, "asked_at": pl.Datetime, "came": pl.Float64, "member": pl.Boolean}
    outcomes = mlp.Source("outcomes", read=read_outcomes, event_time="asked_at", delay="7d", columns=asked, **year)
    spend = {f"spend_{days}d": mlp.total("amount", over=f"{days}d") for days in (7, 14)}
    view = mlp.FeatureView(
        "spending", entity=mlp.Entity("user", keys=["user_id"]), source=visits, every="1w", derive=per_visit,
        features=spend | {"visits_7d": mlp.count(over="7d")}, ttl="60d", online=True,
    )  # fmt: skip
    history = mlp.TrainingSet(
        "history", labels=outcomes, target="came", features=[view], request=["member"], derive=of_members,
        split=mlp.SplitByTime(validation="1w", test="1w"),
    )  # fmt: skip
    gates = [mlp.BetterThan("base_rate")]
    model = mlp.Model("comes", training_set=history, train=read_visits, task="binary", gates=gates)
    return mlp.Project("shop", owner="team:shop", assets=[mlp.Endpoint("score", model=model)])


def test_the_tables_of_real_runs_and_a_look_up_have_the_same_bits(home: Path) -> None:
    made = Platform(project(), home)
    made.run("source", tags=weeks("2024-01-01", "2024-02-05"))
    for week in range(5):  # each in a run of its own, which reads only as far back as its row does
        made.run("features", tags={"dagster/partition": f"{FIRST + timedelta(days=7 * week):%Y-%m-%d}"})
    made.run("online", "training_set")
    (endpoint,) = made.project.endpoints
    plan = ServingPlan.from_json(
        serving_plan(Scope(made.project, made.environment), endpoint, "1", home.as_uri(), "none")
    )
    now = FIRST + timedelta(days=35)
    table = made.environment.lake.scan(Table("shop", "training_set", "history"))
    trained = table.filter(pl.col("at") == now).sort("user_id").collect()
    asked = read_outcomes(mlp.Window(now, now + timedelta(days=7)))
    look_up = Lookup(plan, {view.name: open_view(view.location) for view in plan.views})
    served = look_up({"user_id": asked["user_id"].to_list(), "member": asked["member"].to_list()}, now)
    offline_matrix = trained.select(plan.inputs).fill_null(float("nan")).to_numpy()
    assert {trained.schema[name] for name in plan.inputs} == {pl.Float64}
    assert bits(offline_matrix) == bits(served.matrix)
    assert served.missing["spending"].tolist() == [user in (QUIET, UNKNOWN) for user in asked["user_id"]]
    assert trained.select("spend_7d", "spend_14d", "visits_7d", "per_visit", "inverse", "usual").rows() == [
        (12.5, 25.0, 1.0, 12.5, 0.08, 12.58),
        (None, None, None, None, None, -2.0),  # quiet for four weeks: nothing, not what its last windows held
        (0.0, 0.0, 1.0, 0.0, None, -1.0),
        (None, None, 1.0, None, None, -2.0),
        (None, None, 1.0, None, None, -2.0),
        (None, None, None, None, None, -2.0),
    ]
