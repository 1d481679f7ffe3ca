"""Copies the output of a pod's training to the object store, a piece a second, and to the pod's own log."""

import contextlib
import os
import sys
import threading
from types import TracebackType

from mlp_assets.jobs.metrics_log import METRICS_LOG
from mlp_resources.compute.job_folder import JobFolder
from mlp_resources.kubernetes.attempts import log_folder
from mlp_resources.kubernetes.object_folder import ObjectFolder

_SECONDS = 1.0


class PodLog:
    """While it is entered, the output of this process and its children goes to ``job.log`` and from there on.

    Pieces are numbered, so a reader continues where it stopped, and never sees a line twice.
    """

    def __init__(self, job: JobFolder, folder: ObjectFolder, index: int) -> None:
        self._job, self._folder, self._index = job, folder, index
        before = folder.names(log_folder(index))  # of pods of this attempt that were suspended
        self._pieces, self._sent, self._metrics = int(before[-1]) if before else 0, 0, 0
        self._done, self._thread = threading.Event(), threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        sys.stdout.flush()
        self._before = [os.dup(number) for number in (1, 2)]
        output = os.open(self._job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(output, number)
        os.close(output)
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._send(whole=True)
        for number, before in zip((1, 2), self._before, strict=True):
            os.dup2(before, number)

    def _follow(self) -> None:
        while not self._done.wait(_SECONDS):
            with contextlib.suppress(OSError):  # the object store may be away for a while
                self._send()

    def _send(self, *, whole: bool = False) -> None:
        """Sends what is new.

        Args:
            whole: whether to send a last line that has no end yet.
        """
        with self._job.log.open("rb") as file:
            file.seek(self._sent)
            data = file.read()
        part = data if whole else data[: data.rfind(b"\n") + 1]
        if part:
            self._folder.write(f"{log_folder(self._index)}/{self._pieces + 1:06}", part)
            self._pieces, self._sent = self._pieces + 1, self._sent + len(part)
            os.write(self._before[0], part)
        metrics = self._job.path / METRICS_LOG
        if self._index == 0 and metrics.exists() and metrics.stat().st_size != self._metrics:
            content = metrics.read_bytes()
            self._folder.write(METRICS_LOG, content)
            self._metrics = len(content)
