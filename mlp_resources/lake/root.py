"""The root of the lake: a folder, or a place in an object store. Tables lie below it."""

from pathlib import Path
from urllib.parse import urlsplit

from mlp_assets.errors import LakeError


def lake_root(address: str | None, home: Path) -> str:
    """The root that ``MLP_LAKE`` names, or ``lake`` below the home.

    Raises:
        LakeError: the address cannot hold a lake. The message repeats no credentials.
    """
    if not address:
        return str(home / "lake")
    parts = urlsplit(address)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise LakeError(
            "MLP_LAKE contains credentials or options, and the address of a table is logged. Write the bucket and the "
            "folder only, such as MLP_LAKE=s3://bucket/folder. The standard variables AWS_ENDPOINT_URL, AWS_REGION, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY hold the rest."
        )
    local = parts.scheme in ("", "file") and not parts.netloc and parts.path.startswith("/")
    if not local and not (parts.scheme == "s3" and parts.netloc):
        raise LakeError(
            f"The lake cannot be at MLP_LAKE={address!r}. Write s3://bucket/folder, file:///folder or an absolute path."
        )
    return address.rstrip("/")
