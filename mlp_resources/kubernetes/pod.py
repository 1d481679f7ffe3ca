"""What runs in each pod of a training: ``python -m mlp_resources.kubernetes.pod ADDRESS``, with the attempt's folder.

It starts the training's processes of this pod and watches them as on any machine (``compute/local_supervisor.py``).
Log and metrics go to the object store while they are written, because a Job that fails deletes its pods and their logs.
How the processes ended is written there, too: the exit status of a pod does not tell a user's error from a lost peer.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from mlp_assets.jobs.early_stop import STOPPED
from mlp_assets.jobs.fence import Fence
from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.compute.job_folder import JobFolder
from mlp_resources.compute.local_supervisor import supervise
from mlp_resources.kubernetes.attempts import ARTIFACT, RESULT, SPEC, end_file
from mlp_resources.kubernetes.object_folder import ObjectFolder
from mlp_resources.kubernetes.pod_log import PodLog
from mlp_resources.kubernetes.training_job import MASTER, PORT

_TRAINING = "mlp_assets.training.main"
_NAME_SECONDS, _LOOK_SECONDS, _TERMINATED = 600.0, 1.0, 143


def main(address: str) -> int:
    """Returns the exit status of the pod: 0 when the training's result is stored, 143 after SIGTERM, else 1."""
    folder, index = ObjectFolder(address), int(os.environ.get("JOB_COMPLETION_INDEX", "0"))
    job = JobFolder(Path.home() / "job")
    job.path.mkdir(parents=True, exist_ok=True)
    job.spec.write_bytes(folder.read(SPEC) or b"")
    spec = JobSpec.from_json(job.spec.read_text())
    root, _, number = address.rpartition("/")
    Fence(root, int(number)).give(job.path)
    job.write_orders(
        {
            "command": _command(spec, job, index),
            "patience_seconds": spec.patience_seconds,
            "orphan_seconds": float("inf"),  # whoever waits may come back: the Job is theirs to delete
        }
    )
    job.lease.touch()
    folder.delete(end_file(index))  # the word of a pod before this one: the Job was suspended
    with PodLog(job, folder, index):
        _wait_for_name(spec)
        with contextlib.suppress(SystemExit):  # SIGTERM; what it ended is written down
            supervise(job)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return _report(job, folder, index)


def _command(spec: JobSpec, job: JobFolder, index: int) -> list[str]:
    if spec.processes == 1:
        return [sys.executable, "-m", _TRAINING, str(job.spec)]
    launcher = [
        "torch.distributed.run", f"--nnodes={spec.machines}", f"--node-rank={index}",
        f"--nproc-per-node={spec.processes // spec.machines}", f"--master-addr={os.environ[MASTER]}",
        f"--master-port={PORT}", f"--log-dir={job.path / 'ranks'}",
    ]  # fmt: skip
    return [sys.executable, "-m", *launcher, "-m", _TRAINING, str(job.spec)]


def _wait_for_name(spec: JobSpec) -> None:
    """Waits until the name of pod 0 can be looked up: the DNS of a cluster may learn of a pod later than it starts."""
    deadline = time.monotonic() + _NAME_SECONDS
    while spec.machines > 1:
        try:
            socket.getaddrinfo(os.environ[MASTER], PORT)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_SECONDS)


def _report(job: JobFolder, folder: ObjectFolder, index: int) -> int:
    """Stores how the processes ended, and the result."""
    end = job.end() or {"exit_code": 1, "ended_by": "", "detail": ""}
    failures = [json.loads(path.read_text()) for path in sorted(job.path.glob("failure-*.json"))]
    stopped = job.path / STOPPED
    words = {"failures": failures, "stopped": stopped.read_text() if stopped.exists() else None, "time": time.time()}
    result = job.path / RESULT
    succeeded = end["exit_code"] == 0 and not end["ended_by"] and (index > 0 or result.exists())
    if succeeded and index == 0:
        folder.upload(job.path / ARTIFACT, ARTIFACT)
        folder.write(RESULT, result.read_bytes())
    folder.write(end_file(index), json.dumps(end | words).encode())
    if succeeded:
        while folder.read(RESULT) is None:  # or a suspended Job would come back without the pods that had finished
            time.sleep(_LOOK_SECONDS)
        return 0
    return _TERMINATED if end["ended_by"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
