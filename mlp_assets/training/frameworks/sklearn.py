"""scikit-learn estimators and pipelines, as ONNX."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import (
    ExportError,
    Inputs,
    Stored,
    check_order,
    comes_from,
    first_line,
    shown_type,
)
from mlp_assets.training.frameworks.sklearn_scalers import scaler_converters
from mlp_assets.training.frameworks.sklearn_trees import has_part, mend_trees

_FILE, _PROBABILITIES, _OUTPUT = "model.onnx", "probabilities", "prediction"

_NOT_CONVERTED = {
    "KNNImputer": "whose ONNX form fails on some rows that it fills",
    "PowerTransformer": "whose ONNX form gives numbers for values outside of the training rows, where it gives none",
    "QuantileTransformer": "whose conversion to ONNX takes minutes from some seven columns on",
}


class Sklearn:
    """A fitted estimator: a regressor's predictions, or a classifier's probabilities (of class 2 in a binary task)."""

    def owns(self, model: Any) -> bool:
        return comes_from(model, "sklearn")

    def store(self, model: Any, columns: Sequence[str], task: Task, directory: Path) -> Stored:
        model = getattr(model, "best_estimator_", model)  # of a fitted search
        _check(model, task)
        _check_steps(model)
        check_order(model, getattr(model, "feature_names_in_", None), columns)

        def write(*, double: bool) -> None:
            converted = _convert(model, len(columns), task, double=double)
            mend_trees(converted, model)
            (directory / _FILE).write_bytes(converted.SerializeToString())

        write(double=has_part(model, "GaussianNB"))  # it squares distances over variances that may be tiny
        # scikit-learn mostly computes in double precision: near a threshold, single precision may cross it.
        return Stored("onnx", _FILE, lambda rows: _predict(model, rows, task), write_again=lambda: write(double=True))


def _check(model: Any, task: Task) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except (NotFittedError, TypeError):
        raise ExportError(
            f"train returned a {shown_type(model)} that is not fitted. Return what fit(...) returns."
        ) from None
    if task.has_classes and not hasattr(model, "predict_proba"):
        raise ExportError(
            f"train returned a {shown_type(model)}, which gives no probabilities, and the model's task is "
            f"{task.name!r}. Return a classifier with predict_proba, such as "
            "sklearn.calibration.CalibratedClassifierCV of it."
        )
    if task.label_values is not None and len(model.classes_) != len(task.label_values):
        raise ExportError(f"The classifier knows {len(model.classes_)} classes, and the model's task is {task.name!r}.")


def _check_steps(model: Any) -> None:
    for name, reason in _NOT_CONVERTED.items():
        if has_part(model, name):
            raise ExportError(
                f"The {shown_type(model)} holds a {name}, {reason}. Put a SimpleImputer or a StandardScaler in its "
                "place, transform the feature in a view or in derive of the training set, or write the model as an "
                "mlp.OwnModel."
            )


def _predict(model: Any, rows: Inputs, task: Task) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that rows have no names where the training rows had some
        if not task.has_classes:
            return model.predict(rows)
        return model.predict_proba(rows) if task.many_classes else model.predict_proba(rows)[:, 1]


def _convert(model: Any, features: int, task: Task, *, double: bool) -> Any:
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    except ModuleNotFoundError as error:
        raise ExportError(
            f"A {shown_type(model)} is stored with {error.name}, which is not installed. "
            "Write pip install 'mlp-assets[sklearn]'."
        ) from error
    options = {"zipmap": False} if task.has_classes else None
    inputs: Any = [("features", (DoubleTensorType if double else FloatTensorType)([None, features]))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # addressed to skl2onnx's developers
            graph: Any = convert_sklearn(
                model,
                initial_types=inputs,
                options=options,
                target_opset=18,
                custom_conversion_functions=scaler_converters(),
            )
    except Exception as error:  # it raises many kinds, each with its reason
        raise ExportError(
            f"A {shown_type(model)} cannot be served without unpickling: skl2onnx cannot convert it "
            f"({first_line(error)}). Return an estimator that it supports (its documentation lists them), or write "
            "the model as an mlp.OwnModel."
        ) from error
    return _only_probabilities(graph, second=not task.many_classes) if task.has_classes else graph


def _only_probabilities(model: Any, *, second: bool) -> Any:
    """Makes the probabilities of all classes, or of the second one, the only output of the ONNX model."""
    from onnx import TensorProto, helper

    (probabilities,) = [output for output in model.graph.output if output.name == _PROBABILITIES]
    if not second:
        del model.graph.output[:]
        model.graph.output.append(probabilities)
        return model
    model.graph.initializer.append(helper.make_tensor("second", TensorProto.INT64, [1], [1]))
    model.graph.node.append(helper.make_node("Gather", [probabilities.name, "second"], [_OUTPUT], axis=1))
    del model.graph.output[:]
    model.graph.output.append(
        helper.make_tensor_value_info(_OUTPUT, probabilities.type.tensor_type.elem_type, [None, 1])
    )
    return model
