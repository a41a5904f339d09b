from __future__ import annotations

import errno
import gzip
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from index_files import (
    expected_counts,
    files_of,
    letters,
    names_in,
    pairs_of,
    random_captions,
    small_scale,
    vocabulary_of,
    write_captions,
)

from conceptstats import tables
from conceptstats.errors import ConceptStatsError, OutputError, OutputExistsError, SourceError
from conceptstats.index import build, parts
from conceptstats.index.build import build_index
from conceptstats.index.layout import read_manifest
from conceptstats.sources import Batch, Source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "c.parquet", ["a dog", "a cat and a dog"])


def not_utf8_parquet(folder: Path) -> Path:
    texts = pa.array([b"dog", b"caf\xe9", b"cat"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"caption": texts}), folder / "c.parquet")
    return folder / "c.parquet"


def not_utf8_lines(folder: Path) -> Path:
    (folder / "c.txt").write_bytes(b"dog\ncaf\xe9\ncat\n")
    return folder / "c.txt"


def bad_json_line(folder: Path) -> Path:
    (folder / "c.jsonl").write_text('{"caption": "dog"}\n{"caption": "d\n{"caption": "cat"}\n')
    return folder / "c.jsonl"


def truncated_gzip(folder: Path) -> Path:
    lines = "".join(f"a dog {k * 7919 % 10007}\n" for k in range(20_000))
    packed = gzip.compress(lines.encode())
    (folder / "c.txt.gz").write_bytes(packed[: len(packed) // 2])
    return folder / "c.txt.gz"


def truncated_parquet(folder: Path) -> Path:
    path = write_captions(folder / "c.parquet", ["a dog"] * 100)
    path.write_bytes(path.read_bytes()[:-100])
    return path


BAD_ROWS = [not_utf8_parquet, not_utf8_lines, bad_json_line]


@pytest.mark.parametrize("damaged", [*BAD_ROWS, truncated_gzip, truncated_parquet])
def test_bad_input_stops_the_build_and_leaves_nothing(
    damaged: object, source: Path, tmp_path: Path
) -> None:
    """The error names the file; neither an index nor a hidden folder is left behind."""
    (tmp_path / "bad").mkdir()
    bad = damaged(tmp_path / "bad")  # type: ignore[operator]
    with small_scale(), pytest.raises(SourceError, match=bad.name):
        build_index([source, bad], tmp_path / "index")
    assert names_in(tmp_path) == ["bad", "c.parquet"]


@pytest.mark.parametrize("damaged", BAD_ROWS)
def test_a_skipped_row_is_recorded(damaged: object, tmp_path: Path) -> None:
    """The index lists what was left out, by file and row, with the reason."""
    bad = damaged(tmp_path)  # type: ignore[operator]
    index = build_index([bad], tmp_path / "index", on_error="skip")
    assert set(vocabulary_of(index)) == {"dog", "cat"}
    data = json.loads((index / "index.json").read_text())
    ((path, row, reason),) = data["skipped"]
    assert (path, row) == (str(bad), 1)
    assert "UTF-8" in reason or "invalid JSON" in reason
    assert (data["totals"]["n_invalid"], data["totals"]["n_captions"]) == (1, 2)


def test_the_rest_of_a_truncated_file_is_recorded(tmp_path: Path) -> None:
    """What could be read before the damage counts, and the damage is listed."""
    bad = truncated_gzip(tmp_path)
    with small_scale(1000):
        index = build_index([bad], tmp_path / "index", on_error="skip")
    manifest = read_manifest(index)
    n_captions = manifest.totals["n_captions"]
    assert 1000 < n_captions < 20_000
    assert manifest.totals["n_rows"] == n_captions + manifest.totals["n_invalid"]
    assert vocabulary_of(index) == {"dog": (n_captions, n_captions)}
    assert "the rest of the file was left out" in manifest.skipped[-1][2]


@pytest.mark.parametrize("workers", [2, 4])
def test_an_error_ends_the_reading_of_other_files(
    workers: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad file among good ones of any length is reported at once."""
    failed = threading.Event()

    def endless(source: Source, **_: object) -> Iterator[Batch]:
        if source.path.endswith("b.txt"):
            failed.set()
            raise SourceError("b.txt is damaged.")
        yield Batch(pa.array(["a dog"] * 50, pa.string()), None)
        failed.wait(60)
        while True:
            yield Batch(pa.array(["a dog"] * 50, pa.string()), None)

    monkeypatch.setattr(parts, "read_batches", endless)
    places = [tmp_path / f"{name}.txt" for name in "abc"]
    for place in places:
        place.write_text("a dog\n")
    with small_scale(), pytest.raises(SourceError, match="is damaged"):
        build_index(places, tmp_path / "index", workers=workers)


def test_a_stopped_queue_hands_out_nothing_more(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even from the file that was being read when it was stopped."""

    def stops_itself(source: Source, **_: object) -> Iterator[Batch]:
        for number in range(10):
            if number == 2:
                queue.stop()
            yield Batch(pa.array(["a dog"] * 50, pa.string()), None)

    monkeypatch.setattr(parts, "read_batches", stops_itself)
    found = build.find_sources([str(source)])
    queue = parts.PartQueue(list(enumerate(found.sources)), False, "stop")
    with small_scale():
        numbers = [part.number for part in iter(queue.next, None)]
    assert numbers == [0, 1, 2]


def test_an_index_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    """Unless that is asked for; then the new one replaces it, and nothing else is left."""
    index = build_index([source], tmp_path / "index")
    before = files_of(index)
    other = write_captions(tmp_path / "d.parquet", ["red ball"])
    with pytest.raises(OutputExistsError, match=r"index exists.*--overwrite"):
        build_index([other], index)
    assert files_of(index) == before
    build_index([other], index, overwrite=True)
    assert pairs_of(index) == {("ball", "red"): 1}
    assert names_in(tmp_path) == ["c.parquet", "d.parquet", "index"]


def test_a_failed_build_keeps_the_index_it_was_to_replace(source: Path, tmp_path: Path) -> None:
    """Only a complete index takes the place of another."""
    index = build_index([source], tmp_path / "index")
    before = files_of(index)
    (tmp_path / "bad").mkdir()
    with pytest.raises(SourceError):
        build_index([bad_json_line(tmp_path / "bad")], index, overwrite=True)
    assert files_of(index) == before
    assert names_in(tmp_path) == ["bad", "c.parquet", "index"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_only_an_index_is_overwritten(overwrite: bool, source: Path, tmp_path: Path) -> None:
    """Not a file, and not a folder of something else."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(OutputExistsError, match=f"{name} exists"):
            build_index([source], tmp_path / name, overwrite=overwrite)
    assert (tmp_path / "file").read_text() == "mine"
    assert names_in(tmp_path / "folder") == ["mine.txt"]
    assert names_in(tmp_path) == ["c.parquet", "file", "folder"]


def test_an_output_below_a_file(source: Path, tmp_path: Path) -> None:
    """A path that cannot be is a clear error."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        build_index([source], tmp_path / "file" / "index")


@pytest.mark.parametrize("after", [0, 3, 8, 40])
@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk is full"),
     (errno.EROFS, "cannot be written")],
)  # fmt: skip
def test_a_full_disk(
    after: int, number: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the disk fills up, the error says so, and nothing is left behind."""
    n_written = 0
    dump = tables.dump_table

    def full(path: Path, table: pa.Table) -> None:
        nonlocal n_written
        n_written += 1
        if n_written > after:
            raise OSError(number, "refused")
        dump(path, table)

    monkeypatch.setattr(tables, "dump_table", full)
    captions = write_captions(tmp_path / "c.parquet", random_captions(4, 500))
    with small_scale(), pytest.raises(OutputError, match=message):
        build_index([captions], tmp_path / "index")
    assert n_written > after
    assert names_in(tmp_path) == ["c.parquet"]


LIMITED = """
import resource, sys
from conceptstats.errors import OutputError
from conceptstats.index import pairs, parts
from conceptstats.index.build import build_index

source, folder, limit, parts.PART_ROWS = *sys.argv[1:4], int(sys.argv[4])
pairs._MAX_SEGMENT_BYTES = 60_000  # more are counted in runs
build_index([source], folder + "/first")  # compiles, and caches what is compiled
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    build_index([source], folder + "/second")
except OutputError as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    ("limit", "part_rows"),
    [(500, 400), (20_000, 400), (200_000, 400), (200_000, 200)],
    ids=["the plan", "captions of a part", "the pair table", "a run"],
)
def test_a_file_that_the_system_cuts_off(limit: int, part_rows: int, tmp_path: Path) -> None:
    """A write that the operating system itself refuses, wherever it happens."""
    words = [letters(k) for k in range(1000)]
    captions = [" ".join(random.Random(k).sample(words, 20)) for k in range(400)]
    source = write_captions(tmp_path / "c.parquet", captions)
    (tmp_path / "out").mkdir()
    arguments = [str(source), str(tmp_path / "out"), str(limit), str(part_rows)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "larger than the limit on files" in done.stdout
    assert names_in(tmp_path / "out") == ["first"]


def test_every_error_is_one_of_ours(source: Path, tmp_path: Path) -> None:
    """What a user can do wrong is caught with one class, and says something."""
    mistakes: list[tuple[list[Path], dict[str, object]]] = [
        ([tmp_path / "nowhere"], {}),
        ([], {}),
        ([source, source], {}),
        ([source], {"caption_column": "text"}),
        ([source], {"profile": "nothing"}),
        ([source], {"profile_options": {"x": 1}}),
    ]
    for places, options in mistakes:
        with pytest.raises(ConceptStatsError) as caught:
            build_index(places, tmp_path / "index", **options)  # type: ignore[arg-type]
        assert len(caught.value.message) > 10
    assert names_in(tmp_path) == ["c.parquet"]


def test_counts_are_right_after_an_error(tmp_path: Path) -> None:
    """A build that failed leaves nothing that the next one could take for its own."""

    def fail(path: Path, table: pa.Table) -> None:
        raise OSError("hiccup")

    captions = random_captions(6, 300)
    source = write_captions(tmp_path / "c.parquet", captions)
    with small_scale():
        with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="hiccup"):
            patch.setattr(tables, "dump_table", fail)
            build_index([source], tmp_path / "index")
        index = build_index([source], tmp_path / "index")
    assert pairs_of(index) == expected_counts(captions).n_pairs
