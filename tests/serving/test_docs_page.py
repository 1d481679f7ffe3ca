"""The page that an endpoint shows to people, in a real browser."""

import threading
import time
from pathlib import Path

import uvicorn

from mlp_assets.serving.app import create_app
from mlp_assets.serving.model import ServedModel
from mlp_assets.serving.plan import ServingPlan
from mlp_resources.online_lmdb import OnlineView
from tests.browser import rendered
from tests.ports import free_ports
from tests.serving.test_app import plan


def test_the_docs_page_says_what_to_send(tmp_path: Path) -> None:
    model = ServedModel(ServingPlan.from_json(plan(tmp_path)), OnlineView)
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(create_app(lambda: model), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        page = rendered(f"http://127.0.0.1:{port}/docs", budget_ms=3000)
    finally:
        server.should_exit = True
        thread.join()
    for word in ("score", "user_id", "INT64", "hour", "FP64", "/v2/models/score/infer", "feedback"):
        assert word in page, word
