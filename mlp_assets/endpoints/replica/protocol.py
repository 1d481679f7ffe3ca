"""The Open Inference Protocol, V2 REST: checks every request in full and says what to send instead.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar, cast

import msgspec

from mlp_assets.endpoints.replica.request_values import IDS, VALUES, ProtocolError, check_values
from mlp_assets.nouns.task import Task

_DATATYPES = {
    "Int64": ("INT64", "INT32", "INT16", "INT8", "UINT8", "UINT16", "UINT32"),
    "Float64": ("FP64", "FP32", "INT64", "INT32"),
    "String": ("BYTES",),
    "Boolean": ("BOOL",),
    "List": ("FP64", "FP32", "INT64", "INT32"),
}
OUTPUTS = {"prediction": "FP64", "prediction_id": "BYTES", "degraded": "BOOL", "reasons": "BYTES"}
# Outputs of multiclass models: the probability of the predicted class, and, on request, of every class.
PROBABILITY, PROBABILITIES = "probability", "probabilities"
_TEMPLATE = '{"inputs": [{"name": "...", "datatype": "...", "shape": [1], "data": [...]}]}'
T = TypeVar("T")


@dataclass(frozen=True)
class InferRequest:
    """A checked request: columns as lists of equal length, the time it asks for, the outputs it wants.

    Args:
        at_given: whether the caller said ``at``; it is the time of now otherwise.
    """

    id: str | None
    columns: Mapping[str, list[Any]]
    rows: int
    at: datetime
    at_given: bool
    outputs: tuple[str, ...] = tuple(OUTPUTS)


class _Tensor(msgspec.Struct):
    """The checks of the columns name what is missing besides the name, so it may be missing here."""

    name: str
    datatype: str | None = None
    shape: list[int] | None = None
    data: list[Any] | None = None


class _Output(msgspec.Struct):
    name: str


class _Parameters(msgspec.Struct):
    at: str | None = None


class _InferBody(msgspec.Struct):
    inputs: list[_Tensor]
    id: Any = None
    parameters: _Parameters | None = None
    outputs: list[_Output | str] | _Output | str | None = None


def outputs_of(task: Task, label: str) -> dict[str, str]:
    """Output -> datatype. ``label`` is the Polars type name of the prediction."""
    if not task.many_classes:
        return OUTPUTS
    return OUTPUTS | {"prediction": datatype(label), PROBABILITY: "FP64", PROBABILITIES: "FP64"}


def datatype(kind: str) -> str:
    """The protocol's name of a Polars type."""
    return _DATATYPES[kind][0]


def parse_json(body: bytes) -> dict[str, Any]:
    """Strict JSON: an object, UTF-8, no repeated names, no NaN or infinity. Raises ProtocolError 400.

    The standard library reads it, as msgspec keeps the last of two members of one name and cannot report them.
    """

    def refuse_constant(name: str) -> Any:
        raise ProtocolError(400, f"{name} is not JSON. Leave the row out, or send a finite number.")

    def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ProtocolError(400, f"The name {twice[:80]!r} occurs twice in one JSON object. Send each name once.")
        return members

    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=refuse_constant, object_pairs_hook=unique_names)
    except ProtocolError:
        raise
    except UnicodeDecodeError as error:
        raise ProtocolError(400, "The body is not UTF-8.") from error
    except RecursionError as error:
        raise ProtocolError(400, "The body is nested too deeply.") from error
    except ValueError as error:
        raise ProtocolError(400, f"The body is not JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise ProtocolError(400, f"The body is not a JSON object. Send {_TEMPLATE}.")
    return cast("dict[str, Any]", parsed)


def parse_body(body: bytes, form: type[T], template: str, malformed: str = "never") -> T:
    """The body as a struct. Raises ProtocolError with the place that does not fit and the ``template`` to send.

    Args:
        malformed: regular expression of the places for which the status is 400 instead of 422.
    """
    try:
        return msgspec.convert(parse_json(body), form)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        place = place.strip(".`")
        where, status = f"{place}: " if place else "", 400 if re.fullmatch(malformed, place) else 422
        raise ProtocolError(status, f"{where}{what.replace('`', '')}. Send {template}.") from error
    except UnicodeEncodeError as error:
        raise ProtocolError(
            400, "The body holds a name or a text that is not Unicode. Send whole characters."
        ) from error


def parse_infer(
    body: bytes,
    columns: Mapping[str, str],
    max_rows: int,
    outputs: Mapping[str, str] = OUTPUTS,
    nullable: Collection[str] = (),
) -> InferRequest:
    """Checks an infer request against what the endpoint takes and gives. Raises ProtocolError 400, 413 or 422.

    Args:
        nullable: columns of numbers in which null is a missing value.
    """
    request = parse_body(body, _InferBody, _TEMPLATE, malformed=r"(inputs(\[\d+\])?)?")
    if not request.inputs:
        raise ProtocolError(400, f"inputs is empty. Send one tensor for each of {sorted(columns)}.")
    values_by_name: dict[str, list[Any]] = {}
    for tensor in request.inputs:
        _check_name(tensor.name, columns, values_by_name)
        values_by_name[tensor.name] = _tensor_values(
            tensor, columns[tensor.name], max_rows, nullable=tensor.name in nullable
        )
    missing = [name for name in columns if name not in values_by_name]
    if missing:
        raise ProtocolError(422, f"Inputs {missing} are missing. Send one tensor for each of {sorted(columns)}.")
    sizes = {name: len(values) for name, values in values_by_name.items()}
    if len(set(sizes.values())) != 1:
        raise ProtocolError(422, f"The inputs have different numbers of rows: {sizes}. Send as many in each.")
    identity = None if request.id is None else check_values("id", [request.id], IDS)[0]
    at = request.parameters.at if request.parameters is not None else None
    return InferRequest(
        identity,
        values_by_name,
        next(iter(sizes.values())),
        _time(at),
        at is not None,
        _outputs(request.outputs, outputs),
    )


def _check_name(name: str, columns: Mapping[str, str], values_by_name: Mapping[str, Any]) -> None:
    if name not in columns:
        close = get_close_matches(name, list(columns), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Send one tensor for each of {sorted(columns)}."
        raise ProtocolError(422, f"Input {name[:80]!r} is not known. {hint}")
    if name in values_by_name:
        raise ProtocolError(422, f"Input {name!r} occurs twice. Send it once.")


def _tensor_values(tensor: _Tensor, kind: str, max_rows: int, *, nullable: bool) -> list[Any]:
    """The values of a tensor, one for each row; NaN for a null that may be one."""
    name, shape, allowed = tensor.name, tensor.shape, _DATATYPES[kind]
    if tensor.datatype not in allowed:
        raise ProtocolError(422, f"Input {name!r} has datatype {tensor.datatype!r:.80}. Send {allowed[0]}.")
    if tensor.data is None:
        raise ProtocolError(422, f"Input {name!r} has no data list. Send data: [value, ...].")
    if kind == "List":
        values = _rows_of_lists(name, tensor.data, shape, max_rows)
        return check_values(name, values, VALUES[kind])
    values = tensor.data
    if values and all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [item for value in values for item in value]
    if shape not in ([len(values)], [len(values), 1]):
        raise ProtocolError(
            422, f"Input {name!r} has shape {shape!r:.80} and {len(values)} values. Send shape [{len(values)}]."
        )
    _check_rows(len(values), max_rows)
    if not values:
        raise ProtocolError(422, f"Input {name!r} has no rows. Send at least one.")
    if nullable and None in values:
        present = iter(check_values(name, [value for value in values if value is not None], VALUES[kind]))
        return [math.nan if value is None else next(present) for value in values]
    return check_values(name, values, VALUES[kind])


def _rows_of_lists(name: str, values: list[Any], shape: list[int] | None, max_rows: int) -> list[Any]:
    """The rows of a tensor of shape (rows, numbers), which is sent as rows or as one flat list."""
    if shape is None or len(shape) != 2 or min(shape) < 1:
        raise ProtocolError(422, f"Input {name!r} has shape {shape!r:.80}. Send shape [rows, numbers of each list].")
    rows, width = shape
    _check_rows(rows, max_rows)
    if values and not isinstance(values[0], list) and len(values) == math.prod(shape):
        values = [values[start : start + width] for start in range(0, len(values), width)]
    if len(values) != rows or any(not isinstance(row, list) or len(cast("list[Any]", row)) != width for row in values):
        raise ProtocolError(
            422, f"Input {name!r} has shape {shape} and other data. Send {rows} lists of {width} numbers."
        )
    return values


def _check_rows(rows: int, max_rows: int) -> None:
    if rows > max_rows:
        raise ProtocolError(413, f"{rows} rows are too many. Send at most {max_rows} in one request.")


def _outputs(given: list[_Output | str] | _Output | str | None, known: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the requested outputs; without any, all but the probability of every class."""
    if given is None or given == []:
        return tuple(name for name in known if name != PROBABILITIES)
    asked = given if isinstance(given, list) else [given]
    names = [output.name if isinstance(output, _Output) else output for output in asked]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ProtocolError(422, f"Output {unknown[0][:80]!r} is not known. Ask for some of {list(known)}.")
    return tuple(dict.fromkeys(names))


def _time(given: str | None) -> datetime:
    if given is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(given)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ProtocolError(
            422, f"at={given[:40]!r} is not a time. Send ISO 8601, for example 2017-07-03T00:00:00Z."
        ) from error
