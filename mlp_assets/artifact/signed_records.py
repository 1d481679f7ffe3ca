"""Signed records: anybody with the public key can tell who wrote one, and that nobody has changed it since."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from mlp_assets.errors import MlpError


class RecordError(MlpError):
    """A record is not signed with the platform's key, or was changed after it was signed."""


def sign(record: Mapping[str, Any], private: bytes) -> str:
    """The record and its signature as one line of JSON.

    Args:
        record: plain values.
        private: 32 bytes, an Ed25519 key.

    Source: RFC 8032, over the record in canonical JSON.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signature = Ed25519PrivateKey.from_private_bytes(private).sign(_canonical(record))
    return json.dumps({"record": dict(record), "signature": base64.b64encode(signature).decode()}, sort_keys=True)


def read(text: str, public: bytes) -> dict[str, Any]:
    """The record, its signature checked.

    Raises:
        RecordError: it is no record, or was not signed with the key's other half.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        found = json.loads(text)
        record, signature = found["record"], base64.b64decode(found["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _canonical(record))
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise RecordError("the record is not signed with this platform's key, or was changed since") from error
    return cast("dict[str, Any]", record)


def digest(value: object) -> str:
    """SHA-256 of a plain value in canonical JSON; of a text as it is."""
    data = value.encode() if isinstance(value, str) else _canonical(value)
    return hashlib.sha256(data).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
