"""Beside other tools, a model is trained, registered and promoted as on an empty machine, and nobody else is asked."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.machine_in_use import machine_in_use

# In a process of its own, as libraries read most variables when they are imported.
LOOP = """
import json, sys
from pathlib import Path

import mlp_assets as mlp
from mlp_resources.ports.training import run_job
from tests.support import shop
from tests.support.champions import WEEKS, live_version
from tests.support.platform import Platform
from tests.support.training_jobs import half_precision, job

home = Path(sys.argv[1])
made = Platform(shop.make(), home)
made.run("source", "features", tags=WEEKS)
made.run("online", "training_set", "candidate", "champion")
compute = mlp.Accelerate(processes=2, mixed_precision="bf16")
trained = run_job(made.environment.runner, job(home, half_precision, processes=2, compute=compute.options), print)
history = {name: value for _, name, value in trained.history}
print(json.dumps([live_version(made), history["ranks"], history["half"]]))
"""


def test_a_model_is_trained_registered_and_promoted(tmp_path: Path) -> None:
    search = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    with machine_in_use(tmp_path) as machine, tempfile.TemporaryDirectory(prefix="mlp") as home:
        variables = os.environ | machine.variables | {"MLP_HOME": home, "PYTHONPATH": search}
        done = subprocess.run(
            [sys.executable, "-c", LOOP, home], env=variables, capture_output=True, text=True, check=False, timeout=400
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert json.loads(done.stdout.splitlines()[-1]) == ["1", 3.0, 1.0]
        assert (machine.asked, machine.changes()) == ([], [])
