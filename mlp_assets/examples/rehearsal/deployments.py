"""Trains and deploys the retail models in a process of its own.

What that imports (scikit-learn, ONNX, MLflow) and holds would stay in the command until its end, though afterwards it
only sends requests: 0.5 GB.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import dagster as dg

from mlp_assets.errors import MlpError
from mlp_assets.examples.rehearsal.retail_stream import MODELS, RehearsalError, RetailStream
from mlp_assets.local_platform.failures import explain
from mlp_resources.compute.memory import KillWatch, read_memory
from mlp_resources.compute.processes import die_with_parent, end_group
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.settings import load_settings
from mlp_resources.environments.variables import process_variables

_GRACE_SECONDS = 15.0  # it cancels its training


@dataclass(frozen=True)
class Deployments:
    """The process at work: it deploys MODELS one after the other."""

    process: "subprocess.Popen[bytes]"
    reports: TextIO
    kills: KillWatch

    def wait_for_next(self) -> None:
        """Returns when the next model is deployed. Raises MlpError with the reason when it was not."""
        line = self.reports.readline()
        if not line:
            raise RehearsalError(self._ending(self.process.wait()))
        if "error" in (report := json.loads(line)):
            raise MlpError(report["error"])

    def _ending(self, status: int) -> str:
        if status == -signal.SIGKILL and self.kills.kills():
            return (
                "The process that judges and registers the models was killed by the kernel because memory ran out "
                f"({read_memory().limit}). Give it more memory, or end other programs."
            )
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return f"The process that trains and deploys the models ended by itself ({how}). What it wrote is above."


@contextlib.contextmanager
def deploying() -> Iterator[Deployments]:
    """Starts the process, and ends it with the block."""
    reading, writing = os.pipe()
    with open(reading) as reports:
        watch = KillWatch()
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(writing)],
            env=process_variables(load_settings()),
            pass_fds=[writing],
            start_new_session=True,  # of an interrupt at the terminal it hears once, from this process
            preexec_fn=die_with_parent,
        )
        os.close(writing)
        try:
            yield Deployments(process, reports, watch)
        finally:
            if process.poll() is None:
                end_group(process, _GRACE_SECONDS)


def _deploy(reports: TextIO) -> None:
    """Deploys all models, and writes one line for each, or for the error that ends it."""
    started_at = time.time()
    try:
        stream = RetailStream(configured_environment(), dg.DagsterInstance.get(), share=1.0)
        for model, endpoint in MODELS:
            stream.deploy(model, endpoint)
            print(json.dumps({"deployed": model.name}), file=reports, flush=True)
    except Exception as error:  # its stack trace would be printed amid the command's output
        print(json.dumps({"error": explain(error, started_at)}), file=reports, flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    with contextlib.suppress(KeyboardInterrupt), open(int(sys.argv[1]), "w") as channel:
        _deploy(channel)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already: an interrupt of exit handlers would be printed
