"""Says what memory a command needs and what there is, before it starts, and lets concurrency follow from it."""

from mlp_assets.errors import MlpError
from mlp_resources.compute.memory import GB, Memory, format_bytes, read_memory, runs_at_once
from mlp_resources.environments.home import set_concurrent_runs

# Measured by proportional share: the platform at rest, the demo at its peak, and the text example with its training.
PLATFORM, DEMO, TEXT = int(1.5 * GB), 4 * GB, 3 * GB
_HOPELESS = 0.6  # of what is needed: less than this even in all


def describe_memory(command: str, needed: int, memory: Memory | None = None) -> str:
    """One line: what the command needs and what is free, with the remedy where that does not suffice.

    Raises:
        MlpError: the machine or the container is far too small.
    """
    memory = memory or read_memory()
    if memory.total < _HOPELESS * needed:
        raise MlpError(
            f"`{command}` needs {format_bytes(needed)} of memory, and {memory.place} has {format_bytes(memory.total)}. "
            f"{remedy(needed, memory)}"
        )
    line = f"Memory: `{command}` needs {format_bytes(needed)}; {memory} is free."
    return line if memory.available >= needed else f"{line} The kernel may kill processes. {remedy(needed, memory)}"


def remedy(needed: int, memory: Memory) -> str:
    """What to do where less than ``needed`` is free."""
    if memory.whose == "container" and memory.total < needed:
        return f"Give the container {format_bytes(needed)} or more."
    if memory.total < needed:
        return f"Use a machine with {format_bytes(needed)} or more."
    return f"End other programs until {format_bytes(needed)} is free."


def fit_runs() -> str:
    """Lets as many runs run at a time as memory allows, and says so; the user's own dagster.yaml stays."""
    memory = read_memory()
    count = runs_at_once(memory)
    if not set_concurrent_runs(count):
        return "Runs at a time: as in your dagster.yaml."
    return f"Runs at a time: {count}, because {memory} is free (2 from 6 GB on)."
