"""From the source to the champion with all tables in an object store."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.object_store import KEY, SECRET, object_store
from tests.support.platform import Platform, weeks

WEEKS = weeks("2024-01-01", "2024-03-11")
HISTORY = Table("shop", "training_set", "history")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with object_store(monkeypatch) as address:
        yield address


def build_training_set(folder: Path) -> Platform:
    instance = folder / "dagster"
    instance.mkdir(parents=True)
    platform = Platform(shop.make(), folder / "home", instance=dg.DagsterInstance.local_temp(str(instance)))
    platform.run("source", "features", tags=WEEKS)
    platform.run("training_set")
    return platform


def test_a_candidate_is_trained_from_tables_in_an_object_store(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from_folder = build_training_set(tmp_path / "folder").metadata("training_set", "history")
    monkeypatch.setenv("MLP_LAKE", f"{bucket}/team")
    platform = build_training_set(tmp_path / "store")
    assert platform.metadata("training_set", "history")["digest"] == from_folder["digest"]
    platform.run("online", "candidate", "champion")
    home = tmp_path / "store" / "home"
    assert not (home / "lake").exists()
    location = platform.environment.lake.location(HISTORY)
    assert location == f"{bucket}/team/shop/training_set/history"
    (spec,) = (home / "training").rglob("spec.json")
    assert location in spec.read_text()
    assert platform.metadata("candidate", "comes_again")["version"] == "1"
    printed = capfd.readouterr()
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    texts = {str(path): path.read_bytes() for path in files} | {"output": (printed.out + printed.err).encode()}
    assert len(texts) > 20
    assert not [name for name, text in texts.items() if KEY.encode() in text or SECRET.encode() in text]
