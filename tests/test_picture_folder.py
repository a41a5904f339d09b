"""The folder of a run that makes pictures: begun, gone on with, tried again, kept, shared."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from painter import Painter, assert_same, make, write_probes

from conceptstats.errors import OutputError, OutputExistsError
from conceptstats.shards import Shard
from conceptstats.synth.images import image_seed


@pytest.fixture
def probes(tmp_path: Path) -> Path:
    """Five probes."""
    return write_probes(tmp_path / "probes.parquet")


@pytest.fixture
def whole(probes: Path, tmp_path: Path) -> Path:
    """The folder of one run from beginning to end."""
    make(probes, tmp_path / "whole")
    return tmp_path / "whole"


def test_an_unfinished_run_with_other_settings_is_kept(probes: Path, tmp_path: Path) -> None:
    """It says what differs; --overwrite begins anew, and takes nothing over."""
    output = tmp_path / "images"
    with pytest.raises(KeyboardInterrupt):
        make(probes, output, Painter(stops_after=6), settings={"model": "a"})
    with pytest.raises(
        OutputExistsError, match=r"an unfinished run, .* in: seed, model, steps n\."
    ):
        make(probes, output, settings={"model": "b", "steps": {"n": 1}}, seed=1)
    assert len(list(output.rglob("*.png"))) == 6
    _, painter = make(probes, output, settings={"model": "b"}, overwrite=True)
    assert len(painter.asked) == 15


def test_overwrite_goes_on_with_the_same_settings(probes: Path, tmp_path: Path) -> None:
    """So that shares can be started with --overwrite, each after another."""
    output = tmp_path / "images"
    make(probes, output, seed=7)
    for index in range(2):
        found, painter = make(probes, output, shard=Shard(index, 2), overwrite=True)
        assert len(painter.asked) == (8, 7)[index]
    assert found.n == 15
    make(probes, tmp_path / "expected")
    assert_same(output, tmp_path / "expected")


def test_a_finished_run_is_not_made_again(probes: Path, whole: Path) -> None:
    """Nor is a share of it."""
    for shard in (Shard(), Shard(1, 2)):
        with pytest.raises(OutputExistsError, match="--overwrite"):
            make(probes, whole, shard=shard)
    assert not (whole / ".unfinished").exists()


def test_two_processes_do_not_do_the_same(probes: Path, tmp_path: Path) -> None:
    """Neither the same share, nor shares of another number, nor is a folder cleared at work."""
    output = tmp_path / "images"
    make(probes, output, shard=Shard(0, 3))
    with (output / ".unfinished" / "1-of-3.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for options in ({"shard": Shard(1, 3)}, {"shard": Shard(1, 2)}, {}):
            with pytest.raises(OutputError, match=r"another process is writing .*share 1/3"):
                make(probes, output, **options)
        with pytest.raises(OutputError, match="another process"):
            make(probes, output, shard=Shard(2, 3), seed=1, overwrite=True)
        make(probes, output, shard=Shard(2, 3))
    found, _ = make(probes, output, shard=Shard(1, 3))
    assert found.complete


def test_a_folder_of_ones_own_is_kept(probes: Path, tmp_path: Path) -> None:
    """With --overwrite too."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.png").write_bytes(b"x")
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError):
            make(probes, tmp_path / "mine", overwrite=overwrite)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["x.png"]


def test_failures_of_a_finished_run_are_tried_again(
    probes: Path, tmp_path: Path, whole: Path
) -> None:
    """By the same command: what is there is not made again, and the end is as without failures."""
    output = tmp_path / "images"
    found, _ = make(probes, output, Painter(broken={"car"}))
    assert len(found.failures) == 6
    with pytest.raises(KeyboardInterrupt):
        make(probes, output, Painter(stops_after=2))
    assert (output / "images.parquet").exists()  # until there is a better one
    found, painter = make(probes, output)
    assert (found.n, found.failures, len(painter.asked)) == (15, (), 4)
    assert_same(output, whole)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        make(probes, output)


def test_failures_are_tried_again_in_shares(probes: Path, tmp_path: Path, whole: Path) -> None:
    """Whatever the shares of the run that left them."""
    output = tmp_path / "images"
    make(probes, output, Painter(broken={"car"}))
    asked = 0
    for index in (1, 0):
        found, painter = make(probes, output, shard=Shard(index, 2))
        asked += len(painter.asked)
    assert (found.complete, found.failures, asked) == (True, (), 6)
    assert_same(output, whole)


def test_failures_that_stay(probes: Path, tmp_path: Path) -> None:
    """They are listed as before; nothing else changes."""
    make(probes, tmp_path / "once", Painter(broken={"car"}))
    for _ in range(2):
        make(probes, tmp_path / "twice", Painter(broken={"car"}))
    assert_same(tmp_path / "once", tmp_path / "twice")


def test_what_was_refused_is_tried_again_with_more_retries(probes: Path, tmp_path: Path) -> None:
    """The table is that of a run with so many from the beginning; fewer would lose pictures."""
    bad = {image_seed(0, "bus-sun", 1, attempt) for attempt in range(3)}
    for folder, retries in (("steps", 1), ("steps", 3), ("whole", 3)):
        found, _ = make(probes, tmp_path / folder, Painter(bad_seeds=bad), retries=retries)
        assert len(found.failures) == (retries == 1)
    assert_same(tmp_path / "steps", tmp_path / "whole")
    make(probes, tmp_path / "less", Painter(broken={"mug"}), retries=3)
    with pytest.raises(OutputExistsError, match=r"of which 3 pictures failed, .* in: retries"):
        make(probes, tmp_path / "less", retries=2)


def test_overwrite_replaces_a_run_with_failures(probes: Path, tmp_path: Path) -> None:
    """All its pictures are made anew; without, other settings are refused, and say what differs."""
    output = tmp_path / "images"
    make(probes, output, Painter(broken={"car"}))
    with pytest.raises(OutputExistsError, match=r"of which 6 pictures failed, .* in: per_probe"):
        make(probes, output, per_probe=2)
    found, painter = make(probes, output, overwrite=True)
    assert (found.failures, len(painter.asked)) == ((), 15)
