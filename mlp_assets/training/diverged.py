"""A training that diverged is ended where it is seen: nothing that comes after it would be of use."""

import math
from typing import Any

from mlp_assets.errors import MlpError

# To read a number from a GPU waits for all that it has to do.
_EVERY_ON_GPU = 50


class TrainingDiverged(MlpError):
    """A loss, a metric or the norm of gradients is not finite."""


def check_finite(name: str, value: float, when: str) -> None:
    """Raises TrainingDiverged where the value is not finite."""
    if not math.isfinite(value):
        raise TrainingDiverged(
            f"{name} is {value} {when}: the training diverged. Lower the learning rate, clip the gradients, or look at "
            "the inputs."
        )


def watched(accelerator: Any) -> Any:
    """The accelerator, which looks at each loss that it is given (on GPUs at every fiftieth), and at each norm."""
    backward, clip, passes = accelerator.backward, accelerator.clip_grad_norm_, 0

    def checked_backward(loss: Any, **options: Any) -> None:
        nonlocal passes
        passes += 1
        if loss.device.type == "cpu" or passes % _EVERY_ON_GPU == 0:
            check_finite("loss", float(loss.detach().mean()), f"in backward pass {passes}")
        backward(loss, **options)

    def checked_clip(*given: Any, **options: Any) -> Any:
        norm = clip(*given, **options)
        # Those of fp16 may overflow: its scaler then leaves the step out.
        if norm is not None and accelerator.mixed_precision != "fp16" and norm.device.type == "cpu":
            whole = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of shards
            check_finite("the norm of the gradients", float(whole), f"after backward pass {passes}")
        return norm

    accelerator.backward, accelerator.clip_grad_norm_ = checked_backward, checked_clip
    return accelerator
