"""docs/first-project.md: its blocks are one project, which trains on data of its own; its errors are as shown."""

import importlib
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from types import ModuleType

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from tests.support.platform import Platform, weeks

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-project.md"
BLOCK = re.compile(r"^```(python|python raises|text|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS: list[tuple[str, str]] = BLOCK.findall(PAGE.read_text())


def write_data(folder: Path) -> None:
    """Half a year of rides at forty stations, as CSV and in a database."""
    rng, start = np.random.default_rng(1), np.datetime64("2024-01-01")
    count = rng.poisson(np.outer(np.exp(rng.normal(1, 0.8, 40)), rng.gamma(9, 1 / 9, 26)))
    station, week = (np.repeat(axis.ravel(), count.ravel()) for axis in np.indices(count.shape))
    began = (start + week * np.timedelta64(7, "D")).astype("datetime64[us]") + rng.integers(
        0, 604_800, len(week)
    ) * np.timedelta64(1, "s")
    frame = pl.DataFrame({"station_id": station, "started_at": began, "minutes": rng.gamma(2, 9, len(week)).round(1)})
    frame = frame.with_columns(station_id=pl.format("s{}", "station_id"))
    folder.mkdir()
    frame.write_csv(folder / "rides.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    texts = frame.with_columns(pl.col("started_at").dt.to_string("%Y-%m-%d %H:%M:%S"))
    with sqlite3.connect(folder / "rides.db") as database:
        database.execute("create table rides (station_id text, started_at text, minutes real)")
        database.executemany("insert into rides values (?, ?, ?)", texts.rows())
    database.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The blocks as one module; ``messages`` has what those said that raise."""
    folder = tmp_path_factory.mktemp("first_project")
    write_data(folder / "data")
    lines = ["messages: list[str] = []\n"]
    for language, block in BLOCKS:
        if language == "python":
            lines.append(block)
        if language == "python raises":
            lines.append(f"def raising() -> None:\n{indent(block, '    ')}")
            lines.append("try:\n    raising()\nexcept mlp.MlpError as error:\n    messages.append(str(error))\n")
    (folder / "first_project_page.py").write_text("\n\n".join(lines))
    with pytest.MonkeyPatch.context() as path:
        path.syspath_prepend(str(folder))
        yield importlib.import_module("first_project_page")


def test_errors_are_as_shown(page: ModuleType) -> None:
    shown = [block for language, block in BLOCKS if language == "text"]
    assert [" ".join(block.split()) for block in shown] == [" ".join(message.split()) for message in page.messages]


def test_the_model_trains_and_passes_its_gates(page: ModuleType, home: Path) -> None:
    made = Platform(page.project, home)
    half_a_year = weeks("2024-01-01", "2024-06-24")
    made.run("source", "features", "online", tags=half_a_year)
    made.run("training_set", "candidate", "champion")
    assert made.environment.registry.champion("bikes.next_week") is not None


def test_a_database_gives_the_rows_of_the_file(page: ModuleType) -> None:
    week = mlp.Window(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC))
    made = page.read_rides(week).collect()
    assert made.height > 50
    assert made.sort(made.columns).equals(page.read_rides_from_sql(week).sort(made.columns))


def test_the_sentences_of_the_table_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for room in ("mlp_assets", "mlp_resources") for path in (ROOT / room).rglob("*.py"))
    flat = re.sub(r'"\n\s+f?"', "", code)
    quoted = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text().split("| in Dagster |")[1], re.MULTILINE)
    assert len(quoted) == 6
    assert [words for words in quoted if words.replace("next_week", "{name}") not in flat] == []
