"""Photographs and cut-outs from files: formats, classes, boxes, annotations; all accounted for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from conceptstats.class_names import ClassNames, class_names
from conceptstats.errors import ParameterError, SourceError
from conceptstats.pasting import Box
from conceptstats.synth.paste.coco import polygon_mask
from conceptstats.synth.paste.cut_outs import list_accessories, load_cut_out
from conceptstats.synth.paste.photos import (
    Photo,
    list_photos,
    match_labels,
    name_label,
    read_boxes,
)
from conceptstats.synth.paste.saving import file_stem
from conceptstats.table_files import save_table
from conceptstats.tables import IMAGES

RAMP = np.linspace(0, 255, 40).astype(np.uint8)
GREY = np.tile(RAMP, (30, 1))
COLOUR = np.dstack([GREY, GREY[:, ::-1], np.full_like(GREY, 90)])


def save(path: Path, pixels: Any, **options: Any) -> Path:
    """An array, or an image, as a file."""
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def test_classes_come_from_folders_or_names(tmp_path: Path) -> None:
    """Folders where there are any, else names without WordNet ids and numbers."""
    for name in ("n01630670_common_newt.JPEG", "hot_dog_02.png", "lion (3).png", "007.png"):
        save(tmp_path / "flat" / name, COLOUR, format="PNG")
        save(tmp_path / "deep" / "sports_car" / name, COLOUR, format="PNG")
    (tmp_path / "flat" / "notes.txt").write_text("no image")
    (tmp_path / "flat" / ".hidden.png").write_text("no image")
    flat = list_photos(tmp_path / "flat")
    assert flat.class_from == "name"
    assert [photo.label for photo in flat.photos] == ["007", "hot dog", "lion", "common newt"]
    deep = list_photos(tmp_path / "deep")
    assert deep.class_from == "folder"
    assert {photo.label for photo in deep.photos} == {"sports car"}
    assert deep.photos[0].photo_id == "sports_car/007.png"
    assert {p.label for p in list_photos(tmp_path / "deep", "name").photos} >= {"lion", "hot dog"}
    save(tmp_path / "deep" / "loose.png", COLOUR)
    assert "1 images" in list_photos(tmp_path / "deep").notes[0]
    with pytest.raises(SourceError, match="no subfolder"):
        list_photos(tmp_path / "flat", "folder")
    with pytest.raises(SourceError, match="no such folder"):
        list_photos(tmp_path / "none")
    assert name_label("n01440764_10026.JPEG") == "n01440764"


def test_photographs_of_a_table(tmp_path: Path) -> None:
    """An images table names photographs and classes; one without a target is an error."""
    rows = [{"image_id": "b", "path": "x/b.png", "target": "lion"},
            {"image_id": "a", "path": "x/a.png", "target": "toaster"}]  # fmt: skip
    table = tmp_path / "images.parquet"
    save_table(table, pa.Table.from_pylist(rows, IMAGES), IMAGES)
    found = list_photos(table)
    assert found.class_from == "table"
    assert found.photos[0] == Photo("a", str(tmp_path / "x/a.png"), "toaster")
    with pytest.raises(ParameterError, match="is a table"):
        list_photos(table, "name")
    for changed, message in (
        ({"target": None}, "no target"),
        ({"image_id": "a"}, "more than once"),
    ):
        bad = pa.Table.from_pylist([{**rows[0], **changed}, rows[1]], IMAGES)
        save_table(table, bad, IMAGES, overwrite=True)
        with pytest.raises(SourceError, match=message):
            list_photos(table)


def test_labels_find_their_class() -> None:
    """By id, name, other phrase, number, or the order of ids; what is none is left out."""
    classes = ClassNames(("tench", "great white shark", ""), (("Tinca tinca",), (), ()))
    found = match_labels(["Tench", "tinca_tinca", "001", "2", "7", "cat"], classes)
    assert found == {"Tench": 0, "tinca_tinca": 0, "001": 1}
    with_ids = ClassNames(("tench", "", "shark"), ((),) * 3, ("n01440764", "", "n01484850"))
    assert match_labels(["n01484850"], with_ids) == {"n01484850": 2}
    two = class_names(["tench", "shark"])
    assert match_labels(["n2" + "0" * 7, "n01440764"], two) == {"n01440764": 0, "n20000000": 1}
    assert match_labels(["n01440764"], two) == {}


def test_boxes_find_their_photograph(tmp_path: Path) -> None:
    """By id or by the name of the file; several a photograph; rounded outwards."""
    photos = [
        Photo("lion/a.png", "/x/lion/a.png", "lion"),
        Photo("lion/b.png", "/x/lion/b.png", ""),
    ]
    path = tmp_path / "boxes.csv"
    path.write_text(
        "photo_id,left,top,right,bottom\na,1.5,2,10.2,20\nlion/a.png,0,0,5,5\nc,0,0,1,1\n"
    )
    assert read_boxes(path, photos) == {"lion/a.png": [Box(1, 2, 11, 20), Box(0, 0, 5, 5)]}
    path.write_text("photo_id,left,top,right,bottom\nc,0,0,1,1\n")
    with pytest.raises(SourceError, match="no box belongs"):
        read_boxes(path, photos)
    for box in ("5,0,5,9", "0,9,5,3", "-inf,0,5,9", "0,0,inf,9"):
        path.write_text(f"photo_id,left,top,right,bottom\na,{box}\n")
        with pytest.raises(SourceError, match="'a' has no box from"):
            read_boxes(path, photos)
    twins = [photos[0], Photo("cat/a.png", "/x/cat/a.png", "cat")]
    path.write_text("photo_id,left,top,right,bottom\na,0,0,1,1\n")
    with pytest.raises(SourceError, match="name of 2 images"):
        read_boxes(path, twins)


def square(side: int, margin: int, alpha: int = 255) -> np.ndarray:
    cut = np.zeros((side + 2 * margin, side + 2 * margin, 4), np.uint8)
    cut[margin : margin + side, margin : margin + side] = [9, 8, 7, alpha]
    return cut


def test_alpha_images_are_cut_to_their_object(tmp_path: Path) -> None:
    """Concepts come from folders or names; what has no mask, or too small a one, is listed."""
    save(tmp_path / "hot_dog-2.png", square(20, 4))
    save(tmp_path / "umbrella" / "x.webp", square(30, 3), lossless=True)
    save(tmp_path / "opaque.png", square(20, 0))
    save(tmp_path / "photo.jpg", COLOUR)
    save(tmp_path / "faint.png", square(20, 4, alpha=100))
    save(tmp_path / "tiny.png", square(10, 4))
    (tmp_path / "broken.png").write_bytes(b"no image")
    found = list_accessories(tmp_path)
    boxes = {item.accessory: item[4:9] for item in found.cut_outs}
    assert boxes == {"hot dog": (4, 4, 24, 24, 400), "umbrella": (3, 3, 33, 33, 900)}
    assert {problem.id: problem.reason for problem in found.problems} == {
        "broken.png": "cannot be read",
        "faint.png": "transparent all over",
        "opaque.png": "no transparency, so no mask",
        "photo.jpg": "no transparency, so no mask",
        "tiny.png": "too small",
    }
    row = found.cut_outs[0]._asdict()
    assert (load_cut_out(tmp_path, row).pixels == square(20, 0)).all()
    with pytest.raises(SourceError, match="no accessory with a mask"):
        list_accessories(save(tmp_path / "other" / "photo.jpg", COLOUR).parent)
    with pytest.raises(SourceError, match="no such folder"):
        list_accessories(tmp_path / "none")


def annotation(number: int, polygon: list[float] | None = None, **changes: Any) -> dict[str, Any]:
    """An annotation of COCO with a square of 20 pixels."""
    corners = polygon or [10.0, 5.0, 30.0, 5.0, 30.0, 25.0, 10.0, 25.0]
    return {"id": number, "image_id": 1, "category_id": 7, "iscrowd": 0,
            "segmentation": [corners], **changes}  # fmt: skip


def write_coco(root: Path, annotations: list[dict[str, Any]]) -> Path:
    """A folder as COCO lays it out, with one photograph of 40 x 30 pixels."""
    data = {
        "images": [{"id": 1, "file_name": "1.png", "width": 40, "height": 30},
                   {"id": 2, "file_name": "gone.png", "width": 40, "height": 30}],
        "categories": [{"id": 7, "name": "traffic light"}],
        "annotations": annotations,
    }  # fmt: skip
    save(root / "val2017" / "1.png", COLOUR)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(data))
    return root


def test_every_annotation_is_a_cut_out_or_listed(tmp_path: Path) -> None:
    """Crowds, codes, pieces, edges, small ones, lost photographs and damage, each by its reason."""
    quarter = [1.0, 1.0, 11.0, 1.0, 11.0, 11.0, 1.0, 11.0]  # 10 x 10: not larger than 10
    root = write_coco(
        tmp_path,
        [
            annotation(1),
            annotation(2, iscrowd=1),
            annotation(3, segmentation={"counts": [0], "size": [30, 40]}),
            annotation(4, [0.5, 5, 30, 5, 30, 25, 0.5, 25]),
            annotation(5, quarter),
            annotation(6, segmentation=[quarter, [12.0, 5, 30, 5, 30, 25, 12, 25]]),
            annotation(7, image_id=2),
            annotation(8, image_id=3),
            annotation(9, segmentation=[[1.0, 2.0]]),
        ],
    )
    found = list_accessories(root)
    assert [item.cut_out_id for item in found.cut_outs] == ["instances_val2017:1"]
    assert found.cut_outs[0][1:9] == (
        "traffic light",
        "polygons",
        "val2017/1.png",
        10,
        5,
        30,
        25,
        400,
    )
    assert {problem.id.split(":")[1]: problem.reason for problem in found.problems} == {
        "2": "a crowd, not one object",
        "3": "its mask is a run-length code, and polygons are wanted",
        "4": "it reaches the edge of its photograph, which cuts it",
        "5": "too small",
        "6": "in several pieces, so something stands before it",
        "7": "its photograph is not there",
        "8": "the annotation is damaged",
        "9": "its polygons are no polygons",
    }
    partial = list_accessories(root, keep_partial=True)
    assert {item.cut_out_id[-1] for item in partial.cut_outs} == {"1", "4", "6"}
    cut = load_cut_out(root, found.cut_outs[0]._asdict())
    assert (cut.pixels[..., :3] == COLOUR[5:25, 10:30]).all()
    assert (cut.pixels[..., 3] == 255).all()
    save(root / "val2017" / "1.png", COLOUR[::2, ::2])
    with pytest.raises(ValueError, match=r"1\.png has 20 x 15 pixels, expected 40 x 30"):
        load_cut_out(root, found.cut_outs[0]._asdict())


def test_names_of_files_are_short_enough(tmp_path: Path) -> None:
    """File systems count bytes, of which a sign can have four."""
    photo = Photo("a", str(tmp_path / ("鳥" * 80 + ".png")), "bird")
    assert len(file_stem(photo).encode()) <= 60 + 9
    assert file_stem(photo).startswith("鳥" * 20 + "-")
    assert file_stem(Photo("b", photo.path, "bird")) != file_stem(photo)


def test_polygons_are_drawn_smoothly() -> None:
    """A triangle over half of a box of 40 x 40 covers 800 pixels, with steps of alpha between."""
    mask = polygon_mask(Box(10, 10, 50, 50), [[10.0, 10.0, 50.0, 10.0, 10.0, 50.0]])
    assert mask.shape == (40, 40)
    assert mask.sum() / 255 == pytest.approx(800, rel=0.01)
    assert len(np.unique(mask)) > 2
    assert mask[0, 0] == 255
    assert mask[-1, -1] == 0


def test_real_annotations_are_all_accounted_for(test_data: Path) -> None:
    """624 annotations of COCO, 5 of them crowds: cut-outs, or listed by reason."""
    root = test_data / "data" / "images" / "coco_mini"
    found = list_accessories(root)
    counts = Counter(problem.reason for problem in found.problems)
    assert len(found.cut_outs) + sum(counts.values()) == 624
    assert counts["a crowd, not one object"] == 5
    for item in found.cut_outs[::40]:
        pixels = load_cut_out(root, item._asdict()).pixels
        drawn = pixels[..., 3].sum() / 255
        assert drawn == pytest.approx(item.n_pixels, rel=0.05, abs=20)
