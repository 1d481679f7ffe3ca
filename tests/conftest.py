"""Every test has a home of its own, and no settings of the machine's user."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.groups import GroupScheduling, group_of, rank_of

LONG = bool(os.environ.get("MLP_LONG"))
settings.register_profile("sample", derandomize=True, deadline=None)
settings.register_profile("all", max_examples=2000, deadline=None)
settings.load_profile("all" if LONG else "sample")
os.environ.update(
    {"NML_DISABLE_USAGE_LOGGING": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
)


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist's plugin there is no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long schedules are `make test-all`; everything else is a seeded sample of them."""
    items.sort(key=lambda item: rank_of(item.nodeid))
    if LONG:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The platform's home of the test."""
    for name in [name for name in os.environ if name.startswith(("MLP_", "DAGSTER_HOME"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("MLP_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Platforms that several tests start from, built by the first one."""
    from tests.support.snapshots import Snapshots  # Dagster is slow to import, and most tests do without

    return Snapshots(tmp_path_factory.mktemp("snapshots"))


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Any]:
    """The Ray cluster of the group ``ray``, which starts when it is first asked for, in a quarter of a minute."""
    from tests.support.ray_cluster import SHARED

    yield SHARED
    SHARED.end()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Ends the cluster after the group's last test: an idle one takes a tenth of a processor."""
    if group_of(item.nodeid) == "ray" and (nextitem is None or group_of(nextitem.nodeid) != "ray"):
        from tests.support.ray_cluster import SHARED

        SHARED.end()


@pytest.fixture
def ray_cluster(shared_cluster: Any) -> Any:
    return shared_cluster.get()


@pytest.fixture(scope="module")
def ray_address(shared_cluster: Any) -> Iterator[str]:
    """The address of the Ray cluster. The module's connection to it ends with the module."""
    import ray

    yield shared_cluster.get().address
    ray.shutdown()
