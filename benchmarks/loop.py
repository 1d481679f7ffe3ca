"""Seconds and peak memory of each stage of the demo, over all processes of the platform."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

BARS = {"total_s": 300.0, "peak_gb": 8.0}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mlp-loop") as home:
        command = [str(Path(sys.executable).parent / "mlp"), "demo"]
        done = subprocess.run(command, stdout=sys.stderr, env=os.environ | {"MLP_HOME": home}, check=False)
        if done.returncode != 0:
            print(json.dumps({"benchmark": "loop", "ok": False, "reason": f"the demo ended with {done.returncode}"}))
            return 1
        figures = json.loads((Path(home) / "demo.json").read_text())
    ok = all(figures[name] <= bar for name, bar in BARS.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "loop", "machine": machine, "figures": figures, "bars": BARS, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
