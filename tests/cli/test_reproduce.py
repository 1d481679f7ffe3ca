"""`mlp reproduce` on a version of a real run: to the last bit, and what is named where that cannot be."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import mlp_assets as mlp
from mlp_assets.cli.reproduce import report
from mlp_assets.platform import Reproduction, reproduce_version
from tests.models.test_champion_asset import WEEKS
from tests.support import shop
from tests.support.platform import Platform

NAME = "shop.comes_again"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A version, and rows and features that came after it."""
    folder = tmp_path_factory.mktemp("built")
    platform = Platform(shop.make(), folder / ".mlp")
    platform.run("source", "features", tags=WEEKS)
    platform.run("training_set", "candidate")
    platform.run("source", "features", tags={"dagster/partition": "2024-04-29"})
    platform.run("training_set")
    (folder / "reproduced_team.py").write_text("from tests.support import shop\n\nproject = shop.make()\n")
    (folder / "workspace.yaml").write_text("load_from:\n- python_module: reproduced_team\n")
    return platform


@pytest.fixture
def made(built: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A copy of it, to be changed."""
    folder = built.environment.home.parent
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("MLP_HOME", str(tmp_path / ".mlp"))
    monkeypatch.chdir(tmp_path)
    return Platform(shop.make(), tmp_path / ".mlp")


def again(made: Platform, train: Callable[..., object] = shop.train, seed: int = 0) -> Reproduction:
    project = shop.make()
    (model,) = project.models
    object.__setattr__(model, "train", train)
    object.__setattr__(model, "seed", seed)
    return reproduce_version(project, model, "1", tolerance=0.05, environment=made.environment)


def unseeded(run: mlp.TrainingRun) -> object:
    import time

    import lightgbm

    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": time.time_ns() % 2**31}
    data = lightgbm.Dataset(run.train.x.astype(float), run.train.y)
    return lightgbm.train(settings | {"bagging_fraction": 0.5, "bagging_freq": 1}, data, 40)


def constant(run: mlp.TrainingRun) -> object:
    import lightgbm

    data = lightgbm.Dataset(run.train.x.astype(float), run.train.y)
    return lightgbm.train({"objective": "binary", "verbose": -1, "num_leaves": 2}, data, 1)


def said(named: str, *, holds: bool = True) -> str:
    console = Console(file=io.StringIO(), width=160)
    assert report(console, Path("workspace.yaml"), named, 0.01) == holds
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def set_tag(made: Platform, name: str, value: str) -> None:
    made.environment.registry._client().set_model_version_tag(NAME, "1", name, value)  # type: ignore[attr-defined]


def test_a_version_is_made_again_to_the_last_bit_though_its_tables_went_on(made: Platform) -> None:
    before = {path for path in made.environment.home.rglob("*") if "training" not in path.parts}
    told = said("shop/comes_again@1")
    assert "shop/comes_again@1 was made again, to the last bit." in told
    assert "≠" not in told
    assert {path for path in made.environment.home.rglob("*") if "training" not in path.parts} - before <= {
        made.environment.home / "mlflow" / "downloads",
        *(made.environment.home / "mlflow" / "downloads").rglob("*"),
        *(made.environment.home / "dagster").rglob("*"),
        made.environment.home / "dagster",
    }


def test_other_code_is_named_and_its_metrics_decide(made: Platform) -> None:
    near, far = again(made, unseeded), again(made, constant)
    assert near.differs == far.differs == ("code",)
    assert near.holds
    assert not near.weights.same
    assert near.largest > 0
    assert not far.holds


def test_another_seed_is_named(made: Platform) -> None:
    assert again(made, seed=3).differs == ("code", "seed")  # the seed is part of the spec


def test_a_training_that_is_not_deterministic_is_found_out(made: Platform) -> None:
    project = shop.make()
    (model,) = project.models
    object.__setattr__(model, "train", unseeded)
    own = Platform(project, made.environment.home)
    own.run("training_set", "candidate")
    found = reproduce_version(project, model, "2", environment=own.environment)
    assert found.differs == ()
    assert not found.holds


def test_libraries_and_hardware_that_differ_are_named(made: Platform) -> None:
    client = made.environment.registry._client()  # type: ignore[attr-defined]
    run_id = made.environment.registry.versions(NAME)[0].run_id
    file = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / "environment.json"
    kept = file.read_text()
    told = json.loads(kept)
    told["packages"] |= {"lightgbm": "1.0", "leftover": "2.0"}
    told["threads"] = 64
    file.write_text(json.dumps(told))
    try:
        found = again(made)
    finally:
        file.write_text(kept)
    assert found.differs == ("libraries", "hardware")
    assert found.holds
    (libraries,) = [cause for cause in found.causes if cause.what == "libraries"]
    assert libraries.then == "leftover 2.0, lightgbm 1.0"
    assert libraries.now.startswith("leftover none, lightgbm 4")


def test_another_digest_of_the_data_holds_never(made: Platform) -> None:
    set_tag(made, "mlp.training_set_digest", "0" * 64)
    told = said("shop/comes_again@1", holds=False)
    assert "The training set is not the same, so nothing after it can be." in told


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("shop/comes_again", "names no version. Write PROJECT/MODEL@VERSION, such as retail/repurchase@3."),
        ("shop/come_again@1", "The workspace has no model shop/come_again. Did you mean 'shop/comes_again'?"),
        ("shop/comes_again@7", "shop.comes_again has no version 7. There are: 1."),
    ],
)
def test_what_is_not_there_is_told(made: Platform, named: str, told: str) -> None:
    with pytest.raises(mlp.MlpError) as error:
        said(named)
    assert told in str(error.value)


def test_a_version_whose_data_is_gone_says_so(made: Platform) -> None:
    tags = made.environment.registry.versions(NAME)[0].tags
    set_tag(made, "mlp.tables_read", json.dumps({"shop/source/outcomes": 0}))
    with pytest.raises(mlp.MlpError, match=r"reads 'shop/features/spending' now, which version 1 was not made of"):
        again(made)
    set_tag(made, "mlp.tables_read", tags["mlp.tables_read"])
    for file in (made.environment.home / "lake" / "shop" / "features" / "spending").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(mlp.MlpError, match="a vacuum ends how far back one can be made again"):
        again(made)
    made.environment.registry._client().delete_model_version_tag(NAME, "1", "mlp.tables_read")  # type: ignore[attr-defined]
    with pytest.raises(mlp.MlpError, match="does not say which versions of its tables it was made of"):
        again(made)
