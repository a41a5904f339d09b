from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_detectors import (
    WORDS,
    save_grounding_dino,
    save_mm_grounding_dino,
    save_owlv2,
    save_owlvit,
)
from transformers import (
    AutoModelForZeroShotObjectDetection,
    AutoProcessor,
    GroundingDinoProcessor,
    Owlv2Processor,
)

from conceptstats.cli import cli
from conceptstats.concat import concat
from conceptstats.errors import (
    ModelError,
    OutputExistsError,
    ParameterError,
    SourceError,
    TableError,
)
from conceptstats.shards import Shard
from conceptstats.synth import looking
from conceptstats.synth.detectors import Detector, Finding, load_detector, strongest
from conceptstats.synth.reading import decode_image
from conceptstats.synth.verify import set_threshold, verify_images
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import IMAGES, PROBES

PAIRS = [("dog", "frisbee"), ("cat", "sofa"), ("bus", "tree"), ("owl", "snow")]
SIZES = [(90, 40), (40, 90), (64, 64)]  # width and height


@pytest.fixture(scope="session")
def owlv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny OWLv2."""
    return save_owlv2(tmp_path_factory.mktemp("models") / "owlv2")


@pytest.fixture(scope="session")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Grounding DINO."""
    return save_grounding_dino(tmp_path_factory.mktemp("models") / "dino")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, owlv2: Path, dino: Path) -> dict[str, Path]:
    """Folders with a detector of each architecture."""
    place = tmp_path_factory.mktemp("others")
    return {
        "owlv2": owlv2,
        "owlvit": save_owlvit(place / "owlvit"),
        "dino": dino,
        "mm-dino": save_mm_grounding_dino(place / "mm-dino"),
    }


@pytest.fixture(scope="session")
def detectors(folders: dict[str, Path]) -> dict[str, Detector]:
    """One of each architecture, loaded."""
    return {name: load_detector(folder) for name, folder in folders.items()}


def picture(number: int) -> Image.Image:
    """A picture of coloured blocks."""
    width, height = SIZES[number % len(SIZES)]
    blocks = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BILINEAR)


def write_inputs(folder: Path, rows: list[dict[str, Any]] | None = None) -> tuple[Path, Path]:
    """An images table of 12 pictures, or of these rows, and the probes table."""
    (folder / "images").mkdir()
    made = []
    for number in range(12):
        path = folder / "images" / f"{number}.png"
        picture(number).save(path)
        made.append(
            {
                "image_id": f"i{number}",
                "path": path.name,
                "probe_id": f"p{number % len(PAIRS)}",
                "target": PAIRS[number % len(PAIRS)][0],
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    images = folder / "images" / "images.parquet"
    save_table(images, pa.Table.from_pylist(rows or made, schema=IMAGES), IMAGES)
    pairs = [
        {"probe_id": f"p{n}", "key": key, "accessory": accessory}
        for n, (key, accessory) in enumerate(PAIRS)
    ]
    probes = folder / "probes.csv"
    save_table(probes, pa.Table.from_pylist(pairs, schema=PROBES), PROBES)
    return images, probes


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    """Images and probes."""
    return write_inputs(tmp_path)


def fixed(*boxes: tuple[float, float, float, float]) -> torch.Tensor:
    """Boxes of one picture, as centre, width and height."""
    return torch.tensor([boxes])


def processor_of(folder: Path) -> Any:
    """As it is loaded from disk."""
    return AutoProcessor.from_pretrained(folder)


@pytest.mark.parametrize(
    ("size", "expected"), [((40, 90), (36, 9, 54, 27)), ((90, 40), (36, 9, 40, 27))]
)
def test_owlv2_boxes_are_in_pixels_of_a_picture_that_was_padded(
    owlv2: Path, size: tuple[int, int], expected: tuple[float, ...]
) -> None:
    """OWLv2 pads at the right and the bottom to a square of the longer side, here 90.

    The box with centre (.5, .2), width .2 and height .2 reaches from .4 to .6 and from .1 to .3 of
    90 pixels: 36 to 54 and 9 to 27, whether the picture is 90 wide or 90 high. In that which is 40
    wide, it ends at the edge, 40.
    """
    processor = processor_of(owlv2)
    assert isinstance(processor, Owlv2Processor)
    found = strongest(processor, torch.tensor([[[2.0]]]), fixed((0.5, 0.2, 0.2, 0.2)), size)
    assert found.box == pytest.approx(expected, abs=1e-4)
    assert found.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_grounding_dino_boxes_are_shares_of_width_and_height(dino: Path) -> None:
    """Grounding DINO keeps the aspect: .4 to .6 of 90 are 36 to 54, .1 to .3 of 40 are 4 to 12."""
    processor = processor_of(dino)
    assert isinstance(processor, GroundingDinoProcessor)
    logits = torch.full((1, 2, 256), -torch.inf)
    logits[0, 0, :4] = torch.tensor([-3.0, 0.5, 1.5, -3.0])  # of its tokens, the best counts
    logits[0, 1, :4] = 1.0
    boxes = fixed((0.5, 0.2, 0.2, 0.2), (0.5, 0.5, 1.0, 1.0))
    found = strongest(processor, logits, boxes, (40, 90), torch.tensor([[101, 203, 1012, 102]]))
    assert found.box == pytest.approx((36, 4, 54, 12), abs=1e-4)
    assert found.score == pytest.approx(1 / (1 + np.exp(-1.5)))


def test_a_box_in_what_was_padded_does_not_count(owlv2: Path) -> None:
    """Of a picture 40 high and 90 wide, the rows from 40/90 on are padding; with no other: 0."""
    processor = processor_of(owlv2)
    below, inside = (0.5, 0.8, 0.2, 0.2), (0.1, 0.1, 0.1, 0.1)
    logits = torch.tensor([[[9.0], [-1.0]]])
    found = strongest(processor, logits, fixed(below, inside), (40, 90))
    assert found.score == pytest.approx(1 / (1 + np.e))
    assert found.box == pytest.approx((4.5, 4.5, 13.5, 13.5), abs=1e-4)
    assert strongest(processor, logits[:, :1], fixed(below), (40, 90)) == Finding(0.0, None)


def test_one_box_can_hold_both_things(
    detectors: dict[str, Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two words for one thing are both found: a box is not given to the likelier of them only."""
    outputs = {
        "logits": torch.tensor([[[3.0, 2.0], [-5.0, -5.0]]]),
        "pred_boxes": fixed((0.5, 0.5, 0.5, 0.5), (0.1, 0.1, 0.1, 0.1)),
    }

    class Fixed:
        """Gives the same for every picture."""

        config = detectors["owlv2"].module.config

        def __call__(self, **_: torch.Tensor) -> Any:
            return type("Outputs", (), outputs)

    detector = detectors["owlv2"]
    changed = {name: getattr(detector, name) for name in Detector.__slots__} | {"module": Fixed()}
    image = picture(2)
    found = Detector(**changed).find(detector.prepare(image), (64, 64), ["puma", "cougar"])
    assert [round(f.score, 4) for f in found] == [0.9526, 0.8808]
    assert found[0].box == found[1].box == pytest.approx((16, 16, 48, 48))


@pytest.mark.parametrize("name", ["owlv2", "owlvit", "dino", "mm-dino"])
def test_scores_are_those_of_a_plain_call_of_transformers(
    name: str, folders: dict[str, Path], detectors: dict[str, Detector]
) -> None:
    """Score and box are those of the model's best box, as its documentation has one call it."""
    folder = folders[name]
    text = [["a dog"]] if "dino" in name else [["a photo of a dog"]]
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    processor = processor_of(folder)
    seen = []
    for number in range(3):
        image = picture(number)
        given = processor(images=image, text=text, return_tensors="pt")
        with torch.inference_mode():
            outputs = model(**given)
        plain = processor.post_process_grounded_object_detection(
            outputs, threshold=0.0, target_sizes=[(image.height, image.width)]
        )[0]
        best = int(plain["scores"].argmax())
        detector = detectors[name]
        queries = [detector.query.replace("{}", word) for word in ("dog", "sofa")]
        key, accessory = detector.find(
            detector.prepare(image), (image.height, image.width), queries
        )
        left, top, right, bottom = plain["boxes"][best].tolist()
        if left < image.width and top < image.height:  # not in the padding
            assert key.score == pytest.approx(float(plain["scores"][best]), abs=1e-5)
            assert key.box == pytest.approx(
                (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)),
                abs=0.01,
            )
            seen.append(number)
        assert key.score != accessory.score
    assert seen


@pytest.mark.parametrize("name", ["owlv2", "owlvit", "dino", "mm-dino"])
def test_a_score_depends_on_picture_and_word_alone(
    name: str, detectors: dict[str, Detector]
) -> None:
    """The key's score is the same whatever is looked for besides."""
    detector, image = detectors[name], picture(0)
    pixels, size = detector.prepare(image), (image.height, image.width)
    one = detector.find(pixels, size, ["a dog", "a frisbee"])
    other = detector.find(pixels, size, ["a dog", "a photo of snow"])
    assert one[0] == other[0]
    assert one[1] != other[1]


def test_a_stop_in_a_name_does_not_split_it(detectors: dict[str, Detector]) -> None:
    """Grounding DINO takes what is before a full stop for one thing, so a name must have none."""
    detector, image = detectors["dino"], picture(0)
    pixels = detector.prepare(image)
    names = ["a St. Bernard", "a st bernard", "a st"]
    found = detector.find(pixels, (image.height, image.width), names)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("name", ["owlv2", "dino"])
def test_every_picture_keeps_its_row(
    name: str, owlv2: Path, dino: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """The output has the rows of the images in order, with scores, boxes inside, and what is found.

    Its paths are relative to it, wherever it is.
    """
    images, probes = inputs
    output = tmp_path / "elsewhere" / "verified.parquet"
    output.parent.mkdir()
    model = {"owlv2": owlv2, "dino": dino}[name]
    verify_images(images, output, probes=probes, model=model)
    middle = pc.quantile(load_table(output, IMAGES)["key_score"])[0].as_py()
    found = verify_images(
        images, output, probes=probes, model=model, threshold=middle, overwrite=True
    )
    assert 0 < found.n_key < 12
    table, before = load_table(output, IMAGES), load_table(images, IMAGES)
    for column in ("image_id", "probe_id", "target", "sha256"):
        assert table[column].to_pylist() == before[column].to_pylist()
    for number, row in enumerate(table.to_pylist()):
        with Image.open(output.parent / row["path"]) as opened:
            assert opened.size == SIZES[number % 3]
        for thing in ("key", "accessory"):
            assert row[f"{thing}_found"] == (row[f"{thing}_score"] >= middle)
            left, top, right, bottom = row[f"{thing}_box"]
            assert 0 <= left < right <= SIZES[number % 3][0]
            assert 0 <= top < bottom <= SIZES[number % 3][1]
    assert table["detector"].unique().to_pylist() == [str(model)]
    assert table["unverified"].null_count == found.n == 12
    assert found.n_key == pc.sum(table["key_found"]).as_py()
    both = pc.and_(table["key_found"], table["accessory_found"])
    assert found.n_both == pc.sum(both).as_py()
    record = json.loads(Path(f"{output}.run.json").read_text())
    assert record["arguments"]["threshold"] == middle
    assert record["arguments"]["model"] == str(model)
    assert record["inputs"]["weights"].startswith("sha256:")


def test_usual_query_and_threshold_are_the_models_own(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without options, the record says what was asked, and from which score on things are found."""
    images, probes = inputs
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    assert verify_images(images, first, probes=probes, model=owlv2).threshold == 0.1
    arguments = json.loads(Path(f"{first}.run.json").read_text())["arguments"]
    assert (arguments["query"], arguments["threshold"]) == ("a photo of a {}", 0.1)
    verify_images(images, second, probes=probes, model=owlv2, query="{}")
    scores = [load_table(path, IMAGES)["key_score"].to_pylist() for path in (first, second)]
    assert scores[0] != scores[1]


def looked(path: Path) -> dict[str, dict[str, Any]]:
    """Rows of a verified table by id."""
    return {row["image_id"]: row for row in load_table(path, IMAGES).to_pylist()}


@pytest.mark.parametrize("name", ["owlv2", "dino"])
def test_threads_and_shares_change_nothing(
    name: str, owlv2: Path, dino: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """One thread or four, one share or three that are put together: the same bits."""
    images, probes = inputs
    model = {"owlv2": owlv2, "dino": dino}[name]
    whole, together = tmp_path / "whole.parquet", tmp_path / "together.parquet"
    verify_images(images, whole, probes=probes, model=model)
    shares = [tmp_path / "shares" / f"{number}.parquet" for number in range(3)]
    for number, share in enumerate(shares):
        found = verify_images(
            images, share, probes=probes, model=model, shard=Shard(number, 3), workers=4
        )
        assert found.n == 4
    concat(shares, together)
    assert load_table(together, IMAGES).equals(load_table(whole, IMAGES))


def test_a_killed_run_goes_on(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at before a crash is not looked at again, and the result is the same."""
    images, probes = inputs
    monkeypatch.setattr(looking, "_PART", 4)
    whole, resumed = tmp_path / "whole.parquet", tmp_path / "resumed.parquet"
    verify_images(images, whole, probes=probes, model=owlv2)
    find: Callable[..., list[Finding]] = Detector.find
    calls = []

    def count(*arguments: Any) -> list[Finding]:
        calls.append(arguments)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return find(*arguments)

    monkeypatch.setattr(Detector, "find", count)
    with pytest.raises(KeyboardInterrupt):
        verify_images(images, resumed, probes=probes, model=owlv2)
    assert not resumed.exists()
    verify_images(images, resumed, probes=probes, model=owlv2, workers=3)
    assert len(calls) == 10 + 4  # eight were kept
    assert resumed.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*"))


def bad_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of which only the first can be looked at."""
    (folder / "images").mkdir()
    (folder / "images" / "text.png").write_text("no picture")
    return [
        {"image_id": "good", "path": "0.png", "probe_id": "p0"},
        {"image_id": "gone", "path": "gone.png", "probe_id": "p0"},
        {"image_id": "text", "path": "text.png", "probe_id": "p0"},
        {"image_id": "other", "path": "1.png", "probe_id": "p0", "sha256": "0" * 64},
        {"image_id": "stray", "path": "2.png", "probe_id": "p99"},
        {"image_id": "none", "path": "3.png", "probe_id": None},
        {"image_id": "long", "path": "4.png", "probe_id": "p4"},
    ]


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Images that cannot be looked at, for one reason each."""
    rows = bad_rows(tmp_path)
    (tmp_path / "images" / "text.png").unlink()
    (tmp_path / "images").rmdir()
    monkeypatch.setattr("test_verify_images.PAIRS", [*PAIRS, ("hypercalifragilistic", "tree")])
    inputs = write_inputs(tmp_path, rows)
    (tmp_path / "images" / "text.png").write_text("no picture")
    return inputs


def test_a_picture_that_cannot_be_looked_at_stops_the_run(
    owlv2: Path, damaged: tuple[Path, Path], tmp_path: Path
) -> None:
    """The error names the picture and the reason."""
    images, probes = damaged
    with pytest.raises(SourceError, match=r"gone cannot be verified: .*No such file"):
        verify_images(images, tmp_path / "v.parquet", probes=probes, model=owlv2)


def test_a_picture_that_is_skipped_keeps_its_row(
    owlv2: Path, damaged: tuple[Path, Path], tmp_path: Path
) -> None:
    """It is neither found nor not found, and both table and record say why."""
    images, probes = damaged
    output = tmp_path / "v.parquet"
    found = verify_images(images, output, probes=probes, model=owlv2, on_error="skip", threshold=0)
    assert (found.n, found.n_key, found.n_both) == (7, 1, 1)
    reasons = dict(found.skipped)
    assert list(reasons) == ["gone", "text", "other", "stray", "none", "long"]
    for identity, reason in {
        "gone": "No such file",
        "text": "UnidentifiedImageError",
        "other": "its sha256 differs",
        "stray": "there is no probe 'p99'",
        "none": "it has no probe",
        "long": f"tokens, and the model reads {WORDS}",
    }.items():
        assert reason in reasons[identity]
    rows = looked(output)
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
    assert looked(tmp_path / "again.parquet")["gone"]["key_found"] is None


def test_a_run_in_which_nothing_was_looked_at_is_an_error(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """A table of nulls is no result."""
    images, probes = inputs
    for path in images.parent.glob("*.png"):
        path.unlink()
    with pytest.raises(SourceError, match=r"none of 12 pictures can be verified; i0: "):
        verify_images(images, tmp_path / "v.parquet", probes=probes, model=owlv2, on_error="skip")


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


def test_another_threshold_needs_no_model(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """The scores say what is found from another score on; a score that is just reached counts."""
    images, probes = inputs
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    verify_images(images, first, probes=probes, model=owlv2)
    scores = sorted(load_table(first, IMAGES)["key_score"].to_pylist())
    found = set_threshold(first, second, threshold=scores[5])
    assert (found.n_key, found.threshold) == (7, scores[5])
    assert [r["key_score"] for r in looked(second).values() if r["key_found"]].count(scores[5]) == 1
    with pytest.raises(TableError, match="not verified"):
        set_threshold(images, tmp_path / "third.parquet", threshold=0.5)


def test_scores_of_two_detectors_are_not_mixed(
    owlv2: Path, dino: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """They are not on one scale, so one threshold cannot be set for both."""
    images, probes = inputs
    shares = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for number, (share, model) in enumerate(zip(shares, (owlv2, dino), strict=True)):
        verify_images(images, share, probes=probes, model=model, shard=Shard(number, 2))
    mixed = tmp_path / "mixed.parquet"
    tables = [load_table(share, IMAGES) for share in shares]
    save_table(mixed, pa.concat_tables(tables), IMAGES)
    with pytest.raises(TableError, match=r"by several detectors .*owlv2, .*dino"):
        set_threshold(mixed, tmp_path / "c.parquet", threshold=0.5)


def test_ids_that_stand_twice_are_refused(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """Of images and of probes: a row must say which picture, and which pair, it is of."""
    images, probes = inputs
    for path, schema, column in ((images, IMAGES, "image_id"), (probes, PROBES, "probe_id")):
        table = load_table(path, schema)
        twice = path.with_name("twice.parquet")
        save_table(twice, pa.concat_tables([table, table]), schema)
        given = {"images": images, "probes": probes} | {path.stem: twice}
        with pytest.raises(TableError, match=f"{column} stand more than once"):
            verify_images(given["images"], tmp_path / "v.parquet", probes=given["probes"],
                          model=owlv2)  # fmt: skip
        twice.unlink()


def test_a_turned_picture_is_seen_upright(
    detectors: dict[str, Detector], owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """EXIF says how a picture lies: scores and boxes are those of the picture as it is seen."""
    images, probes = inputs
    upright = picture(0)  # 90 wide, 40 high
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    path = images.parent / "turned.png"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    assert decode_image(path.read_bytes()).tobytes() == upright.tobytes()
    rows = [
        {"image_id": "turned", "path": "turned.png", "probe_id": "p0"},
        {"image_id": "upright", "path": "0.png", "probe_id": "p0"},
    ]
    table = images.parent / "two.parquet"
    save_table(table, pa.Table.from_pylist(rows, schema=IMAGES), IMAGES)
    verify_images(table, tmp_path / "v.parquet", probes=probes, model=owlv2)
    turned, straight = looked(tmp_path / "v.parquet").values()
    assert turned["key_score"] == straight["key_score"]
    assert turned["key_box"] == straight["key_box"]


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "I;16", "1"])
def test_pictures_of_every_kind_are_read(mode: str, tmp_path: Path) -> None:
    """Grey, palette, CMYK, transparent and 16-bit pictures come as RGB, with their brightness."""
    grey = np.full((8, 6), 200, np.uint8)
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 6), 200 * 257, np.uint16))
    else:
        image = Image.fromarray(np.where(grey > 100, 255, 0).astype(np.uint8)).convert(mode)
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    image.save(path)
    read = decode_image(path.read_bytes())
    assert (read.mode, read.size) == ("RGB", (6, 8))
    assert set(np.asarray(read).ravel()) == {200 if mode == "I;16" else 255}


def test_lower_precision_is_near(owlv2: Path, dino: Path, detectors: dict[str, Detector]) -> None:
    """bf16 gives nearly the scores of fp32, and not the same."""
    image = picture(1)
    for name, folder in (("owlv2", owlv2), ("dino", dino)):
        exact = detectors[name]
        rough = load_detector(folder, precision="bf16")
        size = (image.height, image.width)
        one, other = (
            d.find(d.prepare(image), size, ["a dog", "a sofa"])[0].score for d in (exact, rough)
        )
        assert one != other
        assert one == pytest.approx(other, abs=0.05)


Weights = dict[str, torch.Tensor]


def copy_with(folder: Path, target: Path, change: Callable[[Weights], None]) -> Path:
    """A copy of a model with other weights."""
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    weights = load_file(target / "model.safetensors")
    change(weights)
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_a_model_without_all_its_weights_is_refused(owlv2: Path, tmp_path: Path) -> None:
    """What is missing would be drawn at random by transformers."""

    def behead(weights: Weights) -> None:
        for name in [name for name in weights if name.startswith("class_head")]:
            del weights[name]

    with pytest.raises(ModelError, match=r"lacks \d+ weights of Owlv2ForObjectDetection"):
        load_detector(copy_with(owlv2, tmp_path / "m", behead))


def test_scores_that_are_no_numbers_are_an_error(owlv2: Path, tmp_path: Path) -> None:
    """A model that overflows does not say "not found"."""

    def spoil(weights: Weights) -> None:
        weights["class_head.dense0.bias"][:] = torch.nan

    detector = load_detector(copy_with(owlv2, tmp_path / "m", spoil))
    with pytest.raises(ModelError, match="is no number"):
        detector.find(detector.prepare(picture(0)), (40, 90), ["a dog", "a sofa"])


def test_models_that_are_no_detectors_are_refused(tmp_path: Path) -> None:
    """The error says what was expected; a folder that is not there is told at once."""
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match=r"of the architecture bert, expected owlv2, owlvit"):
        load_detector(tmp_path / "bert")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_detector(tmp_path / "nowhere")
    with pytest.raises(ParameterError, match="precision"):
        load_detector(tmp_path, precision="fp64")  # type: ignore[arg-type]


def test_wrong_settings_are_refused(owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """Each error says what was expected."""
    images, probes = inputs
    output = tmp_path / "v.parquet"

    def run(output: Path = output, **options: Any) -> None:
        verify_images(images, output, **{"probes": probes, "model": owlv2, **options})

    with pytest.raises(ParameterError, match="from 0 to 1"):
        run(threshold=1.5)
    with pytest.raises(ParameterError, match=r"expected \{\} in it"):
        run(query="a photo")
    with pytest.raises(ParameterError, match="parquet or"):
        run(tmp_path / "v.csv")
    with pytest.raises(ParameterError, match="workers 0"):
        run(workers=0)
    output.write_text("taken")
    with pytest.raises(OutputExistsError):
        run()


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
    assert (facts["n"], facts["n_both"], facts["n_skipped"]) == (7, 1, 6)
    done = CliRunner().invoke(cli, [*common, str(again), str(output), "--threshold", "1"])
    assert json.loads(done.stdout)["n_both"] == 0
    done = CliRunner().invoke(cli, [*common[:2], "-o", f"{again}2", str(output)])
    assert done.exit_code == 2
    assert "--threshold" in done.stderr
    done = CliRunner().invoke(cli, [*common[:2], "-o", f"{again}.arrow", *given])
    assert done.exit_code == 0
    assert "both" in done.stdout
    assert "not looked at: gone:" in done.stderr
