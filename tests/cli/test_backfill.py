"""`mlp backfill` in a workspace: what it prints, its exit status, and what it refuses."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

import mlp_assets as mlp
from mlp_assets.cli.backfill import Days, report
from tests.support.daily_orders import START, day
from tests.support.failing_orders import Trouble

WORKSPACE = Path("workspace.yaml")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Trouble.fails_at = Trouble.interrupts_at = None
    (tmp_path / "backfilled_team.py").write_text(
        "from tests.support import failing_orders\n\nproject = failing_orders.make()\n"
    )
    (tmp_path / "workspace.yaml").write_text("load_from:\n- python_module: backfilled_team\n")
    monkeypatch.chdir(tmp_path)


def printed(days: Days, *, well: bool = True) -> str:
    console = Console(file=io.StringIO(), width=160)
    assert report(console, WORKSPACE, "shop", days) == well
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_says_what_it_computed_and_then_what_was_up_to_date() -> None:
    text = printed(Days(last=day(1)))
    assert "shop/source/orders" in text
    assert f"run 1 of 2: orders, recent, returns, given_back, {day(0)} … {day(1)}" in text
    assert "8 partitions computed in 2 runs, " in text
    assert "1 view published." in text
    again = printed(Days(last=day(1)))
    assert "Everything is up to date." in again
    assert "8 were up to date, `--again` computes them too." in again


def test_an_hourly_project_says_who_computes_today(tmp_path: Path) -> None:
    (tmp_path / "hourly_team.py").write_text(
        "from tests.support import mixed_cadences\n\nproject = mixed_cadences.make()\n"
    )
    (tmp_path / "workspace.yaml").write_text("load_from:\n- python_module: hourly_team\n")
    assert "left to the schedule of shop__hourly and shop__every_6h: to have it now, launch" in printed(Days())


def test_a_failure_and_how_to_go_on_are_said() -> None:
    Trouble.fails_at = START + timedelta(days=1)
    text = printed(Days(day(0), day(1)), well=False)
    assert "the till is closed" in text
    assert "shop/features/recent: not run, because shop/source/orders failed" in text
    assert f"`mlp backfill shop --from {day(0)} --to {day(1)}` goes on with the rest." in text


def test_an_interrupt_says_how_to_go_on() -> None:
    Trouble.interrupts_at = START + timedelta(days=1)
    console = Console(file=io.StringIO(), width=160)
    with pytest.raises(KeyboardInterrupt):
        report(console, WORKSPACE, "shop", Days(last=day(1)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "Interrupted: " in text
    assert f"What was computed is kept. `mlp backfill shop --to {day(1)}` goes on with the rest." in text


def test_an_unknown_project_is_refused_with_the_closest() -> None:
    with pytest.raises(mlp.MlpError) as error:
        report(Console(file=io.StringIO()), WORKSPACE, "shops", Days())
    assert str(error.value) == "The workspace workspace.yaml has no project 'shops'. Did you mean 'shop'?"


def test_two_at_once_are_refused(home: Path) -> None:
    (home / "run").mkdir(parents=True)
    with (
        FileLock(home / "run" / "backfill-shop.lock"),
        pytest.raises(mlp.MlpError, match="Another `mlp backfill shop` is at work"),
    ):
        report(Console(file=io.StringIO()), WORKSPACE, "shop", Days())
