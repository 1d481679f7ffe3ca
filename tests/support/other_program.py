"""A program elsewhere that loads a version by MLflow: it has the listed requirements, and not the platform."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl

_PROGRAM = '''
import importlib.abc, json, re, sys
from importlib.metadata import distribution, packages_distributions

address, rows, checkout = sys.argv[1:]
sys.path[:] = [path for path in sys.path if path.rstrip("/") != checkout.rstrip("/")]

import mlflow, pandas

folder = mlflow.artifacts.download_artifacts(address)
wanted, allowed = open(folder + "/requirements.txt").read().split(), set()
while wanted:
    name = re.match(r"[A-Za-z0-9._-]+", wanted.pop()).group().lower().replace("_", "-")
    if name not in allowed:
        allowed.add(name)
        try:
            needs = distribution(name).requires or []
        except ImportError:
            needs = []
        wanted += [need for need in needs if "extra ==" not in need]
known = packages_distributions()
listed = {top for top, names in known.items() if {n.lower().replace("_", "-") for n in names} & allowed}


class Absent(importlib.abc.MetaPathFinder):
    """Hides every package that is installed here and not required."""

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in known and top not in listed and top != "mlp_assets":
            raise ModuleNotFoundError(f"No module named {name!r}: it is not among the requirements", name=name)


sys.meta_path.insert(0, Absent())
answer = mlflow.pyfunc.load_model(address).predict(pandas.DataFrame(json.loads(open(rows).read())))
import mlp_assets

try:
    import dagster
except ModuleNotFoundError:
    print(json.dumps({"prediction": answer["prediction"].tolist(), "platform": mlp_assets.__file__}))
'''


def predict_elsewhere(tracking_uri: str, address: str, rows: pl.DataFrame, scratch: Path) -> dict[str, Any]:
    """``prediction`` of the rows, and ``platform``, the file that the platform's modules were imported from."""
    checkout = Path(__file__).parents[2]
    given = scratch / "rows.json"
    given.write_text(json.dumps(rows.to_dict(as_series=False)))
    program = scratch / "program.py"
    program.write_text(_PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), address, str(given), str(checkout)],
        capture_output=True,
        text=True,
        check=False,
        cwd=scratch,
        env={"MLFLOW_TRACKING_URI": tracking_uri, "PATH": "/usr/bin:/bin", "HOME": str(scratch)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
