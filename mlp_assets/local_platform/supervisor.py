"""Starts the services of the platform, waits until they are healthy, and ends every process of them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import psutil
from filelock import lock_descriptor

from mlp_assets.errors import MlpError
from mlp_assets.local_http import local_client
from mlp_assets.local_platform.health import ask
from mlp_assets.local_platform.leftovers import end_left_behind, left_behind, mark
from mlp_assets.local_platform.services import Ports, Service
from mlp_resources.compute.memory import KillWatch
from mlp_resources.compute.memory_kills import MemoryKills
from mlp_resources.compute.processes import die_with_parent, end, tree
from mlp_resources.environments.home import home, prepare_home
from mlp_resources.environments.settings import load_settings
from mlp_resources.environments.variables import process_variables

_START_SECONDS, _REPORT_SECONDS = 300.0, 30.0
# An answer such as 401 or another program's page does not get better by waiting. A server that starts may give one.
_REFUSED_SECONDS = 8.0
_WORKER_PORTS = range(10002, 20000)  # Ray's own default
_DOWN_SECONDS = 60.0
_RECENT_SECONDS, _NAMED_SECONDS = 10.0, 5.0  # the watch of memory takes a moment to name what was killed


class ServiceError(MlpError):
    """A service cannot start or did not become healthy."""


class Supervisor:
    """The services that this process started. They end when this process ends, however it ends."""

    def __init__(self, report: Callable[[str], None] = lambda _: None) -> None:
        self._report = report
        self._children: list[tuple[Service, subprocess.Popen[bytes]]] = []
        self._killed = KillWatch()

    def start(self, services: list[Service]) -> None:
        """Starts the services, and returns when all are healthy. Raises ServiceError, and then none is left running."""
        folder = prepare_home()
        for name in ("logs", "run", "mlflow"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        try:
            for service in services:
                self._children.append((service, _launch(service)))
            for place in range(len(services)):
                self._wait(place)
        except BaseException:
            self.stop()
            raise

    def watch(self) -> None:
        """Blocks until an interrupt. Raises ServiceError when a service ends by itself."""
        while True:
            for service, process in self._children:
                if process.poll() is not None:
                    raise ServiceError(
                        f"{service.name} ended by itself ({_exit_reason(process.returncode)}), so the platform stops. "
                        f"{self._memory_kills()}Start it again with `mlp up`; its state is kept. {_log_tail(service)}"
                    )
            time.sleep(0.5)

    def _memory_kills(self) -> str:
        """What the kernel killed for memory meanwhile, with a blank after it; empty where it killed nothing."""
        if not self._killed.kills():
            return ""
        sentences = MemoryKills(home()).since(time.time() - _RECENT_SECONDS, wait_seconds=_NAMED_SECONDS)
        return " ".join(sentences or ["The kernel killed a process because memory ran out."]) + " "

    def stop(self) -> None:
        """Ends every process of every service: sends SIGTERM, waits, then kills."""
        members = [member for _, process in self._children for member in tree(process.pid)]
        for _, process in reversed(self._children):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        end(members, ask=False)
        for _, process in self._children:
            process.wait()
        self._children.clear()
        end(left_behind())  # trainings outlive the runs that started them

    def _wait(self, place: int) -> None:
        """Returns once the service is healthy. Says every while what it answers instead."""
        service, process = self._children[place]
        started, last_report, refused_since, starts = time.monotonic(), time.monotonic(), None, 1
        with local_client(timeout=2) as client:
            while True:
                if process.poll() is not None and starts < service.starts:
                    self._report(f"{service.name} ended while it started, and is started again.")
                    self._children[place] = service, process = service, _launch(service)
                    starts += 1
                if process.poll() is not None:
                    raise ServiceError(
                        f"{service.name} ended while it started. {self._memory_kills()}{_log_tail(service)}"
                    )
                health, now = ask(client, service.health), time.monotonic()
                if health.healthy:
                    self._report(f"{service.name} is up after {now - started:.0f} s: {service.url}")
                    return
                refused_since = (refused_since or now) if health.final else None
                seen = f"{service.health.url} answers: {health.seen}. {health.remedy}"
                if now - started > _START_SECONDS or (refused_since and now - refused_since > _REFUSED_SECONDS):
                    raise ServiceError(
                        f"{service.name} was not healthy after {now - started:.0f} s. {seen}\n{_log_tail(service)}"
                    )
                if now - last_report > _REPORT_SECONDS:
                    self._report(f"{service.name} is not healthy after {now - started:.0f} s: {seen}")
                    last_report = now
                time.sleep(0.3)


def _launch(service: Service) -> "subprocess.Popen[bytes]":
    variables = process_variables(load_settings(), mark() | dict(service.settings), service.without)
    with (home() / "logs" / f"{service.name}.log").open("ab") as log:
        return subprocess.Popen(
            service.command, stdout=log, stderr=log, env=variables, start_new_session=True, preexec_fn=die_with_parent
        )


@contextlib.contextmanager
def single_instance(ports: Ports) -> Iterator[None]:
    """Holds the lock of this home during the block.

    The lock ends with the process, so a killed platform leaves none. It is not a lease: a suspended platform
    still has its ports, so another one could not start beside it.

    Raises:
        ServiceError: the platform is up already, a killed one left processes, or a port is taken.
    """
    record = _record()
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(
            f"{home()} cannot be written ({error.strerror}). Choose another directory: MLP_HOME=DIRECTORY"
        ) from None
    with record.open("a+") as file:
        if not lock_descriptor(file.fileno(), blocking=False):
            raise ServiceError(f"The platform is up already (process {_holder(file)}). Stop it with `mlp down`.")
        if left := left_behind():
            raise ServiceError(f"A platform that was killed left {len(left)} processes. End them with `mlp down`.")
        for variable, port in ports.by_variable().items():
            check_port(variable, port)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def running_instance() -> psutil.Process | None:
    """The process of the `mlp up` that runs in this home; None without one."""
    with contextlib.suppress(OSError, ValueError, psutil.Error), _record().open("a+") as file:
        if not lock_descriptor(file.fileno(), blocking=False):
            return psutil.Process(_holder(file))
    return None


def stop_running() -> bool:
    """Ends the services of another ``mlp up``, or what a killed one left. Returns False when there was nothing to end.

    Raises:
        ServiceError: the other ``mlp up`` does not end.
    """
    process = running_instance()
    if process is None:
        return end_left_behind()
    process.terminate()
    deadline = time.monotonic() + _DOWN_SECONDS
    while running_instance() is not None:
        if time.monotonic() > deadline:
            raise ServiceError(
                f"Process {process.pid} did not end within {_DOWN_SECONDS:g} s. End it with: kill -9 {process.pid}"
            )
        time.sleep(0.1)
    return True


def _record() -> Path:
    return home() / "run" / "up.pid"


def _holder(record: TextIO) -> int:
    record.seek(0)
    return int(record.read() or 0)


def check_port(variable: str, port: int) -> None:
    """Raises ServiceError when a process listens on the port, or Ray may give it to a worker."""
    if port in _WORKER_PORTS:
        raise ServiceError(
            f"{variable}={port} lies between {_WORKER_PORTS.start} and {_WORKER_PORTS.stop - 1}, where Ray opens ports "
            f"for its workers. Write a port below or above, such as {variable}={_WORKER_PORTS.stop}."
        )
    listening = [c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.status == "LISTEN"]
    if listening:
        pid = listening[0].pid
        owner = f"process {pid} ({psutil.Process(pid).name()})" if pid else "another user's process"
        raise ServiceError(
            f"Port {port} is taken by {owner}. Stop it, or choose another port: {variable}={port + 1} mlp up"
        )


def _exit_reason(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def _log_tail(service: Service) -> str:
    log = home() / "logs" / f"{service.name}.log"
    lines = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
    return f"Its log {log} ends with:\n" + "\n".join(lines)
