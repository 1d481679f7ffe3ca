"""Opens a recorded version of a table, or says why it cannot be opened any more."""

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from mlp_assets.errors import LostVersionError
from mlp_assets.tables.storage import existing, open_delta
from mlp_resources.lake.delta_log import oldest_version
from mlp_resources.ports.lake import Table

_HINT_OF_OURS = "Restore {what} from a backup, or materialize again what recorded this version."
_HINT_OF_OTHERS = (
    "The platform does not write this table. Ask its owner to restore {what} and to raise delta.logRetentionDuration "
    "and delta.deletedFileRetentionDuration, or materialize again what recorded this version."
)


def open_log(location: str, table: Table | str, newest: DeltaTable, version: int) -> DeltaTable:
    """The table at a version, of which the log is there. Its files may be gone.

    Args:
        table: what messages name.
        newest: the table at its newest version.

    Raises:
        LostVersionError: the log of the version is gone, or the table never had it.
    """
    if version == newest.version():
        return newest
    if version > newest.version():
        raise LostVersionError(
            f"Table {table} has no version {version}: its newest is {newest.version()}. It was probably removed and "
            f"made again after version {version} was recorded. Materialize again what recorded it."
        )
    try:
        return open_delta(location, version)
    except DeltaError as error:
        oldest = oldest_version(location)
        if oldest is not None and version >= oldest:
            reason = f"its log cannot be read: {str(error).splitlines()[0]}"
        else:
            left = "" if oldest is None else f", and the oldest version that is left is {oldest}"
            reason = (
                f"its log is gone{left}. Logs older than 30 days were removed from tables that lack "
                "delta.enableExpiredLogCleanup=false"
            )
        raise LostVersionError(
            f"Version {version} of table {table} cannot be opened: {reason}. {_hint(table, 'the folder _delta_log')}"
        ) from error


def open_version(location: str, table: Table | str, newest: DeltaTable, version: int) -> DeltaTable:
    """The table at a version whose log and files are there. Arguments as for ``open_log``.

    Files that the newest version has too are not looked for, so opening that version costs nothing more.

    Raises:
        LostVersionError: the log or a file of the version is gone, or the table never had it.
    """
    handle = open_log(location, table, newest, version)
    if handle is newest:
        return handle
    files = set(handle.file_uris())
    older = files - set(newest.file_uris())
    gone = sorted(older - existing(older)) if older else []
    if gone:
        raise LostVersionError(
            f"Version {version} of table {table} cannot be read: {len(gone)} of its {len(files)} files are gone, for "
            f"example {gone[0]}. Maintenance or a vacuum removed them. {_hint(table, 'the files')}"
        )
    return handle


def _hint(table: Table | str, what: str) -> str:
    return (_HINT_OF_OTHERS if isinstance(table, str) else _HINT_OF_OURS).format(what=what)
