from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from index_files import (
    assert_counts,
    expected_counts,
    files_of,
    letters,
    names_in,
    random_captions,
    small_scale,
    write_captions,
)

from conceptstats.errors import BuildInProgressError, ConceptStatsError, OutputError
from conceptstats.index import merge, pairs, staging
from conceptstats.index.build import build_index
from conceptstats.index.layout import read_manifest
from conceptstats.index.merge import merge_indexes
from conceptstats.text.forms import FormProfile

N_KILLS = int(os.environ.get("CONCEPTSTATS_KILLS", "5"))
MIB = 1 << 20

# Small parts and segments, so that there is something to resume at every stage.
BUILD = """
import sys
from conceptstats.index import pairs, parts
from conceptstats.index.build import build_index
from conceptstats.text import load_profile

parts.PART_ROWS = 2000
pairs._MAX_SEGMENT_BYTES, pairs._BLOCK_EVENTS, pairs._MAX_RUNS = 1_000_000, 50_000, 4
load_profile("words")
print("ready", flush=True)
build_index(sys.argv[2:], sys.argv[1], dedup="caption", max_concepts=3000, workers=2)
"""

# Of 31 parts by two threads it interrupts itself at the fourth, so two are done; others take long.
INTERRUPTED = """
import os, signal, time
from itertools import count
from conceptstats.index import build

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
make_part, calls = build.make_part, count(1)
def make_or_interrupt(*arguments):
    number = next(calls)
    if number == 4:
        os.kill(os.getpid(), signal.SIGINT)
    if number >= 4:
        time.sleep(0.3)
    return make_part(*arguments)
build.make_part = make_or_interrupt
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files, 60,000 captions of words whose frequencies fall as 1/rank."""
    folder = tmp_path_factory.mktemp("captions")
    generator = random.Random(11)
    words = [letters(k) for k in range(20_000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    captions = [
        " ".join(generator.choices(words, cum_weights=weights, k=generator.randint(1, 15)))
        for _ in range(60_000)
    ]
    return [
        write_captions(folder / "a.parquet", captions[:25_000]),
        write_captions(folder / "b.parquet", captions[25_000:]),
    ]


class Build:
    """A build in a process of its own, that is past its imports."""

    def __init__(self, output: Path, sources: list[Path], before: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", before + BUILD, str(output), *map(str, sources)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def end(self, how: int | None = None) -> int:
        """Send it a signal, if any, and wait for its end; its exit status."""
        if how is not None:
            self._process.send_signal(how)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(timeout=300)


class Undisturbed:
    """An index that was built without disturbance, and how long that took."""

    def __init__(self, folder: Path, sources: list[Path]) -> None:
        for name in ("warm", "index"):  # the first one may have to compile
            build = Build(folder / name, sources)
            began = time.monotonic()
            assert build.end() == 0
            self.seconds = time.monotonic() - began
        self.files = files_of(folder / "index")


@pytest.fixture(scope="module")
def undisturbed(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), sources)


@pytest.mark.parametrize("seed", range(N_KILLS))
def test_a_killed_build_goes_on(
    seed: int, sources: list[Path], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Killed once or twice at any moment, it makes the same bytes as one without disturbance."""
    generator = random.Random(seed)
    output = tmp_path / "index"
    for _ in range(generator.randint(1, 2)):
        if not output.exists():
            build = Build(output, sources)
            time.sleep(generator.uniform(0, undisturbed.seconds))
            assert build.end(signal.SIGKILL) in (-signal.SIGKILL, 0)
    if not output.exists():
        assert Build(output, sources).end() == 0
    assert files_of(output) == undisturbed.files
    assert names_in(tmp_path) == ["index"]


def test_an_interrupted_build_ends_soon_and_goes_on(
    sources: list[Path], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Ctrl-C does not wait for the sources to be read, and keeps what is finished."""
    assert Build(tmp_path / "index", sources, INTERRUPTED).end() != 0
    assert names_in(tmp_path) == [".index.partial"]
    assert 2 <= len(list((tmp_path / ".index.partial" / "parts").glob("0*"))) < 31
    assert Build(tmp_path / "index", sources).end() == 0
    assert files_of(tmp_path / "index") == undisturbed.files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "c.parquet", random_captions(2, 600))


class Stopped(BaseException):
    """Stands for a kill: not an error that the build could answer."""


def stop_at(patch: pytest.MonkeyPatch, module: object, name: str, call: int) -> None:
    """Let a function of a module stop the build at its n-th call."""
    function = getattr(module, name)
    calls = iter(range(call))

    def stopping(*arguments: object) -> object:
        if next(calls, None) is None:
            raise Stopped
        return function(*arguments)

    patch.setattr(module, name, stopping)


def fail(*_: object) -> None:
    raise OutputError("no room.", "free some")


@pytest.fixture
def stopped(source: Path, tmp_path: Path) -> Iterator[Path]:
    """The unfinished folder of a build that was stopped in its third segment; small limits."""
    with small_scale():
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, pairs, "_count_segment", 2)
            build_index([source], tmp_path / "index")
        yield tmp_path / ".index.partial"


def test_finished_parts_are_not_extracted_again(
    stopped: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that goes on takes the parts and the runs that are there."""
    extracted, counted = [], []
    extract, count_segment = FormProfile.extract, pairs._count_segment

    def counting_extract(self: FormProfile, captions: object) -> object:
        extracted.append(1)
        return extract(self, captions)

    def counting_segment(*arguments: object) -> None:
        counted.append(1)
        count_segment(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FormProfile, "extract", counting_extract)
    monkeypatch.setattr(pairs, "_count_segment", counting_segment)
    build_index([source], tmp_path / "other")
    n_segments = len(counted)
    assert len(extracted) == 12 and n_segments > 3
    build_index([source], tmp_path / "index")
    assert len(extracted) == 12
    assert len(counted) == n_segments + n_segments - 2
    assert files_of(tmp_path / "index") == files_of(tmp_path / "other")


def test_a_part_that_was_cut_off_is_made_again(stopped: Path, source: Path, tmp_path: Path) -> None:
    """What a kill left half written is dropped."""
    (stopped / "parts" / "00000-00004").rename(stopped / "parts" / ".00000-00004.partial")
    (stopped / "parts" / ".00000-00004.partial" / "captions.arrow").write_bytes(b"half")
    (stopped / "work" / ".run-x.partial").mkdir()
    build_index([source], tmp_path / "index")
    build_index([source], tmp_path / "other")
    assert files_of(tmp_path / "index") == files_of(tmp_path / "other")


@pytest.mark.parametrize("memory", [64, 96, 128, 1024])
def test_a_build_goes_on_with_another_memory(
    memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments are then divided in another way; runs of the old division do not mix in."""
    captions = random_captions(7, 1000)
    source = write_captions(tmp_path / "c.parquet", captions)
    with small_scale():
        monkeypatch.setattr(pairs, "_MAX_SEGMENT_BYTES", 4096 * MIB)
        monkeypatch.setattr(pairs, "_BYTES_PER_TOKEN", 70_000)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, pairs, "_count_segment", 2)
            build_index([source], tmp_path / "index", memory=96 * MIB)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, pairs, "_merge_runs", 1)
            build_index([source], tmp_path / "index", memory=72 * MIB)
        index = build_index([source], tmp_path / "index", memory=memory * MIB)
    assert_counts(index, expected_counts(captions))


@pytest.mark.parametrize(
    "change", [{"min_count": 2}, {"dedup": "caption"}, {"profile": "concepts"}]
)
def test_an_unfinished_folder_of_another_plan_is_emptied(
    change: dict[str, object], stopped: Path, source: Path, tmp_path: Path
) -> None:
    """Other settings or another profile start anew."""
    (stopped / "stray.txt").write_text("left over")
    (stopped / "parts" / "00077-00000").mkdir()
    if "profile" in change:
        change["profile_options"] = {"phrases": {"dog": ["dog"], "bus": ["bus"]}}
    build_index([source], tmp_path / "index", **change)  # type: ignore[arg-type]
    build_index([source], tmp_path / "other", **change)  # type: ignore[arg-type]
    assert files_of(tmp_path / "index") == files_of(tmp_path / "other")


def test_a_source_that_changed_meanwhile_is_read_again(
    stopped: Path, source: Path, tmp_path: Path
) -> None:
    """Parts of the old file are not taken for parts of the new one."""
    captions = random_captions(99, 600)
    write_captions(source, captions)
    assert_counts(build_index([source], tmp_path / "index"), expected_counts(captions))


def test_a_plan_that_cannot_be_read_is_another_plan(
    stopped: Path, source: Path, tmp_path: Path
) -> None:
    """Half a plan.json does no harm."""
    (stopped / "plan.json").write_text('{"max_con')
    assert len(read_manifest(build_index([source], tmp_path / "index")).parts) == 12


def test_one_build_at_a_time(source: Path, tmp_path: Path) -> None:
    """A second build of the same index is refused and disturbs nothing; the lock ends with it."""
    partial = tmp_path / ".index.partial"
    partial.mkdir()
    (partial / "theirs").write_text("work")
    with (partial / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BuildInProgressError, match="another process is building"):
            build_index([source], tmp_path / "index")
        assert (partial / "theirs").read_text() == "work"
        build_index([source], tmp_path / "other")
    build_index([source], tmp_path / "index")
    assert names_in(tmp_path) == ["c.parquet", "index", "other"]


def test_long_work_is_kept_when_the_disk_is_full(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After more than a minute an error keeps the finished parts, and says where."""
    monkeypatch.setattr(staging, "_WORTH_KEEPING", 0.0)
    with small_scale():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pairs, "_merge_runs", fail)
            with pytest.raises(OutputError, match="free some; the same command goes on") as caught:
                build_index([source], tmp_path / "index")
        assert str(tmp_path / ".index.partial") in str(caught.value)
        assert len(names_in(tmp_path / ".index.partial" / "parts")) == 12
        build_index([source], tmp_path / "index")
    assert names_in(tmp_path) == ["c.parquet", "index"]


def test_a_stopped_merge_goes_on(source: Path, tmp_path: Path) -> None:
    """Also with indexes that were built again in between, under another profile."""
    other = write_captions(tmp_path / "d.parquet", random_captions(3, 300))
    phrases = {"phrases": {"dog": ["dog"], "bus": ["bus", "buses"]}}
    with small_scale():
        apart = [build_index([s], tmp_path / s.stem) for s in (source, other)]
        for _ in range(2):
            with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
                stop_at(patch, pairs, "_merge_runs", 0)
                merge_indexes(apart, tmp_path / "index")
        for s in (source, other):
            build_index([s], tmp_path / s.stem, overwrite=True, profile="concepts",
                        profile_options=phrases)  # fmt: skip
        merged = merge_indexes(apart, tmp_path / "index")
        whole = build_index([source, other], tmp_path / "whole", profile="concepts",
                            profile_options=phrases)  # fmt: skip
    assert files_of(merged, "run.json", "checksums.json") == files_of(
        whole, "run.json", "checksums.json"
    )
    assert json.loads((merged / "run.json").read_text())["command"] == "index merge"


def test_a_failed_merge_leaves_its_inputs_alone(source: Path, tmp_path: Path) -> None:
    """Its parts are links to theirs; removing an unfinished merge removes no part of an index."""
    other = write_captions(tmp_path / "d.parquet", random_captions(3, 300))
    apart = [build_index([s], tmp_path / s.stem) for s in (source, other)]
    before = [files_of(index) for index in apart]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ConceptStatsError):
        patch.setattr(merge, "finish", fail)
        merge_indexes(apart, tmp_path / "index")
    assert [files_of(index) for index in apart] == before
    assert not (tmp_path / ".index.partial").exists()
