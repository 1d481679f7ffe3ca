"""Each row is seen once, by one process, whatever the files, the processes and the point of an interruption."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.artifact.encoding import Encoding
from mlp_assets.errors import MlpError
from mlp_assets.training.loader import Loader
from mlp_assets.training.order import Order
from mlp_assets.training.part_rows import PartRows

FEATURES = ("a", "b")
ORDERS = st.builds(
    Order,
    rows=st.integers(8, 300),
    block=st.integers(1, 40),
    blocks=st.integers(1, 4),
    whole=st.booleans(),
    batch=st.integers(1, 50),
    world_size=st.integers(1, 5),
    seed=st.integers(0, 3),
    shuffle=st.booleans(),
)


def seen_by(order: Order, epoch: int, rank: int) -> list[int]:
    seen: list[int] = []
    for window in order.windows(epoch, rank):
        rows = [row for first, end in window.ranges for row in range(first, end)]
        seen += [rows[place] for place in window.seen]
    return seen


@given(ORDERS)
def test_an_epoch_sees_each_row_once(order: Order) -> None:
    seen = [seen_by(order, 0, rank) for rank in range(order.world_size)]
    assert sorted(itertools.chain(*seen)) == list(range(order.rows))
    assert [len(rows) for rows in seen] == [order.rows_of(rank) for rank in range(order.world_size)]
    for rank, rows in enumerate(seen):
        bounds = [order.bounds(step, rank) for step in range(order.steps)]
        assert [row for first, end in bounds for row in rows[first:end]] == rows
        assert all(0 < end - first <= order.batch + 1 for first, end in bounds)


def test_epochs_differ_in_their_order_and_runs_do_not() -> None:
    order = Order(200, 10, 2, False, 16, 2, seed=5)
    assert seen_by(order, 0, 0) == seen_by(order, 0, 0)
    assert seen_by(order, 0, 0) != seen_by(order, 1, 0)
    assert seen_by(order, 0, 0) != sorted(seen_by(order, 0, 0))
    plain = Order(200, 10, 2, False, 16, 1, seed=5, shuffle=False)
    assert seen_by(plain, 0, 0) == list(range(200))


def table(folder: Path, rows: int, parts: int = 1, group: int = 50) -> str:
    """A table of several files and row groups: its first rows are the part ``train``, the others ``test``."""
    location = folder / "table"
    frame = pl.DataFrame(
        {"a": np.arange(rows, dtype=float), "b": [None if n % 3 else 1 for n in range(rows)], "y": 0.5}
    )
    split = pl.Series("split", ["train"] * (rows - rows // 4) + ["test"] * (rows // 4))
    pieces = np.array_split(np.arange(rows), parts)
    for piece in pieces:
        options = {"mode": "append", "delta_write_options": {"target_file_size": None}}
        frame.with_columns(split)[piece].write_delta(str(location), **options)
    for number, (file, piece) in enumerate(zip(sorted(DeltaTable(str(location)).file_uris()), pieces, strict=True)):
        frame.with_columns(split)[piece].write_parquet(file, row_group_size=group + number)
    return str(location)


def rows_of(location: str, part: str = "train") -> PartRows:
    return PartRows(location, DeltaTable(location).version(), part, Encoding(FEATURES), "y")


@pytest.mark.parametrize(("parts", "group"), [(1, 1000), (1, 7), (3, 11)])
def test_rows_are_the_same_whatever_the_files(tmp_path: Path, parts: int, group: int) -> None:
    source = rows_of(table(tmp_path, 400, parts, group))
    assert source.rows == 300
    x, y = np.empty((300, 2), np.float32), np.empty(300, np.float32)
    source.read(0, 300, x, y)
    assert sorted(x[:, 0]) == list(range(300))
    assert np.isnan(x[:, 1]).sum() == 200
    for first, end in ((0, 1), (13, 14), (37, 255), (299, 300)):
        part = np.empty((end - first, 2), np.float32)
        source.read(first, end, part, np.empty(end - first, np.float32))
        assert np.array_equal(part, x[first:end], equal_nan=True)


def test_threads_may_read_the_same_file(tmp_path: Path) -> None:
    """As the threads of a training's loaders do, which read ahead."""
    source = rows_of(table(tmp_path, 4000, group=20))

    def first_column(_: int) -> list[float]:
        x = np.empty((source.rows, 2), np.float32)
        source.read(0, source.rows, x, np.empty(source.rows, np.float32))
        return x[:, 0].tolist()

    with ThreadPoolExecutor(8) as threads:
        columns = list(threads.map(first_column, range(32)))
    assert all(column == columns[0] for column in columns)


@pytest.fixture(scope="module", autouse=True)
def few_rows_together() -> Iterator[None]:
    """Blocks of 20 rows, so that small tables have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlp_assets.training.loader.rows_together", lambda columns: 20)
        yield


def loader(source: PartRows, rank: int = 0, world_size: int = 1, batch: int = 16, *, small: bool = True) -> Loader:
    return Loader(source, batch, seed=1, rank=rank, world_size=world_size, window_bytes=400 if small else 10**9)


@pytest.mark.parametrize("small", [True, False])
def test_an_interrupted_training_resumes_at_the_next_row(tmp_path: Path, small: bool) -> None:
    source = rows_of(table(tmp_path, 400))
    whole = [x[:, 0].tolist() for epoch in loader(source, small=small).epochs(3) for x, _ in epoch]
    assert sorted(itertools.chain(*whole)) == sorted(list(range(300)) * 3)
    for stop in (0, 1, 18, 19, 20, 37, 56, 57):
        first = loader(source, small=small)
        begun = list(itertools.islice((x[:, 0].tolist() for epoch in first.epochs(3) for x, _ in epoch), stop))
        again = loader(source, small=small)
        again.load_state_dict(first.state_dict())
        assert begun + [x[:, 0].tolist() for epoch in again.epochs(3) for x, _ in epoch] == whole


@settings(max_examples=40)
@given(
    worlds=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(0, 8)), min_size=1, max_size=3),
    last=st.tuples(st.integers(1, 4), st.integers(1, 40)),
    small=st.booleans(),
)
def test_other_numbers_of_processes_see_each_row_once(
    source: PartRows, worlds: list[tuple[int, int, int]], last: tuple[int, int], small: bool
) -> None:
    """One epoch, interrupted several times and resumed by other numbers of processes with other batch sizes."""
    state, seen = None, list[float]()
    for world_size, batch, steps in [*worlds, (*last, 10**9)]:
        states, counts = set[str](), set[int]()
        for rank in range(world_size):
            resumed = loader(source, rank, world_size, batch, small=small)
            if state is not None:
                resumed.load_state_dict(dict(state))
            if resumed.position.epoch:
                continue
            batches = list(itertools.islice(resumed, steps))
            left = [x[:, 0].tolist() for x, _ in batches]
            assert all(0 < len(x) <= batch + 1 for x in left) or len(left) == 1
            rows = list(itertools.chain(*left))
            few = rank > 0 and len(left) == 1 and sorted(rows) == sorted(seen[-len(rows) :])
            seen += [] if few else rows
            states.add(repr(resumed.state_dict()))
            counts.add(len(batches))
            after = resumed.state_dict()
        if not states:
            break
        assert (len(states), len(counts)) == (1, 1)
        state = after
    assert sorted(seen) == list(range(300))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> PartRows:
    return rows_of(table(tmp_path_factory.mktemp("rows"), 400, parts=2))


def test_a_loader_that_cannot_work_gives_the_reason(tmp_path: Path, source: PartRows) -> None:
    with pytest.raises(MlpError, match="batch=0 holds no rows"):
        Loader(source, 0, seed=0)
    with pytest.raises(MlpError, match="has 300 rows, too few for 301 processes"):
        Loader(source, 1, seed=0, world_size=301)
    text = tmp_path / "text"
    pl.DataFrame({"a": ["x", "y"], "y": [1.0, 2.0], "split": ["train"] * 2}).write_delta(str(text))
    with pytest.raises(MlpError, match="Feature 'a' is .*string"):
        next(iter(Loader(PartRows(str(text), 0, "train", Encoding(("a",)), "y"), 1, seed=0)))
