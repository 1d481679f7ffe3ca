"""The registry on a real MLflow store: one version per candidate, one champion, every download verified."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlp_assets.artifact.manifest import ArtifactError, load_scorer
from mlp_assets.training.export import export
from mlp_resources.registry.mlflow import MlflowRegistry
from tests.support.candidate import DATASET, candidate
from tests.support.exported import KIND, KINDS, X, Y, near, run_of
from tests.support.mlflow_store import empty_store


def test_versions_and_the_champion(tmp_path: Path) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    first = registry.register(candidate(tmp_path, "one"))
    assert registry.register(replace(candidate(tmp_path, "again"), key="one")).version == first.version
    second = registry.register(candidate(tmp_path, "two"))
    assert [version.version for version in registry.versions("shop.buys")] == ["1", "2"]
    assert registry.models() == ["shop.buys"]
    assert MlflowRegistry(tmp_path / "none").models() == []
    assert registry.champion("shop.buys") is None
    registry.name_champion("shop.buys", "1")
    registry.name_champion("shop.buys", second.version)
    champion = registry.champion("shop.buys")
    assert champion is not None
    assert (champion.version, champion.digest) == ("2", second.digest)


def test_a_run_has_everything_that_an_mlflow_user_expects(tmp_path: Path) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    version = registry.register(candidate(tmp_path, "one"))
    client = registry._client()
    run = client.get_run(version.run_id)
    assert run.data.metrics == {"mae": 1.5, "loss": 0.4}
    assert run.data.params == {"seed": "0"}
    assert [point.value for point in client.get_metric_history(version.run_id, "loss")] == [0.5, 0.4]
    assert {item.path for item in client.list_artifacts(version.run_id)} == {
        "serving", "pictures", "model-card.md", "checks.json",
    }  # fmt: skip
    (logged,) = run.inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == (DATASET.name, DATASET.digest[:32])
    assert client.get_model_version("shop.buys", "1").description == "# card"
    from mlflow.models import get_model_info

    assert get_model_info(client.get_model_version("shop.buys", "1").source).signature is not None


def fitted(kind: str) -> Any:
    """A model for numbers; that of XGBoost stopped early."""
    import lightgbm
    import xgboost
    from sklearn.linear_model import Ridge

    if kind == "xgboost":
        model = xgboost.XGBRegressor(n_estimators=60, learning_rate=0.9, early_stopping_rounds=2)
        return model.fit(X[:200], Y[:200], eval_set=[(X[200:], Y[200:])], verbose=False)
    return {"own": near(), "onnx": Ridge().fit(X, Y), "lightgbm": lightgbm.LGBMRegressor(verbose=-1).fit(X, Y)}[kind]


def native(kind: str, address: str, matrix: np.ndarray) -> list[float]:
    """What the model answers that MLflow loads by the library of its format."""
    import mlflow
    import xgboost
    from onnxruntime import InferenceSession

    loaded = getattr(mlflow, kind).load_model(address)
    if kind == "onnx":
        session = InferenceSession(loaded.SerializeToString())
        answer = session.run(None, {session.get_inputs()[0].name: matrix.astype(np.float32)})[0]
    else:
        answer = loaded.predict(xgboost.DMatrix(matrix) if kind == "xgboost" else matrix)
    return np.asarray(answer).ravel().tolist()


@pytest.mark.parametrize("kind", ["xgboost", "own", "onnx", "lightgbm"])
def test_mlflow_loads_every_format_without_unpickling(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    (tmp_path / "run").mkdir()
    digest = export(run_of(tmp_path / "run", "regression"), fitted(kind), tmp_path / "exported")
    features = load_scorer(tmp_path / "exported").encoding.inputs
    example = pl.DataFrame({name: [0.25, 0.75] for name in features})
    own_candidate = replace(candidate(tmp_path, "one"), artifact=tmp_path / "exported", digest=digest, example=example)
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):  # as a program that finds models by name sets them
        monkeypatch.setenv(variable, registry.tracking_uri)
    version = registry.register(own_candidate)
    registry.name_champion("shop.buys", version.version)
    scorer = load_scorer(registry.download(version), digest)
    rows = pl.DataFrame(np.random.default_rng(1).normal(size=(50, 3)), schema=list(features))
    own = scorer.predict(rows.to_numpy())
    for address in ("models:/shop.buys@champion", "models:/shop.buys/1"):
        answer = mlflow.pyfunc.load_model(address).predict(rows.to_pandas())
        assert answer["prediction"].tolist() == own.tolist()
    if kind != "own":
        assert native(kind, "models:/shop.buys@champion", rows.to_numpy()) == pytest.approx(own.tolist())
    pickles = [path for path in (tmp_path / "mlflow").rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]
    assert pickles == []


def test_mlflow_gives_classes_and_no_answer_to_rows_that_the_model_refuses(tmp_path: Path) -> None:
    import mlflow
    from sklearn.linear_model import LogisticRegression

    (tmp_path / "run").mkdir()
    model = LogisticRegression().fit(X, KIND)
    digest = export(replace(run_of(tmp_path / "run", "multiclass"), classes=KINDS), model, tmp_path / "exported")
    features = load_scorer(tmp_path / "exported").encoding.inputs
    example = pl.DataFrame({name: [0.25, 0.75] for name in features})
    made = replace(candidate(tmp_path, "one"), artifact=tmp_path / "exported", digest=digest, example=example)
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    registry.register(made)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            patch.setenv(variable, registry.tracking_uri)
        loaded = mlflow.pyfunc.load_model("models:/shop.buys/1")
    rows = pl.DataFrame(X[:6], schema=list(features)).cast(pl.Float64).to_pandas()
    rows.loc[2, features[0]] = float("nan")
    whole, found = model.predict_proba(X[:6]), loaded.predict(rows, params={"probabilities": True})
    answered = [0, 1, 3, 4, 5]
    assert found["prediction"][answered].tolist() == [KINDS[n] for n in whole.argmax(axis=1)[answered]]
    assert found["probability"][answered].tolist() == pytest.approx(whole.max(axis=1)[answered].tolist(), abs=1e-6)
    assert np.allclose(found["probabilities"][answered].tolist(), whole[answered], atol=1e-6)
    assert found.loc[2].isna().all()
    with pytest.raises(Exception, match=f"missing inputs.*{features[0]}"):
        loaded.predict(rows[[features[1]]])


def test_a_changed_artifact_is_not_downloaded(tmp_path: Path) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    version = registry.register(candidate(tmp_path, "one"))
    stored = next((tmp_path / "mlflow" / "artifacts").rglob("serving/model.onnx"))
    stored.write_bytes(stored.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match="was changed after it was registered"):
        registry.download(version)


def test_a_changed_copy_is_downloaded_again_for_concurrent_callers(tmp_path: Path) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    version = registry.register(candidate(tmp_path, "one"))
    copy = registry.download(version)
    assert registry.artifact(version) == copy.as_uri()
    (copy / "stray.py").write_text("")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: registry.download(version), range(4))) == {copy}
    assert {path.name for path in copy.iterdir()} == {"model.json", "model.onnx"}


def test_an_unreadable_store_is_an_error_and_not_a_missing_champion(tmp_path: Path) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    version = registry.register(candidate(tmp_path, "one"))
    assert registry.champion("shop.unknown") is None
    database = next((tmp_path / "mlflow").glob("*.db"))
    with sqlite3.connect(database) as store:
        store.execute("ALTER TABLE registered_model_aliases RENAME TO gone")
    with pytest.raises(Exception, match="registered_model_aliases"):
        registry.champion(version.model)


def test_a_long_card_is_shortened_in_the_version_and_complete_in_the_run(tmp_path: Path) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    version = registry.register(replace(candidate(tmp_path, "one"), card="| a line |\n" * 1000))
    card = registry._client().get_model_version("shop.buys", version.version).description
    assert len(card) < 5000
    assert card.endswith("| a line |\n\nThe rest is in the run's model-card.md.")


def test_a_version_has_a_page(tmp_path: Path) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"), ui="http://127.0.0.1:5123")
    assert registry.url(registry.register(candidate(tmp_path, "one"))) == (
        "http://127.0.0.1:5123/#/models/shop.buys/versions/1"
    )
