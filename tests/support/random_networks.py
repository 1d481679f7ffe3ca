"""A random PyTorch network with the steps and outputs that networks usually have."""

from typing import Any

import numpy as np
import torch
from torch import nn

_ACTIVATIONS = [nn.ReLU, nn.Tanh, nn.SiLU, nn.GELU, nn.LeakyReLU, nn.ELU, nn.Hardtanh, nn.Softplus, nn.ReLU6, nn.Mish]


class Network(nn.Module):
    """Fills missing values or not, scales, embeds the last column or not, and gives (rows,), (rows, 1) or classes."""

    def __init__(self, draw: np.random.Generator, x: np.ndarray, task: str) -> None:
        super().__init__()
        self.fills = str(draw.choice(["zero", "flag", "clamp", "nothing"]))
        self.shape, self.type = str(draw.choice(["squeezed", "flat", "column"])), str(draw.choice(["single", "double"]))
        self.task = task
        self.register_buffer("scale", torch.from_numpy(1 / (1 + np.nan_to_num(np.abs(x)).max(axis=0))).float())
        features, width = x.shape[1], int(draw.integers(2, 8))
        activation: Any = _ACTIVATIONS[draw.integers(len(_ACTIVATIONS))]
        normed: nn.Module = [nn.Identity(), nn.LayerNorm(width), nn.BatchNorm1d(width)][draw.integers(3)]
        inputs = features * (2 if self.fills == "flag" else 1)
        outputs = 3 if task == "multiclass" else 1
        self.layers = nn.Sequential(nn.Linear(inputs, width), normed, activation(), nn.Linear(width, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self._ended(self.layers(self._filled(x)))
        return y.double() if self.type == "double" else y

    def _filled(self, x: torch.Tensor) -> torch.Tensor:
        scaled = x * self.scale
        if self.fills == "zero":
            return torch.nan_to_num(scaled)
        if self.fills == "flag":
            missing = torch.isnan(x)
            return torch.cat([torch.where(missing, torch.zeros_like(x), scaled), missing.float()], dim=1)
        return torch.clamp(scaled, -3.0, 3.0) if self.fills == "clamp" else scaled

    def _ended(self, y: torch.Tensor) -> torch.Tensor:
        if self.task == "multiclass":
            return torch.softmax(y, dim=1)
        y = torch.sigmoid(y) if self.task == "binary" else y
        if self.shape == "squeezed":
            return y.squeeze()
        return y.flatten() if self.shape == "flat" else y
