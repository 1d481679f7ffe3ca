"""Encodes texts as token numbers, with a tokenizer of the library ``tokenizers`` that is stored whole."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.errors import MlpError
from mlp_assets.nouns.encoders import Tokens
from mlp_assets.tables.batches import column_batches

_PADDINGS = ("[PAD]", "<pad>", "<|padding|>")
_TEXTS_AT_ONCE = 1 << 17
_TEXT_BYTES = 64_000_000


@dataclass(frozen=True)
class FittedTokens:
    """A tokenizer, in the form of ``tokenizer.json``, and the number of tokens to which a text is cut or padded."""

    tokenizer: str
    width: int
    kind: ClassVar[str] = "tokens"

    @property
    def vocabulary(self) -> int:
        """Number of tokens: the size of an embedding."""
        return self._loaded.get_vocab_size(with_added_tokens=True)

    def encode(self, values: Sequence[Any]) -> NDArray[np.float64]:
        """(rows, width). Token numbers are far below what a float32 holds exactly."""
        if not len(values):
            return np.empty((0, self.width))
        texts = [value if value is not None else "" for value in values]
        return np.array([encoded.ids for encoded in self._loaded.encode_batch_fast(texts)], dtype=np.float64)

    @cached_property
    def _loaded(self) -> Any:
        tokenizer: Any = _library().Tokenizer.from_str(self.tokenizer)
        padding = next((token for token in _PADDINGS if tokenizer.token_to_id(token) is not None), None)
        tokenizer.enable_truncation(self.width)
        tokenizer.enable_padding(length=self.width, pad_id=tokenizer.token_to_id(padding), pad_token=padding)
        return tokenizer


def fit_tokens(encoder: Tokens, texts: Callable[[], Sequence[str]]) -> FittedTokens:
    """The encoder's own tokenizer, or one learned from the texts.

    Args:
        texts: gives distinct texts in alphabetical order; called only where a tokenizer is learned.

    Raises:
        MlpError: the tokenizer's file is missing, is no tokenizer, or has no padding token.
    """
    if encoder.tokenizer is None:
        return FittedTokens(_learn(texts(), encoder.vocabulary), encoder.length)
    path = encoder.tokenizer()
    try:
        written = path.read_text(encoding="utf-8")
        tokenizer: Any = _library().Tokenizer.from_str(written)
    except MlpError:
        raise
    except Exception as error:  # the library raises a bare Exception for what it cannot read
        raise MlpError(
            f"mlp.Tokens: {path} is no tokenizer: {error}. Give the tokenizer.json of a pretrained encoder, or leave "
            "tokenizer out to learn one from the training rows."
        ) from error
    if all(tokenizer.token_to_id(token) is None for token in _PADDINGS):
        raise MlpError(f"mlp.Tokens: {path} has no padding token. Add one of {', '.join(_PADDINGS)} to it.")
    return FittedTokens(written, encoder.length)


def distinct_texts(
    rows: pl.LazyFrame, name: str, note: Callable[[str], None], most_bytes: int = _TEXT_BYTES
) -> list[str]:
    """The distinct texts of a column in alphabetical order, or a sample of them of at most ``most_bytes`` bytes.

    The sample is drawn by a hash of each text, so it depends neither on the order of the rows nor on the machine:
    the share of the hashes that is kept is halved until the texts fit.

    Args:
        note: called with a sentence where a sample was drawn.
    """
    held, share = pl.Series(name, [], dtype=pl.String), 1.0
    for batch in column_batches(rows, name, _TEXTS_AT_ONCE):
        held = pl.concat([held, _of_share(batch.drop_nulls().unique(), share)]).unique()
        while int(held.str.len_bytes().sum()) > most_bytes:
            share /= 2
            held = _of_share(held, share)
    if share < 1.0:
        note(
            f"The tokenizer of {name!r} was learned from {len(held)} distinct texts: those whose hash is in the first "
            f"1/{1 / share:g} of its range."
        )
    return held.sort().to_list()


def _of_share(texts: pl.Series, share: float) -> pl.Series:
    if share == 1.0:
        return texts
    bound = int(share * 2**64)
    return texts.filter(pl.Series([_hash(text) < bound for text in texts.to_list()], dtype=pl.Boolean))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _learn(texts: Sequence[str], vocabulary: int) -> str:
    """Learns byte pairs of lower-cased text, so no text has unknown tokens. The same texts give the same tokens.

    The library's word pieces are not reproducible: their trainer iterates over a hash map.

    Source: Radford et al., Language Models are Unsupervised Multitask Learners (2019), section 2.2.
    """
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.normalizer = library.normalizers.Sequence([library.normalizers.NFKC(), library.normalizers.Lowercase()])
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_PADDINGS[0]],
        show_progress=False,
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return cast("str", tokenizer.to_str())


def _library() -> Any:
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise MlpError(
            f"mlp.Tokens needs {error.name}, which is not installed. Write pip install 'mlp-assets[text]'."
        ) from error
    return tokenizers
