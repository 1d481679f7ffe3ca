"""An endpoint's application on a port of this machine, without Ray."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_resources.online.open_view import open_view
from tests.support.doubling_endpoint import plan
from tests.support.ports import free_ports


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[str]:
    """Serves the sample plan; yields host and port."""
    with serving(ServedModel(ServingPlan.from_json(plan(folder)), open_view)) as address:
        yield address


@contextlib.contextmanager
def serving(model: ServedModel) -> Iterator[str]:
    """Serves a model; yields host and port."""
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(create_app(lambda: model), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
