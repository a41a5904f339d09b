"""Edited photographs do not depend on how the work was cut: killed, shared, or spread."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from messages import Messages
from paste_inputs import digests, paste, picture, problems, write_inputs
from PIL import Image

from conceptstats.concat import concat
from conceptstats.errors import ConceptStatsError, OutputExistsError, ParameterError, SourceError
from conceptstats.shards import Shard
from conceptstats.synth.paste import run
from conceptstats.synth.paste.run import TABLE
from conceptstats.synth.paste.saving import PASTED, Edit
from conceptstats.table_files import load_table


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, photographs of two classes, and a cut-out or two of each accessory."""
    return write_inputs(tmp_path_factory.mktemp("paste"))


def test_pixels_depend_on_the_photograph_alone(inputs: Path, tmp_path: Path) -> None:
    """Neither processes, nor shares, nor the names of other photographs change one."""
    edit = Edit(with_original=True)
    paste(inputs, tmp_path / "one", edit)
    whole = digests(tmp_path / "one")
    assert len(whole) == 40
    paste(inputs, tmp_path / "two", edit, workers=2)
    assert digests(tmp_path / "two") == whole
    assert (tmp_path / "one" / TABLE).read_bytes() == (tmp_path / "two" / TABLE).read_bytes()
    shares: dict[str, str] = {}
    for number in range(3):
        paste(inputs, tmp_path / f"share{number}", edit, shard=Shard(number, 3))
        shares |= digests(tmp_path / f"share{number}")
    assert shares == whole
    fewer = tmp_path / "photos" / "lion"
    fewer.mkdir(parents=True)
    (fewer / "3.png").write_bytes((inputs / "photos" / "lion" / "3.png").read_bytes())
    (tmp_path / "classes.txt").write_text("lion\nsports car\n")
    paste(inputs, tmp_path / "few", edit, photos=tmp_path / "photos",
          classes=tmp_path / "classes.txt")  # fmt: skip
    few = digests(tmp_path / "few")
    assert few == {name: whole[name] for name in few}
    paste(inputs, tmp_path / "other", Edit(with_original=True, seed=1))
    assert digests(tmp_path / "other") != whole


KILLED = """
import os, signal, sys
from pathlib import Path
from paste_inputs import paste
from conceptstats.synth.paste import compose, run

saved = 0
save = compose.save_version

def save_some(task, edit, place, *rest):
    global saved
    saved += 1
    row = save(task, edit, place, *rest)
    if saved == 21:
        (Path(place.output) / row["path"]).write_bytes(b"half of a picture")
        os.kill(os.getpid(), signal.SIGKILL)
    return row

run._AT_ONCE, run._PART, compose.save_version = 1, 3, save_some
paste(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_run_that_is_killed_goes_on(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two parts of three photographs outlive SIGKILL; the end is that of one run, byte for byte."""
    monkeypatch.setattr(run, "_AT_ONCE", 1)
    monkeypatch.setattr(run, "_PART", 3)
    output = tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    script = [sys.executable, "-c", KILLED, str(inputs), str(output)]
    done = subprocess.run(script, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not output.exists()
    edited, real = [], run._edit
    monkeypatch.setattr(
        run, "_edit", lambda tasks, *rest: (edited.append(len(tasks)), real(tasks, *rest))[1]
    )
    said = Messages()
    paste(inputs, output, progress=said)
    assert edited == [3, 1]
    assert said.said == ["going on with an unfinished run: 2 parts are done"]
    paste(inputs, tmp_path / "whole")
    assert contents(output) == contents(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


def test_an_unfinished_run_of_another_plan_is_dropped(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a message that says what has changed; an error of the user leaves nothing."""
    monkeypatch.setattr(run, "_AT_ONCE", 1)
    monkeypatch.setattr(run, "_PART", 3)
    real, edited = run._edit, []

    def edit_some(tasks: Any, *rest: Any) -> pa.Table:
        edited.append(len(tasks))
        if len(edited) == 3:
            raise KeyboardInterrupt
        return real(tasks, *rest)

    monkeypatch.setattr(run, "_edit", edit_some)
    with pytest.raises(KeyboardInterrupt):
        paste(inputs, tmp_path / "out")
    said = Messages()
    paste(inputs, tmp_path / "out", Edit(seed=1), progress=said)
    assert edited == [3, 3, 3, 3, 3, 3, 1]
    assert said.said == ["an unfinished run is dropped, as these have changed: seed"]


def test_shares_are_put_together(inputs: Path, tmp_path: Path) -> None:
    """Their tables become that of the whole run, in its order; the paths lead to the pictures."""
    edit = Edit(per_photo=4, with_original=True)
    paste(inputs, tmp_path / "whole", edit)
    shares = [tmp_path / f"share {number} é" for number in range(3)]
    for number, share in enumerate(shares):
        paste(inputs, share, edit, shard=Shard(number, 3))
    found = concat([share / TABLE for share in reversed(shares)], tmp_path / "all.parquet")
    assert (found.order, found.missing) == ("place", ())
    joined = load_table(tmp_path / "all.parquet", PASTED)
    for row in joined.to_pylist():
        data = (tmp_path / row["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
    whole = load_table(tmp_path / "whole" / TABLE, PASTED)
    assert joined.drop_columns(["path"]).equals(whole.drop_columns(["path"]))
    paste(inputs, tmp_path / "other", Edit(seed=1), shard=Shard(0, 3))
    with pytest.raises(ParameterError, match="other settings"):
        concat([tmp_path / "other" / TABLE, shares[1] / TABLE], tmp_path / "x.parquet")


def test_a_share_in_which_nothing_can_be_edited_lists_it(inputs: Path, tmp_path: Path) -> None:
    """So no photograph is lost; a whole run of this kind, and an empty share, are errors."""
    photos = tmp_path / "photos"
    for name in ("dragon", "lion"):
        (photos / name).mkdir(parents=True)
        Image.fromarray(picture(1)).save(photos / name / "a.png")
    shares = [tmp_path / "0", tmp_path / "1"]
    found = [paste(inputs, share, photos=photos, shard=Shard(number, 2))
             for number, share in enumerate(shares)]  # fmt: skip
    assert [(one.n_photos, one.n_edited, one.n_listed) for one in found] == [(1, 0, 1), (1, 1, 0)]
    (listed,) = (row for row in problems(shares[0]) if row["what"] == "photograph")
    assert (listed["id"], listed["reason"]) == ("dragon/a.png", "no caption holds its class")
    joined = concat([share / TABLE for share in shares], tmp_path / "all.parquet")
    assert joined.n == 3
    with pytest.raises(ParameterError, match="share 2/3 of 2 photographs is empty"):
        paste(inputs, tmp_path / "2", photos=photos, shard=Shard(2, 3))
    with pytest.raises(SourceError, match=r"not one of 1 photographs.*means nothing"):
        paste(inputs, tmp_path / "3", photos=photos / "dragon")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0", "1", "all.parquet", "all.parquet.run.json", "photos",
    ]  # fmt: skip


def test_an_output_is_never_overwritten_unasked(inputs: Path, tmp_path: Path) -> None:
    """Another folder is not even with it."""
    paste(inputs, tmp_path / "out")
    with pytest.raises(OutputExistsError):
        paste(inputs, tmp_path / "out")
    paste(inputs, tmp_path / "out", Edit(seed=1), overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputExistsError):
        paste(inputs, tmp_path / "mine", overwrite=True)
    with pytest.raises(ConceptStatsError, match="split_accessories is 2"):
        paste(inputs, tmp_path / "x", split_accessories=2.0)
