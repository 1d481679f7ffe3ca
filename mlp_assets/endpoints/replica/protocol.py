"""The Open Inference Protocol, V2 REST: what comes in is checked in full, what is refused says what to send.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, cast

from mlp_assets.endpoints.replica.values import CHECKS, ProtocolError, number, text
from mlp_assets.nouns.task import Task

_DATATYPES = {
    "Int64": ("INT64", "INT32", "INT16", "INT8", "UINT8", "UINT16", "UINT32"),
    "Float64": ("FP64", "FP32", "INT64", "INT32"),
    "String": ("BYTES",),
    "Boolean": ("BOOL",),
    "List": ("FP64", "FP32", "INT64", "INT32"),
}
ID_LETTERS = 200
OUTPUTS = {"prediction": "FP64", "prediction_id": "BYTES", "degraded": "BOOL", "reasons": "BYTES"}
# Of a multiclass model also how probable the class is, and, if it is asked for, the probability of each.
PROBABILITY, PROBABILITIES = "probability", "probabilities"


@dataclass(frozen=True)
class InferRequest:
    """A checked request: its columns as lists of equal length, the time for which it asks, the outputs it wants."""

    id: str | None
    columns: Mapping[str, list[Any]]
    rows: int
    at: datetime
    outputs: tuple[str, ...] = tuple(OUTPUTS)


def outputs_of(task: Task, label: str) -> dict[str, str]:
    """Output -> datatype. ``label`` is the Polars type of what is predicted."""
    if not task.many_classes:
        return OUTPUTS
    return OUTPUTS | {"prediction": datatype(label), PROBABILITY: "FP64", PROBABILITIES: "FP64"}


def datatype(kind: str) -> str:
    """The protocol's name of a Polars type."""
    return _DATATYPES[kind][0]


def parse_json(body: bytes) -> dict[str, Any]:
    """Strict JSON: an object, UTF-8, no repeated names, no NaN or infinity. Raises ProtocolError 400."""

    def constant(name: str) -> Any:
        raise ProtocolError(400, f"{name} is not JSON. Leave the row out, or send a finite number.")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ProtocolError(400, "A name is there twice in one JSON object. Send each name once.")
        return found

    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=constant, object_pairs_hook=unique)
    except ProtocolError:
        raise
    except UnicodeDecodeError as error:
        raise ProtocolError(400, "The body is not UTF-8.") from error
    except RecursionError as error:
        raise ProtocolError(400, "The body is nested too deeply.") from error
    except ValueError as error:
        raise ProtocolError(400, f"The body is not JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise ProtocolError(400, 'The body is not a JSON object. Send {"inputs": [...]}.')
    return cast("dict[str, Any]", parsed)


def parse_infer(
    body: bytes, columns: Mapping[str, str], max_rows: int, outputs: Mapping[str, str] = OUTPUTS
) -> InferRequest:
    """Checks an infer request against what the endpoint takes and gives. Raises ProtocolError 400, 413 or 422."""
    request = parse_json(body)
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise ProtocolError(400, f"inputs is missing or not a list. Send one tensor for each of {sorted(columns)}.")
    found: dict[str, list[Any]] = {}
    for tensor in cast("list[Any]", inputs):
        name = _tensor_name(tensor, columns, found)
        found[name] = _tensor_data(name, tensor, columns[name], max_rows)
    missing = [name for name in columns if name not in found]
    if missing:
        raise ProtocolError(422, f"Inputs {missing} are missing. Send one tensor for each of {sorted(columns)}.")
    sizes = {name: len(values) for name, values in found.items()}
    if len(set(sizes.values())) != 1:
        raise ProtocolError(422, f"The inputs have different numbers of rows: {sizes}. Send as many in each.")
    return InferRequest(_id(request), found, next(iter(sizes.values())), _at(request), _outputs(request, outputs))


def _tensor_name(tensor: Any, columns: Mapping[str, str], found: Mapping[str, Any]) -> str:
    if not isinstance(tensor, dict):
        raise ProtocolError(400, 'An input is not an object. Send {"name", "datatype", "shape", "data"}.')
    name = cast("dict[str, Any]", tensor).get("name")
    if not isinstance(name, str) or name not in columns:
        close = get_close_matches(str(name), list(columns), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Send one tensor for each of {sorted(columns)}."
        raise ProtocolError(422, f"Input {str(name)[:80]!r} is not known. {hint}")
    if name in found:
        raise ProtocolError(422, f"Input {name!r} is there twice. Send it once.")
    return name


def _tensor_data(name: str, tensor: dict[str, Any], kind: str, max_rows: int) -> list[Any]:
    allowed = _DATATYPES[kind]
    if tensor.get("datatype") not in allowed:
        raise ProtocolError(422, f"Input {name!r} has datatype {tensor.get('datatype')!r:.80}. Send {allowed[0]}.")
    data, shape = tensor.get("data"), tensor.get("shape")
    if not isinstance(data, list):
        raise ProtocolError(422, f"Input {name!r} has no data list. Send data: [value, ...].")
    values = cast("list[Any]", data)
    if kind == "List":
        return _lists(name, values, shape, max_rows)
    if values and all(isinstance(value, list) for value in values):
        values = [item for value in values for item in value]
    if shape not in ([len(values)], [len(values), 1]):
        raise ProtocolError(
            422, f"Input {name!r} has shape {shape!r:.80} and {len(values)} values. Send shape [{len(values)}]."
        )
    if len(values) > max_rows:
        raise ProtocolError(413, f"{len(values)} rows are too many. Send at most {max_rows} in one request.")
    if not values:
        raise ProtocolError(422, f"Input {name!r} has no rows. Send at least one.")
    return [CHECKS[kind](name, value) for value in values]


def _lists(name: str, values: list[Any], shape: Any, max_rows: int) -> list[Any]:
    """The rows of a tensor of (rows, numbers), given as rows or as one list of all."""
    if not _is_shape(shape) or len(shape) != 2:
        raise ProtocolError(422, f"Input {name!r} has shape {shape!r:.80}. Send shape [rows, numbers of each list].")
    rows, width = shape
    if rows > max_rows:
        raise ProtocolError(413, f"{rows} rows are too many. Send at most {max_rows} in one request.")
    if values and not isinstance(values[0], list) and len(values) == rows * width:
        values = [values[start : start + width] for start in range(0, len(values), width)]
    if len(values) != rows or any(not isinstance(row, list) or len(cast("list[Any]", row)) != width for row in values):
        raise ProtocolError(
            422, f"Input {name!r} has shape {shape} and other data. Send {rows} lists of {width} numbers."
        )
    return [[number(name, value) for value in row] for row in values]


def _is_shape(shape: Any) -> bool:
    if not isinstance(shape, list):
        return False
    return all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in cast("list[Any]", shape))


def _id(request: dict[str, Any]) -> str | None:
    identity = request.get("id")
    return None if identity is None else text("id", identity, ID_LETTERS)


def _outputs(request: dict[str, Any], known: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the outputs asked for; when the request names none, all but the probability of each class."""
    given = request.get("outputs")
    if given is None or given == []:
        return tuple(name for name in known if name != PROBABILITIES)
    asked = cast("list[Any]", given) if isinstance(given, list) else [given]
    names = [cast("dict[str, Any]", one).get("name") if isinstance(one, dict) else one for one in asked]
    unknown = [name for name in names if not isinstance(name, str) or name not in known]
    if unknown:
        raise ProtocolError(422, f"Output {str(unknown[0])[:80]!r} is not known. Ask for some of {list(known)}.")
    return tuple(dict.fromkeys(cast("list[str]", names)))


def _at(request: dict[str, Any]) -> datetime:
    parameters = request.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise ProtocolError(422, 'parameters is not an object. Send {"at": "2017-07-03T00:00:00Z"} or leave it out.')
    given = cast("dict[str, Any]", parameters).get("at")
    if given is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(given)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(
            422, f"at={str(given)[:40]!r} is not a time. Send ISO 8601, as 2017-07-03T00:00:00Z."
        ) from error
