"""Rows that are read in batches give what they give in one piece; regressions are fitted on a sample that is stated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.encoding import Encoding, Matrix, fit_encoders
from mlp_assets.artifact.tokens import distinct_texts
from mlp_assets.models.evaluation import baselines
from mlp_assets.models.evaluation.gates import judge
from mlp_assets.models.evaluation.judgement import Evaluation
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.evaluation.report import importances, part_scores, sample_notes
from mlp_assets.models.training_job import digest_in_batches
from mlp_assets.nouns.task import BINARY
from mlp_assets.tables import batches as in_batches
from mlp_assets.tables.batches import batches
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table

ROWS, PARTS, SMALL = 15_000, 3, 40_000  # of SMALL bytes, a batch has 1,024 rows
INPUTS = ("a", "b", "c")
GATES = (
    mlp.BetterThan("base_rate"), mlp.BetterThan("logistic_regression"), mlp.BetterThan("column:a"),
    mlp.AtLeast("roc_auc", 0.6), mlp.OnEverySlice("log_loss", 0.9, by="b"), mlp.Calibrated(0.2),
    mlp.NoWorseThan("champion"),
)  # fmt: skip


def frame() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=ROWS), rng.normal(size=ROWS)
    chance = 1 / (1 + np.exp(-a - 0.5 * b))
    missing = pl.Series(rng.random(ROWS) < 0.1)
    rows = pl.DataFrame({"a": a, "b": b, "c": rng.integers(0, 5, ROWS), "user": rng.integers(0, 300, ROWS)})
    split = pl.Series(rng.choice(["train", "validation", "test"], ROWS, p=[0.5, 0.08, 0.42]))
    return rows.with_columns(
        b=pl.when(missing).then(None).otherwise("b"),
        bought=pl.Series((rng.random(ROWS) < chance).astype(np.float64)),
        text=pl.Series([f"word{n}" for n in rng.integers(0, 2000, ROWS)]),
        split=split,
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pl.LazyFrame:
    """The rows in several files, so that a scan is of more than one."""
    lake, name = DeltaLake(str(tmp_path_factory.mktemp("lake"))), Table("shop", "training_set", "history")
    step = ROWS // PARTS
    parts = [lake.stage(name, frame().slice(step * part, step), f"part-{part}") for part in range(PARTS)]
    return lake.scan(name, lake.publish(name, parts, frame().schema).version)


def predict(matrix: Matrix) -> np.ndarray:
    return 1 / (1 + np.exp(-(matrix[:, 0] + 0.5 * np.nan_to_num(matrix[:, 1]))))


def read(table: pl.LazyFrame, part: str, *, small: bool) -> LabelledRows:
    rows = LabelledRows.of_part(table, part)
    return replace(rows, batch_bytes=SMALL) if small else rows


def evaluation(table: pl.LazyFrame, *, small: bool) -> Evaluation:
    fit, test = (read(table, part, small=small) for part in ("train", "test"))
    candidate = test.predict(predict, Encoding(INPUTS))
    champion = np.clip(candidate + 0.01, 0, 1)
    return Evaluation(
        BINARY, "bought", ("user", "c"), INPUTS, fit, test, candidate, champion, 0, predict=predict,
        encoding=Encoding(INPUTS),
    )  # fmt: skip


def test_a_scan_is_read_in_exact_batches_in_its_order(table: pl.LazyFrame) -> None:
    train = table.filter(pl.col("split") == "train")
    parts = list(batches(table, table.collect_schema().names(), 1000, pl.col("split") == "train"))
    assert {part.height for part in parts[:-1]} == {1000}
    assert pl.concat(parts).equals(train.collect())
    (empty,) = batches(table, ["a"], 10, pl.col("split") == "none")
    assert (empty.height, empty.columns) == (0, ["a"])


def test_batches_give_the_same_rows_predictions_and_digest(table: pl.LazyFrame) -> None:
    whole, small = (read(table, "test", small=small) for small in (False, True))
    assert len(list(small.batches(INPUTS))) > 5
    assert len(list(whole.batches(INPUTS))) == 1
    assert small.column("user").equals(whole.column("user"))
    positions = np.random.default_rng(0).permutation(whole.height)[:3000]
    assert small.take(positions, INPUTS).equals(whole.take(positions, INPUTS))
    for some in (None, positions, positions[:10]):
        predicted = [rows.predict(predict, Encoding(INPUTS), some).tolist() for rows in (small, whole)]
        assert predicted[0] == predicted[1]
    drawn = small.draw(100, seed=7)
    assert whole.take(drawn, ["a"]).equals(whole.rows.collect().sample(100, seed=7).select("a"))
    assert digest_in_batches(table) == canonical_digest(table.collect())


def test_a_judgement_in_batches_is_that_of_one_piece(table: pl.LazyFrame) -> None:
    one, many = (evaluation(table, small=small) for small in (False, True))
    expected, found = (judge(each, GATES) for each in (one, many))
    assert [result.passed for result in found.results] == [result.passed for result in expected.results]
    assert [result.sentence for result in found.results] == [result.sentence for result in expected.results]
    assert importances(many) == importances(one)
    parts = [[(name, read(table, name, small=small)) for name in ("train", "validation")] for small in (False, True)]
    assert part_scores(many, parts[1]) == part_scores(one, parts[0])


def test_a_regression_that_cannot_take_all_rows_says_on_how_many_it_was_fitted(
    table: pl.LazyFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "_FIT_BYTES", 24 * 2000)
    monkeypatch.setattr(baselines, "_TEXT_BYTES", 20_000)
    many = replace(evaluation(table, small=True), features=(*INPUTS, "text"))
    train = many.fit.height
    first, second = judge(many, (mlp.BetterThan("logistic_regression"), mlp.BetterThan("tfidf"))).results[:2]
    assert f"logistic_regression was fitted on 2000 of {train} training rows, drawn by the seed" in first.sentence
    assert "tfidf was fitted on" in second.sentence
    again = judge(many, (mlp.BetterThan("logistic_regression"),)).results[0]
    assert again.sentence == first.sentence


def test_what_the_report_draws_is_stated() -> None:
    rows = frame()
    small = LabelledRows(rows.lazy(), batch_bytes=SMALL)
    whole = evaluation(rows.lazy(), small=False)
    assert sample_notes(part_scores(whole, [("all", small)]), whole.rows.height) == [
        f"Permutation importance: 5000 of {whole.rows.height} test rows, drawn by the seed."
    ]


def test_encoders_are_fitted_in_batches(table: pl.LazyFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlp_assets.artifact import encoding

    encode = {"a": mlp.Standardized(), "b": mlp.Standardized(), "user": mlp.Categories(min_rows=90)}
    whole = fit_encoders(list(encode), encode, table)
    monkeypatch.setattr(encoding, "_ROWS_AT_ONCE", 1000)
    small = fit_encoders(list(encode), encode, table)
    values = table.select("a").collect().to_series().to_numpy()
    assert whole.to_dict()["a"]["mean"] == float(values.mean())
    assert whole.to_dict()["a"]["deviation"] == float(values.std())
    assert small.to_dict()["user"] == whole.to_dict()["user"]
    for name in ("a", "b"):
        assert small.to_dict()[name]["deviation"] == pytest.approx(whole.to_dict()[name]["deviation"], rel=1e-12)


def test_a_sample_of_texts_depends_on_the_texts_alone(table: pl.LazyFrame) -> None:
    notes: list[str] = []
    every = distinct_texts(table, "text", notes.append)
    assert every == sorted({f"word{n}" for n in range(2000)} & set(frame()["text"]))
    assert not notes
    some = distinct_texts(table, "text", notes.append, most_bytes=4000)
    assert 200 < len(some) < 600
    assert set(some) < set(every)
    assert some == distinct_texts(table.sort("a"), "text", notes.append, most_bytes=4000)
    assert f"learned from {len(some)} distinct texts" in notes[0]


def test_the_bytes_of_a_row_are_measured(tmp_path: Path) -> None:
    wide = pl.LazyFrame({"list": [[1.0] * 50] * 10})
    assert 400 <= in_batches.row_bytes(wide) < 500
    assert in_batches.row_bytes(pl.LazyFrame({"x": []})) == 1
