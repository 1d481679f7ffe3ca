"""The single values of a request: each check gives the value or refuses it with what to send."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from mlp_assets.errors import MlpError

_INT64 = 2**63


class ProtocolError(MlpError):
    """A request is refused: the HTTP status, and a sentence that says what to send."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        raise ProtocolError(422, f"Input {name!r} holds {str(value)[:40]!r}. Send whole 64-bit numbers.")
    return value


def number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300 or not math.isfinite(value):
        raise ProtocolError(422, f"Input {name!r} holds {str(value)[:40]!r}. Send finite numbers.")
    return float(value)


def text(name: str, value: Any, most: int = 1000) -> str:
    if not isinstance(value, str) or len(value) > most or "\x1f" in value or "\x00" in value:
        raise ProtocolError(
            422, f"Input {name!r} holds {str(value)[:40]!r}. Send plain texts of at most {most} letters."
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(422, f"Input {name!r} holds a text that is not Unicode.") from error
    return value


def truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError(422, f"Input {name!r} holds {str(value)[:40]!r}. Send true or false.")
    return value


CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "Int64": integer,
    "Float64": number,
    "String": text,
    "Boolean": truth,
}
