"""Users' tables come back as they were written; folders are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptstats.errors import OutputError, OutputExistsError, ParameterError, TableError
from conceptstats.table_files import conform, fingerprint, load_table, record_path, save_table
from conceptstats.tables import EXAMPLES, IMAGES, PREDICTIONS, writing_folder

MARK = "mark.json"


@pytest.fixture
def images() -> pa.Table:
    """Images with nulls, an empty text, texts that look like nulls, and a column of one's own."""
    return pa.table(
        {
            "note": ["", None, "NA"],
            "path": ["a.png", "b, c.png", 'd".png'],
            "image_id": ["001", "2", "null"],
            "target": [None, "", "nan"],
            "width": [64, None, 3],
            "key_found": [True, None, False],
            "score": [0.1, -np.inf, None],
        }
    )


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow"])
def test_a_table_is_read_as_it_was_written(ending: str, images: pa.Table, tmp_path: Path) -> None:
    """Columns of the schema first, with its types and nulls for those that lack; others behind."""
    path = tmp_path / f"images{ending}"
    save_table(path, images, IMAGES)
    found = load_table(path, IMAGES)
    assert found.column_names == [*IMAGES.names, "note", "score"]
    assert found.schema.field("width").type == pa.int32()
    for name in images.column_names:
        assert found[name].to_pylist() == images[name].to_pylist(), name
    assert found["seed"].null_count == 3


def test_a_csv_of_another_program_is_read(tmp_path: Path) -> None:
    """Without quotes, with a byte order mark and empty cells: an empty text is unknown."""
    path = tmp_path / "examples.csv"
    path.write_text("\ufeffexample_id,outcome,pmi,class\n07,1,-inf,dog\n08,0.5,NA,\n", "utf-8")
    found = load_table(path, EXAMPLES)
    assert found.to_pydict() == {
        "example_id": ["07", "08"],
        "outcome": [1.0, 0.5],
        "pmi": [-np.inf, None],
        "class": ["dog", None],
    }


def test_columns_are_cast(tmp_path: Path) -> None:
    """Numbers of other widths, dictionaries and large strings become what the schema says."""
    columns = {
        "example_id": pa.array(["a"], pa.large_string()).dictionary_encode(),
        "outcome": pa.array([1], pa.int8()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = load_table(tmp_path / "a.parquet", EXAMPLES)
    assert found.schema.types == [pa.string(), pa.float64()]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"outcome": [1.0]}, "no column 'example_id' .columns: outcome"),
        ({"example_id": ["a"], "outcome": pa.array([None], pa.float64())}, "'outcome' has 1 nulls"),
        ({"example_id": ["a"], "outcome": ["x"]}, "'outcome' is string, expected double"),
        ({"example_id": ["a"], "outcome": [[1.0]]}, "'outcome' is list"),
    ],
)
def test_a_table_that_does_not_fit(
    columns: dict[str, object], message: str, tmp_path: Path
) -> None:
    """The error names file and column, on reading as on writing; nothing is written."""
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(TableError, match=f"a.parquet: .*{message}"):
        load_table(tmp_path / "a.parquet", EXAMPLES)
    with pytest.raises(TableError, match=message):
        save_table(tmp_path / "b.parquet", pa.table(columns), EXAMPLES)
    assert not (tmp_path / "b.parquet").exists()


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """It cannot be told which is meant."""
    (tmp_path / "a.csv").write_text("example_id,outcome,outcome\na,1,0\n", encoding="utf-8")
    with pytest.raises(TableError, match="more than one column is called outcome"):
        load_table(tmp_path / "a.csv", EXAMPLES)
    with pytest.raises(TableError, match="called x"):
        conform(pa.table([[1], [2]], names=["x", "x"]), pa.schema([]), "here")


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff,\n1", b"PAR1xxxxPAR1", b"ARROW1\0\0xxxxxxxx"])
def test_damaged_files_are_clear_errors(ending: str, content: bytes, tmp_path: Path) -> None:
    """Whatever is in them."""
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(TableError, match=f"a{ending}"):
        load_table(path, EXAMPLES)


def test_missing_files_and_other_endings(images: pa.Table, tmp_path: Path) -> None:
    """What is not there, and what has no known format, is said before anything is done."""
    with pytest.raises(TableError, match="missing or damaged"):
        load_table(tmp_path / "none.parquet", IMAGES)
    with pytest.raises(ParameterError, match="does not end in"):
        load_table(tmp_path / "a.txt", IMAGES)
    with pytest.raises(ParameterError, match="does not end in"):
        save_table(tmp_path / "a.txt", images, IMAGES)
    assert list(tmp_path.iterdir()) == []


def test_lists_do_not_go_into_csv(tmp_path: Path) -> None:
    """The error says what does, and nothing is left behind."""
    row = {
        "example_id": "a",
        "target": "dog",
        "labels": ["dog"],
        "probabilities": [1.0],
        "target_rank": 1,
        "target_probability": 1.0,
        "model": "m",
    }
    with pytest.raises(TableError, match=r"write \.parquet"):
        save_table(tmp_path / "a.csv", pa.Table.from_pylist([row]), PREDICTIONS)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(images: pa.Table, tmp_path: Path) -> None:
    """The record goes with its table: it is replaced with it, and never outlives it."""
    path = tmp_path / "images.parquet"
    save_table(path, images, IMAGES, record={"command": "one"})
    with pytest.raises(OutputExistsError):
        save_table(path, images.slice(1), IMAGES, record={"command": "two"})
    assert load_table(path, IMAGES).num_rows == 3
    assert json.loads(record_path(path).read_text("utf-8")) == {"command": "one"}
    save_table(path, images.slice(1), IMAGES, record={"command": "two"}, overwrite=True)
    assert load_table(path, IMAGES).num_rows == 2
    assert json.loads(record_path(path).read_text("utf-8")) == {"command": "two"}
    save_table(path, images, IMAGES, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["images.parquet"]


def test_fingerprints(tmp_path: Path) -> None:
    """SHA-256 of a file; of an index that of its manifest; a missing file is an error."""
    (tmp_path / "index.json").write_bytes(b"abc")
    expected = f"sha256:{hashlib.sha256(b'abc').hexdigest()}"
    assert fingerprint(tmp_path / "index.json") == fingerprint(tmp_path) == expected
    with pytest.raises(TableError, match="none cannot be read"):
        fingerprint(tmp_path / "none")


def write(path: Path, text: str, *, overwrite: bool = False) -> None:
    """A folder with a mark, as a command writes it."""
    with writing_folder(path, MARK, overwrite=overwrite) as partial:
        assert partial != path
        (partial / MARK).write_text(text, encoding="utf-8")


def test_a_folder_is_there_when_it_is_complete(tmp_path: Path) -> None:
    """Below folders that are made for it; nothing else stays."""
    path = tmp_path / "new" / "folder"
    with writing_folder(path, MARK) as partial:
        (partial / MARK).touch()
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["folder"]


def test_after_an_error_there_is_no_folder(tmp_path: Path) -> None:
    """Neither a half of the new one, nor less than all of the old one."""
    path = tmp_path / "folder"
    for text in ("", "old"):
        with pytest.raises(KeyboardInterrupt), writing_folder(path, MARK, overwrite=True) as new:
            (new / MARK).touch()
            raise KeyboardInterrupt
        assert path.exists() is bool(text)
        write(path, "old", overwrite=True)
    assert (path / MARK).read_text("utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_folder_is_replaced_when_asked(tmp_path: Path) -> None:
    """Where the mark stands, or nothing at all; a link stays a link."""
    path, link = tmp_path / "folder", tmp_path / "link"
    path.mkdir()
    write(path, "one", overwrite=True)
    link.symlink_to(path)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write(link, "two")
    write(link, "two", overwrite=True)
    assert link.is_symlink()
    assert (path / MARK).read_text("utf-8") == "two"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "link"]


def test_other_folders_are_never_replaced(tmp_path: Path) -> None:
    """A folder without the mark stays, as does a file."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").touch()
    (tmp_path / "file").touch()
    for name in ("precious", "file"):
        with pytest.raises(OutputExistsError, match=r"has no mark\.json, so it is not replaced"):
            write(tmp_path / name, "", overwrite=True)
    assert (tmp_path / "precious" / "thesis.txt").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "precious"]


@pytest.mark.parametrize("name", ["file/folder", "x" * 300])
def test_a_place_that_cannot_be(name: str, tmp_path: Path) -> None:
    """Below a file, or of too long a name."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / name, "")
