"""What child processes of the platform have in common."""

import contextlib
import ctypes
import signal

_PARENT_DEATH_SIGNAL = 1


def die_with_parent() -> None:
    """To be called in a new child (``preexec_fn``): the kernel ends it when its parent is gone, even by SIGKILL."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
