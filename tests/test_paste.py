"""Versions of photographs: chosen by PMI, each of its photograph alone, none passed through."""

from __future__ import annotations

import hashlib
import json
import os
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image

from conceptstats.class_names import ClassNames, class_names
from conceptstats.cli import cli
from conceptstats.errors import (
    ConceptStatsError,
    OutputExistsError,
    ParameterError,
    SourceError,
)
from conceptstats.index import CaptionIndex, build_index
from conceptstats.shards import Shard
from conceptstats.synth.paste import run
from conceptstats.synth.paste.listing import CUT_OUTS, PROBLEMS, CutOut
from conceptstats.synth.paste.run import TABLE, PasteSummary, paste_photos
from conceptstats.synth.paste.saving import PASTED, PROVENANCE, Edit
from conceptstats.synth.paste.sheet import draw_sheet
from conceptstats.synth.paste.strata import Association, associate
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import PROBES

# How many captions hold a class with an accessory; each accessory also stands alone as often as
# ALONE says. Nobody has seen a lion with a fork, or a sports car with a kite.
TOGETHER = {
    "lion": {"umbrella": 1, "cake": 2, "boat": 4, "kite": 8, "clock": 16, "vase": 3},
    "sports car": {"umbrella": 8, "cake": 4, "boat": 2, "fork": 3, "clock": 1, "vase": 5},
}
ALONE = {"umbrella": 20, "cake": 20, "boat": 20, "kite": 20, "clock": 20, "vase": 20, "fork": 20}
ACCESSORIES = sorted(ALONE)


def captions() -> list[str]:
    """One a line."""
    lines = [f"a {key} beside a {other}" for key, others in TOGETHER.items()
             for other, n in others.items() for _ in range(n)]  # fmt: skip
    return lines + [f"one {other}" for other, n in ALONE.items() for _ in range(n)]


def picture(seed: int, width: int = 120, height: int = 90) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 120, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, photographs of two classes, and a cut-out or two of each accessory."""
    root = tmp_path_factory.mktemp("paste")
    (root / "captions.txt").write_text("\n".join(captions()))
    build_index([root / "captions.txt"], root / "index")
    for at, name in enumerate(("lion", "sports_car")):
        (root / "photos" / name).mkdir(parents=True)
        for number in range(5):
            image = Image.fromarray(picture(10 * at + number))
            image.save(root / "photos" / name / f"{number}.png")
    for at, name in enumerate(ACCESSORIES):
        (root / "accessories" / name).mkdir(parents=True)
        for number in range(1 + at % 2):
            cut = np.zeros((50, 60, 4), np.uint8)
            cut[5:45, 5 + number : 55] = [250, 20 * at, 200, 255]
            Image.fromarray(cut).save(root / "accessories" / name / f"{number}.png")
    return root


def paste(inputs: Path, output: Path, edit: Edit | None = None, **options: Any) -> PasteSummary:
    """Run over the inputs of the fixture."""
    places = {"photos": inputs / "photos", "accessories": inputs / "accessories"}
    found = {name: options.pop(name, place) for name, place in places.items()}
    return paste_photos(
        found["photos"], found["accessories"], inputs / "index", output, edit, **options
    )


def rows(output: Path) -> list[dict[str, Any]]:
    return load_table(output / TABLE, PASTED).to_pylist()


def problems(output: Path) -> list[dict[str, Any]]:
    return load_table(output / "problems.parquet", PROBLEMS).to_pylist()


def digests(output: Path) -> dict[str, str]:
    """Of each picture, as the table has it and as it is on disk."""
    found = {row["image_id"]: row["sha256"] for row in rows(output)}
    for row in rows(output):
        data = (output / row["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
    return found


def test_strata_follow_from_the_counts(inputs: Path, tmp_path: Path) -> None:
    """PMI(lion, clock): 16 of 34 lion captions, 37 of 197 with a clock, so ln(16 * 197 / 34 / 37).

    Of the lion's six by rising PMI (umbrella, cake, vase, boat, kite, clock) the thirds are two
    each, and fork is never seen with it.
    """
    assert (len(captions()), sum(TOGETHER["lion"].values())) == (197, 34)
    summary = paste(inputs, tmp_path / "out", Edit(per_photo=4))
    assert (summary.n_photos, summary.n_edited, summary.n_listed) == (10, 10, 0)
    assert (summary.n_images, summary.n_complete) == (40, 10)
    of_lion: dict[str, set[str]] = {}
    for row in rows(tmp_path / "out"):
        if row["target"] == "lion":
            of_lion.setdefault(row["stratum"], set()).add(row["accessory"])
            if row["accessory"] == "clock":
                assert row["pmi"] == pytest.approx(log(16 * 197 / 34 / 37))
    assert of_lion["high"] <= {"kite", "clock"}
    assert of_lion["low"] <= {"umbrella", "cake"}
    assert of_lion["zero"] == {"fork"}
    assert of_lion["matched"] <= {"umbrella", "cake", "vase"}
    probes = load_table(tmp_path / "out" / "probes.parquet", PROBES).to_pylist()
    levels = {(probe["key"], probe["accessory"]): probe["stratum"] for probe in probes}
    assert levels["lion", "fork"] == 0
    assert {levels.get(("lion", name), 3) for name in ("kite", "clock")} == {3}
    assert {levels.get(("lion", name), 1) for name in ("umbrella", "cake")} == {1}
    assert {row["probe_id"] for row in rows(tmp_path / "out")} == {p["probe_id"] for p in probes}
    zero = next(stratum for stratum in summary.strata if stratum["stratum"] == "zero")
    assert zero["mean_pmi"] is None


def associated(n_pair: list[int], n_accessory: list[int]) -> Association:
    """A class in 100 of 1,000 captions."""
    pairs, singles = np.array(n_pair), np.array(n_accessory)
    with np.errstate(divide="ignore"):
        pmi = np.log(pairs * 1000 / (100 * singles))
    names = tuple("abcdefghij"[: len(pairs)])
    return Association("k", 0, 1000, 100, names, singles, pairs, pmi, singles / 10)


def test_few_accessories_make_few_strata() -> None:
    """One that was seen is high or low by its sign; two are one each; none is none."""
    one = associated([5, 0], [10, 10])
    assert [one.candidates(s).tolist() for s in ("high", "low", "zero")] == [[0], [], [1]]
    one = associated([1, 0], [500, 10])
    assert [one.candidates(s).tolist() for s in ("high", "low", "zero")] == [[], [0], [1]]
    two = associated([1, 5], [10, 10])
    assert [two.candidates(s).tolist() for s in ("high", "low", "matched")] == [[1], [0], [0]]
    none = associated([0, 0], [10, 20])
    assert [len(none.candidates(s)) for s in ("high", "low", "zero", "matched")] == [0, 0, 2, 0]
    assert none.candidates("zero", min_expected=1.5).tolist() == [1]


def item(accessory: str) -> CutOut:
    return CutOut(accessory, accessory, "alpha", "x.png", 0, 0, 20, 20, 400)


def test_names_of_several_words_are_counted_whole(inputs: Path) -> None:
    """A sports car is in 23 captions; what is a class, a word of one, or unknown is listed."""
    index = CaptionIndex.open(inputs / "index")
    names = ["vase", "car", "lion", "sports cars", "zebra", "the", "kites", "kite"]
    classes = ClassNames(("lion", "sports car", "dragon", "of"), ((), (), (), ()))
    found = associate(index, classes, [0, 1, 2, 3], [item(name) for name in names])
    sports_car = found.of_class[1]
    assert sports_car.n_key == 23
    assert sports_car.accessories == ("kite", "vase")
    assert sports_car.n_pair.tolist() == [0, 5]
    assert found.unknown == {
        2: "no caption holds its class",
        3: "its class means nothing to the index",
    }
    assert {problem.id: problem.reason for problem in found.problems} == {
        "car": "it is a class, or a word of the name of one",
        "lion": "it is a class, or a word of the name of one",
        "sports cars": "it is a class, or a word of the name of one",
        "the": "it means nothing to the index",
        "zebra": "no caption holds it",
    }
    assert found.accessory_of == {"vase": "vase", "kites": "kite", "kite": "kite"}
    few = associate(index, classes, [0, 1], [item("vase")], min_count=30)
    assert few.unknown == {1: "fewer than 30 captions hold its class"}


def test_synonyms_count_for_their_class(inputs: Path) -> None:
    """A caption with either name holds the class, once."""
    index = CaptionIndex.open(inputs / "index")
    classes = ClassNames(("dragon",), (("lion", "sports car"),))
    found = associate(index, classes, [0], [item("clock"), item("fork")]).of_class[0]
    assert found.n_key == 34 + 23
    assert dict(zip(found.accessories, found.n_pair.tolist(), strict=True)) == {
        "clock": 17,
        "fork": 3,
    }


def test_an_accessory_that_shares_a_word_with_a_class_is_left_out_for_it(tmp_path: Path) -> None:
    """A tennis ball is in every caption of golf balls that has "tennis", by its "ball" alone."""
    lines = ["golf ball and tennis ball", "golf ball", "tennis ball on sand", "lion on sand"]
    (tmp_path / "c.txt").write_text("\n".join(lines))
    build_index([tmp_path / "c.txt"], tmp_path / "index")
    index = CaptionIndex.open(tmp_path / "index")
    cut_outs = [item("tennis ball"), item("sand")]
    found = associate(index, class_names(["golf ball", "lion"]), [0, 1], cut_outs)
    assert found.of_class[0].accessories == ("sand",)
    assert found.of_class[1].accessories == ("sand", "tennis ball")


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


class KilledError(Exception):
    """As a kill would."""


def test_a_killed_run_goes_on(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made before is not made again, and the result is that of one run."""
    monkeypatch.setattr(run, "_AT_ONCE", 1)
    monkeypatch.setattr(run, "_PART", 3)
    paste(inputs, tmp_path / "whole")
    real, asked = run._edit, []

    def edit_some(tasks: Any, *rest: Any) -> pa.Table:
        asked.append(len(tasks))
        if len(asked) == 3:
            raise KilledError
        return real(tasks, *rest)

    monkeypatch.setattr(run, "_edit", edit_some)
    with pytest.raises(KilledError):
        paste(inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    paste(inputs, tmp_path / "out")
    assert asked == [3, 3, 3, 3, 1]
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []
    asked.clear()
    with pytest.raises(KilledError):
        paste(inputs, tmp_path / "again")
    paste(inputs, tmp_path / "again", Edit(seed=1))  # another plan
    assert asked == [3, 3, 3, 3, 3, 3, 1]


def test_every_photograph_is_edited_or_listed(inputs: Path, tmp_path: Path) -> None:
    """Broken, of unknown class, too small, or of a format without range: each by its reason."""
    photos = tmp_path / "photos"
    for name in ("lion", "dragon", "sports car"):
        (photos / name).mkdir(parents=True)
    Image.fromarray(picture(1)).save(photos / "lion" / "good.png")
    Image.fromarray(picture(1)).save(photos / "dragon" / "good.png")
    Image.fromarray(picture(1)[:9, :12]).save(photos / "lion" / "small.png")
    Image.fromarray(np.ones((50, 50), np.float32)).save(photos / "lion" / "float.tif")
    (photos / "lion" / "broken.jpg").write_bytes(b"no image")
    (photos / "sports car" / "cut.png").write_bytes(
        (photos / "lion" / "good.png").read_bytes()[:2000]
    )
    summary = paste(inputs, tmp_path / "out", photos=photos)
    assert (summary.n_photos, summary.n_edited, summary.n_listed) == (6, 1, 5)
    listed = {row["id"]: row["reason"] for row in problems(tmp_path / "out")
              if row["what"] == "photograph"}  # fmt: skip
    assert listed == {
        "dragon/good.png": "no caption holds its class",
        "lion/broken.jpg": "cannot be read",
        "lion/float.tif": "cannot be read",
        "lion/small.png": "no version could be made",
        "sports car/cut.png": "cannot be read",
    }
    assert {row["photo_id"] for row in rows(tmp_path / "out")} == {"lion/good.png"}
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 3
    with pytest.raises(SourceError, match=r"not one of 1 photographs.*no caption holds"):
        paste(inputs, tmp_path / "none", photos=photos, classes="dragon,lion",
              shard=Shard(0, 6))  # fmt: skip
    assert not (tmp_path / "none").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []


def test_a_version_that_cannot_be_made_is_listed(inputs: Path, tmp_path: Path) -> None:
    """The lion has one accessory that was never seen with it, so the second round lacks one."""
    edit = Edit(per_photo=4, strata=("high", "zero"))
    summary = paste(inputs, tmp_path / "out", edit)
    missing = [row for row in problems(tmp_path / "out") if row["what"] == "version"]
    assert {row["id"].split("/")[0] for row in missing} == {"lion", "sports_car"}
    assert {(row["stratum"], row["reason"]) for row in missing} == {
        ("zero", "no accessory is in this stratum of its class")
    }
    versions: dict[str, list[str]] = {}
    for row in rows(tmp_path / "out"):
        versions.setdefault(row["photo_id"], []).append(row["accessory"])
    assert {len(found) for found in versions.values()} == {3}
    assert (summary.n_edited, summary.n_complete) == (10, 0)
    assert all(len(set(found)) == 3 for found in versions.values())


def test_no_photograph_is_passed_through(inputs: Path, tmp_path: Path) -> None:
    """Each version differs from its photograph inside its box, and there alone."""
    paste(inputs, tmp_path / "out", Edit(with_original=True))
    originals = {row["photo_id"]: row for row in rows(tmp_path / "out")
                 if row["stratum"] == "original"}  # fmt: skip
    assert len(originals) == 10
    for row in rows(tmp_path / "out"):
        photo = np.asarray(Image.open(inputs / "photos" / row["photo_id"]))
        pixels = np.asarray(Image.open(tmp_path / "out" / row["path"]))
        changed = (pixels != photo).any(-1)
        if row["stratum"] == "original":
            assert not changed.any()
            assert row["probe_id"] is row["accessory"] is row["pmi"] is row["box_left"] is None
            continue
        inside = changed[row["box_top"] : row["box_bottom"], row["box_left"] : row["box_right"]]
        assert inside.all()
        assert inside.size == changed.sum()
        assert row["share"] == pytest.approx(0.1, rel=0.05)


def test_versions_of_a_turn_lie_at_one_place(inputs: Path, tmp_path: Path) -> None:
    """So they differ in the accessory; those of the next turn lie elsewhere."""
    paste(inputs, tmp_path / "out", Edit(per_photo=4, strata=("high", "low")))
    for photo in {row["photo_id"] for row in rows(tmp_path / "out")}:
        places = [(row["box_left"], row["box_top"]) for row in rows(tmp_path / "out")
                  if row["photo_id"] == photo]  # fmt: skip
        assert np.abs(np.subtract(places[0], places[1])).max() <= 1
        assert np.abs(np.subtract(places[2], places[3])).max() <= 1
        assert np.abs(np.subtract(places[0], places[2])).max() > 1


def test_splits_share_nothing(inputs: Path, tmp_path: Path) -> None:
    """No accessory, no cut-out and no photograph is on both sides."""
    edit = Edit(per_photo=3)
    paste(inputs, tmp_path / "out", edit, split_accessories=0.5)
    sides: dict[str, dict[str, set[str]]] = {}
    for row in rows(tmp_path / "out"):
        for column in ("accessory", "cut_out_id", "photo_id"):
            sides.setdefault(column, {}).setdefault(row["split"], set()).add(row[column])
    for found in sides.values():
        assert set(found) == {"train", "test"}
        assert not found["train"] & found["test"]
    for row in rows(tmp_path / "out"):
        with Image.open(tmp_path / "out" / row["path"]) as image:
            assert json.loads(image.text[PROVENANCE])["split"] == row["split"]
    paste(inputs, tmp_path / "train", edit, split_accessories=1.0)
    assert {row["split"] for row in rows(tmp_path / "train")} == {"train"}
    paste(inputs, tmp_path / "none", edit)
    assert {row["split"] for row in rows(tmp_path / "none")} == {None}


def test_the_object_is_spared(inputs: Path, tmp_path: Path) -> None:
    """Where its box is known; overlap says how much of it is covered, null where it is not."""
    boxes = tmp_path / "boxes.csv"
    lines = ["photo_id,left,top,right,bottom"]
    lines += [f"lion/{number}.png,0,0,60,90" for number in range(4)] + ["lion/4.png,0,0,120,90"]
    boxes.write_text("\n".join(lines) + "\n")
    summary = paste(inputs, tmp_path / "out", boxes=boxes)
    assert any("5 photographs have no box" in note for note in summary.notes)
    for row in rows(tmp_path / "out"):
        if row["target"] == "sports car":
            assert row["overlap"] is None
        elif row["photo_id"] == "lion/4.png":
            assert row["overlap"] == pytest.approx(0.1, rel=0.05)
        else:
            assert row["overlap"] == 0
            assert row["box_left"] >= 60
    paste(inputs, tmp_path / "strict", Edit(max_overlap=0.01), boxes=boxes)
    assert "lion/4.png" not in {row["photo_id"] for row in rows(tmp_path / "strict")}
    detail = [row["detail"] for row in problems(tmp_path / "strict") if row["id"] == "lion/4.png"]
    assert any("covers 10% of what must stay visible" in text for text in detail)


def test_pictures_hold_what_they_were_made_from(inputs: Path, tmp_path: Path) -> None:
    """PNG in a text, JPEG in its comment; the run record has inputs and settings."""
    paste(inputs, tmp_path / "png")
    paste(inputs, tmp_path / "jpg", Edit(jpeg_quality=90))
    for folder in ("png", "jpg"):
        for row in rows(tmp_path / folder):
            with Image.open(tmp_path / folder / row["path"]) as image:
                text = image.info["comment"] if folder == "jpg" else image.text[PROVENANCE]
                assert image.format == {"jpg": "JPEG", "png": "PNG"}[folder]
            said = json.loads(text)
            assert said["photo_sha256"] == row["photo_sha256"]
            assert said["cut_out_id"] == row["cut_out_id"]
            assert said["pmi"] == ("-inf" if row["pmi"] == -np.inf else row["pmi"])
    record = json.loads((tmp_path / "png" / f"{TABLE}.run.json").read_text())
    assert record["arguments"]["area"] == 0.1
    assert set(record["inputs"]) == {str(inputs / "index"), "photographs", "cut-outs"}
    used = {row["cut_out_id"] for row in rows(tmp_path / "png")}
    listed = load_table(tmp_path / "png" / "cut_outs.parquet", CUT_OUTS)["cut_out_id"].to_pylist()
    assert used <= set(listed)
    assert len(listed) == 10


def test_classes_from_a_file(inputs: Path, tmp_path: Path) -> None:
    """Names stand for numbers of folders; what is in no list is listed."""
    for name in ("000", "001", "9"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(picture(1)).save(tmp_path / "photos" / name / "a.png")
    (tmp_path / "classes.txt").write_text("sports car\tracing car\nlion\n")
    paste(inputs, tmp_path / "out", photos=tmp_path / "photos", classes=tmp_path / "classes.txt")
    shown = {(row["target"], row["class_index"], row["path"].split("/")[1])
             for row in rows(tmp_path / "out")}  # fmt: skip
    assert shown == {("sports car", 0, "000"), ("lion", 1, "001")}
    (listed,) = (row for row in problems(tmp_path / "out") if row["what"] == "photograph")
    assert (listed["id"], listed["reason"]) == ("9/a.png", "its class is not in the list")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_photo": 0}, "per_photo is 0"),
        ({"strata": ("low", "matched")}, "matched stands without high before it"),
        ({"strata": ("high", "high")}, "strata are high, high"),
        ({"strata": ()}, "strata are none"),
        ({"area": 0.0}, "area is 0"),
        ({"harmonise": 1.5}, "harmonise is 1.5"),
        ({"max_enlarge": 0.0}, "max_enlarge is 0"),
        ({"jpeg_quality": 0}, "jpeg_quality is 0"),
    ],
)
def test_settings_out_of_range_are_refused(
    inputs: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """Before anything is read."""
    with pytest.raises(ParameterError, match=message):
        paste(inputs, tmp_path / "out", Edit(**change))


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


def test_a_contact_sheet_shows_versions(inputs: Path, tmp_path: Path) -> None:
    """As many as asked for, and no more than there are."""
    paste(inputs, tmp_path / "out")
    for n, size in ((24, (6, 4)), (5, (5, 1)), (100, (6, 5))):
        path = draw_sheet(tmp_path / "out" / TABLE, tmp_path / f"{n}.png", n)
        with Image.open(path) as sheet:
            assert sheet.size == (size[0] * 228, size[1] * 273)
            assert (np.asarray(sheet)[:220, :220] != 255).mean() > 0.5
    with pytest.raises(ParameterError, match=r"expected \.png or \.jpg"):
        draw_sheet(tmp_path / "out" / TABLE, tmp_path / "sheet.gif")


def test_command(inputs: Path, tmp_path: Path) -> None:
    """The contract: one JSON document with the numbers; without --json readable tables."""
    arguments = ["synth", "paste", "--photos", str(inputs / "photos"), "--accessories",
                 str(inputs / "accessories"), "--index", str(inputs / "index"), "--per-photo", "3",
                 "--seed", "0", "--workers", "1"]  # fmt: skip
    done = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["n_photos"], found["n_edited"], found["n_images"]) == (10, 10, 30)
    assert [row["stratum"] for row in found["strata"]] == ["high", "low", "zero"]
    more = ["-o", str(tmp_path / "two"), "--contact-sheet", str(tmp_path / "s.png"), "-n", "6"]
    done = CliRunner().invoke(cli, [*arguments, *more])
    assert done.exit_code == 0, done.output
    assert "high" in done.stdout
    assert (tmp_path / "s.png").is_file()
    done = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "3"), "--strata", "best"])
    assert done.exit_code != 0


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of all real captions."""
    folder = os.environ.get("CONCEPTSTATS_TEST_DATA")
    if folder is None:
        pytest.skip("CONCEPTSTATS_TEST_DATA is not set")
    root = tmp_path_factory.mktemp("real")
    files = sorted((Path(folder) / "data" / "captions").iterdir())
    build_index(files, root / "index")
    return root


def test_real_photographs_are_all_accounted_for(
    real: Path, tmp_path: Path, test_data: Path
) -> None:
    """COCO's objects in 60 photographs of ImageNet, by the PMI of 121,314 real captions."""
    images = test_data / "data" / "images"
    summary = paste_photos(
        images / "imagenet_sample", images / "coco_mini", real / "index", tmp_path / "out"
    )
    assert summary.n_photos == 60
    assert summary.n_edited + summary.n_listed == 60
    assert summary.problems["photograph: no caption holds its class"] == summary.n_listed
    means = {row["stratum"]: row["mean_pmi"] for row in summary.strata}
    assert means["high"] > means["low"] + 1
    edited = {row["photo_id"] for row in rows(tmp_path / "out")}
    listed = {row["id"] for row in problems(tmp_path / "out") if row["what"] == "photograph"}
    assert len(edited | listed) == 60
    assert not edited & listed
    boxes = [row for row in rows(tmp_path / "out") if row["stratum"] != "original"]
    assert all(0.05 <= row["share"] <= 0.11 for row in boxes)


def test_an_images_table_is_taken_too(inputs: Path, tmp_path: Path) -> None:
    """Versions of one run can be photographs of the next."""
    paste(inputs, tmp_path / "one", Edit(per_photo=1))
    paste(inputs, tmp_path / "two", Edit(per_photo=2), photos=tmp_path / "one" / TABLE)
    assert len(rows(tmp_path / "two")) == 20
    record = json.loads((tmp_path / "two" / f"{TABLE}.run.json").read_text())
    assert str(tmp_path / "one" / TABLE) in record["inputs"]
    table = load_table(tmp_path / "one" / TABLE, PASTED)
    save_table(tmp_path / "copy.csv", table.slice(0, 0), PASTED)
    with pytest.raises(SourceError, match="no images"):
        paste(inputs, tmp_path / "three", photos=tmp_path / "copy.csv")
