"""What is in a file, whether it is what a manifest says, and manifests written from files."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats.errors import ManifestError, OutputExistsError, ParameterError
from conceptstats.manifests.contents import UnreadableError, read_contents
from conceptstats.manifests.describe import describe, toml_value
from conceptstats.manifests.manifest import Manifest, load_manifest, parse_manifest
from conceptstats.manifests.verify import DIFFERENT, MISSING, OK, UNVERIFIABLE, Checked, verify

BODY = b"a dog\thttps://x/1\na cat\thttps://x/2\n"


def manifest(*files: str, columns: str = "") -> Manifest:
    """A manifest of files, each given as lines of TOML."""
    head = "".join(
        f'{key} = "{value}"\n'
        for key, value in {
            "name": "m", "title": "m", "kind": "captions", "homepage": "unknown",
            "licence": "unknown", "access": "open", "citation": "unknown",
        }.items()
    )  # fmt: skip
    return parse_manifest(
        head + "".join(f"[[files]]\n{file}\n" for file in files) + columns, "m.toml"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of every format that can be looked into, and one of none."""
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "pairs.tsv").write_bytes(BODY)
    (folder / "table.csv").write_text('id,caption\n1,"two\nlines, here"\n2,x\n', encoding="utf-8")
    table = pa.table({"url": ["u", "v", "w"], "width": pa.array([1, 2, 3], pa.int32())})
    pq.write_table(table, folder / "deep" / "part.parquet")
    questions = [{"question_id": 1, "question": "what?"}, {"question_id": 2, "question": "who?"}]
    (folder / "questions.json").write_text(json.dumps({"info": {}, "questions": questions}))
    (folder / "lines.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    (folder / "pope.json").write_text("".join(json.dumps(q) + "\n" for q in questions))
    (folder / "config.json").write_text('{"a": [1]}')
    (folder / "archive.zip").write_bytes(b"PK")
    return folder


def only(result: list[Checked]) -> Checked:
    """The one row of a result."""
    (row,) = result
    return row


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("table.csv", 2, ["id", "caption"]),
        ("deep/part.parquet", 3, ["url", "width"]),
        ("questions.json", 2, ["question_id", "question"]),
        ("lines.jsonl", 2, ["question_id", "question"]),
    ],
)
def test_rows_and_columns_are_read(folder: Path, name: str, rows: int, columns: list[str]) -> None:
    """Of each format: a row of a CSV may hold a line break, JSON has its rows under a key."""
    found = read_contents(folder / name)
    assert found is not None
    assert (found.rows, [column for column, _ in found.columns]) == (rows, columns)


def test_a_tsv_has_a_row_a_line(folder: Path) -> None:
    """With or without header, with or without a last line break."""
    path = folder / "pairs.tsv"
    for body in (BODY, BODY.rstrip(b"\n")):
        path.write_bytes(body)
        plain, headed = read_contents(path, header=False), read_contents(path)
        assert plain is not None
        assert headed is not None
        assert (plain.rows, len(plain.columns)) == (2, 2)
        assert (headed.rows, headed.columns[0][0]) == (1, "a dog")


@pytest.mark.parametrize("name", ["x.parquet", "x.json", "x.jsonl", "x.csv"])
def test_a_damaged_file_cannot_be_read(tmp_path: Path, name: str) -> None:
    """What is not of the format that it should be is an error, not zero rows."""
    (tmp_path / name).write_bytes(b"" if name == "x.csv" else b"[1, 2")
    with pytest.raises(UnreadableError):
        read_contents(tmp_path / name)


def test_each_status(folder: Path) -> None:
    """A file is ok by its hash, different, missing, or unverifiable where no hash is published."""
    digest = hashlib.sha256(BODY).hexdigest()
    rest = "rows = 2\nheader = false"
    cases = {
        f'path = "pairs.tsv"\nsha256 = "{digest}"\nbytes = {len(BODY)}\n{rest}': OK,
        f'path = "pairs.tsv"\nsha256_prefix = "{digest[:8]}"\n{rest}': OK,
        f'path = "pairs.tsv"\nmd5 = "{hashlib.md5(BODY).hexdigest()}"\n{rest}': OK,
        f'path = "pairs.tsv"\n{rest}': UNVERIFIABLE,
        f'path = "pairs.tsv"\nsha256 = "{"0" * 64}"': DIFFERENT,
        'path = "pairs.tsv"\nbytes = 5': DIFFERENT,
        'path = "pairs.tsv"\nrows = 3\nheader = false': DIFFERENT,
        'path = "pairs.tsv"\nformat = "json"': DIFFERENT,
        'path = "other.tsv"': MISSING,
    }
    for entry, status in cases.items():
        assert only(verify(manifest(entry), folder).files).status == status, entry


def test_what_differs_is_said(folder: Path) -> None:
    """Expected against found, all of it."""
    entry = 'path = "deep/part.parquet"\nrows = 4'
    columns = "".join(
        f'[[columns]]\nname = "{name}"\ntype = "{type_}"\nmeaning = "m"\n'
        for name, type_ in (("url", "string"), ("width", "int64"))
    )
    row = only(verify(manifest(entry, columns=columns), folder).files)
    assert row.detail == "3 rows, expected 4; column width is int32, expected int64"
    missing = columns.replace('"url"', '"TEXT"')
    row = only(verify(manifest(entry, columns=missing), folder).files)
    assert "no column TEXT (columns: url, width)" in row.detail


def test_a_pattern_finds_files_and_counts_them(folder: Path) -> None:
    """Files of a pattern are unverifiable one by one; a wrong number of them is a difference."""
    entry = 'path = "*.parquet"\nhub = "datasets/o/n"\n'
    (folder / ".partial").mkdir()
    (folder / ".partial" / "begun.parquet").write_bytes(b"")
    rows = verify(manifest(entry + "count = 1"), folder).files
    assert [(row.path, row.status, row.rows) for row in rows] == [
        ("deep/part.parquet", UNVERIFIABLE, 3)
    ]
    rows = verify(manifest(entry + "count = 2"), folder).files
    assert (rows[-1].status, rows[-1].detail) == (DIFFERENT, "1 files, expected 2")
    assert only(verify(manifest(entry.replace("parquet", "arrow")), folder).files).status == MISSING


def test_only_files_that_are_asked_for_are_compared(folder: Path) -> None:
    """After a fetch of some files the others are not missing; what nothing fits is an error."""
    both = manifest('path = "table.csv"', 'path = "images.zip"', 'path = "d*.parquet"\nhub = "o/n"')
    assert not verify(both, folder).ok
    with pytest.raises(ManifestError, match=r"1 of 3 files in .* are missing") as caught:
        verify(both, folder).check("small")
    assert caught.value.hint == f"conceptstats data fetch small -o {folder}"
    some = verify(both, folder, pattern="*.csv")
    assert [row.path for row in some.files] == ["table.csv"]
    assert some.ok
    some.check("small")
    deep = verify(both, folder, pattern="deep/*")
    assert [row.path for row in deep.files] == ["deep/part.parquet"]
    with pytest.raises(ParameterError, match=r"no file of m in .* matches '\*\.txt'"):
        verify(both, folder, pattern="*.txt")
    with pytest.raises(ParameterError, match=r"no file of m matches '\*\.txt'"):
        verify(manifest('path = "table.csv"'), folder, pattern="*.txt")


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    """And not a list of missing files."""
    with pytest.raises(ManifestError, match="is no folder"):
        verify(manifest('path = "x"'), tmp_path / "none")


def test_real_captions_are_what_cc3m_published(test_data: Path, tmp_path: Path) -> None:
    """The shipped manifest knows the hash, the size and the rows of a real file."""
    real = test_data / "data" / "captions" / "cc3m_validation.tsv"
    shutil.copy(real, tmp_path / "Validation_GCC-1.1.0-Validation.tsv")
    result = verify(load_manifest("cc3m"), tmp_path)
    train, validation = result.files
    assert train.status == MISSING
    assert (validation.status, validation.rows) == (OK, 15840)
    assert validation.detail == "bytes, sha256, rows, columns as published"


def test_a_described_folder_verifies(folder: Path, tmp_path: Path) -> None:
    """A manifest written from files fits them, and only them."""
    output = tmp_path / "mine.toml"
    made = describe(folder, output, kind="captions")
    # An archive and a file of settings have no rows to count, so the whole has no number of them.
    assert (made.n_files, made.rows) == (8, None)
    mine = load_manifest(str(output))
    assert mine.rows is None
    assert sum(file.rows or 0 for file in mine.files) == 2 + 2 + 3 + 2 + 2 + 2
    result = verify(mine, folder)
    assert {row.status for row in result.files} == {OK}, result.files
    assert result.paths(OK) == sorted(file.path for file in mine.files)
    pope = next(file for file in mine.files if file.path == "pope.json")
    assert (pope.format, pope.rows) == ("jsonl", 2)
    pairs = next(file for file in mine.files if file.path == "pairs.tsv")
    assert (pairs.header, pairs.rows) == (False, 2)
    (folder / "pairs.tsv").write_bytes(BODY.upper())
    assert verify(mine, folder).paths(DIFFERENT) == ["pairs.tsv"]


def test_describing_within_the_folder_leaves_the_manifest_out(folder: Path) -> None:
    """Neither itself nor its record is data, and nothing is overwritten unasked."""
    describe(folder, folder / "mine.toml")
    with pytest.raises(OutputExistsError):
        describe(folder, folder / "mine.toml")
    made = describe(folder, folder / "mine.toml", overwrite=True)
    assert made.n_files == 8
    record = json.loads((folder / "mine.toml.run.json").read_text())
    assert record["command"] == "data describe"
    assert len(record["inputs"]) == 8


def test_describe_refuses_what_it_cannot_describe(folder: Path, tmp_path: Path) -> None:
    """An empty folder, a wrong ending, a damaged table, a name that would be a pattern."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="holds no files"):
        describe(tmp_path / "empty", tmp_path / "m.toml")
    with pytest.raises(ParameterError, match=r"does not end in \.toml"):
        describe(folder, tmp_path / "m.json")
    (folder / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(ManifestError, match=r"bad\.parquet cannot be read"):
        describe(folder, tmp_path / "m.toml")
    (folder / "bad.parquet").rename(folder / "a*.bin")
    with pytest.raises(ManifestError, match="cannot stand in a manifest"):
        describe(folder, tmp_path / "m.toml")
    assert not (tmp_path / "m.toml").exists()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_toml(text: str) -> None:
    """What is written is read back, in every script, with quotes and control characters."""
    assert tomllib.loads(f"x = {toml_value(text)}\ny = {toml_value([text])}") == {
        "x": text, "y": [text]
    }  # fmt: skip
