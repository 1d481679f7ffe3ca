"""A sentence encoder with a classification head, from token ids to the probability of each category."""

import torch
from torch import Tensor, nn
from transformers import BertModel

from mlp_assets.examples.catalogue.feed import encoder_folder


class CategoryNetwork(nn.Module):
    """The mean of the encoder's last layer over the tokens, then a linear layer.

    Input: token ids (rows, length) as float32, 0 for padding. Output: logits (rows, classes).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = BertModel.from_pretrained(encoder_folder(), local_files_only=True, add_pooling_layer=False)
        self.head = nn.Linear(self.encoder.config.hidden_size, classes)

    @property
    def parts(self) -> tuple[nn.Module, nn.Module]:
        """The pretrained encoder and the new head."""
        return self.encoder, self.head

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.long()
        mask = (tokens != 0).long()
        states = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        return self.head((states * weights).sum(dim=1) / weights.sum(dim=1))


class Probabilities(nn.Module):
    """The network with a softmax, as it is served."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.network(x).float(), dim=1)
