"""The best state of a model so far, by a score on the validation rows."""

import math
from typing import Any


class Best:
    """Keeps a copy of a module's state whenever it is offered a better score.

    Name it in ``run.checkpoints(best=...)``, so that it is part of the checkpoints.

    Args:
        module: the torch module, wrapped by Accelerate or not.
        higher_is_better: False for losses.
    """

    def __init__(self, module: Any, *, higher_is_better: bool = False) -> None:
        self._module = getattr(module, "module", module)
        self._sign = 1 if higher_is_better else -1
        self.score = -math.inf * self._sign
        self._kept = self._copy()

    def offer(self, score: float) -> bool:
        """Keeps the module's state where the score is the best so far; returns whether it is."""
        if not self._sign * score > self._sign * self.score:
            return False
        self.score, self._kept = score, self._copy()
        return True

    def restore(self) -> None:
        """Loads the best state into the module."""
        self._module.load_state_dict(self._kept)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self._kept = state["score"], state["kept"]

    def _copy(self) -> dict[str, Any]:
        return {name: value.detach().clone() for name, value in self._module.state_dict().items()}
