"""Versions of photographs: chosen by PMI, each of its photograph alone, none passed through."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paste_inputs import paste, picture, problems, rows, write_inputs
from PIL import Image

from conceptstats.errors import ParameterError, SourceError
from conceptstats.index import build_index
from conceptstats.synth.paste.listing import CUT_OUTS
from conceptstats.synth.paste.run import TABLE, paste_photos
from conceptstats.synth.paste.saving import PASTED, PROVENANCE, Edit
from conceptstats.table_files import load_table, save_table


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, photographs of two classes, and a cut-out or two of each accessory."""
    return write_inputs(tmp_path_factory.mktemp("paste"))


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


def test_a_version_that_cannot_be_made_is_listed(inputs: Path, tmp_path: Path) -> None:
    """The lion has one accessory that was never seen with it, so the second round lacks one."""
    edit = Edit(per_photo=4, strata=("high", "zero"))
    summary = paste(inputs, tmp_path / "out", edit)
    missing = [row for row in problems(tmp_path / "out") if row["what"] == "version"]
    assert {row["id"].split("/")[0] for row in missing} == {"lion", "sports_car"}
    assert {(row["stratum"], row["reason"]) for row in missing} == {
        ("zero", "other versions have all accessories of this stratum")
    }
    versions: dict[str, list[str]] = {}
    for row in rows(tmp_path / "out"):
        versions.setdefault(row["photo_id"], []).append(row["accessory"])
    assert {len(found) for found in versions.values()} == {3}
    assert (summary.n_edited, summary.n_complete) == (10, 0)
    assert all(len(set(found)) == 3 for found in versions.values())


def test_why_a_version_is_missing(inputs: Path, tmp_path: Path) -> None:
    """Two accessories are in the high third, so the third one lacks, and what is matched to it."""
    edit = Edit(per_photo=6, strata=("high", "matched"))
    paste(inputs, tmp_path / "out", edit)
    missing = [row for row in problems(tmp_path / "out") if row["what"] == "version"]
    assert {(row["stratum"], row["reason"]) for row in missing} == {
        ("high", "other versions have all accessories of this stratum"),
        ("matched", "there is no high version that it could be matched to"),
    }
    assert len(missing) + len(rows(tmp_path / "out")) == 60
    names = {Path(row["path"]).stem.split("+")[1].split("-")[0] for row in rows(tmp_path / "out")}
    assert names == {"high", "matched", "high2", "matched2"}


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


def test_what_classes_are_wanted_is_said(inputs: Path, tmp_path: Path) -> None:
    """Folders that are called by WordNet ids need a list of classes."""
    photos = tmp_path / "photos" / "n02129165"
    photos.mkdir(parents=True)
    Image.fromarray(picture(1)).save(photos / "a.png")
    for classes in (None, "lion,sports car"):
        with pytest.raises(SourceError, match="not one of 1 photographs") as caught:
            paste(inputs, tmp_path / "out", photos=photos.parent, classes=classes)
        assert "--classes must tell what n02129165 is" in (caught.value.hint or "")
    (tmp_path / "classes.txt").write_text("n02129165 lion, king of beasts\n")
    paste(inputs, tmp_path / "out", photos=photos.parent, classes=tmp_path / "classes.txt")
    assert {row["target"] for row in rows(tmp_path / "out")} == {"lion"}


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
