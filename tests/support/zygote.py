"""A process that forks a child for each line ``<home> <location> [<first day> <last day>]`` to compute partitions.

All modules are imported before the first line, so that a child is at work within milliseconds.
"""

import os
import signal
import sys
from pathlib import Path

from mlp_assets.features.partition_writer import compute_partitions
from mlp_assets.orchestration.partitions import partitions_of, window_of
from mlp_assets.orchestration.scope import Scope
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import WriteResult
from tests.support.orders import day, orders_project


def compute(home: Path, delta: str, first: int = 0, last: int = 9) -> WriteResult:
    """Computes the partitions of these days as the asset does."""
    project = orders_project(delta=delta, known_at="arrived_at")
    (view,) = project.feature_views
    definition = partitions_of(view.root, view.every)
    windows = [(day(number), window_of(definition, day(number))) for number in range(first, last + 1)]
    materialized = {day(number) for number in range(10)}
    return compute_partitions(Scope(project, LocalEnvironment(home)), view, windows, materialized).written


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        home, delta, *days = line.split()
        child = os.fork()
        if child == 0:
            compute(Path(home), delta, *map(int, days))
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
