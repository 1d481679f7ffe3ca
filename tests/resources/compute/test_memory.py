"""Memory as the machine and control groups of both versions allow it, on made trees and in a real group."""

import os
import sys
from pathlib import Path

import pytest

from mlp_resources.compute.control_groups import count_kills
from mlp_resources.compute.memory import GB, KillWatch, Memory, read_memory
from tests.support.limited_memory import run_limited

V1_MOUNT = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
V2_MOUNT = "41 31 0:38 {root} /sys/fs/cgroup{below} rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
UNLIMITED_V1 = 9223372036854771712


class System:
    """A made ``/`` with 16 GB of memory, of which 10 GB are free."""

    def __init__(self, root: Path, mount: str, own: str) -> None:
        self.root, self.groups = root, root / "sys/fs/cgroup"
        self.write(
            "proc/meminfo", f"MemTotal: {16 * GB // 1024} kB\nMemAvailable: {10 * GB // 1024} kB\nHugePages: 0\n"
        )
        self.write("proc/self/mountinfo", f"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n{mount}\n")
        self.write("proc/self/cgroup", f"3:cpuset:/other\n{own}\n")
        self.write("proc/vmstat", "pgfault 7\noom_kill 40\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def v1(self, path: str, limit: int, used: int = 0, cache: int = 0, hierarchical: int = UNLIMITED_V1) -> None:
        folder = f"sys/fs/cgroup/memory/{path}"
        self.write(f"{folder}/memory.limit_in_bytes", f"{limit}\n")
        self.write(f"{folder}/memory.usage_in_bytes", f"{used}\n")
        self.write(f"{folder}/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
        statistics = f"inactive_file 5\nhierarchical_memory_limit {hierarchical}\ntotal_inactive_file {cache}\n"
        self.write(f"{folder}/memory.stat", statistics)

    def v2(self, path: str, limit: str, used: int = 0, cache: int = 0) -> None:
        folder = f"sys/fs/cgroup/{path}"
        self.write(f"{folder}/memory.max", f"{limit}\n")
        self.write(f"{folder}/memory.high", "1000\n")
        self.write(f"{folder}/memory.current", f"{used}\n")
        self.write(f"{folder}/memory.stat", f"anon 5\ninactive_file {cache}\n")
        self.write(f"{folder}/memory.events", "low 0\nhigh 9\nmax 2\noom 1\noom_kill 5\n")


def read(system: System) -> tuple[float, float, str]:
    memory = read_memory(system.root)
    return memory.total / GB, memory.available / GB, memory.whose


def test_a_container_of_version_2_sees_its_own_group_at_the_mount(tmp_path: Path) -> None:
    system = System(tmp_path, V2_MOUNT.format(root="/", below=""), "0::/")
    system.v2("", str(6 * GB), used=3 * GB, cache=GB)
    assert read(system) == (6.0, 4.0, "container")


def test_the_least_of_all_ancestors_of_version_2_counts(tmp_path: Path) -> None:
    system = System(tmp_path, V2_MOUNT.format(root="/", below=""), "0::/user.slice/shell/job")
    system.v2("user.slice/shell/job", "max", used=GB)
    system.v2("user.slice/shell", str(8 * GB), used=GB)
    system.v2("user.slice", str(9 * GB), used=7 * GB)
    assert read(system) == (8.0, 2.0, "container")


def test_version_1_in_a_container_without_a_namespace(tmp_path: Path) -> None:
    system = System(tmp_path, V1_MOUNT.format(root="/docker/abc"), "4:cpu,memory:/docker/abc")
    system.v1("", 5 * GB, used=4 * GB, cache=2 * GB)
    assert read(system) == (5.0, 3.0, "container")


def test_version_1_obeys_an_ancestor_that_is_not_shown(tmp_path: Path) -> None:
    system = System(tmp_path, V1_MOUNT.format(root="/pod/abc"), "4:memory:/pod/abc/inner")
    system.v1("inner", UNLIMITED_V1, used=GB, hierarchical=4 * GB)
    system.v1("", UNLIMITED_V1, used=GB)
    assert read(system) == (4.0, 3.0, "container")


def test_a_hybrid_machine_limits_memory_by_version_1(tmp_path: Path) -> None:
    mounts = "\n".join([V2_MOUNT.format(root="/", below="/unified"), V1_MOUNT.format(root="/")])
    system = System(tmp_path, mounts, "4:memory:/job\n0::/job")
    (system.groups / "unified" / "job").mkdir(parents=True)
    system.v1("job", 2 * GB, used=GB)
    system.v1("", UNLIMITED_V1, used=9 * GB)
    assert read(system) == (2.0, 1.0, "container")
    assert count_kills(tmp_path) == 3


@pytest.mark.parametrize("limit", ["max", str(64 * GB)])
def test_without_a_limit_below_the_machines_the_machine_counts(tmp_path: Path, limit: str) -> None:
    system = System(tmp_path, V2_MOUNT.format(root="/", below=""), "0::/job")
    system.v2("job", limit, used=3 * GB)
    assert read(system) == (16.0, 10.0, "machine")
    unlimited = System(tmp_path / "first", V1_MOUNT.format(root="/"), "4:memory:/")
    unlimited.v1("", UNLIMITED_V1)
    assert read(unlimited) == (16.0, 10.0, "machine")


def test_without_groups_and_with_a_path_outside_the_namespace(tmp_path: Path) -> None:
    absent = System(tmp_path, "", "")
    for file in ("mountinfo", "cgroup"):
        (tmp_path / "proc/self" / file).unlink()
    assert read(absent) == (16.0, 10.0, "machine")
    assert count_kills(tmp_path) == 40
    moved = System(tmp_path / "moved", V2_MOUNT.format(root="/", below=""), "0::/../other")
    moved.v2("", str(3 * GB), used=4 * GB)
    assert read(moved) == (3.0, 0.0, "container")
    assert count_kills(moved.root) == 5


def test_kills_since_a_moment(tmp_path: Path) -> None:
    system = System(tmp_path, V2_MOUNT.format(root="/", below=""), "0::/")
    system.v2("", "max")
    watch = KillWatch(tmp_path)
    assert watch.kills() == 0
    system.write("sys/fs/cgroup/memory.events", "oom 9\noom_kill 7\n")
    assert watch.kills() == 2


def test_the_text_says_whose_memory_it_is() -> None:
    assert str(Memory(6 * GB, 4 * GB, "container")) == "4.0 GB of the 6.0 GB of this container"


def test_a_real_group_limits_what_is_read() -> None:
    code = (
        "from mlp_resources.compute.memory import read_memory; m = read_memory(); print(m.total, m.available, m.whose)"
    )
    run = run_limited([sys.executable, "-c", code], 300 * 1024**2, os.environ)
    if run.enforced_by != "cgroup":
        pytest.skip("this process may not make a control group")
    total, available, whose = run.output.split()
    assert (int(total), whose) == (300 * 1024**2, "container")
    assert 200 * 1024**2 < int(available) < int(total)
