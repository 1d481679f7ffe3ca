"""Source files are found without importing anything, as the import system would find them."""

import importlib.util
import sys
from pathlib import Path

import pytest

from mlp_assets.jobs.source_files import source_of

BOOM = "raise RuntimeError('it was imported')"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("regular/__init__.py", "regular/inner/__init__.py", "regular/inner/module.py", "namespace/module.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(BOOM)
    (tmp_path / "alone.py").write_text(BOOM)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("alone", "alone.py"),
        ("regular", "regular/__init__.py"),
        ("regular.inner", "regular/inner/__init__.py"),
        ("regular.inner.module", "regular/inner/module.py"),
        ("namespace.module", "namespace/module.py"),
        ("regular.inner.module.Class", None),
        ("alone.function", None),
        ("regular.missing.module", None),
        ("namespace", None),
        ("missing", None),
        ("sys", None),
    ],
)
def test_the_file_of_a_module_that_is_not_loaded(folder: Path, module: str, file: str | None) -> None:
    assert source_of(module) == (folder / file if file is not None else None)
    assert module == "sys" or module not in sys.modules


@pytest.mark.parametrize("module", ["mlp_assets.nouns.model", "json.decoder", "polars", "tests.support.shop"])
def test_it_is_that_of_the_import_system(module: str) -> None:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    assert source_of(module) == Path(spec.origin)
