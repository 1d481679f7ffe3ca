"""ONNX models, on one thread."""

from pathlib import Path
from typing import Any, cast

import numpy as np

from mlp_assets.artifact.formats.scorer import ArtifactError, LoadedModel, Matrix, ModelFacts

# Intermediate tensors may be hundreds of times the size of the rows, for example in a transformer's heads.
_ROWS_AT_ONCE = 1024


class OnnxScorer(LoadedModel):
    """Takes float32 (rows, features), or the same numbers as float64.

    Its first output has one number per row, or one per row and class.
    """

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
        given = self._session.get_inputs()[0]
        self._input: str = given.name
        self._doubles: bool = given.type == "tensor(double)"

    def answer(self, matrix: Matrix) -> Matrix:
        rows = matrix if self._doubles else matrix.astype(np.float32)
        parts = [rows[begin : begin + _ROWS_AT_ONCE] for begin in range(0, len(rows), _ROWS_AT_ONCE)] or [rows]
        return self.reshape(np.concatenate([self._run(part) for part in parts]), len(matrix))

    def _run(self, rows: Any) -> Any:
        try:
            answer = self._session.run(None, {self._input: rows})[0]
        except Exception as error:  # its exceptions have no common base, and none of them says which row it was
            raise ArtifactError(
                f"The model cannot answer these rows: {str(error).strip()[:200]}. A number of them is probably outside "
                "of what it takes, such as a position that an embedding does not have."
            ) from error
        return np.atleast_1d(answer)  # a network that squeezes gives one row without a dimension
