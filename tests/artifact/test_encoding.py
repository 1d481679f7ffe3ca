"""Encoders do what their names say on any rows, in one batch or many, and after a round trip through JSON."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.artifact.encoding import Encoding, fit_encoders
from mlp_assets.artifact.tokens import FittedTokens
from mlp_assets.examples.catalogue import feed

ENCODE = {"brand": mlp.Categories(min_rows=2), "spend": mlp.Standardized(), "looks": mlp.Vector(size=2)}
ROW = st.fixed_dictionaries(
    {
        "brand": st.none() | st.sampled_from(["a", "b", "ä", "", "c"]),
        "spend": st.none() | st.floats(-1e6, 1e6),
        "looks": st.none() | st.lists(st.floats(-9, 9), min_size=2, max_size=2),
        "hour": st.none() | st.integers(0, 23),
    }
)
SCHEMA = {"brand": pl.String, "spend": pl.Float64, "looks": pl.List(pl.Float64), "hour": pl.Int64}
INPUTS = ("hour", "looks", "brand", "spend")


def frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


@settings(max_examples=60, deadline=None)
@given(train=st.lists(ROW, min_size=1, max_size=30), rows=st.lists(ROW, min_size=1, max_size=12))
def test_every_value_is_encoded_as_declared(train: list[dict[str, object]], rows: list[dict[str, object]]) -> None:
    encoding = fit_encoders(INPUTS, ENCODE, frame(train).lazy())
    assert encoding.columns == ("hour", "looks[0]", "looks[1]", "brand", "spend")
    matrix = encoding.matrix(frame(rows))
    counts = [row["brand"] for row in train]
    known = sorted({value for value in counts if value is not None and counts.count(value) >= 2})
    spends = np.array([row["spend"] for row in train if row["spend"] is not None], dtype=float)
    mean, deviation = (spends.mean(), spends.std() or 1.0) if spends.size else (0.0, 1.0)
    for got, row in zip(matrix, rows, strict=True):
        wanted = [
            *(row[name] if row[name] is not None else float("nan") for name in ("hour",)),
            *(row["looks"] or [float("nan")] * 2),  # type: ignore[misc]
            known.index(row["brand"]) + 1 if row["brand"] in known else 0,
            float("nan") if row["spend"] is None else (row["spend"] - mean) / deviation,  # type: ignore[operator]
        ]
        np.testing.assert_allclose(got, np.array(wanted, dtype=float), rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, min_size=2, max_size=20), cut=st.integers(1, 19))
def test_batches_and_stored_encoders_give_the_same_bits(rows: list[dict[str, object]], cut: int) -> None:
    encoding = fit_encoders(INPUTS, ENCODE, frame(rows).lazy())
    again = Encoding.from_dict(INPUTS, json.loads(json.dumps(encoding.to_dict())))
    whole = encoding.matrix(frame(rows))
    batches = [again.matrix(frame(part)) for part in (rows[:cut], rows[cut:]) if part]
    assert np.concatenate(batches).tobytes() == whole.tobytes()
    columns = {name: [row[name] for row in rows] for name in INPUTS}
    assert encoding.matrix_of(len(rows), columns).tobytes() == whole.tobytes()


def test_a_list_of_another_size_is_refused_with_its_input() -> None:
    encoding = fit_encoders(("looks",), {"looks": mlp.Vector(size=3)}, pl.LazyFrame())
    with pytest.raises(mlp.MlpError, match=r"Input 'looks': a list has 2 numbers where mlp.Vector\(size=3\) is decl"):
        encoding.matrix(pl.DataFrame({"looks": [[1.0, 2.0]]}))
    with pytest.raises(mlp.MlpError, match="The encoders are not this platform's"):
        Encoding.from_dict(("looks",), {"looks": {"kind": "pickled"}})


def test_some_of_the_inputs() -> None:
    encoding = fit_encoders(INPUTS, ENCODE, frame([{"brand": "a", "spend": 1.0, "looks": None, "hour": 1}] * 3).lazy())
    assert encoding.only(["brand", "hour"]).columns == ("brand", "hour")
    assert encoding.only(["hour"]).encoders == {}
    assert encoding.places["looks"] == slice(1, 3)


TEXTS = st.lists(st.none() | st.text(max_size=30), max_size=8)


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS, train=st.lists(st.text(max_size=20), max_size=20), length=st.integers(1, 9))
def test_tokens_are_padded_and_cut_and_depend_only_on_the_text(
    texts: list[str | None], train: list[str], length: int
) -> None:
    learnt = [pl.LazyFrame({"brand": part}, schema={"brand": pl.String}) for part in (train, train[::-1] * 2)]
    encoders = [fit_encoders(["brand"], {"brand": mlp.Tokens(length, vocabulary=512)}, rows) for rows in learnt]
    assert encoders[0].to_dict() == encoders[1].to_dict()  # neither order nor repetition matters
    again = Encoding.from_dict(["brand"], json.loads(json.dumps(encoders[0].to_dict())))
    matrix = again.matrix_of(len(texts), {"brand": texts})
    assert matrix.shape == (len(texts), length)
    assert matrix.astype(np.float32).tolist() == matrix.tolist()
    for row, text in zip(matrix, texts, strict=True):
        assert row.tolist() == again.matrix_of(1, {"brand": [text]})[0].tolist()
        kept = row[row != 0]
        assert (row[len(kept) :] == 0).all()
        assert bool(len(kept)) == bool(unicodedata.normalize("NFKC", text or "").lower())


def test_a_pretrained_tokenizer_is_stored_unchanged(tmp_path: Path) -> None:
    encoding = fit_encoders(["brand"], {"brand": mlp.Tokens(6, tokenizer=feed.encoder_tokenizer)}, pl.LazyFrame())
    tokens = encoding.encoders["brand"]
    assert isinstance(tokens, FittedTokens)
    assert tokens.tokenizer == feed.encoder_tokenizer().read_text(encoding="utf-8")
    assert tokens.vocabulary == 30522
    begin, soap, end = 101.0, 7815.0, 102.0
    assert encoding.matrix_of(2, {"brand": ["SOAP", None]}).tolist() == [
        [begin, soap, end, 0, 0, 0],
        [begin, end, 0, 0, 0, 0],
    ]


def no_tokenizer() -> Path:
    return Path(__file__)


def test_a_file_that_is_not_a_tokenizer_is_refused() -> None:
    with pytest.raises(mlp.MlpError, match=r"test_encoding.py is no tokenizer.*leave tokenizer out to learn one"):
        fit_encoders(["brand"], {"brand": mlp.Tokens(6, tokenizer=no_tokenizer)}, pl.LazyFrame())


def test_categories_that_a_float_does_not_hold_are_refused() -> None:
    codes = pl.DataFrame({"code": pl.Series([2**60 + 1, 2**60 + 2])})
    exact = fit_encoders(("code",), {"code": mlp.Categories()}, codes.lazy())
    assert exact.matrix(codes).tolist() == [[1.0], [2.0]]
    with pytest.raises(mlp.MlpError, match="code holds 1152921504606846976, and .*Declare the column as pl.String"):
        fit_encoders(("code",), {"code": mlp.Categories()}, codes.cast(pl.Float64).lazy())
