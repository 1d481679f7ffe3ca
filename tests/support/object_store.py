"""An S3 server in a process of its own, and the variables by which delta-rs, Polars and Arrow find it.

In a thread of the tests it would wait for ever: delta-rs holds Python's lock while it reads a table's history.
"""

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

KEY, SECRET = "AKIAEXAMPLEOFTESTS", "example-secret-of-tests"
_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # ends with the process that started it
server.stop()
"""


@contextlib.contextmanager
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket. Its name is new: delta-rs keeps the server that it first found a bucket on."""
    from pyarrow import fs

    bucket = f"lake-{uuid.uuid4().hex[:8]}"

    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        try:
            fs.FileSystem.from_uri(f"s3://{bucket}?allow_bucket_creation=true")[0].create_dir(bucket)
            yield f"s3://{bucket}"
        finally:
            server.stdin.close()
            server.wait(20)
