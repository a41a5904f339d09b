from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from caption_files import (
    captions_of,
    compress,
    ids_of,
    one_source,
    write_parquet,
    write_stream,
    write_tar,
)

from conceptstats.errors import SourceError
from conceptstats.sources import Problem, Source, read_batches, read_rows


def problems_of(source: Source) -> list[Problem]:
    """What is left out of a source with on_error="skip"."""
    return [each for batch in read_batches(source, on_error="skip") for each in batch.problems]


def write_bytes(path: Path, content: bytes) -> Source:
    path.write_bytes(content)
    return one_source(path)


BAD_ROWS: dict[str, tuple[str, bytes, str, str]] = {
    # file name, content with one bad row between two good ones, where, why
    "text, not UTF-8": ("x.txt", b"a\nb\xff\nc\n", "line 2", "not UTF-8"),
    "tsv, not UTF-8": ("x.tsv", b"text\tu\na\tu\n\xe9\tu\nc\tu\n", "line 3", "not UTF-8"),
    "tsv, fields": ("x.tsv", b"text\tu\na\tu\n\nb\nc\tu\n", "line 4", "expected 2 fields .*got 1"),
    "cc3m, fields": ("x.tsv", b"a\t//u/1\nb\t\t//u/2\nc\t//u/3\n", "line 2", "got 3"),
    "flickr8k, no tab": ("x.txt", b"1.jpg#0\ta\n1.jpg#1 b\n1.jpg#2\tc", "line 2", "got 1"),
    "flickr30k, no bar": (
        "results.csv",
        b"image_name| comment_number| comment\n1.jpg| 0| a\n1.jpg| 4   b\n2.jpg| 0| c\n",
        "line 3",
        "expected 3 fields .*got 2",
    ),
    "csv, not UTF-8": ("x.csv", b"text,u\na,u\n\xff,u\nc,u\n", "row 1", "not UTF-8"),
    "csv, few fields": ("x.csv", b"text,u\na,u\n\nb\nc,u\n", "row 1", "expected 2 fields, got 1"),
    "csv, many fields": ("x.csv", b'text,u\na,"u\nu"\nb,u,u\nc,u\n', "row 1", "got 3"),
    "jsonl, not JSON": (
        "x.jsonl",
        b'{"text":"a"}\n\n{"text\n{"text":"c"}',
        "line 3",
        "invalid JSON",
    ),
    "jsonl, no text": ("x.jsonl", b'{"text":"a"}\n{"text":1}\n{"text":"c"}', "line 2", "is a int"),
    "jsonl, no object": ("x.jsonl", b'{"text":"a"}\n[1]\n{"text":"c"}\n', "line 2", "JSON list"),
    "jsonl, two objects": (
        "x.jsonl",
        b'{"text":"a"}\n{"text":"b"}{"text":"b"}\n{"text":"c"}\n',
        "line 2",
        "invalid JSON",
    ),
    "jsonl, not UTF-8": (
        "x.jsonl",
        b'{"text":"a"}\n{"text":"\xff"}\n{"text":"c"}\n',
        "line 2",
        "UTF-8",
    ),
    "jsonl, surrogate": (
        "x.jsonl",
        b'{"text":"a"}\n{"text":"\\ud83d"}\n{"text":"c"}\n',
        "line 2",
        "surrogate",
    ),
    "coco, no text": (
        "x.json",
        b'{"annotations":[{"caption":"a"},{"caption":3},{"caption":"c"}]}',
        "row 1",
        "is a int",
    ),
    "coco, no object": (
        "x.json",
        b'{"annotations":[{"caption":"a"},"b",{"caption":"c"}]}',
        "row 1",
        "no object",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_stops_the_reading_and_says_where(case: str, tmp_path: Path) -> None:
    """The error names the file, the line or row, the reason, and the way to go on."""
    name, content, where, why = BAD_ROWS[case]
    source = write_bytes(tmp_path / name, content)
    with pytest.raises(SourceError, match=f"{name}, {where}: .*{why}.*--on-error skip"):
        captions_of(source)


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_null_when_skipped(case: str, tmp_path: Path) -> None:
    """The rows around it keep their numbers, and one problem says which row is missing."""
    name, content, *_ = BAD_ROWS[case]
    source = write_bytes(tmp_path / name, content)
    assert captions_of(source, on_error="skip") == ["a", None, "c"]
    assert [problem.row for problem in problems_of(source)] == [1]
    rows = read_rows(source, [0, 1, 2])
    assert [rows[row][0] for row in range(3)] == ["a", None, "c"]


def test_bad_csv_rows_anywhere_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    """Null rows stand exactly where rows of the wrong number of fields are, also at both ends."""
    bad = {0, 1, 7, 60_000, 299_998, 299_999}
    rows = ["too,many,fields" if n in bad else f"{n},caption {n}" for n in range(300_000)]
    source = write_bytes(tmp_path / "x.csv", "\n".join(["id,caption", *rows]).encode())
    captions = captions_of(source, on_error="skip")
    assert captions == [None if n in bad else f"caption {n}" for n in range(300_000)]
    assert {problem.row for problem in problems_of(source)} == bad


def test_a_csv_of_bad_rows_only_is_all_null(tmp_path: Path) -> None:
    """No row can be parsed, and yet all are counted."""
    source = write_bytes(tmp_path / "x.csv", b"id,caption\n1\n2\n3\n")
    assert captions_of(source, on_error="skip") == [None, None, None]


def test_a_quote_that_is_never_closed_is_noticed(tmp_path: Path) -> None:
    """The caption that would take in the rest of the file is a bad row."""
    source = write_bytes(tmp_path / "x.csv", b'id,caption\n1,a\n2,"b\n3,c\n')
    with pytest.raises(SourceError, match=r"x\.csv, row 1: .*never closed"):
        captions_of(source)
    assert captions_of(source, on_error="skip") == ["a", None]


def test_bad_json_lines_are_found_in_every_block(tmp_path: Path) -> None:
    """Line numbers count from the start of the file, not of the block."""
    lines = ['{"text": "' + "x" * 1000 + '"}'] * 20_000
    lines[15_000] = "{"
    source = write_bytes(tmp_path / "x.jsonl", "\n".join(lines).encode())
    assert problems_of(source)[0].row == 15_000
    with pytest.raises(SourceError, match="line 15001: invalid JSON"):
        captions_of(source)


@pytest.mark.parametrize("codec", [".gz", ".zst", ".bz2", ".xz"])
@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x.csv", "x.tsv"])
def test_truncated_compression_gives_the_rows_before_it(
    name: str, codec: str, tmp_path: Path
) -> None:
    """Whole rows before the end of the data are read; what is behind is left out, and said."""
    row = {"x.jsonl": '{{"text": "{}"}}', "x.csv": "{},u", "x.tsv": "{}\tu"}.get(name, "{}")
    header = {"x.csv": "text,u\n", "x.tsv": "text\tu\n"}.get(name, "")
    expected = [f"{n} {n * 2_654_435_761 % 2**32:x}" for n in range(120_000)]
    content = header + "".join(row.format(text) + "\n" for text in expected)
    packed = compress(content.encode(), codec)
    source = write_bytes(tmp_path / (name + codec), packed[: len(packed) * 3 // 4])
    with pytest.raises(SourceError, match=rf"{name}{codec} cannot be read from row \d+"):
        captions_of(source)
    captions = captions_of(source, on_error="skip")
    assert 10_000 < len(captions) < 120_000
    assert captions == expected[: len(captions)]
    (problem,) = problems_of(source)
    assert problem.row == len(captions)
    assert "the rest of the file was left out" in problem.reason


def test_a_damaged_parquet_page_ends_the_reading(tmp_path: Path) -> None:
    """Batches before the damage are read; then the reading ends with a problem, or an error."""
    path = tmp_path / "x.parquet"
    texts = [f"caption {n}" for n in range(100_000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=50_000, compression="zstd")
    content = bytearray(path.read_bytes())
    middle = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[middle : middle + 2000] = bytes(2000)
    source = write_bytes(path, bytes(content))
    with pytest.raises(SourceError, match=r"x\.parquet cannot be read from row 50000"):
        captions_of(source)
    assert captions_of(source, on_error="skip") == texts[:50_000]
    assert problems_of(source)[0].row == 50_000
    with pytest.raises(SourceError, match="cannot be read"):
        read_rows(source, [60_000])
    assert read_rows(source, [7]) == {7: ("caption 7", None)}


def test_parquet_strings_that_are_not_utf8_can_be_read_back(tmp_path: Path) -> None:
    """Arrow passes broken UTF-8 on; as text it has replacement characters."""
    broken = pa.array([b"a\xff"]).view(pa.string())
    source = one_source(write_parquet(tmp_path / "x.parquet", text=broken))
    assert read_rows(source, [0]) == {0: ("a\ufffd", None)}


def test_a_truncated_arrow_stream_ends_with_a_problem(tmp_path: Path) -> None:
    """Record batches before the end are read."""
    path = write_stream(tmp_path / "x.arrow", pa.table({"text": list("abcdef")}))
    source = write_bytes(path, path.read_bytes()[:-100])
    assert captions_of(source, on_error="skip") == list("abcd")
    assert [problem.row for problem in problems_of(source)] == [4]


@pytest.mark.parametrize(("n_bytes", "n_whole"), [(7 * 1024 + 512, 7), (7 * 1024, 6)])
def test_a_truncated_tar_ends_with_a_problem(n_bytes: int, n_whole: int, tmp_path: Path) -> None:
    """Cut in a member, or between two: then the last sample may lack members, and is left out."""
    members = {f"{n}.txt": str(n).encode() for n in range(8)}
    content = write_tar(tmp_path / "x.tar", members).read_bytes()
    source = write_bytes(tmp_path / "x.tar", content[:n_bytes])
    assert captions_of(source, on_error="skip") == list("01234567")[:n_whole]
    assert problems_of(source)[0].row == n_whole
    with pytest.raises(SourceError, match=rf"x\.tar cannot be read from row {n_whole}"):
        captions_of(source)


def test_bad_members_of_a_tar_are_bad_rows(tmp_path: Path) -> None:
    """Text that is not UTF-8 and JSON that is none are null rows; so is a sample without text."""
    members = {"0.txt": b"a", "1.txt": b"\xff", "2.json": b"{", "3.jpg": b"", "4.txt": b"e"}
    source = one_source(write_tar(tmp_path / "x.tar", members))
    assert captions_of(source, on_error="skip") == ["a", None, None, None, "e"]
    assert [problem.row for problem in problems_of(source)] == [1, 2]
    with pytest.raises(SourceError, match=r"row 1: the caption is not UTF-8 \(sample 1\)"):
        captions_of(source)


def test_coco_that_is_no_json_gives_a_problem(tmp_path: Path) -> None:
    """A file that cannot be parsed as a whole has no rows."""
    content = json.dumps({"annotations": [{"id": 1, "caption": "a"}]}).encode()
    source = write_bytes(tmp_path / "x.json", content[:-2])
    assert captions_of(source, on_error="skip") == []
    with pytest.raises(SourceError, match="invalid JSON"):
        captions_of(source)


def test_a_source_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A file deleted after it was found gives the error of an unreadable file."""
    source = write_bytes(tmp_path / "x.txt", b"a\n")
    Path(source.path).unlink()
    with pytest.raises(SourceError, match="cannot be read from row 0"):
        captions_of(source)


def test_ids_of_bad_rows_keep_their_places(tmp_path: Path) -> None:
    """Captions and ids stay aligned around a row that is skipped."""
    source = write_bytes(tmp_path / "x.jsonl", b'{"text":"a","id":1}\n{\n{"text":"c","id":3}\n')
    (batch,) = read_batches(source, with_ids=True, on_error="skip")
    assert batch.ids is not None
    assert batch.ids.to_pylist() == ["1", None, "3"]
    with pytest.raises(SourceError):
        ids_of(source)
