"""Settings: where they are read, what wins, what a message says, and that nothing else reads the environment."""

import re
from pathlib import Path

import pytest

from mlp_assets.local_platform.services import Ports, services
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.settings import FILE, Settings, SettingsError, load_settings, secret, variable
from tests.support.ports import platform_ports

ROOT = Path(__file__).parents[2]
# The only other files that may touch the environment variables of the process, each with the reason.
EXCEPTIONS = {
    "mlp_assets/examples/retail/feed.py": "a project's own variable, as a user's code may read one",
    "mlp_assets/training/launcher.py": "variables of torchrun and Dagster Pipes, read in the training process",
    "mlp_resources/compute/import_paths.py": "the PYTHONPATH that workers inherit",
    "mlp_resources/compute/guard.py": "hands its own variables to the command that it runs",
    "mlp_resources/compute/local_training.py": "the default of what a training inherits, for tests of the runner",
    "mlp_resources/environments/home.py": "MLP_HOME, which says where the file of settings lies",
    "mlp_resources/kubernetes/pod.py": "what Kubernetes and the Job say to a pod",
    "mlp_resources/environments/variables.py": "the one place that composes the variables of a process",
    "mlp_resources/registry/mlflow_process.py": "hands its own variables to the server that it becomes",
}


def test_nothing_else_reads_environment_variables() -> None:
    reading = re.compile(r"os\.environ|getenv")
    files = [path for top in ("mlp_assets", "mlp_resources", "mlp_sensors") for path in (ROOT / top).rglob("*.py")]
    reads = {str(path.relative_to(ROOT)) for path in files if reading.search(path.read_text())}
    assert reads - {"mlp_resources/environments/settings.py"} == set(EXCEPTIONS)


def test_variables_win_over_the_file_and_the_file_over_defaults(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir(exist_ok=True)
    (home / FILE).write_text('port_mlflow = 5100\nmemory_gb = 2\nredis_password = "from the file"\n')
    monkeypatch.setenv("MLP_PORT_MLFLOW", "5200")
    monkeypatch.setenv("MLP_SHARDS", "")
    settings = load_settings()
    assert (settings.home, settings.port_mlflow, settings.memory_gb, settings.port_serve) == (home, 5200, 2.0, 8000)
    assert settings.shards == "local"  # an empty variable is not set
    assert secret(settings.redis_password) == "from the file"


def test_secrets_are_in_no_repr_or_message(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_ONLINE", "redis://:hunter2@h/0")
    monkeypatch.setenv("MLP_REDIS_PASSWORD", "hunter2")
    monkeypatch.setenv("MLP_CHECKPOINTS", "s3://key:hunter2@bucket")
    environment = configured_environment()
    assert "hunter2" not in repr(load_settings()) + str(load_settings()) + repr(environment)
    home.mkdir(exist_ok=True)
    (home / FILE).write_text("redis_password = 31415926\n")
    monkeypatch.delenv("MLP_REDIS_PASSWORD")
    with pytest.raises(SettingsError, match=r"redis_password = \*+ is not a password"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MLP_PORT_RAY", "many", r"MLP_PORT_RAY='many' is not a port\. Write a number from 1 to 65535"),
        ("MLP_PORT_RAY", "65536", r"MLP_PORT_RAY='65536' is not a port"),
        ("MLP_MEMORY_GB", "4GB", r"MLP_MEMORY_GB='4GB' is not a number of gigabytes\. Write MLP_MEMORY_GB=4 for 4 GB"),
        ("MLP_SHARDS", "dask", r"MLP_SHARDS='dask' .*Write 'local' or 'ray'"),
        ("MLP_TRIALS", "rey", r"MLP_TRIALS='rey' .*Write 'local' or 'ray'"),
        ("MLP_MEMORY_BG", "4", r"MLP_MEMORY_BG is not a setting\. Write MLP_MEMORY_GB"),
    ],
)
def test_a_wrong_variable(name: str, value: str, message: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_a_wrong_file(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / FILE).write_text('port_serv = 8001\nshards = "dask"\n')
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert f"{home / FILE}: port_serv is not a setting. Write port_serve" in str(refused.value)
    assert f"{home / FILE}: shards = 'dask' is not a way to run shards" in str(refused.value)
    (home / FILE).write_text("shards: ray\n")
    with pytest.raises(SettingsError, match=rf"{FILE} is not valid TOML"):
        load_settings()


def test_variables_of_other_tools_pass(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets such variables for Services named mlp-mlflow and mlp-redis."""
    for name in ("MLP_MLFLOW_PORT", "MLP_REDIS_SERVICE_HOST", "MLP_STARTED_FOR", "MLP_RETAIL_FAULT", "MLP_PEERS"):
        monkeypatch.setenv(name, "tcp://10.0.0.1:6379")
    load_settings()


def test_ports_and_the_ray_address_follow_the_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_PORT_RAY", "7000")
    assert (Ports.from_settings(load_settings()).ray, load_settings().ray) == (7000, "127.0.0.1:7000")
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")  # it may be meant for another program
    assert load_settings().ray == "127.0.0.1:7000"
    monkeypatch.setenv("MLP_SHARDS", "ray")
    assert load_settings().ray == "head:6379"


def test_under_mlp_up_trials_run_on_ray_unless_a_setting_says_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trials() -> str:
        (dagster,) = [each for each in services(platform_ports(), ROOT / "workspace.yaml") if each.name == "dagster"]
        return dagster.settings["MLP_TRIALS"]

    monkeypatch.delenv("MLP_TRIALS", raising=False)
    assert trials() == "ray"
    monkeypatch.setenv("MLP_TRIALS", "local")
    assert trials() == "local"


def test_the_document_lists_every_setting() -> None:
    written = [f"| `{variable(name)}` | {_default(name)} | {_described(name)} |" for name in Settings.model_fields]
    document = (ROOT / "docs" / "operations.md").read_text()
    missing = [line for line in written if line not in document]
    assert not missing, "docs/operations.md lacks these lines:\n" + "\n".join(missing)


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    return "" if default is None else f"`{default}`"


def _described(name: str) -> str:
    description = Settings.model_fields[name].description
    assert description, f"Settings.{name} has no docstring"
    return " ".join(description.split())
