"""`synth paste` at the command line, and its contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from paste_inputs import paste, write_inputs
from PIL import Image

from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, SourceError
from conceptstats.synth.paste.run import TABLE
from conceptstats.synth.paste.saving import PASTED
from conceptstats.synth.paste.sheet import draw_sheet
from conceptstats.table_files import save_table


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, photographs of two classes, and a cut-out or two of each accessory."""
    return write_inputs(tmp_path_factory.mktemp("paste"))


def test_command(inputs: Path, tmp_path: Path) -> None:
    """The contract: one JSON document with the numbers; without --json readable tables."""
    arguments = ["synth", "paste", "--photos", str(inputs / "photos"), "--accessories",
                 str(inputs / "accessories"), "--index", str(inputs / "index"), "--per-photo", "3",
                 "--seed", "0", "--workers", "1"]  # fmt: skip
    done = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["n_photos"], found["n_edited"], found["n_images"]) == (10, 10, 30)
    assert [row["stratum"] for row in found["strata"]] == ["high", "low", "zero"]
    more = ["-o", str(tmp_path / "two"), "--contact-sheet", str(tmp_path / "s.png"), "-n", "6"]
    done = CliRunner().invoke(cli, [*arguments, *more])
    assert done.exit_code == 0, done.output
    assert "high" in done.stdout
    assert (tmp_path / "s.png").is_file()
    done = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "3"), "--strata", "best"])
    assert done.exit_code != 0


def test_a_contact_sheet_shows_versions(inputs: Path, tmp_path: Path) -> None:
    """As many as asked for, and no more than there are."""
    paste(inputs, tmp_path / "out")
    for n, size in ((24, (6, 4)), (5, (5, 1)), (100, (6, 5))):
        path = draw_sheet(tmp_path / "out" / TABLE, tmp_path / f"{n}.png", n)
        with Image.open(path) as sheet:
            assert sheet.size == (size[0] * 228, size[1] * 273)
            assert (np.asarray(sheet)[:220, :220] != 255).mean() > 0.5
    with pytest.raises(ParameterError, match=r"expected \.png or \.jpg"):
        draw_sheet(tmp_path / "out" / TABLE, tmp_path / "sheet.gif")
    save_table(tmp_path / "none.parquet", PASTED.empty_table(), PASTED)
    with pytest.raises(SourceError, match="no picture"):
        draw_sheet(tmp_path / "none.parquet", tmp_path / "sheet.png")


def test_a_sheet_that_cannot_be_drawn_is_refused_first(inputs: Path, tmp_path: Path) -> None:
    """Not after all photographs have been edited."""
    arguments = ["synth", "paste", "--photos", str(inputs / "photos"), "--accessories",
                 str(inputs / "accessories"), "--index", str(inputs / "index"), "--quiet",
                 "-o", str(tmp_path / "out")]  # fmt: skip
    (tmp_path / "old.png").write_text("precious")
    for file, error, message in (
        ("sheet.gif", ParameterError, "expected .png or .jpg"),
        ("old.png", OutputExistsError, "old.png exists"),
    ):
        done = CliRunner().invoke(cli, [*arguments, "--contact-sheet", str(tmp_path / file)])
        assert isinstance(done.exception, error)
        assert message in done.exception.message
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"]
