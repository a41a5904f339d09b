"""The notebooks run from top to bottom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.py"))
ON_PUBLISHED_DATA = ("3_concept_frequency", "4_vqa")  # the others make their data


@pytest.mark.timeout(600)  # two of them train models
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every cell of the notebook runs, on data that it makes itself or on published data."""
    if notebook.stem in ON_PUBLISHED_DATA:
        request.getfixturevalue("test_data")  # skips where there are none
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
