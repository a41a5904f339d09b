"""Pictures that cannot be looked at: the run stops, or goes on and lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from picture_tables import PAIRS, read_rows, write_pictures
from tiny_detectors import WORDS, save_owlv2

from conceptstats.cli import cli
from conceptstats.concat import concat
from conceptstats.errors import OutputExistsError, SourceError
from conceptstats.progress import Silent
from conceptstats.shards import Shard
from conceptstats.synth import looking
from conceptstats.synth.detectors import Detector
from conceptstats.synth.verify import set_threshold, verify_images
from conceptstats.table_files import load_table
from conceptstats.tables import IMAGES


@pytest.fixture(scope="session")
def owlv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny OWLv2."""
    return save_owlv2(tmp_path_factory.mktemp("models") / "owlv2")


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    """Images and probes."""
    return write_pictures(tmp_path)


BAD_ROWS = [
    {"image_id": "good", "path": "0.png", "probe_id": "p0"},
    {"image_id": "gone", "path": "gone.png", "probe_id": "p0"},
    {"image_id": "text", "path": "text.png", "probe_id": "p0"},
    {"image_id": "other", "path": "1.png", "probe_id": "p0", "sha256": "0" * 64},
    {"image_id": "stray", "path": "2.png", "probe_id": "p99"},
    {"image_id": "none", "path": "3.png", "probe_id": None},
    {"image_id": "long", "path": "4.png", "probe_id": "p4"},
    {"image_id": "empty", "path": "5.png", "probe_id": "p5"},
]  # only the first can be looked at


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, Path]:
    """Images that cannot be looked at, for one reason each, and probes."""
    pairs = [*PAIRS, ("hypercalifragilistic", "tree"), ("dog", " ")]
    inputs = write_pictures(tmp_path, BAD_ROWS, pairs)
    (tmp_path / "images" / "text.png").write_text("no picture")
    return inputs


def test_a_picture_that_cannot_be_looked_at_stops_the_run(owlv2: Path, tmp_path: Path) -> None:
    """The error names the picture and the reason."""
    images, probes = write_pictures(tmp_path, BAD_ROWS[:2])
    with pytest.raises(SourceError, match=r"gone cannot be verified: .*No such file"):
        verify_images(images, tmp_path / "v.parquet", probes=probes, model=owlv2)


def test_what_cannot_be_asked_is_told_before_the_first_picture(
    owlv2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reason once, with its number of pictures; probes that no picture shows do not count."""
    pairs = [("dog", "hypercalifragilistic"), ("cat", "sofa"), ("sesquipedalianism", "tree"),
             ("floccinaucinihilipilification", "tree")]  # fmt: skip
    rows = [{"image_id": f"i{n}", "path": f"{n}.png", "probe_id": f"p{n % 3}"} for n in range(6)]
    rows += [{"image_id": f"stray{n}", "path": "0.png", "probe_id": f"q{n}"} for n in range(2)]
    images, probes = write_pictures(tmp_path, rows, pairs)
    looked: list[object] = []
    find = Detector.find
    monkeypatch.setattr(Detector, "find", lambda *got: looked.append(got) or find(*got))
    told = (r"6 of 8 pictures cannot be verified: .*hypercalifragilistic' has \d+ tokens, and the "
            rf"model reads {WORDS} \(2\); .*sesquipedalianism' has .* \(2\); there is no probe "
            r"'q0' \(1\); there is no probe 'q1' \(1\)\.$")  # fmt: skip
    output = tmp_path / "v.parquet"
    with pytest.raises(SourceError, match=told.removesuffix("$")) as caught:
        verify_images(images, output, probes=probes, model=owlv2)
    assert "floccinaucinihilipilification" not in caught.value.message
    assert not looked
    said: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda _, message: said.append(message))
    monkeypatch.setattr(looking, "_NAMED", 1)
    verify_images(images, output, probes=probes, model=owlv2, on_error="skip")
    assert len(looked) == 2
    assert said[0].startswith("6 of 8 pictures cannot be verified: ")
    assert said[0].endswith(r" (2); and 3 more reasons.")


def test_a_picture_that_is_skipped_keeps_its_row(
    owlv2: Path, damaged: tuple[Path, Path], tmp_path: Path
) -> None:
    """It is neither found nor not found, and both table and record say why."""
    images, probes = damaged
    output = tmp_path / "v.parquet"
    found = verify_images(images, output, probes=probes, model=owlv2, on_error="skip", threshold=0)
    assert (found.n, found.n_key, found.n_both) == (8, 1, 1)
    reasons = dict(found.skipped)
    assert list(reasons) == ["gone", "text", "other", "stray", "none", "long", "empty"]
    for identity, reason in {
        "gone": f"{tmp_path / 'images' / 'gone.png'}: No such file",
        "text": "UnidentifiedImageError",
        "other": "its sha256 differs",
        "stray": "there is no probe 'p99'",
        "none": "it has no probe",
        "long": f"tokens, and the model reads {WORDS}",
        "empty": "its probe names nothing",
    }.items():
        assert reason in reasons[identity]
    rows = read_rows(output)
    assert rows["good"]["key_found"] is rows["good"]["accessory_found"] is True
    for identity, reason in reasons.items():
        row = rows[identity]
        assert row["unverified"] == reason
        for name in ("found", "score", "box"):
            assert row[f"key_{name}"] is row[f"accessory_{name}"] is None
    record = json.loads(Path(f"{output}.run.json").read_text())
    assert record["unverified"] == [list(pair) for pair in found.skipped]
    again = set_threshold(output, tmp_path / "again.parquet", threshold=0.999)
    assert again.skipped == found.skipped
    assert read_rows(tmp_path / "again.parquet")["gone"]["key_found"] is None


def test_a_run_in_which_nothing_was_looked_at_is_an_error(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """A table of nulls is no result."""
    images, probes = inputs
    for path in images.parent.glob("*.png"):
        path.unlink()
    with pytest.raises(SourceError, match=r"none of 12 pictures can be verified; i0: "):
        verify_images(images, tmp_path / "v.parquet", probes=probes, model=owlv2, on_error="skip")


def test_a_share_in_which_nothing_was_looked_at_is_written(owlv2: Path, tmp_path: Path) -> None:
    """Every second image without a probe, as photographs that are not edited: no share is lost."""
    rows = [
        {"image_id": f"i{n}", "path": f"{n}.png", "probe_id": None if n % 2 else "p0"}
        for n in range(4)
    ]
    images, probes = write_pictures(tmp_path, rows)
    shares = [tmp_path / f"{number}.parquet" for number in range(2)]
    for number, share in enumerate(shares):
        verify_images(images, share, probes=probes, model=owlv2, shard=Shard(number, 2),
                      on_error="skip")  # fmt: skip
    concat(shares, tmp_path / "v.parquet")
    found = read_rows(tmp_path / "v.parquet")
    assert [row["unverified"] for row in found.values()] == [None, "it has no probe"] * 2


def test_a_share_without_pictures_is_an_empty_table(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """More shares than pictures is no mistake, and such a share has no rows."""
    images, probes = inputs
    output = tmp_path / "v.parquet"
    found = verify_images(images, output, probes=probes, model=owlv2, shard=Shard(12, 20))
    assert (found.n, found.n_both, found.skipped) == (0, 0, ())
    assert load_table(output, IMAGES).num_rows == 0


def test_a_file_that_was_mended_is_looked_at_again(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an unfinished run could not read is not taken as unreadable for ever."""
    images, probes = inputs
    monkeypatch.setattr(looking, "_PART", 2)
    good = (images.parent / "0.png").read_bytes()
    (images.parent / "0.png").unlink()
    (images.parent / "11.png").rename(images.parent / "hidden.png")

    def refuse(*_: Any, **__: Any) -> None:
        raise OutputExistsError("stopped before the end")

    with monkeypatch.context() as patch:
        patch.setattr("conceptstats.synth.verify.save_table", refuse)
        with pytest.raises(OutputExistsError):
            verify_images(
                images, tmp_path / "v.parquet", probes=probes, model=owlv2, on_error="skip"
            )
    (images.parent / "0.png").write_bytes(good)
    (images.parent / "hidden.png").rename(images.parent / "11.png")
    assert verify_images(images, tmp_path / "v.parquet", probes=probes, model=owlv2).skipped == ()


def test_command_prints_one_document(
    owlv2: Path, damaged: tuple[Path, Path], tmp_path: Path
) -> None:
    """`synth verify --json` says how many were found; without a model it sets a threshold."""
    images, probes = damaged
    output, again = tmp_path / "v.parquet", tmp_path / "again.parquet"
    common = ["synth", "verify", "--json", "-o"]
    given = [str(images), "--probes", str(probes), "--model", str(owlv2), "--on-error", "skip"]
    done = CliRunner().invoke(cli, [*common, str(output), *given, "--threshold", "0"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["n"], facts["n_both"], facts["n_skipped"]) == (8, 1, 7)
    done = CliRunner().invoke(cli, [*common, str(again), str(output), "--threshold", "1"])
    assert json.loads(done.stdout)["n_both"] == 0
    done = CliRunner().invoke(cli, [*common[:2], "-o", f"{again}.arrow", *given])
    assert done.exit_code == 0
    assert "both" in done.stdout
    assert "not looked at: gone:" in done.stderr


def test_command_lists_the_first_pictures_only(
    owlv2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands without a file, the rest are counted; the table has them all."""
    monkeypatch.setattr("conceptstats.synth.verify_cli._SHOWN", 2)
    rows = [{"image_id": f"i{n}", "path": f"{n}.png", "probe_id": "p0"} for n in range(9, 14)]
    rows += [{"image_id": f"stray{n}", "path": "0.png"} for n in range(3)]
    images, probes = write_pictures(tmp_path, rows)
    output = tmp_path / "v.parquet"
    given = ["--probes", str(probes), "--model", str(owlv2), "--on-error", "skip"]
    done = CliRunner().invoke(cli, ["synth", "verify", str(images), "-o", str(output), *given])
    lines = [line for line in done.stderr.splitlines() if "i" in line][-3:]
    assert [line.split(": ")[1] for line in lines[:2]] == ["i12", "i13"]
    assert lines[2] == f"... and 3 more: column unverified of {output}"
    assert sum(row["unverified"] is not None for row in read_rows(output).values()) == 5


def test_options_of_a_look_need_a_model(owlv2: Path, damaged: tuple[Path, Path]) -> None:
    """Who forgets --model is not given the old scores under a new name."""
    images, probes = damaged
    common = ["synth", "verify", str(images), "-o", str(images.parent / "v.parquet")]
    for options, expected in (
        (["--probes", str(probes), "--threshold", "0.5"], "--probes needs a --model"),
        (["--shard", "0/2", "--threshold", "0.5"], "--shard needs a --model"),
        (["--on-error", "skip", "--threshold", "0.5"], "--on-error needs a --model"),
        ([], "Give --model and --probes, or a --threshold"),
        (["--model", str(owlv2)], "Missing option '--probes'"),
    ):
        done = CliRunner().invoke(cli, [*common, *options])
        assert done.exit_code == 2
        assert expected in done.stderr
