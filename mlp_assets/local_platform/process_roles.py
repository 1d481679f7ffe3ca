"""What a process of the platform does, in the user's words, told from its command line."""

import json
from dataclasses import dataclass
from pathlib import Path

_START_AGAIN = "Give the platform more memory, and start it again with `mlp up`; its state is kept."
_RAY_REPLACES = "Ray starts it again. Give the platform more memory, or run less beside the endpoints."
_SMALLER = "Give it more memory, or let it need less: a smaller batch size, fewer processes, or fewer trials at a time."
_FEWER_RUNS = "Give the platform more memory, or let one run at a time: max_concurrent_runs in dagster.yaml."


@dataclass(frozen=True)
class Role:
    """A noun phrase for messages, and what to do when the kernel kills the process for memory."""

    name: str
    remedy: str = _START_AGAIN


RUN, CODE_SERVER = Role("a run of Dagster", _FEWER_RUNS), Role("Dagster's code server")
TRAINING = "mlp_assets.training.main"
_REPLICA = "ray::ServeReplica:"
# The first text that a command line contains decides.
_ROLES: tuple[tuple[str, Role], ...] = (
    ("ray::ProxyActor", Role("the proxy of the endpoints", _RAY_REPLACES)),
    ("ray::ServeController", Role("the controller of the endpoints", _RAY_REPLACES)),
    ("ray::IDLE", Role("an idle worker of Ray", _RAY_REPLACES)),
    ("ray::DashboardAgent", Role("Ray's dashboard agent")),
    ("ray::RuntimeEnvAgent", Role("Ray's agent of environments")),
    ("ray::", Role("a task of Ray", "Give the platform more memory, or let fewer tasks run at a time.")),
    ("mlp_assets.examples.rehearsal.deployments", Role("the process that judges and registers the models", _SMALLER)),
    ("torch.distributed.run", Role("the launcher of a training", _SMALLER)),
    (TRAINING, Role("a training", _SMALLER)),
    ("mlp_resources.compute.local_supervisor", Role("the supervisor of a training", _SMALLER)),
    ("/raylet/raylet", Role("Ray's raylet")),
    ("/gcs/gcs_server", Role("Ray's head")),
    ("/ray/dashboard/", Role("Ray's dashboard")),
    ("ray.dashboard.", Role("Ray's dashboard")),
    ("/bin/ray ", Role("Ray")),
    ("mlp_resources.registry.mlflow_process", Role("MLflow")),
    ("mlflow.server", Role("MLflow")),
    ("dagster_webserver", Role("Dagster's web server")),
    ("dagster._daemon", Role("Dagster's daemon")),
    ("dagster code-server", CODE_SERVER),
    ("dagster api grpc", CODE_SERVER),
    ("dagster api execute_run", RUN),
    ("mlp_assets.local_platform.dagster_servers", Role("Dagster")),
    ("/bin/mlp ", Role("the `mlp` command")),
)


def role_of(command: str, parent_command: str = "") -> Role:
    """The role of the process with this command line; arguments are separated by blanks."""
    if _REPLICA in command:
        application = command.partition(_REPLICA)[2].split(":")[0].strip()
        return Role(f"a replica of endpoint {application}", _RAY_REPLACES)
    if "multiprocessing.spawn" in command and role_of(parent_command) is CODE_SERVER:
        return RUN
    program = Path(command.split(" ")[0]).name or "unknown"
    return next((role for text, role in _ROLES if text in command), Role(f"a process of the platform ({program})"))


def training_name(command: str) -> str | None:
    """The name of the training, such as ``shop.model``, from its command line that ends with its spec's path."""
    try:
        return json.loads(Path(command.split()[-1]).read_text())["name"]
    except (OSError, IndexError, ValueError, KeyError):
        return None
