"""The process of the demo that trains and deploys: its errors reach the command, and it ends with the command."""

import signal
from pathlib import Path

import psutil
import pytest

from mlp_assets.errors import MlpError
from mlp_assets.examples.rehearsal.deployments import deploying
from mlp_resources.environments.home import prepare_home
from tests.support.processes import read_line, script

WAIT = """
from mlp_assets.cli.main import main, app
from mlp_assets.examples.rehearsal.deployments import deploying
@app.command()
def deploy():
    with deploying() as deployments:
        print(deployments.process.pid, flush=True)
        deployments.wait_for_next()
import sys
sys.argv[1:] = ["deploy"]
main()
"""


@pytest.fixture(autouse=True)
def empty_home(home: Path) -> None:
    """A home without a table: the first training set cannot be made."""
    prepare_home()


def test_an_error_is_raised_with_its_message() -> None:
    with deploying() as deployments, pytest.raises(MlpError, match=r"^A run failed: .*Materialize the asset"):
        deployments.wait_for_next()
    assert deployments.process.returncode is not None


def test_an_end_without_a_word_is_named() -> None:
    with deploying() as deployments:
        deployments.process.kill()
        with pytest.raises(MlpError, match=r"ended by itself \(SIGKILL\)"):
            deployments.wait_for_next()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_command(by: signal.Signals) -> None:
    with script(WAIT) as command:
        process = psutil.Process(int(read_line(command)))
        command.send_signal(by)
        output, errors = command.communicate(timeout=30)
        assert command.returncode == (-by if by == signal.SIGKILL else 130)
        assert psutil.wait_procs([process], timeout=30)[1] == []
        assert "Traceback" not in output + errors
