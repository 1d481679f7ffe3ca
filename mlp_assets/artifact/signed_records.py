"""Signed records: the public key proves who wrote a record and that it was not changed since."""

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
        record: plain JSON values.
        private: an Ed25519 key of 32 bytes.

    Source: RFC 8032, over the record in canonical JSON.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signature = Ed25519PrivateKey.from_private_bytes(private).sign(_canonical(record))
    return json.dumps({"record": dict(record), "signature": base64.b64encode(signature).decode()}, sort_keys=True)


def read(text: str, public: bytes) -> dict[str, Any]:
    """The record, after its signature was checked.

    Raises:
        RecordError: it is not a record, or was not signed with the private key of ``public``.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signed = json.loads(text)
        record, signature = signed["record"], base64.b64decode(signed["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _canonical(record))
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise RecordError("the record is not signed with this platform's key, or was changed since") from error
    return cast("dict[str, Any]", record)


def digest(value: object) -> str:
    """SHA-256 of a plain value in canonical JSON, or of a text itself."""
    data = value.encode() if isinstance(value, str) else _canonical(value)
    return hashlib.sha256(data).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
