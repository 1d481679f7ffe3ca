"""Texts as the numbers of their tokens, by a tokenizer that is kept whole, as the library ``tokenizers`` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from mlp_assets.errors import MlpError
from mlp_assets.nouns.encoders import Tokens

_PADDINGS = ("[PAD]", "<pad>", "<|padding|>")


@dataclass(frozen=True)
class FittedTokens:
    """A tokenizer, as ``tokenizer.json`` has it, and to how many tokens a text is cut or padded."""

    tokenizer: str
    width: int
    kind: ClassVar[str] = "tokens"

    @property
    def vocabulary(self) -> int:
        """How many tokens it has: the size of an embedding."""
        return self._loaded.get_vocab_size(with_added_tokens=True)

    def encoded(self, values: Sequence[Any]) -> NDArray[np.float64]:
        """(rows, width); numbers of tokens are far below what a float32 holds exactly."""
        if not len(values):
            return np.empty((0, self.width))
        texts = [value if value is not None else "" for value in values]
        return np.array([one.ids for one in self._loaded.encode_batch_fast(texts)], dtype=np.float64)

    @cached_property
    def _loaded(self) -> Any:
        made: Any = _library().Tokenizer.from_str(self.tokenizer)
        padding = next((token for token in _PADDINGS if made.token_to_id(token) is not None), None)
        made.enable_truncation(self.width)
        made.enable_padding(length=self.width, pad_id=made.token_to_id(padding), pad_token=padding)
        return made


def fitted_tokens(encoder: Tokens, texts: Callable[[], Sequence[str]]) -> FittedTokens:
    """The encoder's own tokenizer, or one that is learnt from distinct texts in the order of the alphabet.

    Raises:
        MlpError: there is no such file, it is no tokenizer, or it has no token that pads.
    """
    if encoder.tokenizer is None:
        return FittedTokens(_learnt(texts(), encoder.vocabulary), encoder.length)
    path = encoder.tokenizer()
    try:
        told = path.read_text(encoding="utf-8")
        made: Any = _library().Tokenizer.from_str(told)
    except MlpError:
        raise
    except Exception as error:  # the library raises a bare Exception for what it cannot read
        raise MlpError(
            f"mlp.Tokens: {path} is no tokenizer: {error}. Give the tokenizer.json of a pretrained encoder, or leave "
            "tokenizer out to learn one from the training rows."
        ) from error
    if all(made.token_to_id(token) is None for token in _PADDINGS):
        raise MlpError(f"mlp.Tokens: {path} has no token that pads. Add one of {', '.join(_PADDINGS)} to it.")
    return FittedTokens(told, encoder.length)


def _learnt(texts: Sequence[str], vocabulary: int) -> str:
    """Byte pairs of lower-cased text, so that nothing is unknown. The same texts give the same tokens, which the
    library's word pieces do not (their trainer goes by the order of a hash map).

    Source: Radford et al., Language Models are Unsupervised Multitask Learners (2019), section 2.2.
    """
    library = _library()
    made = library.Tokenizer(library.models.BPE())
    made.normalizer = library.normalizers.Sequence([library.normalizers.NFKC(), library.normalizers.Lowercase()])
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_PADDINGS[0]],
        show_progress=False,
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
    )
    made.train_from_iterator(texts, trainer)
    return cast("str", made.to_str())


def _library() -> Any:
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise MlpError(
            f"mlp.Tokens needs {error.name}, which is not installed. Write pip install 'mlp-assets[text]'."
        ) from error
    return tokenizers
