"""A real browser, headless: what a page holds once its scripts have run."""

import shutil
import subprocess
import tempfile

import pytest

CHROMIUM = shutil.which("chromium")


def rendered(url: str, budget_ms: int = 15_000) -> str:
    """The page's DOM as Chromium has it after ``budget_ms`` of its own time. Skips where there is no Chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install -y chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={profile}", f"--virtual-time-budget={budget_ms}", "--dump-dom", url,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=90).stdout
