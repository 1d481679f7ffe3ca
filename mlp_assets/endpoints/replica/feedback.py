"""Labels that callers send for predictions, checked in full as requests are."""

from typing import Any

import msgspec

from mlp_assets.endpoints.replica.protocol import parse_body
from mlp_assets.endpoints.replica.request_values import IDS, VALUES, ProtocolError, check_values
from mlp_assets.nouns.task import REGRESSION, Task

_TEMPLATE = '{"prediction_id": ["..."], "label": [1.0]}'


class _FeedbackBody(msgspec.Struct):
    prediction_id: list[Any]
    label: list[Any]


def parse_feedback(
    body: bytes, max_rows: int, task: Task = REGRESSION, label: str = "Float64"
) -> tuple[list[str], list[Any]]:
    """The ids and labels of a feedback call, as many of each. Raises ProtocolError 400 or 422.

    Args:
        label: Polars type name of a label. Where labels are numbers, true and false are 1 and 0.
    """
    feedback = parse_body(body, _FeedbackBody, f"{_TEMPLATE} with as many labels as ids")
    ids, labels = feedback.prediction_id, feedback.label
    if len(ids) != len(labels):
        raise ProtocolError(
            422, f"There are {len(ids)} ids and {len(labels)} labels. Send {_TEMPLATE} with as many labels as ids."
        )
    if not 1 <= len(ids) <= max_rows:
        raise ProtocolError(422, f"{len(ids)} labels in one call are not accepted. Send 1 to {max_rows}.")
    if "" in ids:
        raise ProtocolError(422, "A prediction_id is empty. Send the ids that an infer response gave.")
    numbers = [float(value) if value is True or value is False else value for value in labels]
    checked = check_values("label", numbers if label == "Float64" else labels, VALUES[label])
    wrong = [value for value in checked if task.label_values is not None and value not in task.label_values]
    if wrong:
        raise ProtocolError(422, f"Input 'label' holds {wrong[0]!r}. Labels of a binary model are 1 or 0.")
    return check_values("prediction_id", ids, IDS), checked
