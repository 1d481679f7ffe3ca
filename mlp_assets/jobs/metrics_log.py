"""The file to which a training logs its metrics, one line a step."""

import json
from pathlib import Path

HISTORY = "metrics.jsonl"
History = tuple[tuple[int, str, float], ...]


def read_history(folder: Path) -> History:
    """What was logged, as (step, name, value); nothing where there is no file."""
    path = folder / HISTORY
    found: list[tuple[int, str, float]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        entry = json.loads(line)
        step = entry.pop("step")
        found += [(step, name, value) for name, value in entry.items()]
    return tuple(found)
