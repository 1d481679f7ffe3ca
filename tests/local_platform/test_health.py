"""What a service answers when it is not well, and what is said of it after seconds."""

import contextlib
import http.server
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlp_assets.local_http import local_client
from mlp_assets.local_platform.health import Probe, ask
from mlp_assets.local_platform.services import Service
from mlp_assets.local_platform.supervisor import ServiceError, Supervisor
from tests.support.ports import free_ports


@contextlib.contextmanager
def answering(status: int, body: str = "", kind: str = "text/plain") -> Iterator[str]:
    """The URL of a server that always answers the same."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "seen"),
    [
        (401, "Unauthorized: Missing authentication token", "text/plain", "401 Unauthorized: Unauthorized: Missing"),
        (404, "<html><h1>Squid: not found</h1>", "text/html", "404 Not Found: a page (<html><h1>Squid"),
    ],
)
def test_another_program_on_the_port_is_told_after_seconds(
    home: Path, status: int, body: str, kind: str, seen: str
) -> None:
    started = time.monotonic()
    with answering(status, body, kind) as url, pytest.raises(ServiceError) as failed:
        Supervisor().start([Service("ours", (sys.executable, "-c", "import time; time.sleep(600)"), Probe(url), url)])
    assert time.monotonic() - started < 60
    assert seen in str(failed.value)
    assert "Stop it, or choose another port." in str(failed.value)


def test_what_waiting_may_change_is_not_final(home: Path) -> None:
    (port,) = free_ports(1)
    with local_client(timeout=2) as client, answering(503, "starting") as url:
        refused, starting = ask(client, Probe(f"http://127.0.0.1:{port}/")), ask(client, Probe(url))
    assert (refused.seen, refused.final) == ("nothing listens there yet", False)
    assert (starting.seen, starting.final) == ("503 Service Unavailable: starting", False)
