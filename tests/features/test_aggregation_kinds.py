"""A kind of aggregation that some function does not handle is a type error, and every kind has its public function."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import mlp_assets as mlp
from mlp_assets.nouns.aggregation import AggregationKind, traits_of

ROOT = Path(__file__).parents[2]
# Every function that branches on the kind of an aggregation.
PLACES = {
    ("mlp_assets/nouns/aggregation.py", "traits_of"),
    ("mlp_assets/features/compute/partials.py", "partial"),
    ("mlp_assets/features/compute/partials.py", "combine"),
    ("mlp_assets/training_sets/compute/recompute.py", "_part"),
}


def function_at(file: Path, line: int) -> str:
    """The name of the function that holds a line, counted from 1."""
    heads = [text for text in file.read_text().splitlines()[:line] if text.startswith("def ")]
    return heads[-1].removeprefix("def ").partition("(")[0]


def type_errors(root: Path, files: list[str]) -> set[tuple[str, str]]:
    """(file, function) of each type error."""
    command = [sys.executable, "-m", "pyrefly", "check", "--output-format", "json", "--python-interpreter-path"]
    result = subprocess.run([*command, sys.executable, *files], cwd=root, capture_output=True, text=True, check=False)
    errors = [error for error in json.loads(result.stdout)["errors"] if error["severity"] == "error"]
    return {(error["path"], function_at(root / error["path"], error["line"])) for error in errors}


def test_a_new_kind_is_a_type_error_wherever_kinds_are_handled(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    shutil.copytree(ROOT / "mlp_assets", root / "mlp_assets", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pyrefly.toml").write_text('search-path = ["."]')
    noun = root / "mlp_assets/nouns/aggregation.py"
    noun.write_text(
        noun.read_text().replace('"expression", "attribute",', '"expression", "attribute", "unheard_of",', 1)
    )
    assert type_errors(root, sorted({file for file, _ in PLACES})) == PLACES


def test_no_other_function_branches_on_the_kind() -> None:
    """Comparing ``part.kind`` with a text would leave a new kind to an else branch."""
    comparison = re.compile(r"part\.kind (==|!=|in|not in) ")
    assert [path for path in (ROOT / "mlp_assets").rglob("*.py") if comparison.search(path.read_text())] == []


@pytest.mark.parametrize("kind", get_args(AggregationKind))
def test_every_kind_is_a_public_function_of_that_name(kind: AggregationKind) -> None:
    """The formula of a feature is written as a call of this function."""
    window = {"over": "7d"} if traits_of(kind).needs_window else {}
    column = ["amount"] if traits_of(kind).needs_column else []
    assert getattr(mlp, kind)(*column, **window).kind == kind
