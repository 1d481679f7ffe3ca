"""A folder of an object store: small files that several processes and machines read and write."""

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class ObjectFolder:
    """The objects below an address.

    Endpoint, region and credentials are the standard ``AWS_*`` variables of the process.

    Args:
        address: ``s3://bucket/folder``, without a slash at its end.
    """

    address: str

    def below(self, name: str) -> "ObjectFolder":
        return ObjectFolder(f"{self.address}/{name}")

    def create(self, name: str, content: dict[str, Any]) -> bool:
        """Writes an object unless there is one. Of several processes that do it at once, one is told True."""
        from botocore.exceptions import ClientError

        place = urlsplit(f"{self.address}/{name}")
        body = json.dumps(content).encode()
        try:
            _client().put_object(Bucket=place.netloc, Key=place.path.lstrip("/"), Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                return False
            raise
        return True

    def write(self, name: str, data: bytes) -> None:
        files, path = self._open(name)
        with files.open_output_stream(path) as stream:
            stream.write(data)

    def read(self, name: str) -> bytes | None:
        """The object's bytes; None where there is none."""
        files, path = self._open(name)
        try:
            with files.open_input_stream(path) as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def read_json(self, name: str) -> dict[str, Any] | None:
        data = self.read(name)
        return json.loads(data) if data is not None else None

    def names(self, folder: str = "") -> list[str]:
        """The sorted names of the objects and folders directly below ``folder``."""
        from pyarrow import fs

        files, path = self._open(folder)
        found = files.get_file_info(fs.FileSelector(path.rstrip("/"), allow_not_found=True))
        return sorted(entry.base_name for entry in found)

    def ages(self, folder: str) -> dict[str, float]:
        """Name of an object directly below ``folder`` -> seconds since it was written."""
        from pyarrow import fs

        files, path = self._open(folder)
        found = files.get_file_info(fs.FileSelector(path, allow_not_found=True))
        now = datetime.now(UTC)
        return {entry.base_name: (now - entry.mtime).total_seconds() for entry in found if entry.is_file}

    def delete(self, name: str) -> None:
        """Deletes an object, if there is one."""
        files, path = self._open(name)
        with contextlib.suppress(FileNotFoundError):
            files.delete_file(path)

    def upload(self, local: Path, name: str) -> None:
        """Copies a local folder."""
        self._copy(local, name, up=True)

    def download(self, name: str, local: Path) -> None:
        """Copies a folder to a local one."""
        local.mkdir(parents=True, exist_ok=True)
        self._copy(local, name, up=False)

    def _copy(self, local: Path, name: str, *, up: bool) -> None:
        from pyarrow import fs

        (files, path), here = self._open(name), fs.LocalFileSystem()
        source, target = ((here, str(local)), (files, path)) if up else ((files, path), (here, str(local)))
        fs.copy_files(source[1], target[1], source_filesystem=source[0], destination_filesystem=target[0])

    def _open(self, name: str) -> tuple[Any, str]:
        from pyarrow import fs

        return fs.FileSystem.from_uri(f"{self.address}/{name}")


def _client() -> Any:
    from boto3.session import Session

    return Session().client("s3")  # the default session is not for threads
