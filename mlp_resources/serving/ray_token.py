"""The token of the platform's own Ray, in a file of the home that only its owner can read.

Ray otherwise keeps one token for all clusters of a user, in ``~/.ray/auth_token``, and demands it once it exists.
Source: Ray's documentation, Ray token authentication.
"""

import secrets
from pathlib import Path

from mlp_assets.files import create_private

_BYTES = 32


def token_file(home: Path) -> Path:
    """Where the token of a home lies."""
    return home / "keys" / "ray"


def ensure_token(home: Path) -> None:
    """Makes the token, unless there is one."""
    if not token_file(home).exists():
        create_private(token_file(home), secrets.token_hex(_BYTES).encode())


def authorization(home: Path) -> dict[str, str]:
    """The header of a request to Ray's dashboard; empty before the token exists."""
    file = token_file(home)
    return {"Authorization": f"Bearer {file.read_text().strip()}"} if file.exists() else {}
