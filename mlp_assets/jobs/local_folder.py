"""Artifact addresses: paths, ``file://`` and object store URIs, and the local folder that holds their files."""

import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname


def local_folder(address: str) -> Path:
    """The folder with the files of an address; an object store's files are downloaded once in a process.

    Args:
        address: ``file://...``, ``s3://...`` or ``gs://...``; settings may follow a question mark. A plain path too, as
            earlier releases wrote it.

    Raises:
        OSError: the address cannot be read.
    """
    if "://" not in address:
        return Path(address)
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(_download(address).name)


@cache
def _download(address: str) -> "tempfile.TemporaryDirectory[str]":
    """The downloaded files, which are removed when this process ends."""
    fs: Any = import_module("pyarrow.fs")
    store, path = fs.FileSystem.from_uri(address)
    folder = tempfile.TemporaryDirectory(prefix="mlp-artifact-")
    fs.copy_files(path, folder.name, source_filesystem=store, destination_filesystem=fs.LocalFileSystem())
    return folder
