from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from caption_files import (
    CAPTIONS,
    LAYOUTS,
    captions_of,
    cc3m,
    coco,
    compress,
    flickr8k,
    flickr30k,
    headed_tsv,
    ids_of,
    json_lines,
    one_source,
    plain_text,
    quoted_csv,
    tar_of_texts,
    write_parquet,
    write_stream,
)

from conceptstats.errors import ParameterError, SourceError
from conceptstats.sources import find_sources, read_batches, read_rows

each_layout = pytest.mark.parametrize("write", LAYOUTS, ids=lambda write: write.__name__)


@each_layout
def test_every_layout_is_detected_and_read(write: Callable[[Path], Path], tmp_path: Path) -> None:
    """Format, caption column and id column are found; captions come out as they went in."""
    source = one_source(write(tmp_path))
    assert (source.format, source.caption_column, source.id_column) == LAYOUTS[write]
    assert captions_of(source) == CAPTIONS


@each_layout
def test_rows_read_back_are_those_of_the_batches(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    """read_rows gives the captions and ids that read_batches gives at these rows."""
    source = one_source(write(tmp_path))
    ids = [str(each) for each in ids_of(source)] if source.id_column else [None] * 6
    expected = dict(enumerate(zip(captions_of(source), ids, strict=True)))
    assert read_rows(source, range(6)) == expected
    assert read_rows(source, [4, 1, 4]) == {row: expected[row] for row in (1, 4)}
    assert read_rows(source, []) == {}


@each_layout
def test_a_row_outside_the_source_is_an_error(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Rows behind the end or before the start are refused, not made up."""
    source = one_source(write(tmp_path))
    with pytest.raises(SourceError, match="no row 6"):
        read_rows(source, [0, 6])
    with pytest.raises(ParameterError, match="negative"):
        read_rows(source, [-1])


@pytest.mark.parametrize("codec", [".gz", ".zst", ".bz2", ".xz"])
@pytest.mark.parametrize("write", [json_lines, plain_text, quoted_csv, cc3m, coco, tar_of_texts])
def test_text_formats_can_be_compressed(
    write: Callable[[Path], Path], codec: str, tmp_path: Path
) -> None:
    """The compression is known by the extension behind that of the format."""
    plain = write(tmp_path)
    packed = plain.with_name(plain.name + codec)
    packed.write_bytes(compress(plain.read_bytes(), codec))
    source = one_source(packed)
    assert source.format == LAYOUTS[write][0]
    assert captions_of(source) == CAPTIONS


@pytest.mark.parametrize(
    "write", [json_lines, plain_text, quoted_csv, cc3m, headed_tsv, flickr8k, flickr30k]
)
def test_windows_line_ends_and_byte_order_marks_are_dropped(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    """A file with CRLF line ends and a byte order mark reads as one without."""
    path = write(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    source = one_source(path)
    assert source.caption_column == LAYOUTS[write][1]
    assert captions_of(source) == CAPTIONS


TEXT_TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
    pa.binary(),
    pa.large_binary(),
]


@pytest.mark.parametrize("kind", TEXT_TYPES, ids=str)
def test_every_arrow_string_type_comes_out_as_string(kind: pa.DataType, tmp_path: Path) -> None:
    """Captions and text ids are string or large_string whatever the file stores."""
    texts = pa.array(["a", None, "é", "a", ""]).cast(
        kind.value_type if pa.types.is_dictionary(kind) else kind
    )
    column = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts
    table = pa.table({"caption": column.cast(kind), "key": column.cast(kind)})
    pq.write_table(table, tmp_path / "x.parquet")
    write_stream(tmp_path / "x.arrow", table)
    for name in ("x.parquet", "x.arrow"):
        for batch in read_batches(one_source(tmp_path / name), with_ids=True):
            assert batch.captions.type in (pa.string(), pa.large_string())
        assert captions_of(one_source(tmp_path / name)) == ["a", None, "é", "a", ""]


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.large_string())], ids=str)
def test_a_list_of_captions_is_one_caption_of_several_lines(
    kind: pa.DataType, tmp_path: Path
) -> None:
    """all_captions of LAION-COCO, when it is asked for, is joined by newlines."""
    lists = pa.array([["a", "b"], None, [], ["c", None]], kind)
    path = write_parquet(tmp_path / "x.parquet", top_caption=["t"] * 4, all_captions=lists)
    assert captions_of(one_source(path)) == ["t"] * 4
    asked = one_source(path, caption_column="all_captions")
    assert captions_of(asked) == ["a\nb", None, "", "c\n"]


def test_rows_that_img2dataset_failed_to_download_are_null(tmp_path: Path) -> None:
    """Only status "success" keeps its caption; the others are counted and keep their row."""
    path = write_parquet(
        tmp_path / "00000.parquet",
        key=["000", "001", "002", "003"],
        caption=["a", "b", "c", None],
        status=["success", "failed_to_download", None, "success"],
    )
    source = one_source(path)
    assert source.format == "img2dataset"
    assert captions_of(source) == ["a", None, None, None]
    assert sum(batch.n_failed for batch in read_batches(source)) == 2
    assert read_rows(source, [1, 0]) == {0: ("a", "000"), 1: (None, "001")}


def test_a_status_column_alone_does_not_make_img2dataset_output(tmp_path: Path) -> None:
    """A parquet with `status` but no `key` is read whole."""
    path = write_parquet(tmp_path / "x.parquet", caption=["a", "b"], status=["ok", "ok"])
    assert captions_of(one_source(path)) == ["a", "b"]


def test_a_datacomp_subset_keeps_its_uids_only(tmp_path: Path) -> None:
    """Uids are compared as two 64-bit halves; the rows outside are null and counted."""
    uids = [f"{n * 0x1234567890ABCDEF1234567890ABC:032x}" for n in range(1000)]
    kept = sorted({0, 1, 17, 500, 999})
    pairs = [(int(uids[n][:16], 16), int(uids[n][16:], 16)) for n in kept]
    np.save(tmp_path / "subset.npy", np.array([*pairs, (2**64 - 1, 7)], np.dtype("u8,u8")))
    pq.write_table(
        pa.table({"uid": [*uids, None], "text": [str(n) for n in range(1001)]}),
        tmp_path / "x.parquet",
    )
    source = one_source(tmp_path / "x.parquet", subset=str(tmp_path / "subset.npy"))
    captions = captions_of(source)
    assert [n for n, text in enumerate(captions) if text is not None] == kept
    assert sum(batch.n_not_selected for batch in read_batches(source)) == 1001 - len(kept)
    assert read_rows(source, [17, 18]) == {17: ("17", uids[17]), 18: (None, uids[18])}


def test_an_empty_subset_selects_nothing(tmp_path: Path) -> None:
    """A subset without uids makes every caption null."""
    np.save(tmp_path / "subset.npy", np.array([], np.dtype("u8,u8")))
    path = write_parquet(tmp_path / "x.parquet", uid=["0" * 32], text=["a"])
    assert captions_of(one_source(path, subset=str(tmp_path / "subset.npy"))) == [None]


def test_blank_lines_are_captions_in_plain_text_only(tmp_path: Path) -> None:
    """A blank line is an empty caption in plain text, and nothing in tables and JSON lines."""
    (tmp_path / "x.txt").write_bytes(b"\na\n\nb\n\n")
    (tmp_path / "x.tsv").write_bytes(b"\ncaption\turl\n\na\tu\n\nb\tu\n\n")
    (tmp_path / "x.csv").write_bytes(b"\ncaption,url\n\na,u\n\nb,u\n\n")
    (tmp_path / "x.jsonl").write_bytes(b'\n{"text": "a"}\n  \n{"text": "b"}\n\n')
    assert captions_of(one_source(tmp_path / "x.txt")) == ["", "a", "", "b", ""]
    for name in ("x.tsv", "x.csv", "x.jsonl"):
        assert captions_of(one_source(tmp_path / name)) == ["a", "b"]


def test_csv_captions_keep_newlines_and_missing_values(tmp_path: Path) -> None:
    """Quoted newlines are part of the caption; "NA", "null" and nothing are text."""
    (tmp_path / "x.csv").write_bytes(
        b'caption,id\r\n"a\r\nb",1\r\nNA,2\r\nnull,3\r\n,4\r\n"",5\r\n'
    )
    assert captions_of(one_source(tmp_path / "x.csv")) == ["a\r\nb", "NA", "null", "", ""]


@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.tsv", "x.jsonl"])
def test_a_caption_longer_than_a_block_is_read(name: str, tmp_path: Path) -> None:
    """A caption of 20 MB in one line comes out whole, with its neighbours in place."""
    long = "y" * 20_000_000
    rows = [f"caption {n}" for n in range(200_000)] + [long, "last"]
    if name == "x.jsonl":
        text = "".join(f'{{"text": "{row}"}}\n' for row in rows)
    else:
        tail = {"x.txt": "", "x.csv": ",u", "x.tsv": "\tu"}[name]
        text = "".join(f"{row}{tail}\n" for row in ["text", *rows][name == "x.txt" :])
    (tmp_path / name).write_text(text.replace("text,u", "text,url").replace("text\tu", "text\turl"))
    source = one_source(tmp_path / name)
    captions = captions_of(source)
    assert captions == rows
    assert read_rows(source, [199_999, 200_001]) == {
        199_999: ("caption 199999", None),
        200_001: ("last", None),
    }


def test_json_lines_of_odd_objects_are_read_line_by_line(tmp_path: Path) -> None:
    """Keys that come twice, ids of several types and missing captions stop no fast parser."""
    lines = ['{"text": "a", "id": 1}', '{"id": "two"}', '{"text": "b", "text": "c", "id": 2.5}']
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    source = one_source(tmp_path / "x.jsonl")
    assert captions_of(source) == ["a", None, "c"]
    assert ids_of(source) == ["1", "two", "2.5"]


def test_an_id_column_is_read_only_when_asked_for(tmp_path: Path) -> None:
    """The ids of the named column come out; without with_ids there are none."""
    path = write_parquet(tmp_path / "x.parquet", url=["u", "v"], text=["a", "b"])
    source = one_source(path, id_column="url")
    assert all(batch.ids is None for batch in read_batches(source))
    assert ids_of(source) == ["u", "v"]


def test_files_with_no_rows_give_no_captions(tmp_path: Path) -> None:
    """A header without rows, and a table of none, are sources of zero captions."""
    write_parquet(tmp_path / "x.parquet", text=pa.array([], pa.string()))
    write_stream(tmp_path / "x.arrow", pa.table({"text": pa.array([], pa.string())}))
    (tmp_path / "x.csv").write_text("text,url\n")
    (tmp_path / "x.tsv").write_text("text\turl\n")
    for source in find_sources([str(tmp_path)]).sources:
        assert captions_of(source) == []


def test_the_number_of_rows_of_known_files(test_data: Path) -> None:
    """Real files of five layouts give as many captions as their publishers say."""
    expected = {
        "laion_sample_10k.parquet": 10_000,
        "cc3m_validation.tsv": 15_840,
        "coco_captions_val2017.json": 25_014,
        "coco_30k.csv": 30_000,
        "flickr8k.token.txt": 40_460,
    }
    sources = find_sources([str(test_data / "data" / "captions")]).sources
    found = {Path(source.path).name: len(captions_of(source)) for source in sources}
    assert found == expected
