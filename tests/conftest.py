"""Every test has a home of its own, and no settings of the machine's user."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mlp_resources.environments.variables import own_ray_variables, users_variables
from tests.support.groups import GroupScheduling, group_of, rank_of

LONG = bool(os.environ.get("MLP_LONG"))
settings.register_profile("sample", derandomize=True, deadline=None)
settings.register_profile("all", max_examples=2000, deadline=None)
settings.load_profile("all" if LONG else "sample")
_TELEMETRY_OFF = {"NML_DISABLE_USAGE_LOGGING": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


_PLATFORM = ("MLFLOW_", "_MLFLOW_", "RAY_", "DAGSTER_")  # the platform sets such variables in its own process


def _replace_variables(variables: dict[str, str], prefixes: tuple[str, ...] = ("",)) -> None:
    """Makes the variables with these prefixes those of this process, and removes all others with them."""
    for name in os.environ.keys() - variables.keys():
        if name.startswith(prefixes):
            del os.environ[name]
    os.environ.update({name: value for name, value in variables.items() if name.startswith(prefixes)})


# The machine's user may have a Ray, an MLflow or a proxy.
_replace_variables(users_variables(os.environ) | _TELEMETRY_OFF)


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
    """The platform's home of the test. Variables that the platform sets in this process end with the test."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("MLP_", "DAGSTER_HOME"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("MLP_HOME", str(folder))
    yield folder
    _replace_variables(before, _PLATFORM)


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
    cluster = shared_cluster.get()
    os.environ.update(own_ray_variables(cluster.home))  # it demands its token; Ray reads this when it is imported

    import ray

    yield cluster.address
    ray.shutdown()
    for name in own_ray_variables(cluster.home):
        del os.environ[name]
