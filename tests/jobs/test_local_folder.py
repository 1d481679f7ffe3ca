"""Addresses of artifacts: a file URI is the folder itself, an object store's files are downloaded once."""

from pathlib import Path

import pytest
from pyarrow import fs

from mlp_assets.jobs.local_folder import local_folder
from tests.support.object_store import object_store


def test_a_file_uri_is_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space and 100%"
    folder.mkdir()
    assert local_folder(folder.as_uri()) == folder


def test_files_of_an_object_store_are_downloaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store(monkeypatch) as bucket:
        address = f"{bucket}/runs/artifact"
        store, path = fs.FileSystem.from_uri(address)
        with store.open_output_stream(f"{path}/model.txt") as stream:
            stream.write(b"weights")
        folder = local_folder(address)
    assert (folder / "model.txt").read_bytes() == b"weights"
    assert local_folder(address) == folder
