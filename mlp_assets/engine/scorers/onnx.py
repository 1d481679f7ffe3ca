"""ONNX models, on one thread."""

from pathlib import Path
from typing import Any, cast

import numpy as np

from mlp_assets.engine.scorers.scorer import Known, Loaded, Matrix


class OnnxScorer(Loaded):
    """Takes float32 (rows, features); its first output has a number for each row."""

    def __init__(self, known: Known, directory: Path, file: str, loader: str | None) -> None:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]  # it has none

        super().__init__(known)
        runtime = cast("Any", onnxruntime)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = runtime.InferenceSession(
            str(directory / file), options, providers=["CPUExecutionProvider"]
        )
        self._input: str = self._session.get_inputs()[0].name

    def predict(self, matrix: Matrix) -> Matrix:
        answer = self._session.run(None, {self._input: matrix.astype(np.float32)})[0]
        return np.asarray(answer, dtype=np.float64).reshape(len(matrix))
