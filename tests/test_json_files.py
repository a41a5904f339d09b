"""JSON as it is published: one document or lines, compressed or not, and damaged."""

from __future__ import annotations

import bz2
import doctest
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats.errors import TableError
from conceptstats.eval import json_files
from conceptstats.eval.json_files import as_text, read_document, read_json, read_text, table_of

ROWS = [{"a": 1}, {"a": "é\u2028x"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def test_examples_of_docstrings() -> None:
    """What the docstrings show is so."""
    found = doctest.testmod(json_files)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2).replace("\n", "\r\n"),
        LINES,
        LINES.replace("\n", "\r\n"),
        "\n" + LINES.replace("\n", "\n\n"),
        LINES.rstrip(),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_documents_and_lines(text: str, mark: str, tmp_path: Path) -> None:
    """A list, or an object a line; ends of lines, blank lines and a byte order mark are no matter.

    A line ends at a newline, not at what else Unicode calls an end of line.
    """
    data = (mark + text).encode()
    for name, pack in {"a.json": bytes, "a.json.gz": gzip.compress, "a.bz2": bz2.compress}.items():
        (tmp_path / name).write_bytes(pack(data))
        assert read_json(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.json is empty"),
        (" \n\n", "a.json is empty"),
        ('{"a": 1}\n{"a": ', "line 2: invalid JSON, Expecting value at column"),
        ('{\n "a": 1\n}\n{"a": 1}', "line 4: invalid JSON, Extra data"),
        ("[" * 200_000, "line 1: JSON nested too deep"),
        ('{"a": 1}\n' + "[" * 200_000, "line 2: JSON nested too deep"),
        ('{"a": 1}\n{"a": ' + "9" * 5000 + "}", "line 2: a number with thousands of digits"),
        ('{"a": ' + "9" * 5000 + "}", "line 1: a number with thousands of digits"),
    ],
)
def test_damage(text: str, message: str, tmp_path: Path) -> None:
    """An error of ours that names file and line."""
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError) as raised:
        read_json(path)
    assert str(path) in raised.value.message
    assert message in raised.value.message


def test_files_that_are_no_text(tmp_path: Path) -> None:
    """Missing, a folder, bytes of another encoding, damaged compression."""
    with pytest.raises(TableError, match=r"none\.json is missing or damaged: No such file"):
        read_text(tmp_path / "none.json")
    with pytest.raises(TableError, match="is missing or damaged"):
        read_text(tmp_path)
    (tmp_path / "a.json").write_bytes(b'{"a":\n "\xff"}')
    with pytest.raises(TableError, match=r"a\.json, line 2: not UTF-8"):
        read_text(tmp_path / "a.json")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(LINES.encode() * 99)[:-20])
    with pytest.raises(TableError, match=r"a\.json\.gz is missing or damaged"):
        read_text(tmp_path / "a.json.gz")


def test_one_document(tmp_path: Path) -> None:
    """Lines are no document; a hook makes objects of their pairs."""
    (tmp_path / "a.json").write_text(LINES, encoding="utf-8")
    with pytest.raises(TableError, match="line 2: invalid JSON, Extra data"):
        read_document(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"a": 1, "a": 2}', encoding="utf-8")
    assert read_document(tmp_path / "a.json", pairs=list) == [("a", 1), ("a", 2)]


def test_rows_that_make_no_table() -> None:
    """The error names the row, and what was expected."""
    schema, path = pa.schema([("a", pa.string())]), Path("a.json")
    assert table_of([{"a": "x"}], schema, path, "texts").num_rows == 1
    with pytest.raises(TableError, match=r"a\.json, row 2 has another layout than texts"):
        table_of([{"a": "x"}, {"a": 1}], schema, path, "texts")
    with pytest.raises(TableError, match=r"a\.json, row 2: text with half of a surrogate pair"):
        table_of([{"a": "x"}, {"a": "x\ud83d"}], schema, path, "texts")


@given(st.integers(-(10**20), 10**20))
def test_whole_numbers_are_texts_without_a_point(number: int) -> None:
    """An id is the same as a text, as a number, and as what pandas makes of it."""
    assert as_text(number) == as_text(str(number)) == str(number)
    assert as_text(float(number)) == str(int(float(number)))


@pytest.mark.parametrize("value", [None, True, False, math.nan, math.inf, [], ["x"], {}])
def test_what_is_no_text(value: Any) -> None:
    """None stands for it, so that whoever reads must say that it is missing."""
    assert as_text(value) is None
