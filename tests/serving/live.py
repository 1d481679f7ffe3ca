"""An endpoint's application on a port of this machine, without Ray."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from mlp_assets.serving.app import create_app
from mlp_assets.serving.model import ServedModel
from mlp_assets.serving.plan import ServingPlan
from mlp_resources.online_views import open_view
from tests.ports import free_ports
from tests.serving.test_app import plan


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[str]:
    """Serves the sample plan; gives host and port."""
    model = ServedModel(ServingPlan.from_json(plan(folder)), open_view)
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
