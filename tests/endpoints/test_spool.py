"""The spool: threads lose or tear no line, and a file is complete only when its writer has ended."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlp_assets.endpoints.replica.spool import PREDICTIONS, Spool, is_complete, read_lines, spooled_files

WRITER = """
import sys, time
from pathlib import Path
from mlp_assets.endpoints.replica.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.append("predictions", {"n": 1})
spool._files["predictions"].write(b'{"n": 2, "torn')
spool._files["predictions"].flush()
print("written", flush=True)
time.sleep(60)
"""


def test_concurrent_threads_tear_no_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: spool.append(PREDICTIONS, {"n": n, "long": "x" * 20_000}), range(200)))
    found = [json.loads(line)["n"] for file in spooled_files(tmp_path, PREDICTIONS) for _, line in read_lines(file, 0)]
    assert sorted(found) == list(range(200))
    assert len(spooled_files(tmp_path, PREDICTIONS)) == 1


def test_a_file_is_complete_when_its_writer_is_dead(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        (file,) = spooled_files(tmp_path, PREDICTIONS)
        assert not is_complete(file)
        os.kill(writer.pid, signal.SIGKILL)
    assert is_complete(file)
    assert [json.loads(line) for _, line in read_lines(file, 0)] == [{"n": 1}]  # the torn line was never answered
    file.unlink()
    assert not is_complete(file)
    assert list(read_lines(file, 0)) == []
