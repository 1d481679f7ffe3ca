"""Which test files run in the same process of pytest-xdist, and in what order they begin."""

from xdist.scheduler import LoadScopeScheduling

# Files that share something slow: a Ray cluster, or platforms of which each process builds its own.
_TOGETHER = {
    "tests/batch_scores/": "ray",
    "tests/resources/compute/test_trials.py": "ray",
    "tests/resources/serving/": "ray",
    "tests/training_sets/test_shard_writer.py": "ray",
    "tests/cli/test_reproduce.py": "champions",
    "tests/models/test_champion_asset.py": "champions",
    "tests/models/test_judging.py": "champions",
    "tests/models/test_promotions.py": "champions",
}
# The longest ones begin first, so that no process works alone at the end.
_FIRST = (
    "tests/training_sets/test_as_served.py", "ray", "tests/local_platform/test_up.py", "tests/training/test_compute.py",
    "champions",
    "tests/homes/test_home_of_1d5dab9.py", "tests/features/test_killed.py", "tests/examples/test_catalogue.py",
    "tests/training/test_resume.py", "tests/monitors/test_monitoring.py", "tests/sensors/test_daemon.py",
    "tests/docs/test_docs.py", "tests/training_sets/test_leaks.py", "tests/endpoints/test_skew_gate.py",
    "tests/endpoints/test_changed_definitions.py",
)  # fmt: skip


def group_of(node: str) -> str:
    """The group of a test, by its node: the name of a group above, or the test's file."""
    file = node.partition("::")[0]
    return next((name for start, name in _TOGETHER.items() if file.startswith(start)), file)


def rank_of(node: str) -> int:
    """When the test's group begins."""
    group = group_of(node)
    return _FIRST.index(group) if group in _FIRST else len(_FIRST)


class GroupScheduling(LoadScopeScheduling):
    """Gives a whole group of tests to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
