"""The page about the architecture names what is there: each path, each module, and every folder."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PATHS = sorted(set(re.findall(r"`((?:mlp_assets|mlp_resources|mlp_sensors|tests|docs)/[\w./]*)`", PAGE)))
MODULES = sorted(set(re.findall(r"`(\w+\.py)`", PAGE)))
NAMES = sorted(
    path.name for top in ("mlp_assets", "mlp_resources", "mlp_sensors") for path in (ROOT / top).rglob("*.py")
)


@pytest.mark.parametrize("path", PATHS)
def test_each_path_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("module", MODULES)
def test_each_module_is_there(module: str) -> None:
    assert module in NAMES


def test_every_folder_is_named() -> None:
    folders = [path for path in (ROOT / "mlp_assets").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert folders
    assert not [folder.name for folder in folders if f"`mlp_assets/{folder.name}/`" not in PAGE]
