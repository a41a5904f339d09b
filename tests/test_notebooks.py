"""The notebooks run from top to bottom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    """Every cell of the notebook runs, on data that it makes itself."""
    paired = tmp_path / f"{notebook.stem}.ipynb"
    for arguments in (
        ["jupytext", "--to", "ipynb", "--output", str(paired), str(notebook)],
        ["pytest", "--nbmake", str(paired), "-p", "no:cacheprovider", "-c", "/dev/null"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
