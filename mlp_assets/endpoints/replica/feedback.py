"""What callers tell came true: checked in full, as requests are."""

from typing import Any, cast

from mlp_assets.endpoints.replica.protocol import ID_LETTERS, parse_json
from mlp_assets.endpoints.replica.values import CHECKS, ProtocolError, text
from mlp_assets.nouns.task import REGRESSION, Task


def parse_feedback(
    body: bytes, max_rows: int, task: Task = REGRESSION, label: str = "Float64"
) -> tuple[list[str], list[Any]]:
    """Checks a feedback call: the ids of predictions and what came true, 0 or 1 if binary, or the class.

    Raises ProtocolError. ``label`` is the Polars type of a class.
    """
    request = parse_json(body)
    ids, labels = request.get("prediction_id"), request.get("label")
    if (
        not isinstance(ids, list)
        or not isinstance(labels, list)
        or len(cast("list[Any]", ids)) != len(cast("list[Any]", labels))
    ):
        raise ProtocolError(422, 'Send {"prediction_id": ["..."], "label": [1.0]} with as many labels as ids.')
    if not 1 <= len(cast("list[Any]", ids)) <= max_rows:
        raise ProtocolError(422, f"Send 1 to {max_rows} labels in one call.")
    if not all(isinstance(identity, str) and identity for identity in cast("list[Any]", ids)):
        raise ProtocolError(422, "Each prediction_id is a text that an infer response gave.")
    checked = [text("prediction_id", identity, ID_LETTERS) for identity in cast("list[str]", ids)]
    return checked, [_label(value, task, label) for value in cast("list[Any]", labels)]


def _label(value: Any, task: Task, kind: str) -> Any:
    label = CHECKS[kind]("label", value)
    if task.label_values is not None and label not in task.label_values:
        raise ProtocolError(422, f"Input 'label' holds {label!r}. What came true is yes or no here: send 1 or 0.")
    return label
