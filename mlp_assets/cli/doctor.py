"""``mlp doctor``: what is wrong with this environment, and how to mend it."""

import contextlib
import ctypes.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import httpx
import psutil
from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlp_assets.local_platform.code_locations import FIX, failed_locations
from mlp_assets.local_platform.leftovers import left_behind
from mlp_assets.local_platform.services import Ports, health_urls
from mlp_assets.local_platform.supervisor import ServiceError, check_port, running_instance
from mlp_resources.environments.home import home
from mlp_resources.environments.settings import load_settings

_LEAST_DISK, _LEAST_MEMORY = 5 * 1024**3, 4 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, what was seen, and how to mend it."""

    what: str
    well: bool
    seen: str
    mend: str = ""


def report(console: Console) -> bool:
    """Prints a table of all findings; True when all is well."""
    findings = [finding for look in LOOKS for finding in look()]
    table = Table(show_edge=False)
    for column in ("", "what", "seen", "how to mend it"):
        table.add_column(column)
    for finding in findings:
        mark = "[green]ok[/]" if finding.well else "[red]✗[/]"
        table.add_row(mark, *(escape(text) for text in (finding.what, finding.seen, finding.mend)))
    console.print(table)
    return all(finding.well for finding in findings)


def _python() -> list[Finding]:
    well = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return [Finding("Python", well, sys.version.split()[0], "" if well else "Use Python 3.11 or 3.12.")]


def _packages() -> list[Finding]:
    wrong: list[Finding] = []
    wanted = [Requirement(text) for text in metadata.requires("mlp-assets") or [] if "extra ==" not in text]
    for requirement in wanted:
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            found = "not there"
        if found == "not there" or not requirement.specifier.contains(found, prereleases=True):
            mend = f"pip install -c constraints.txt '{requirement}'"
            wrong.append(Finding(requirement.name, False, f"{found}, wanted {requirement.specifier}", mend))
    return wrong or [Finding("packages", True, f"{len(wanted)} direct ones within their bounds")]


def _system() -> list[Finding]:
    gomp = ctypes.util.find_library("gomp")
    folder = home()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    disk, memory = shutil.disk_usage(place).free, psutil.virtual_memory().available
    return [
        Finding("libgomp", bool(gomp), gomp or "not there", "" if gomp else "apt-get install -y libgomp1"),
        Finding(
            "disk", disk > _LEAST_DISK, f"{disk / 1024**3:.0f} GB free", "" if disk > _LEAST_DISK else "Free 5 GB."
        ),
        Finding(
            "memory",
            memory > _LEAST_MEMORY,
            f"{memory / 1024**3:.0f} GB free",
            "" if memory > _LEAST_MEMORY else "Free 4 GB.",
        ),
        Finding("home", True, str(folder)),
    ]


def _ports() -> list[Finding]:
    running = running_instance()
    if running is not None:
        return [Finding("platform", True, f"up (process {running.pid})"), *_services(), *_locations()]
    findings: list[Finding] = []
    if left := left_behind():
        findings.append(Finding("platform", False, f"killed; it left {len(left)} processes", "mlp down"))
    for variable, port in Ports.from_settings(load_settings()).by_variable().items():
        try:
            check_port(variable, port)
        except ServiceError as error:
            findings.append(Finding(f"port {port}", False, "taken", str(error)))
    return findings or [Finding("ports", True, "all free; start the platform with `mlp up`")]


def _services() -> list[Finding]:
    """Of a platform that is up: whether each service answers."""
    found: list[Finding] = []
    for name, url in health_urls(Ports.from_settings(load_settings())).items():
        try:
            well, seen = httpx.get(url, timeout=5).status_code < 400, url
        except httpx.HTTPError as error:
            well, seen = False, f"{url}: {type(error).__name__}"
        mend = f"See {home()}/logs/{name}.log, then `mlp down` and `mlp up`."
        found.append(Finding(name, well, seen, "" if well else mend))
    return found


def _locations() -> list[Finding]:
    """Of a platform that is up: the code locations that Dagster could not load."""
    with contextlib.suppress(httpx.HTTPError):
        failed = failed_locations(Ports.from_settings(load_settings()).dagster)
        return [Finding(f"code location {name}", False, reason, FIX) for name, reason in failed.items()]
    return []


LOOKS: tuple[Callable[[], list[Finding]], ...] = (_python, _packages, _system, _ports)
