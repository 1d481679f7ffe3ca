"""Content-addressed on-disk cache of frames.

By hand: diskcache and joblib.Memory store pickles, and neither computes only the windows whose rows are new.
"""

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
    """A folder of Parquet files. A file that was not used for thirty days is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def frame(self, content: str, compute: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """The result of ``compute``, which runs once for each content."""
        file = self._file(content)
        if not _touch(file):
            self._write(file, compute())
        return pl.read_parquet(file)

    def windows(
        self, content: str, windows: pl.DataFrame, compute: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """The figures of the windows. ``compute`` gets only windows whose rows are new.

        Args:
            content: everything that the figures depend on except the window's own rows.
            windows: rows with the column ``window``.
            compute: rows of some windows -> figures with the column ``window``. Windows do not affect each other.
        """
        files = {window: self._file(f"{content} {canonical_digest(rows)}") for window, rows in by_window(windows)}
        if not files:
            return compute(windows)
        missing = [window for window, file in files.items() if not _touch(file)]
        if missing:
            computed = compute(windows.filter(pl.col("window").is_in(missing)))
            for window in missing:
                self._write(files[window], computed.filter(pl.col("window") == window))
        return pl.concat([pl.read_parquet(file) for file in files.values()])

    def _file(self, content: str) -> Path:
        return self._folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.parquet"

    def _write(self, file: Path, frame: pl.DataFrame) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob("*.parquet"):
            if time.time() - old.stat().st_mtime > _UNUSED_SECONDS:
                old.unlink(missing_ok=True)
        with replacement(file) as partial:
            frame.write_parquet(partial)


def _touch(file: Path) -> bool:
    """Marks the file as used. Returns False if it does not exist."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return True
