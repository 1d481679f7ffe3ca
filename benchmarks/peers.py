"""Virtual environments of the peers that a benchmark measures, created once and reused."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / ".mlp" / "peers"


def python_of(name: str, requirements: Sequence[str]) -> Path:
    """The Python of a peer's own virtual environment, with its requirements installed.

    It lies below ``MLP_PEERS`` or ``.mlp/peers``. Its name has a hash of the requirements, so others get another one.
    An incomplete one is created again. Raises CalledProcessError when pip cannot install it.
    """
    ordered = sorted(requirements)
    named = hashlib.sha256("\n".join([sys.version, *ordered]).encode()).hexdigest()[:10]
    folder = Path(os.environ.get("MLP_PEERS") or _FOLDER) / f"{name}-{named}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists() and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _log(f"{name}: creating a virtual environment with {', '.join(ordered)}")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=sys.stderr)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *ordered], check=True, stdout=sys.stderr)
    ready.touch()
    _log(f"{name}: ready")
    return python


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
