"""A second build beside, over, or in place of what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptstats import CaptionIndex, build_index
from conceptstats.errors import OutputError, SourceError
from conceptstats.index import build, staging
from conceptstats.text.forms import FormProfile

CAPTIONS = ["a dog and a cat", "a dog", "two cats", "a bird on a tree"] * 20


class Stopped(Exception):  # noqa: N818 - stands for a kill
    """Ends a build without its clean-up."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A parquet file of captions with DataComp's uids."""
    uids = [f"{number:032x}" for number in range(len(CAPTIONS))]
    pq.write_table(pa.table({"uid": uids, "text": CAPTIONS}), tmp_path / "c.parquet")
    return tmp_path / "c.parquet"


def stop_before_finish(
    monkeypatch: pytest.MonkeyPatch, *arguments: object, **options: object
) -> None:
    """Build until all parts are made, then stop as if killed."""

    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(build, "finish", stop)
        patch.setattr(staging, "_WORTH_KEEPING", 0.0)
        with pytest.raises(Stopped):
            build_index(*arguments, **options)  # type: ignore[arg-type]


def test_another_vocabulary_keeps_the_parts(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are not cut, so a resumed build with another --max-concepts extracts nothing again."""
    stop_before_finish(monkeypatch, source, tmp_path / "IDX")
    monkeypatch.setattr(FormProfile, "extract", None)
    index = CaptionIndex.open(build_index(source, tmp_path / "IDX", max_concepts=2))
    assert index.vocabulary.column("concept").to_pylist() == ["cat", "dog"]


def test_another_subset_starts_anew(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the subset file counts, not only its name."""
    subset = tmp_path / "s.npy"
    kind = np.dtype("u8,u8")
    np.save(subset, np.array([(0, n) for n in range(10)], kind))
    stop_before_finish(monkeypatch, source, tmp_path / "IDX", subset=subset)
    np.save(subset, np.array([(0, n) for n in range(50)], kind))
    index = CaptionIndex.open(build_index(source, tmp_path / "IDX", subset=subset))
    assert index.n == 50


def test_a_resumed_build_that_fails_keeps_the_work(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier build has left is not thrown away by an error of the next."""
    stop_before_finish(monkeypatch, source, tmp_path / "IDX")

    def full(*_: object) -> None:
        raise OutputError("no room.")

    with monkeypatch.context() as patch:
        patch.setattr(build, "finish", full)
        with pytest.raises(OutputError, match="goes on with the work done so far"):
            build_index(source, tmp_path / "IDX")
    assert (tmp_path / ".IDX.partial" / "parts" / "00000-00000").is_dir()


def test_an_index_is_no_source_and_holds_no_index(source: Path, tmp_path: Path) -> None:
    """A folder of captions may hold an index, which is passed over; nothing is built into one."""
    build_index(tmp_path, tmp_path / "IDX")
    again = CaptionIndex.open(build_index(tmp_path, tmp_path / "IDX2"))
    assert [Path(source.path).name for source in again.manifest.sources] == ["c.parquet"]
    with pytest.raises(OutputError, match="inside the index"):
        build_index(source, tmp_path / "IDX" / "sub")
    with pytest.raises(SourceError):
        build_index(tmp_path / "IDX", tmp_path / "IDX3")


def test_a_source_with_another_name_than_utf8(tmp_path: Path) -> None:
    """File names are bytes; one that is not UTF-8 is read, and found again."""
    path = tmp_path / b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    path.write_text("a dog\n", encoding="utf-8")
    index = CaptionIndex.open(build_index(path, tmp_path / "IDX"))
    assert index.find("dog")[0].caption == "a dog"
