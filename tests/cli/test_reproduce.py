"""`mlp reproduce` on a version of a real run: bit for bit, and otherwise with the causes of the difference."""

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
from tests.support import shop
from tests.support.champions import with_champion
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots

NAME = "shop.comes_again"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, snapshots: Snapshots) -> Platform:
    """A version, with rows and features that arrived after it."""
    folder = tmp_path_factory.mktemp("built")
    platform = with_champion(snapshots, folder / ".mlp")
    platform.run("source", "features", tags={"dagster/partition": "2024-04-29"})
    platform.run("training_set")
    (folder / "reproduced_team.py").write_text("from tests.support import shop\n\nproject = shop.make()\n")
    (folder / "workspace.yaml").write_text("load_from:\n- python_module: reproduced_team\n")
    return platform


@pytest.fixture
def made(built: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A copy that the test may change."""
    folder = built.environment.home.parent
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("MLP_HOME", str(tmp_path / ".mlp"))
    monkeypatch.chdir(tmp_path)
    return Platform(shop.make(), tmp_path / ".mlp")


def reproduce(made: Platform, train: Callable[..., object] = shop.train, seed: int = 0) -> Reproduction:
    project = shop.make()
    (model,) = project.models
    object.__setattr__(model, "train", train)
    object.__setattr__(model, "seed", seed)
    return reproduce_version(project, model, "1", tolerance=0.05, environment=made.environment)


def printed(named: str, *, holds: bool = True) -> str:
    console = Console(file=io.StringIO(), width=160)
    assert report(console, Path("workspace.yaml"), named, 0.01) == holds
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def set_tag(made: Platform, name: str, value: str) -> None:
    made.environment.registry._client().set_model_version_tag(NAME, "1", name, value)  # type: ignore[attr-defined]


def test_a_version_is_reproduced_bit_for_bit_after_its_tables_changed(made: Platform) -> None:
    before = {path for path in made.environment.home.rglob("*") if "training" not in path.parts}
    text = printed("shop/comes_again@1")
    assert "shop/comes_again@1 was reproduced, bit for bit." in text
    assert "≠" not in text
    assert {path for path in made.environment.home.rglob("*") if "training" not in path.parts} - before <= {
        made.environment.home / "mlflow" / "downloads",
        *(made.environment.home / "mlflow" / "downloads").rglob("*"),
        *(made.environment.home / "dagster").rglob("*"),
        made.environment.home / "dagster",
    }


def test_changed_code_and_a_changed_seed_are_named_and_the_metrics_decide(made: Platform) -> None:
    near, far = reproduce(made, shop.train_on_a_random_half), reproduce(made, shop.train_nothing, seed=3)
    assert near.differs == ("code",)
    assert far.differs == ("code", "seed")
    assert near.holds
    assert not near.weights.same
    assert near.largest > 0
    assert not far.holds


def test_a_nondeterministic_training_is_detected(made: Platform) -> None:
    project = shop.make()
    (model,) = project.models
    object.__setattr__(model, "train", shop.train_on_a_random_half)
    own = Platform(project, made.environment.home)
    own.run("training_set", "candidate")
    reproduction = reproduce_version(project, model, "2", environment=own.environment)
    assert reproduction.differs == ()
    assert not reproduction.holds


def test_changed_libraries_and_hardware_are_named(made: Platform) -> None:
    client = made.environment.registry._client()  # type: ignore[attr-defined]
    run_id = made.environment.registry.versions(NAME)[0].run_id
    file = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / "environment.json"
    original = file.read_text()
    recorded = json.loads(original)
    recorded["packages"] |= {"lightgbm": "1.0", "leftover": "2.0"}
    recorded["threads"] = 64
    file.write_text(json.dumps(recorded))
    try:
        reproduction = reproduce(made)
    finally:
        file.write_text(original)
    assert reproduction.differs == ("libraries", "hardware")
    assert reproduction.holds
    (libraries,) = [cause for cause in reproduction.causes if cause.what == "libraries"]
    assert libraries.then == "leftover 2.0, lightgbm 1.0"
    assert libraries.now.startswith("leftover none, lightgbm 4")


def test_other_data_is_never_a_reproduction(made: Platform) -> None:
    set_tag(made, "mlp.training_set_digest", "0" * 64)
    assert "The training set differs, so the model does too." in printed("shop/comes_again@1", holds=False)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("shop/comes_again", "is not a version. Write PROJECT/MODEL@VERSION, such as retail/repurchase@3."),
        ("shop/come_again@1", "The workspace has no model shop/come_again. Did you mean 'shop/comes_again'?"),
        ("shop/comes_again@7", "shop.comes_again has no version 7. There are: 1."),
    ],
)
def test_an_unknown_version_is_refused(made: Platform, named: str, message: str) -> None:
    with pytest.raises(mlp.MlpError) as error:
        printed(named)
    assert message in str(error.value)


def test_a_version_whose_data_is_gone_is_refused(made: Platform) -> None:
    tags = made.environment.registry.versions(NAME)[0].tags
    set_tag(made, "mlp.tables_read", json.dumps({"shop/source/outcomes": 0}))
    with pytest.raises(mlp.MlpError, match=r"reads 'shop/features/spending' now, which version 1 was not made of"):
        reproduce(made)
    set_tag(made, "mlp.tables_read", tags["mlp.tables_read"])
    for file in (made.environment.home / "lake" / "shop" / "features" / "spending").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(mlp.MlpError, match="probably removed by a vacuum"):
        reproduce(made)
    made.environment.registry._client().delete_model_version_tag(NAME, "1", "mlp.tables_read")  # type: ignore[attr-defined]
    with pytest.raises(mlp.MlpError, match="does not say which versions of its tables it was made of"):
        reproduce(made)
