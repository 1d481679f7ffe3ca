"""Converters of scikit-learn's scalers that round as scikit-learn does.

Each step is computed in double precision and rounded to the precision of the rows. skl2onnx multiplies by the inverse
instead, in single precision. A tree behind the scaler then takes the other branch for a value on its threshold.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# Each step is an operator and the numbers of the columns.
Steps = list[tuple[str, Any]]


def scaler_converters() -> Mapping[type, Callable[..., None]]:
    """Scaler -> its converter, for ``skl2onnx.convert_sklearn(custom_conversion_functions=...)``."""
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    steps: Mapping[type, Callable[[Any], Steps]] = {
        StandardScaler: lambda fitted: [("Sub", fitted.mean_ if fitted.with_mean else None), ("Div", fitted.scale_)],
        RobustScaler: lambda fitted: [
            ("Sub", fitted.center_ if fitted.with_centering else None),
            ("Div", fitted.scale_ if fitted.with_scaling else None),
        ],
        MaxAbsScaler: lambda fitted: [("Div", fitted.scale_)],
        MinMaxScaler: lambda fitted: [("Mul", fitted.scale_), ("Add", fitted.min_), *_clip(fitted)],
    }
    return {scaler: _converter(of) for scaler, of in steps.items()}


def _clip(fitted: Any) -> Steps:
    low, high = fitted.feature_range
    return [("Max", np.array([float(low)])), ("Min", np.array([float(high)]))] if fitted.clip else []


def _converter(steps_of: Callable[[Any], Steps]) -> Callable[..., None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        from skl2onnx.operator_converters.common import concatenate_variables

        several = len(operator.inputs) > 1
        name = concatenate_variables(scope, operator.inputs, container) if several else operator.inputs[0].full_name
        for kind, numbers in steps_of(operator.raw_operator):
            if numbers is not None:
                name = _add_step(scope, operator, container, kind, name, numbers)
        container.add_node("Identity", name, operator.outputs[0].full_name)

    return convert


def _add_step(scope: Any, operator: Any, container: Any, kind: str, name: str, numbers: Any) -> str:
    from onnx import TensorProto
    from skl2onnx.common.data_types import guess_proto_type

    precision = guess_proto_type(operator.inputs[0].type)
    constant, wide, computed, rounded = (
        scope.get_unique_variable_name(f"scaled_{part}") for part in ("by", "wide", "computed", "rounded")
    )
    container.add_initializer(constant, TensorProto.DOUBLE, [len(numbers)], np.asarray(numbers, dtype=np.float64))
    container.add_node("Cast", name, wide, op_version=13, to=TensorProto.DOUBLE)
    container.add_node(kind, [wide, constant], computed, op_version=13)
    container.add_node("Cast", computed, rounded, op_version=13, to=precision)
    return rounded
