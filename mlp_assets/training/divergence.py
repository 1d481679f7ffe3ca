"""Ends a training as soon as it diverges: a value that is not finite makes all later steps useless."""

import math
from typing import Any

from mlp_assets.errors import MlpError

# Reading a number from a GPU waits for all work that is queued there.
_EVERY_ON_GPU = 50


class TrainingDiverged(MlpError):
    """A loss, a metric or the norm of the gradients is not finite."""


def check_finite(name: str, value: float, when: str) -> None:
    """Raises TrainingDiverged where the value is not finite."""
    if not math.isfinite(value):
        raise TrainingDiverged(
            f"{name} is {value} {when}: the training diverged. Lower the learning rate, clip the gradients, or "
            "check the inputs."
        )


def check_divergence(accelerator: Any) -> Any:
    """Wraps the accelerator so that each loss (each 50th on a GPU) and each gradient norm is checked to be finite."""
    backward, clip, passes = accelerator.backward, accelerator.clip_grad_norm_, 0

    def checked_backward(loss: Any, **options: Any) -> None:
        nonlocal passes
        passes += 1
        if loss.device.type == "cpu" or passes % _EVERY_ON_GPU == 0:
            check_finite("loss", float(loss.detach().mean()), f"in backward pass {passes}")
        backward(loss, **options)

    def checked_clip(*arguments: Any, **options: Any) -> Any:
        norm = clip(*arguments, **options)
        # Norms in fp16 may overflow: the gradient scaler then skips the step.
        if norm is not None and accelerator.mixed_precision != "fp16" and norm.device.type == "cpu":
            total = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of sharded gradients
            check_finite("the norm of the gradients", float(total), f"after backward pass {passes}")
        return norm

    accelerator.backward, accelerator.clip_grad_norm_ = checked_backward, checked_clip
    return accelerator
