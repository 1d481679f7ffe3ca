"""``mlp doctor``: checks this installation, and prints how to fix what is wrong."""

import contextlib
import ctypes.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import httpx
from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlp_assets.local_http import local_client
from mlp_assets.local_platform.code_locations import FIX, failed_locations
from mlp_assets.local_platform.health import ask
from mlp_assets.local_platform.leftovers import left_behind
from mlp_assets.local_platform.memory_needs import DEMO, PLATFORM, remedy
from mlp_assets.local_platform.services import Ports, probes
from mlp_assets.local_platform.supervisor import ServiceError, check_port, running_instance
from mlp_resources.compute.memory import format_bytes, read_memory
from mlp_resources.environments.home import home
from mlp_resources.environments.settings import load_settings

_LEAST_DISK = 5 * 1024**3


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        well: whether it passed.
        seen: what was found.
        fix: what to do about it."""

    what: str
    well: bool
    seen: str
    fix: str = ""


def report(console: Console) -> bool:
    """Prints a table of all checks. Returns True when all passed."""
    findings = [finding for check in CHECKS for finding in check()]
    table = Table(show_edge=False)
    for column in ("", "what", "seen", "how to fix it"):
        table.add_column(column)
    for finding in findings:
        mark = "[green]ok[/]" if finding.well else "[red]✗[/]"
        table.add_row(mark, *(escape(text) for text in (finding.what, finding.seen, finding.fix)))
    console.print(table)
    return all(finding.well for finding in findings)


def _python() -> list[Finding]:
    well = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return [Finding("Python", well, sys.version.split()[0], "" if well else "Use Python 3.11 or 3.12.")]


def _packages() -> list[Finding]:
    wrong: list[Finding] = []
    required = [Requirement(text) for text in metadata.requires("mlp-assets") or [] if "extra ==" not in text]
    for requirement in required:
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            installed = "not installed"
        if installed == "not installed" or not requirement.specifier.contains(installed, prereleases=True):
            fix = f"pip install -c constraints.txt '{requirement}'"
            wrong.append(Finding(requirement.name, False, f"{installed}, required {requirement.specifier}", fix))
    return wrong or [Finding("packages", True, f"{len(required)} direct ones within their bounds")]


def _system() -> list[Finding]:
    gomp = ctypes.util.find_library("gomp")
    folder = home()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    disk = shutil.disk_usage(place).free
    return [
        Finding("libgomp", bool(gomp), gomp or "not installed", "" if gomp else "apt-get install -y libgomp1"),
        Finding(
            "disk", disk > _LEAST_DISK, f"{disk / 1024**3:.0f} GB free", "" if disk > _LEAST_DISK else "Free 5 GB."
        ),
        _memory(),
        Finding("home", True, str(folder)),
    ]


def _memory() -> Finding:
    """What is free, for the platform and for the demo. A running platform has what it needs."""
    memory = read_memory()
    seen = f"{memory} free; the platform needs {format_bytes(PLATFORM)}, `mlp demo` {format_bytes(DEMO)}"
    running = running_instance() is not None
    if memory.available < PLATFORM and not running:
        return Finding("memory", False, seen, remedy(PLATFORM, memory))
    enough = memory.available >= DEMO or running
    return Finding("memory", True, seen, "" if enough else f"For `mlp demo`: {remedy(DEMO, memory)}")


def _ports() -> list[Finding]:
    running = running_instance()
    if running is not None:
        return [Finding("platform", True, f"up (process {running.pid})"), *_services(), *_locations()]
    findings: list[Finding] = []
    if left := left_behind():
        findings.append(Finding("platform", False, f"was killed and left {len(left)} processes", "mlp down"))
    for variable, port in Ports.from_settings(load_settings()).by_variable().items():
        try:
            check_port(variable, port)
        except ServiceError as error:
            findings.append(Finding(f"port {port}", False, "cannot be used", str(error)))
    return findings or [Finding("ports", True, "all free; start the platform with `mlp up`")]


def _services() -> list[Finding]:
    """Whether each service of a running platform answers."""
    findings: list[Finding] = []
    settings = load_settings()
    with local_client(timeout=5) as client:
        for name, probe in probes(Ports.from_settings(settings), settings.home).items():
            health = ask(client, probe)
            seen = probe.url if health.healthy else f"{probe.url}: {health.seen}"
            fix = f"See {home()}/logs/{name}.log, then `mlp down` and `mlp up`. {health.remedy}"
            findings.append(Finding(name, health.healthy, seen, "" if health.healthy else fix))
    return findings


def _locations() -> list[Finding]:
    """The code locations that the running Dagster could not load."""
    with contextlib.suppress(httpx.HTTPError):
        failed = failed_locations(Ports.from_settings(load_settings()).dagster)
        return [Finding(f"code location {name}", False, reason, FIX) for name, reason in failed.items()]
    return []


CHECKS: tuple[Callable[[], list[Finding]], ...] = (_python, _packages, _system, _ports)
