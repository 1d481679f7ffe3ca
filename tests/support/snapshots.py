"""Platforms that are built once for several tests; each test gets a copy of its home and of its Dagster instance."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from mlp_assets.nouns.project import Project
from tests.support.platform import Platform

# Where an MLflow store writes absolute addresses down.
_ADDRESSES = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("model_versions", "source"),
    ("model_versions", "storage_location"), ("logged_models", "artifact_location"),
)  # fmt: skip


class Snapshots:
    """Keeps the built platforms below a folder, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copy(self, name: str, home: Path, project: Project, build: Callable[[Platform], object]) -> Platform:
        """The platform of the project in ``home``, as ``build`` leaves one; the name says all that it depends on."""
        kept = self._folder / name
        if not kept.exists():
            built = _opened(project, kept / "home", kept / "dagster")
            build(built)
            built.instance.dispose()
        instance = home.parent / "dagster"
        shutil.copytree(kept / "dagster", instance)
        _copy_home(kept / "home", home)
        return _opened(project, home, instance)

    def copy_home(self, name: str, home: Path, project: Project, build: Callable[[Path], object]) -> Platform:
        """The same without Dagster's history, which is kept in memory and so costs a run half as much.

        Args:
            build: fills the home of the given address, perhaps from another snapshot.
        """
        kept = self._folder / f"{name}-home"
        if not kept.exists():
            build(kept)
        _copy_home(kept, home)
        return Platform(project, home)


def _copy_home(kept: Path, home: Path) -> None:
    shutil.copytree(kept, home, dirs_exist_ok=True)
    _move_addresses(home / "mlflow" / "mlflow.db", str(kept), str(home))


def _opened(project: Project, home: Path, instance: Path) -> Platform:
    instance.mkdir(parents=True, exist_ok=True)
    return Platform(project, home, instance=dg.DagsterInstance.local_temp(str(instance)))


def _move_addresses(store: Path, before: str, after: str) -> None:
    connection = sqlite3.connect(store)
    with connection:
        for table, column in _ADDRESSES:
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (before, after))
    connection.close()
