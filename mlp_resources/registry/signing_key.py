"""The key that signs judgements and promotions, in a file that only its owner can read."""

import secrets
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from mlp_assets.artifact import signed_records
from mlp_assets.files import create_private
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
            create_private(self.path, secrets.token_bytes(_BYTES))
        key = self.path.read_bytes()
        if len(key) != _BYTES:
            raise RegistryError(
                f"The promotion key {self.path} has {len(key)} bytes, not {_BYTES}. Restore the key: without it, no "
                "promotion that it signed can be verified."
            )
        return key
