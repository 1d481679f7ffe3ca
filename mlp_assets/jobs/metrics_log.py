"""The file to which a training logs its metrics, one line of JSON a step."""

import json
from pathlib import Path

METRICS_LOG = "metrics.jsonl"
History = tuple[tuple[int, str, float], ...]


def read_metrics(folder: Path) -> History:
    """The logged metrics as (step, name, value); empty when nothing was logged."""
    path = folder / METRICS_LOG
    history: list[tuple[int, str, float]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        entry = json.loads(line)
        step = entry.pop("step")
        history += [(step, name, value) for name, value in entry.items()]
    return tuple(history)
