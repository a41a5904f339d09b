"""Tables are checked against their schemas, written whole or not at all, and never lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from conceptstats import tables
from conceptstats.errors import OutputExistsError, TableError

FORMS = pa.table({"form": ["a", "b"], "concept_id": [0, 1]}).cast(tables.FORMS)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Memory-mapped or read into memory, below folders that are made for it."""
    path = tmp_path / "new" / "forms.arrow"
    tables.write_table(path, FORMS, tables.FORMS)
    assert tables.read_table(path, tables.FORMS).equals(FORMS)
    assert tables.read_table(path, tables.FORMS, in_memory=True).equals(FORMS)
    assert [entry.name for entry in path.parent.iterdir()] == ["forms.arrow"]


def test_an_existing_table_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    """Nothing is overwritten silently."""
    path = tmp_path / "forms.arrow"
    tables.write_table(path, FORMS, tables.FORMS)
    with pytest.raises(OutputExistsError):
        tables.write_table(path, FORMS.slice(1), tables.FORMS)
    assert tables.read_table(path, tables.FORMS).num_rows == 2
    tables.write_table(path, FORMS.slice(1), tables.FORMS, overwrite=True)
    assert tables.read_table(path, tables.FORMS).num_rows == 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FORMS.drop_columns(["form"]), "no column 'form' .columns: concept_id"),
        (FORMS.set_column(1, "concept_id", pa.array([0, 1])), "'concept_id' is int64, expected"),
    ],
)
def test_a_table_of_another_schema_is_not_written(
    table: pa.Table, message: str, tmp_path: Path
) -> None:
    """The error names the column, and there is no file."""
    with pytest.raises(TableError, match=message):
        tables.write_table(tmp_path / "forms.arrow", table, tables.FORMS)
    assert list(tmp_path.iterdir()) == []


def test_numbers_are_those_of_all_chunks_and_slices() -> None:
    """A column in pieces, a slice of one, and an empty one."""
    column = pa.chunked_array([pa.array([1, 2, 3]), pa.array([4])])
    assert tables.numbers(column).tolist() == [1, 2, 3, 4]
    assert tables.numbers(pa.array([1, 2, 3]).slice(1)).tolist() == [2, 3]
    assert tables.numbers(pa.chunked_array([], pa.int32())).dtype == "int32"


@pytest.mark.parametrize("kind", ["int8", "uint16", "int64", "float16", "float32", "float64"])
def test_numbers_of_every_width(kind: str) -> None:
    """Also those that Arrow calls otherwise than NumPy: its "float" has four bytes."""
    values = np.array([1, 2, 3], kind)
    found = tables.numbers(pa.array(values))
    assert found.dtype == kind
    assert found.tolist() == [1, 2, 3]
