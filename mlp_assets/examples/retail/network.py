"""The network of the repurchase model, which standardises its inputs and flags missing values."""

import numpy as np
import torch
from torch import Tensor, nn

_COLUMNS = 2


class RepurchaseNetwork(nn.Module):
    """Two hidden layers over log-scaled, standardised inputs and their missing flags.

    Input: (rows, features) float32 with NaN for missing. Output: logits (rows,).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: np.ndarray, hidden: int) -> None:
        super().__init__()
        mean, deviation = _moments(inputs)
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(np.maximum(deviation, 1e-3)))
        width = inputs.shape[1]
        self.layers = nn.Sequential(
            nn.Linear(2 * width, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        missing = torch.isnan(x)
        known = torch.where(missing, torch.zeros_like(x), x)
        scaled = (torch.sign(known) * torch.log1p(torch.abs(known)) - self.mean) / self.scale
        inputs = torch.where(missing, torch.zeros_like(x), scaled.clamp(-6.0, 6.0))
        return self.layers(torch.cat([inputs, missing.to(x.dtype)], dim=1)).squeeze(1)


def _moments(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each log-scaled column, float32. A few columns at a time bound the memory."""
    means, deviations = [], []
    for first in range(0, inputs.shape[1], _COLUMNS):
        columns = np.ascontiguousarray(inputs[:, first : first + _COLUMNS])
        scaled = np.abs(columns)
        np.log1p(scaled, out=scaled)
        np.copysign(scaled, columns, out=scaled)
        means.append(np.nanmean(scaled, axis=0))
        deviations.append(np.nanstd(scaled, axis=0))
    return np.concatenate(means).astype(np.float32), np.concatenate(deviations).astype(np.float32)
