from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from caption_files import captions_of, one_source, write_parquet, write_stream, write_tar

from conceptstats.errors import CaptionColumnError, SourceError
from conceptstats.sources import find_sources, read_rows


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """The file system behind memory://, empty before and after."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


def names_of(*places: Path | str) -> list[str]:
    """Names of the files that are found, in order."""
    found = find_sources([str(place) for place in places])
    return [Path(source.path).name for source in found.sources]


def refused(*places: Path | str, **options: str) -> str:
    """The message of the error that these places give."""
    with pytest.raises(SourceError) as caught:
        find_sources([str(place) for place in places], **options)
    return str(caught.value)


def test_a_folder_is_searched_to_its_depth_in_order(tmp_path: Path) -> None:
    """Caption files come sorted by path; other files and hidden folders do not count."""
    for folder in ("b", "a/deep", ".cache"):
        (tmp_path / folder).mkdir(parents=True)
        write_parquet(tmp_path / folder / "x.parquet", text=["a"])
    (tmp_path / "a" / "y.txt").write_text("a\n")
    others = ["README.txt", "00000_stats.json", "pic.jpg", "notes", "_SUCCESS"]
    for name in others:
        (tmp_path / name).write_text("{}")
    found = find_sources([str(tmp_path)])
    expected = ["a/deep/x.parquet", "a/y.txt", "b/x.parquet"]
    assert [source.path for source in found.sources] == [str(tmp_path / each) for each in expected]
    assert sorted(Path(path).name for path in found.ignored) == sorted(others)


def test_a_glob_takes_what_it_matches(tmp_path: Path) -> None:
    """Also over folders; what matches and is no caption file is ignored."""
    for name in ("b.txt", "a.txt", "a.jpg"):
        (tmp_path / name).write_text("a\n")
    assert names_of(tmp_path / "*.txt") == ["a.txt", "b.txt"]
    assert names_of(tmp_path.parent / "**" / tmp_path.name / "a.*") == ["a.txt"]


def test_a_name_with_glob_characters_is_a_name_first(tmp_path: Path) -> None:
    """A file that is called like a pattern is that file."""
    (tmp_path / "x[1].txt").write_text("a\n")
    assert names_of(tmp_path / "x[1].txt") == ["x[1].txt"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source is found again from another working folder."""
    (tmp_path / "x.txt").write_text("a\n")
    monkeypatch.chdir(tmp_path)
    for place in ("x.txt", ".", "*.txt"):
        assert one_source(place).path == str(tmp_path / "x.txt")


def test_the_parquet_beside_a_tar_is_read_instead_of_it(tmp_path: Path) -> None:
    """As img2dataset writes them, in a folder or named one by one; a tar alone is read."""
    write_tar(tmp_path / "00000.tar", {"0.txt": b"a"})
    write_parquet(tmp_path / "00000.parquet", key=["0"], caption=["a"], status=["success"])
    write_tar(tmp_path / "00001.tar", {"1.txt": b"b"})
    expected = ["00000.parquet", "00001.tar"]
    assert names_of(tmp_path) == expected
    assert names_of(*sorted(tmp_path.iterdir())) == expected
    assert names_of(tmp_path / "*.tar") == ["00000.tar", "00001.tar"]


@pytest.mark.parametrize("nested", [False, True])
def test_a_saved_hugging_face_data_set_is_what_its_state_lists(
    nested: bool, tmp_path: Path
) -> None:
    """The arrow files that map() caches beside the data are not read; splits are folders."""
    folder = tmp_path / "train" if nested else tmp_path
    folder.mkdir(exist_ok=True)
    names = [f"data-0000{n}-of-00002.arrow" for n in range(2)]
    for name in [*names, "cache-0123.arrow"]:
        write_stream(folder / name, pa.table({"text": [name]}))
    state = {"_data_files": [{"filename": name} for name in names]}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    found = find_sources([str(tmp_path)])
    assert [Path(source.path).name for source in found.sources] == names
    assert len(found.ignored) == 3
    (folder / names[1]).unlink()
    assert "state.json lists it" in refused(tmp_path)


def test_urls_of_files_folders_and_globs_are_read(
    memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    """What fsspec reaches is read like a local file, in every layout."""
    write_parquet(tmp_path / "a.parquet", text=["a", "b"], id=[1, 2])
    write_stream(tmp_path / "b.arrow", pa.table({"text": ["a", "b"]}))
    write_tar(tmp_path / "c.tar", {"0.txt": b"a", "1.txt": b"b"})
    (tmp_path / "d.csv").write_text("text,u\na,u\nb,u\n")
    (tmp_path / "e.txt").write_text("a\nb\n")
    (tmp_path / "README.md").write_text("not captions")
    memory.put(str(tmp_path), "/bucket/", recursive=True)
    local = find_sources([str(tmp_path)]).sources
    (folder,) = {path.rsplit("/", 1)[0] for path in memory.find("/bucket")}
    for place in (f"memory:/{folder}", f"memory:/{folder}/*"):
        found = find_sources([place])
        assert [source.path.rsplit("/", 1)[1] for source in found.sources] == sorted(
            Path(source.path).name for source in local
        )
        assert len(found.ignored) == 1
        for remote, same in zip(found.sources, local, strict=True):
            assert remote.fingerprint == same.fingerprint
            assert captions_of(remote) == ["a", "b"]
            assert read_rows(remote, [1]) == read_rows(same, [1])
            assert captions_of(one_source(remote.path)) == ["a", "b"]


def test_a_url_that_leads_nowhere_is_an_error(memory: fsspec.AbstractFileSystem) -> None:
    """Missing files, empty folders, globs without match and unknown protocols are named."""
    assert "no such file" in refused("memory://nothing/x.parquet")
    assert "empty folder" in refused("memory://nothing/")
    assert "matches no file" in refused("memory://nothing/*.parquet")
    assert "nonsense://x.parquet" in refused("nonsense://x.parquet")


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that speaks the protocol is in the hint."""

    def missing(url: str) -> None:
        raise ImportError("no driver")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    assert "pip install s3fs" in refused("s3://bucket/x.parquet")


def test_places_without_captions_are_errors(tmp_path: Path) -> None:
    """Each says what is missing, before anything is read."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.jpg").write_text("x")
    assert "no such file" in refused(tmp_path / "none.parquet")
    assert "is an empty folder" in refused(tmp_path / "empty")
    assert "holds no caption file" in refused(tmp_path / "other")
    assert "holds no caption file" in refused(tmp_path / "other" / "*")
    assert "matches no file" in refused(tmp_path / "*.parquet")
    assert "no caption file was given" in refused()
    assert "empty name" in refused("")


def test_a_named_file_must_be_a_caption_file(tmp_path: Path) -> None:
    """What would be ignored in a folder is an error when named; the known kinds are listed."""
    (tmp_path / "x.jpg").write_text("x")
    (tmp_path / "x.json").write_text('{"images": []}')
    write_tar(tmp_path / "x.tar", {"0.jpg": b""})
    for name in ("x.jpg", "x.json", "x.tar"):
        message = refused(tmp_path / name)
        assert f"{name} is no caption file" in message
        assert ".parquet, " in message


def test_a_file_given_twice_is_an_error(tmp_path: Path) -> None:
    """By name and folder, or through a link."""
    (tmp_path / "x.txt").write_text("a\n")
    assert "x.txt was given twice" in refused(tmp_path / "x.txt", tmp_path)
    (tmp_path / "y.txt").symlink_to(tmp_path / "x.txt")
    assert "was given twice" in refused(tmp_path)


def test_empty_and_truncated_files_are_errors_before_reading(tmp_path: Path) -> None:
    """Files of no bytes, parquet without its footer, and Arrow without its schema."""
    for name in ("x.txt", "x.csv", "x.jsonl", "x.tsv", "x.parquet", "x.arrow", "x.tar"):
        (tmp_path / name).write_bytes(b"")
        assert f"{name} is empty" in refused(tmp_path / name)
    path = write_parquet(tmp_path / "y.parquet", text=["a"])
    path.write_bytes(path.read_bytes()[:-20])
    assert "y.parquet is no whole parquet file" in refused(path)
    (tmp_path / "y.arrow").write_bytes(b"ARROW1xxxx")
    assert "y.arrow is no whole Arrow file" in refused(tmp_path / "y.arrow")
    (tmp_path / "y.csv.gz").write_bytes(b"not gzip")
    assert "y.csv.gz cannot be read" in refused(tmp_path / "y.csv.gz")


def write_all_kinds(folder: Path, **columns: list[object]) -> list[Path]:
    """One table as parquet, Arrow, CSV, TSV and JSON lines."""
    table = pa.table(columns)
    rows = table.to_pylist()
    texts = {delimiter: [delimiter.join(columns)] for delimiter in ",\t"}
    for delimiter, lines in texts.items():
        lines.extend(delimiter.join(str(value) for value in row.values()) for row in rows)
    (folder / "x.csv").write_text("\n".join(texts[","]))
    (folder / "x.tsv").write_text("\n".join(texts["\t"]))
    (folder / "x.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    write_parquet(folder / "x.parquet", **columns)
    write_stream(folder / "x.arrow", table)
    return sorted(folder.iterdir())


def test_a_missing_caption_column_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    """In every format that has columns, with the option that helps."""
    for path in write_all_kinds(tmp_path, img=["u", "v"], alt_text=["a", "b"]):
        with pytest.raises(CaptionColumnError) as caught:
            find_sources([str(path)])
        message = str(caught.value)
        assert path.name in message
        assert "img" in message
        assert "--caption-column NAME" in message
        assert captions_of(one_source(path, caption_column="alt_text")) == ["a", "b"]


def test_a_wrong_caption_column_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    """The name that was asked for and those that there are, are in the message."""
    for path in write_all_kinds(tmp_path, text=["a", "b"], url=["u", "v"]):
        message = refused(path, caption_column="captoin")
        assert f"{path.name}: no column 'captoin' (columns: text, url)" in message


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    """Names that differ by case only leave open which is meant; asking for one settles it."""
    for path in write_all_kinds(tmp_path, text=["a"], TEXT=["b"], url=["u"]):
        assert "could be in any of the columns text, TEXT" in refused(path)
        assert captions_of(one_source(path, caption_column="TEXT")) == ["b"]


def test_a_caption_column_that_holds_no_text_is_an_error(tmp_path: Path) -> None:
    """Numbers are no captions; the type is told."""
    table = pa.table({"caption": [1, 2]})
    write_parquet(tmp_path / "x.parquet", caption=[1, 2])
    write_stream(tmp_path / "x.arrow", table)
    (tmp_path / "x.jsonl").write_text('{"caption": 1}\n{"caption": {}}\n')
    for name in ("x.parquet", "x.arrow", "x.jsonl"):
        assert "'caption' holds no text" in refused(tmp_path / name)


def test_caption_columns_are_taken_in_a_fixed_order(tmp_path: Path) -> None:
    """Caption before text before top_caption before title before prompt, whatever the case."""
    names = ["prompt", "TITLE", "Top_Caption", "TEXT", "caption"]
    for n_columns, expected in enumerate(names, 1):
        columns = {name: [name] for name in names[:n_columns]}
        path = write_parquet(tmp_path / f"{n_columns}.parquet", **columns)
        assert one_source(path).caption_column == expected


def test_a_tsv_without_header_and_without_urls_needs_a_column(tmp_path: Path) -> None:
    """It cannot be told; the columns have numbers to ask for one by."""
    (tmp_path / "x.tsv").write_text("1\ta dog\n2\ta cat\n")
    assert "columns: column 1, column 2" in refused(tmp_path / "x.tsv")
    source = one_source(tmp_path / "x.tsv", caption_column="column 2", id_column="column 1")
    assert captions_of(source) == ["a dog", "a cat"]
    assert read_rows(source, [1]) == {1: ("a cat", "2")}


@pytest.mark.parametrize("name", ["captions.csv", "captions.txt"])
def test_image_tables_with_quoted_captions_are_csv(name: str, tmp_path: Path) -> None:
    """The layout of Flickr8k on Kaggle: quoted where there are commas, under any extension."""
    (tmp_path / name).write_text('image,caption\n1.jpg,a dog\n1.jpg,"a dog, red"\n')
    assert one_source(tmp_path / name).format == "csv"
    assert captions_of(one_source(tmp_path / name)) == ["a dog", "a dog, red"]


def test_json_lines_may_be_called_json(tmp_path: Path) -> None:
    """Two lines of an object each are JSON lines, also in a .json file."""
    (tmp_path / "x.json").write_text('{"text": "a"}\n{"text": "b"}\n')
    assert captions_of(one_source(tmp_path / "x.json")) == ["a", "b"]


def test_a_wrong_id_column_is_an_error(tmp_path: Path) -> None:
    """An id that is asked for has to be there; one that is not asked for need not."""
    path = write_parquet(tmp_path / "x.parquet", text=["a"])
    assert one_source(path).id_column is None
    assert "no column 'name' (columns: text)" in refused(path, id_column="name")


def test_a_subset_needs_uids_and_a_sorted_list(tmp_path: Path) -> None:
    """Wrong subset files and captions without uid are told apart before reading."""
    path = write_parquet(tmp_path / "x.parquet", text=["a"])
    uids = write_parquet(tmp_path / "u.parquet", text=["a"], uid=["not a uid"])
    (tmp_path / "x.txt").write_text("a\n")
    good, unsorted, wrong = (str(tmp_path / name) for name in ("g.npy", "u.npy", "w.npy"))
    np.save(good, np.array([(1, 2)], np.dtype("u8,u8")))
    np.save(unsorted, np.array([(1, 2), (1, 1)], np.dtype("u8,u8")))
    np.save(wrong, np.arange(3))
    assert "needs a column 'uid'" in refused(path, subset=good)
    assert "rows of parquet files" in refused(tmp_path / "x.txt", subset=good)
    assert "is not sorted" in refused(path, subset=unsorted)
    assert "dtype int64" in refused(path, subset=wrong)
    assert "cannot be read" in refused(path, subset=str(tmp_path / "none.npy"))
    with pytest.raises(SourceError, match="32 hex digits"):
        captions_of(one_source(uids, subset=good))


def test_the_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    """It changes with the first and the last bytes and the size, and not with the name."""
    content = bytearray(b"a\n" * 2_000_000)

    def fingerprint(name: str) -> str:
        (tmp_path / name).write_bytes(content)
        return one_source(tmp_path / name).fingerprint

    first = fingerprint("x.txt")
    assert fingerprint("y.txt") == first
    content[-2] = ord("b")
    assert fingerprint("z.txt") != first
