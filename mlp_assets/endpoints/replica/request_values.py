"""The values of a request: which ones each type takes, and what to send instead of others."""

import re
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from mlp_assets.errors import MlpError

_CHARACTERS = r"\A[^\x00\x1f\ud800-\udfff]*\Z"  # JSON can spell halves of surrogate pairs, which no UTF-8 text holds
_NUMBER = Annotated[float, Meta(ge=-1e300, le=1e300)]


class ProtocolError(MlpError):
    """A request is refused: the HTTP status, and a message that says what to send."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class ValueType(NamedTuple):
    """The struct whose field ``data`` holds the values of a tensor, and what to tell a caller who sent others."""

    form: Any
    advice: str


def _value_type(item: Any, advice: str) -> ValueType:
    # msgspec remembers how to convert a struct; of a bare list it would derive that for each request.
    return ValueType(msgspec.defstruct("Values", [("data", list[item])]), advice)


def _texts(length: int) -> ValueType:
    text = Annotated[str, Meta(max_length=length, pattern=_CHARACTERS)]
    advice = f"Send Unicode text of at most {length} characters, none of them control characters."
    return _value_type(text, advice)


VALUES: Mapping[str, ValueType] = {
    "Int64": _value_type(Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)], "Send whole 64-bit numbers."),
    "Float64": _value_type(_NUMBER, "Send finite numbers."),
    "String": _texts(1000),
    "Boolean": _value_type(bool, "Send true or false."),
    "List": _value_type(list[_NUMBER], "Send finite numbers."),
}
"""Polars type name -> the values that callers may send for it."""
IDS = _texts(200)


def check_values(name: str, values: list[Any], kind: ValueType) -> list[Any]:
    """The values, as floats in a column of floats. Raises ProtocolError 422 for the first that does not fit."""
    try:
        return msgspec.convert({"data": values}, kind.form).data
    except msgspec.ValidationError as error:
        places = [int(place) for place in re.findall(r"\[(\d+)\]", str(error))]
        wrong: Any = reduce(getitem, places, values)
        where = f" in row {places[0]}" if len(values) > 1 else ""
        raise ProtocolError(422, f"Input {name!r} holds {str(wrong)[:40]!r}{where}. {kind.advice}") from error
