"""State and tables may lie below folders with spaces, umlauts and quotes; folders that cannot hold them are told."""

import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.errors import LakeError, MlpError
from mlp_assets.tables.storage import open_delta, scan_delta, scan_parquet
from mlp_resources.environments.home import home as home_of
from tests.support import samples as s
from tests.support import shop
from tests.support.platform import Platform, infer_body, weeks

ODD = "ü %\"{x}' & *b"


def test_a_project_lives_from_its_source_to_its_monitors_below_an_odd_folder(tmp_path: Path) -> None:
    made = Platform(shop.make(), tmp_path / ODD / "home")
    made.run("source", "features", tags=weeks("2024-01-01", "2024-03-25"))
    made.run("online", "training_set", "candidate", "champion")
    client, model = made.serve()
    body = infer_body([1, 2], shop.DEPLOYED + timedelta(hours=9))
    assert client.post(f"/v2/models/{model.plan.endpoint}/infer", json=body).status_code == 200
    made.run("source", "features", tags=weeks("2024-04-01", "2024-04-01"))
    made.run(*shop.MONITORED)
    assert [path.name for path in tmp_path.iterdir()] == [ODD]  # nothing was written beside it


@pytest.mark.parametrize("odd", [ODD, "a#b", "a?b", "region=eu", "a[b]", "a^b", "a|b"])
@pytest.mark.parametrize("kind", ["delta", "partitions", "parquet"])
def test_a_table_of_others_is_read_below_an_odd_folder(home: Path, tmp_path: Path, odd: str, kind: str) -> None:
    folder = tmp_path / odd / "orders"
    folder.mkdir(parents=True)
    rows = pl.DataFrame({"user_id": [1], "amount": [2.0], "at": ["2024-01-01 05:00"]})
    rows = rows.with_columns(pl.col("at").str.to_datetime(time_zone="UTC"))
    if kind == "parquet":
        rows.write_parquet(folder / "rows.parquet")
        read = {"parquet": str(folder / "rows.parquet")}
    else:  # written elsewhere: not every writer can do it here
        options = {"partition_by": ["user_id"]} if kind == "partitions" else {}
        rows.write_delta(str(tmp_path / "plain"), delta_write_options=options)
        folder.rmdir()
        (tmp_path / "plain").rename(folder)
        read = {"delta": str(folder)}
    events = s.source(read=None, start="2024-01-01", **read)
    view = s.view(source=events, features={"spend": mlp.total("amount", over="3d")})
    made = Platform(mlp.Project("shop", owner="team:shop", assets=[view]), home)
    made.run("features", tags={"dagster/partition": "2024-01-01"})
    assert made.metadata("features", "spending")["dagster/row_count"] == 1


@pytest.mark.parametrize("odd", ["a\\b", "a%20b"])
def test_a_folder_whose_tables_cannot_be_read_is_told(tmp_path: Path, odd: str) -> None:
    with pytest.raises(LakeError, match="cannot be read: its path holds"):
        open_delta(str(tmp_path / odd))


@pytest.mark.parametrize("odd", ["a=b", "a[b]", "a\\b", "a%20b", "a^b", "a|b"])
def test_a_folder_that_cannot_hold_a_table_is_told(tmp_path: Path, odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_HOME", str(tmp_path / odd))
    with pytest.raises(MlpError, match=r"cannot keep its state in .* Write MLP_HOME=/another/folder"):
        home_of()


@pytest.mark.parametrize("odd", ["a#b", "a?b"])
def test_a_home_that_cannot_hold_a_database_is_told(tmp_path: Path, odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_HOME", str(tmp_path / odd))
    with pytest.raises(MlpError, match="a folder with '[#?]' in its name"):
        home_of()


@pytest.mark.parametrize("folder", ["plain", ODD])
def test_partitions_may_have_odd_names_too(tmp_path: Path, folder: str) -> None:
    location = str(tmp_path / folder / "table")
    rows = pl.DataFrame({"a": [1, 2, 3], "partition": ["x y", "ü:%", "z"]})
    rows.write_delta(location, delta_write_options={"partition_by": ["partition"]})
    assert scan_delta(location).collect().sort("a").equals(rows)
    assert all(Path(file).exists() for file in open_delta(location).file_uris())


def test_a_folder_with_an_equals_sign_is_read_by_a_link_of_its_owner(tmp_path: Path) -> None:
    for number in (1, 2):
        pl.DataFrame({"a": [number]}).write_delta(str(tmp_path / "plain" / str(number)))
    (tmp_path / "plain").rename(tmp_path / "a=b")
    assert [scan_delta(str(tmp_path / "a=b" / str(n))).collect()["a"].to_list() for n in (1, 2, 1)] == [[1], [2], [1]]
    (file,) = open_delta(str(tmp_path / "a=b" / "1")).file_uris()
    assert "=" not in file
    links = Path(file).parents[1]
    assert (links.stat().st_uid, links.stat().st_mode & 0o777) == (os.getuid(), 0o700)
    assert Path(file).resolve().parent == tmp_path / "a=b" / "1"


def test_addresses_keep_their_codes(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_delta(str(tmp_path / "a b"))
    assert scan_delta((tmp_path / "a b").as_uri()).collect().height == 1


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1]").mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a[1]" / "x.parquet")
    assert scan_parquet(str(tmp_path / "a[1]" / "x.parquet")).collect().height == 1
