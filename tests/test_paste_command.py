"""`synth paste` at the command line, and its contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from paste_inputs import paste, write_inputs
from PIL import Image

from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, SourceError
from conceptstats.synth.paste.run import TABLE
from conceptstats.synth.paste.saving import PASTED
from conceptstats.synth.paste.sheet import draw_sheet
from conceptstats.table_files import load_table, save_table


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
    """As many as asked for, and no more than there are.

    A photograph of 120 by 90 pixels is drawn as 220 by 165. A row has 12 pixels above that, 12 and
    three lines of 17 below: 240.
    """
    paste(inputs, tmp_path / "out")
    for n, size in ((24, (6, 4)), (5, (5, 1)), (100, (6, 5))):
        path = draw_sheet(tmp_path / "out" / TABLE, tmp_path / f"{n}.png", n)
        with Image.open(path) as sheet:
            assert sheet.size == (12 + size[0] * 232, size[1] * 240)
            assert (np.asarray(sheet)[12:177, 12:232] != 255).mean() > 0.5
    with pytest.raises(ParameterError, match=r"expected \.png or \.jpg"):
        draw_sheet(tmp_path / "out" / TABLE, tmp_path / "sheet.gif")
    save_table(tmp_path / "none.parquet", PASTED.empty_table(), PASTED)
    with pytest.raises(SourceError, match="no picture"):
        draw_sheet(tmp_path / "none.parquet", tmp_path / "sheet.png")


SHADES = {"a": 10, "b": 60, "c": 110, "d": 160}


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """A table of four photographs with 4, 1, 3 and 8 versions, each photograph of one grey.

    The last is upright, the others lie.
    """
    rows = []
    for name, n in zip(SHADES, (4, 1, 3, 8), strict=True):
        size = (50, 100) if name == "d" else (100, 50)
        Image.new("L", size, SHADES[name]).save(tmp_path / f"{name}.png")
        for number in range(n):
            rows.append({"image_id": f"{name}{number}", "path": f"{name}.png", "photo_id": name,
                         "target": "a name that is far too long to stand below one picture",
                         "stratum": "zero", "accessory": "kite", "pmi": -np.inf,
                         "place": 0})  # fmt: skip
    save_table(tmp_path / "t.parquet", pa.Table.from_pylist(rows, PASTED), PASTED)
    return tmp_path / "t.parquet"


@pytest.mark.parametrize(
    ("n", "expected"),
    [(8, ["aaaab", "ccc"]), (6, ["aaaabc"]), (16, ["aaaabccc", "dddddddd"])],
)
def test_versions_of_a_photograph_share_a_row(uneven: Path, n: int, expected: list[str]) -> None:
    """Rows of six, or of the most versions; a photograph that does not fit begins the next.

    Pictures of a row stand on one line, whatever their height, and no caption enters the next cell.
    """
    if n < 16:
        table = load_table(uneven, PASTED)
        save_table(uneven, table.slice(0, 8), PASTED, overwrite=True)
    with Image.open(draw_sheet(uneven, uneven.with_suffix(".png"), n)) as sheet:
        pixels = np.asarray(sheet.convert("L"))
    top, found = 0, []
    for row in expected:
        height = 220 if "d" in row else 110
        foot = top + 12 + height - 1
        found.append("".join(
            name for left in range(12, pixels.shape[1], 232) for name, shade in SHADES.items()
            if pixels[foot, left] == shade
        ))  # fmt: skip
        for left in range(232, pixels.shape[1], 232):  # between two cells, but for a rule
            assert (pixels[foot + 2 : foot + 52, left + 1 : left + 4] == 255).all()
        top += height + 75
    assert found == expected
    assert pixels.shape[0] == top


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
