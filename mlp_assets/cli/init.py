"""``mlp init``: writes a new project, from its data to an endpoint and tests, and adds it to the workspace."""

import importlib.util
import keyword
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from mlp_assets.cli.sample_orders import WEEKS, sample_orders
from mlp_assets.cli.workspace_file import with_location
from mlp_assets.errors import MlpError
from mlp_assets.nouns.checks import texts

_TEMPLATE = Path(__file__).parents[1] / "template"
_WEEK = timedelta(weeks=1)
_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
_LONGEST_NAME = 40


class InitError(MlpError):
    """A project cannot be written here, or under this name."""


def run(name: str, console: Console) -> None:
    """Writes the project below the working directory, and prints what to do next."""
    make(name, Path.cwd(), datetime.now(UTC))
    message = (
        f"{name}/ was written and added to workspace.yaml. Next:\n"
        f"  pytest {name}          its features on frames, then everything up to the champion\n"
        f"  mlp backfill {name}    its sources and features\n"
        f"  mlp up{' ' * len(name)}           then launch a job of {name} in Dagster; restart `mlp up` if it runs\n"
        f"{name}/README.md explains each file, and what to change first."
    )
    console.print(message, markup=False, highlight=False)


def make(name: str, folder: Path, now: datetime) -> None:
    """Writes the package ``folder/name`` and its entry in ``folder/workspace.yaml``: both, or neither.

    Raises:
        InitError: the name cannot be a package's, or a file of that name exists.
        WorkspaceFileError: no code location can be added to the workspace file.
    """
    _check_name(name)
    target, workspace = folder / name, folder / "workspace.yaml"
    if target.exists() or target.is_symlink():
        raise InitError(f"{target} exists already. Choose another name, or move it away.")
    end = _MONDAY + (now - _MONDAY) // _WEEK * _WEEK
    try:
        text = with_location(workspace, name)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as scratch:
            _write(name, Path(scratch) / name, end - WEEKS * _WEEK, end)
            (Path(scratch) / "workspace.yaml").write_text(text)
            (Path(scratch) / name).rename(target)
            try:
                (Path(scratch) / "workspace.yaml").replace(workspace)
            except BaseException:
                shutil.rmtree(target)
                raise
    except OSError as error:
        raise InitError(
            f"{error.filename or folder}: {error.strerror}. Nothing was written. Use a folder that you can write to."
        ) from None


def _check_name(name: str) -> None:
    problems = texts.name_problems("mlp init", name)
    if problems:
        raise InitError(str(problems[0]))
    if len(name) > _LONGEST_NAME:
        raise InitError(f"mlp init: {name!r} is longer than {_LONGEST_NAME} characters. Write a shorter name.")
    if keyword.iskeyword(name) or importlib.util.find_spec(name) is not None:
        taken = "is a keyword of Python" if keyword.iskeyword(name) else "is the name of an installed package"
        raise InitError(
            f"mlp init: {name!r} {taken}, so that package could not be imported. Write '{name}_project', for example."
        )


def _write(name: str, package: Path, start: datetime, end: datetime) -> None:
    """Copies the template under its new name, and writes its data."""
    dates = {"2024-01-01": start.strftime("%Y-%m-%d"), "2024-10-07": end.strftime("%Y-%m-%d")}
    replacements = {"mlp_assets.template": name, "my_project": name, **dates}
    for source in sorted(_TEMPLATE.rglob("*")):
        if source.suffix in (".py", ".md"):
            text = source.read_text()
            for old, new in replacements.items():
                text = text.replace(old, new)
            copy = package / source.relative_to(_TEMPLATE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)
    (package / "data").mkdir()
    sample_orders(start).write_parquet(package / "data" / "orders.parquet")
