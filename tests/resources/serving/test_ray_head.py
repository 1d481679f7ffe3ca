"""What Ray leaves out of its processes."""

import subprocess
import sys

WITHOUT = """
import sys
from mlp_resources.serving.ray_head import import_serve_without_pandas

import_serve_without_pandas()
import ray.serve._private.controller, ray.serve._private.proxy
assert "pandas" not in sys.modules
import pandas
assert pandas.DataFrame({"a": [1]}).a[0] == 1
"""


def test_serve_does_without_pandas_and_a_model_may_have_it() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=200)
