"""ONNX models, on one thread."""

from pathlib import Path
from typing import Any, cast

import numpy as np

from mlp_assets.artifact.formats.scorer import LoadedModel, Matrix, ModelFacts

# Intermediate tensors may be hundreds of times the size of the rows, for example in a transformer's heads.
_ROWS_AT_ONCE = 1024


class OnnxScorer(LoadedModel):
    """Takes float32 (rows, features). Its first output has one number per row, or one per row and class."""

    def __init__(self, facts: ModelFacts, directory: Path, file: str, loader: str | None) -> None:
        import onnxruntime

        super().__init__(facts)
        runtime = cast("Any", onnxruntime)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = runtime.InferenceSession(
            str(directory / file), options, providers=["CPUExecutionProvider"]
        )
        self._input: str = self._session.get_inputs()[0].name

    def predict(self, matrix: Matrix) -> Matrix:
        rows = matrix.astype(np.float32)
        parts = [rows[begin : begin + _ROWS_AT_ONCE] for begin in range(0, len(rows), _ROWS_AT_ONCE)] or [rows]
        answers = [self._session.run(None, {self._input: part})[0] for part in parts]
        return self.reshape(np.concatenate(answers), len(matrix))
