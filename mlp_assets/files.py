"""Replacing a file atomically: whoever reads it finds the old content or the new one, whole."""

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def replacement(path: Path, *, durable: bool = False) -> Generator[Path]:
    """A path beside ``path`` to write to. It takes the name of ``path`` when the block ends without an error.

    Args:
        durable: whether the content is on disk before it takes the name, so that it survives a loss of power.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        yield partial
        if durable:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def replace_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Writes the text, replacing what the file holds."""
    with replacement(path, durable=durable) as partial:
        partial.write_text(text)


def create_private(path: Path, content: bytes) -> None:
    """Writes a secret that only its owner can read, unless the file exists.

    Of several processes the first wins, and the file is whole before it has its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    with contextlib.suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()
