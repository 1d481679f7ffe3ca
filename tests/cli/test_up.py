"""``mlp up`` tells in a second what keeps it from starting."""

from pathlib import Path

import pytest
from rich.console import Console

from mlp_assets.cli.up import run
from mlp_assets.feature_store.workspace import WorkspaceError


@pytest.mark.parametrize(
    ("content", "message"), [(None, "There is no workspace file"), (b"- python_module: a\n", "has no list load_from")]
)
def test_a_wrong_workspace_file_starts_nothing(home: Path, tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "workspace.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WorkspaceError, match=message):
        run(file, Console(quiet=True))
    assert not home.exists() or list(home.iterdir()) == []
