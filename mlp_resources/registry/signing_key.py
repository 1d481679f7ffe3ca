"""The key that signs judgements and promotions, in a file that only its owner can read."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from mlp_assets.artifact import signed_records
from mlp_resources.ports.registry import RegistryError

# The setting that names the key's file, such as a mounted secret. No training process inherits it.
KEY_VARIABLE = "MLP_PROMOTION_KEY"
_BYTES = 32


class SigningKey:
    """Signs with an Ed25519 key in a file. The file is created on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sign(self, record: Mapping[str, Any]) -> str:
        return signed_records.sign(record, self._private)

    def read(self, text: str) -> dict[str, Any]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return signed_records.read(
            text, Ed25519PrivateKey.from_private_bytes(self._private).public_key().public_bytes_raw()
        )

    @cached_property
    def _private(self) -> bytes:
        if not self.path.exists():
            self._create()
        key = self.path.read_bytes()
        if len(key) != _BYTES:
            raise RegistryError(
                f"The promotion key {self.path} has {len(key)} bytes, not {_BYTES}. Restore the key: without it, no "
                "promotion that it signed can be verified."
            )
        return key

    def _create(self) -> None:
        """Writes a new key. Of several processes the first wins, and the file is complete before it has its name."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(partial, self.path)
        partial.unlink()
