"""Frames kept in a folder by the content of what they were computed from: nothing is computed twice, or stale."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from mlp_assets.files import replacement
from mlp_assets.metrics.window_figures import by_window
from mlp_assets.tables.digest import canonical_digest

_UNUSED_SECONDS = 30 * 86_400


class FrameCache:
    """A folder of Parquet files; one that nobody asked for in thirty days goes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def frame(self, content: str, compute: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """What ``compute`` returns, computed once for the content."""
        file = self._file(content)
        if not _used(file):
            self._keep(file, compute())
        return pl.read_parquet(file)

    def windows(
        self, content: str, windows: pl.DataFrame, compute: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """What ``compute`` returns for the windows, computed once for each window's rows.

        Args:
            content: what the figures depend on beside the window's own rows.
            windows: rows with ``window``.
            compute: rows of some of the windows -> figures, each with its ``window``; one window changes no other's.
        """
        files = {window: self._file(f"{content} {canonical_digest(rows)}") for window, rows in by_window(windows)}
        if not files:
            return compute(windows)
        missing = [window for window, file in files.items() if not _used(file)]
        if missing:
            computed = compute(windows.filter(pl.col("window").is_in(missing)))
            for window in missing:
                self._keep(files[window], computed.filter(pl.col("window") == window))
        return pl.concat([pl.read_parquet(file) for file in files.values()])

    def _file(self, content: str) -> Path:
        return self._folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.parquet"

    def _keep(self, file: Path, frame: pl.DataFrame) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob("*.parquet"):
            if time.time() - old.stat().st_mtime > _UNUSED_SECONDS:
                old.unlink(missing_ok=True)
        with replacement(file) as partial:
            frame.write_parquet(partial)


def _used(file: Path) -> bool:
    """Whether it is there; asking for it keeps it."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return True
