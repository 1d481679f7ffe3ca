"""What a user is told when a command fails: one sentence, never a stack trace, which goes into a file."""

import contextlib
import errno
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import httpx

from mlp_assets.errors import MlpError
from mlp_resources.compute.memory_kills import MemoryKills
from mlp_resources.environments.home import home

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LONGEST = 300


def explain(error: BaseException, started_at: float) -> str:
    """The sentence for the user, and what the kernel killed for memory since ``started_at`` (seconds since 1970)."""
    sentence = str(error) if isinstance(error, MlpError) else _explain_unexpected(error)
    folder = _home()
    killed = [kill for kill in MemoryKills(folder).since(started_at) if kill not in sentence] if folder else []
    return "\n".join([sentence, *killed])


def write_details(error: BaseException) -> Path:
    """Writes the stack trace to a file that only this user may read: below the home's logs, else a temporary one."""
    text = "".join(traceback.format_exception(error))
    folder = _home()
    if folder is not None:
        with contextlib.suppress(OSError):
            file = folder / "logs" / f"error-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{id(error):x}.txt"
            file.parent.mkdir(exist_ok=True)
            _write(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), text)
            return file
    descriptor, name = tempfile.mkstemp(prefix="mlp-error-", suffix=".txt")
    _write(descriptor, text)
    return Path(name)


def _home() -> Path | None:
    """The home; None where there is none, or where its path cannot be told: that may be the failure itself."""
    with contextlib.suppress(OSError, RuntimeError):
        return home() if home().is_dir() else None
    return None


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def keep_trace(error: BaseException | None) -> None:
    """Writes the stack trace of a thread that failed, and says where; the command goes on."""
    if error is not None:
        with contextlib.suppress(OSError):
            print(f"A part of the command failed. The details are in {write_details(error)}.", file=sys.stderr)


def _explain_unexpected(error: BaseException) -> str:
    try:
        details = f"The details are in {write_details(error)}."
    except OSError as not_written:
        details = f"The details could not be written ({not_written.strerror})."
    if isinstance(error, httpx.HTTPError):
        return f"{_name_server(error)}: {_say(error)}. `mlp doctor` shows which service is not well. {details}"
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"The disk is full{_at(error)}. Free some space, then run the command again. {details}"
    if isinstance(error, PermissionError):
        return f"This user may not use {error.filename or 'a file'}. Give it the permission, or set MLP_HOME. {details}"
    if isinstance(error, MemoryError):
        return f"Memory ran out in this command. Give it more; `mlp doctor` shows what there is. {details}"
    return f"The command failed unexpectedly: {type(error).__name__}: {_say(error)}. {details}"


def _name_server(error: httpx.HTTPError) -> str:
    try:
        url = error.request.url
    except RuntimeError:
        return "A server did not answer as expected"
    return f"The server at {url.scheme}://{url.netloc.decode()} did not answer as expected"


def _at(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""


def _say(error: BaseException) -> str:
    """The first line of the error's own message, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST].rstrip(".")
