"""Widens the numbers of an expression, so that sums, products and differences neither wrap around nor lose digits.

Polars computes in the type of its operands: two prices of Int32 add up to a negative number, ``pl.len() - 5`` of three
rows is 4294967294, ``dt.hour() * 100`` is computed in Int8. Here every operand is so wide that only numbers beyond
1.7e38 would wrap.
"""

import io
import json
from typing import Any, cast

import polars as pl

_ALL_WHOLE = 2**53  # up to here, a 64-bit float holds every whole number
_SMALL = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)
_ARITHMETIC = {"Plus", "Minus", "Multiply"}
_RESULTS = frozenset({"Column", "Function", "Agg", "Cast"})  # the nodes whose type is not that of their operands
_BY_TYPE = ("Hash", "Reinterpret")  # functions whose value depends on the type of what they get
Node = Any
Schema = dict[str, pl.DataType]


def first_rounded(values: pl.Series) -> int | None:
    """The first whole number that a 64-bit float holds as another one or, of floats, that may stand for another one."""
    if values.dtype.is_integer():
        beyond = values.cast(pl.Int128).abs() > _ALL_WHOLE
    else:
        beyond = values.is_finite() & (values.abs() >= _ALL_WHOLE)
    found = values.filter(beyond).head(1).to_list()
    return int(found[0]) if found else None


def exact(expression: pl.Expr, schema: Schema) -> pl.Expr:
    """The expression with its operands widened: integers to 64 bits, and to 128 where they are combined; floats to 64.

    An expression that Polars cannot compute so stays as it was written.

    Args:
        schema: the types of the columns that it may read.
    """
    rows, written = pl.DataFrame(schema=schema), json.loads(expression.meta.serialize(format="json"))
    try:
        widened = _Widening(rows).content(written)
        if widened == written:
            return expression
        rows.select(_expression(widened))
    except (ValueError, TypeError, pl.exceptions.PolarsError):
        return expression
    return _expression(widened)


def exact_value(expression: pl.Expr, schema: Schema) -> pl.Expr:
    """Like ``exact``, with its value widened too, so that it can be summed: Int128 or Float64 where it is a number."""
    widened = exact(expression, schema)
    return _widest(widened, _type(widened, pl.DataFrame(schema=schema)))


class _Widening:
    """Rewrites the nodes of a serialized expression over the columns of an empty table."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows

    def node(self, node: Node) -> Node:
        """The node as an operand: with all below it widened, and then its own result."""
        if isinstance(node, list):
            return [self.node(each) for each in cast("list[Node]", node)]
        widened = self.content(node)
        own_type = widened == "Len" or (isinstance(widened, dict) and not _RESULTS.isdisjoint(widened))
        return self._result(widened) if own_type else widened

    def content(self, node: Node) -> Node:
        """The node with all below it widened."""
        if not isinstance(node, dict) or "Literal" in node or _reads_types(node):
            return node
        widened = {kind: self.node(content) for kind, content in cast("dict[str, Node]", node).items()}
        if "BinaryExpr" in widened:
            return self._binary(widened)
        if isinstance(widened.get("Agg"), dict) and "Sum" in widened["Agg"]:
            return {"Agg": {"Sum": self._operand(widened["Agg"]["Sum"])}}
        return widened

    def _binary(self, node: Node) -> Node:
        operation, dtype = node["BinaryExpr"], _type(_expression(node), self._rows)
        if operation["op"] not in _ARITHMETIC or dtype is None or not dtype.is_integer():
            return node
        sides = {side: self._operand(operation[side]) for side in ("left", "right")}
        return {"BinaryExpr": operation | sides}

    def _operand(self, node: Node) -> Node:
        """An operand of a sum, difference or product. A literal takes the type of the other operand."""
        if isinstance(node, dict) and "Literal" in node:
            return node
        expression = _expression(node)
        return _node(_widest(expression, _type(expression, self._rows)))

    def _result(self, node: Node) -> Node:
        expression = _expression(node)
        return _node(_wide(expression, _type(expression, self._rows)))


def _reads_types(node: dict[str, Node]) -> bool:
    return "Function" in node and any(name in json.dumps(node["Function"]["function"]) for name in _BY_TYPE)


def _wide(expression: pl.Expr, dtype: pl.DataType | None) -> pl.Expr:
    wide = None if dtype is None else _wide_type(dtype)
    return expression if wide is None or wide == dtype else expression.cast(wide)


def _wide_type(dtype: pl.DataType) -> pl.DataType:
    if dtype in _SMALL:
        return pl.Int64()
    if dtype == pl.UInt64:
        return pl.Int128()
    if dtype.is_float():
        return pl.Float64()
    if isinstance(dtype, pl.List):
        return pl.List(_wide_type(cast("pl.DataType", dtype.inner)))
    return dtype


def _widest(expression: pl.Expr, dtype: pl.DataType | None) -> pl.Expr:
    """The number as Int128 or Float64; anything else as it is."""
    if dtype is not None and dtype.is_integer():
        return expression if dtype == pl.Int128 else expression.cast(pl.Int128)
    return _wide(expression, dtype)


def _type(expression: pl.Expr, rows: pl.DataFrame) -> pl.DataType | None:
    """None where the node alone has no type: a number that takes that of its surroundings, an element of a list."""
    try:
        schema = rows.lazy().select(expression).collect_schema()
    except pl.exceptions.PolarsError:
        return None
    return next(iter(schema.values())) if len(schema) == 1 else None


def _expression(node: Node) -> pl.Expr:
    return pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json")


def _node(expression: pl.Expr) -> Node:
    return json.loads(expression.meta.serialize(format="json"))
