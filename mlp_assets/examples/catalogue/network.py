"""A sentence encoder with a classifier on it, from numbers of tokens to the probability of each category."""

import torch
from torch import Tensor, nn
from transformers import BertModel

from mlp_assets.examples.catalogue.feed import encoder_folder


class CategoryNetwork(nn.Module):
    """The mean of the encoder's last layer over the tokens that are there, and a linear layer.

    Input (rows, length) float32, the numbers of tokens with 0 for padding; output (rows, classes) log-odds.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = BertModel.from_pretrained(encoder_folder(), local_files_only=True, add_pooling_layer=False)
        self.head = nn.Linear(self.encoder.config.hidden_size, classes)

    @property
    def parts(self) -> tuple[nn.Module, nn.Module]:
        """What was trained before, and what is new."""
        return self.encoder, self.head

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.long()
        there = (tokens != 0).long()
        states = self.encoder(input_ids=tokens, attention_mask=there).last_hidden_state
        weights = there.unsqueeze(-1).to(states.dtype)
        return self.head((states * weights).sum(dim=1) / weights.sum(dim=1))


class Probabilities(nn.Module):
    """The network as it is served: the probability of each category."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.network(x).float(), dim=1)
