"""Reads the log of a training's first pod from the object store, over all its attempts."""

from collections.abc import Callable

from mlp_resources.kubernetes.attempts import Attempts, log_folder
from mlp_resources.ports.training import LogPart

_PIECES = 10**7  # of an attempt; an offset is the attempt's number and the piece that comes next
_LOOK_SECONDS = 1.0


class LogReader:
    """The pieces of a log, in order, each once."""

    def __init__(self, attempts: Attempts, clock: Callable[[], float]) -> None:
        self._attempts, self._clock, self._looked = attempts, clock, float("-inf")

    def read(self, offset: int, *, now: bool) -> LogPart:
        """The next piece.

        Args:
            now: whether to look at once; else a look in vain is repeated a second later only.
        """
        if not now and self._clock() - self._looked < _LOOK_SECONDS:
            return LogPart((), offset)
        number, piece = divmod(offset or _PIECES, _PIECES)
        attempt = self._attempts.attempt(number)
        data = attempt.folder.read(f"{log_folder(0)}/{piece + 1:06}")
        if data is not None:
            return LogPart(tuple(data.decode(errors="replace").splitlines()), number * _PIECES + piece + 1)
        newest = self._attempts.newest()
        if newest is not None and newest.number > number:
            return LogPart((), (number + 1) * _PIECES)
        self._looked = self._clock()
        return LogPart((), offset)
