"""Objects cut out of a white background by SAM and SAM 2: real code, tiny models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from tiny_sam import picture_on_white, save_sam, save_sam2

from conceptstats.cli import cli
from conceptstats.errors import ModelError, OutputExistsError, ParameterError, SourceError
from conceptstats.pasting import Pixels
from conceptstats.shards import Shard
from conceptstats.synth import segment
from conceptstats.synth.paste.cut_outs import list_accessories
from conceptstats.synth.segment import SEGMENTS, TABLE, SegmentSummary, refusal, segment_pictures
from conceptstats.synth.segmenters import Segmented, Segmenter, best_mask, load_segmenter
from conceptstats.table_files import load_table


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each kind."""
    root = tmp_path_factory.mktemp("sam")
    return {"sam": save_sam(root / "sam"), "sam2": save_sam2(root / "sam2")}


def on_white(width: int = 60, height: int = 40, side: int = 20) -> Pixels:
    """A red square in the middle of white."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = [200, 30, 30]
    return pixels


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three accessories, one of them too small, and a file that is no picture."""
    root = tmp_path / "pictures"
    for name, side in (("hot dog", 24), ("kite", 30), ("pea", 6)):
        (root / name).mkdir(parents=True)
        Image.fromarray(on_white(side=side)).save(root / name / "0.png")
    (root / "kite" / "1.png").write_bytes(b"no image")
    return root


@dataclass(frozen=True, slots=True)
class RedSegmenter(Segmenter):
    """Knows that what is red is the object; judges itself as it is told to."""

    predicted_iou: float = 0.95

    def segment(self, pixels: Pixels) -> Segmented:
        """The red pixels."""
        return Segmented(pixels[..., 1] < 100, self.predicted_iou)


Cut = Callable[..., SegmentSummary]


@pytest.fixture
def cut_red(monkeypatch: pytest.MonkeyPatch) -> Cut:
    """`segment_pictures` with what is red as the object, whatever the model."""

    def cut(pictures: Path, output: Path, iou: float = 0.95, **options: Any) -> SegmentSummary:
        red = RedSegmenter("red", "sha256:0", None, None, torch.device("cpu"), "fp32", iou)
        with monkeypatch.context() as patch:
            patch.setattr("conceptstats.synth.segmenters.load_segmenter", lambda *_, **__: red)
            return segment_pictures(pictures, output, model="red", **options)

    return cut


def cut_outs(folder: Path) -> dict[str, bytes]:
    """Files of cut-outs by name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.png")}


@pytest.mark.parametrize("kind", ["sam", "sam2"])
@pytest.mark.parametrize("size", [(60, 40), (33, 97), (64, 64)])
def test_masks_are_as_large_as_the_picture(
    models: dict[str, Path], kind: str, size: tuple[int, int]
) -> None:
    """Whatever its proportions; and the same picture gives the same mask."""
    segmenter = load_segmenter(models[kind], device="cpu", quiet=True)
    pixels = on_white(*size)
    mask, score = segmenter.segment(pixels)
    assert mask.shape == pixels.shape[:2]
    again = load_segmenter(models[kind], device="cpu", quiet=True)
    assert again.fingerprint == segmenter.fingerprint
    assert (again.segment(pixels).mask == mask).all()
    assert again.segment(pixels).predicted_iou == score


def test_weights_of_the_video_model_are_those_of_sam_2(
    models: dict[str, Path], tmp_path: Path
) -> None:
    """SAM 2 is published with the config of its video model, and no processor of pictures else."""
    for file in models["sam2"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "sam2_video", "architectures": ["Sam2VideoModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    video, plain = (load_segmenter(folder, device="cpu") for folder in (tmp_path, models["sam2"]))
    assert video.fingerprint == plain.fingerprint
    assert (video.segment(on_white()).mask == plain.segment(on_white()).mask).all()


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_the_corners_are_given_as_background(
    models: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four points with label 0, in the coordinates of the picture that the model sees."""
    segmenter = load_segmenter(models[kind], device="cpu", quiet=True)
    seen: dict[str, torch.Tensor] = {}
    forward = segmenter.module.forward

    def keep(**inputs: torch.Tensor) -> object:
        seen.update(inputs)
        return forward(**inputs)

    monkeypatch.setattr(segmenter.module, "forward", keep)
    segmenter.segment(on_white(128, 96))
    assert seen["input_labels"].tolist() == [[[0, 0, 0, 0]]]
    # SAM keeps proportions (128 becomes 64), SAM 2 stretches both sides to 64.
    scale = (0.5, 0.5) if kind == "sam" else (64 / 128, 64 / 96)
    right, bottom = 127 * scale[0], 95 * scale[1]
    expected = [[0, 0], [right, 0], [0, bottom], [right, bottom]]
    np.testing.assert_allclose(seen["input_points"][0, 0], expected, rtol=1e-6)
    assert seen["pixel_values"].shape == (1, 3, 64, 64)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_gives_about_the_same_mask(models: dict[str, Path], precision: str) -> None:
    """Most pixels agree with those of full precision."""
    full = load_segmenter(models["sam"], device="cpu", quiet=True).segment(on_white())
    half = load_segmenter(models["sam"], device="cpu", quiet=True, precision=precision)  # type: ignore[arg-type]
    assert (half.segment(on_white()).mask == full.mask).mean() > 0.9


def test_the_best_mask_holds_no_corner() -> None:
    """A mask of the background is taken only where there is no other."""
    background, thing, other = np.zeros((3, 4, 4), bool)
    background[0, 0] = thing[1:3, 1:3] = other[2, 2] = True
    masks = np.stack([background, thing, other])
    assert (best_mask(masks, [0.9, 0.7, 0.8]).mask == other).all()
    assert best_mask(masks, [0.9, 0.7, 0.8]).predicted_iou == 0.8
    assert (best_mask(masks[:1], [0.9]).mask == background).all()


def test_masks_are_refused_by_the_published_rule() -> None:
    """Predicted IoU above 0.9, 100 pixels, more than 10 each way, and no corner."""
    mask = np.zeros((50, 50), bool)
    mask[5:16, 5:16] = True
    assert refusal(mask, 0.95, 0.9) is None
    assert refusal(mask, 0.9, 0.9) == (
        "the predicted IoU is too low",
        "0.900, expected above 0.9",
    )
    narrow = np.zeros((50, 50), bool)
    narrow[5:15, 5:30] = True  # 10 pixels high
    few = np.zeros((50, 50), bool)
    few[5, 5:25] = few[5:25, 5] = True  # 20 each way, and 39 pixels
    for small in (narrow, few):
        assert refusal(small, 0.95, 0.9)[0] == "too small"  # type: ignore[index]
    assert refusal(np.zeros_like(mask), 0.95, 0.9) == ("the mask is empty", None)
    mask[0, -1] = True
    assert "holds a corner" in refusal(mask, 0.95, 0.9)[0]  # type: ignore[index]


def test_every_picture_is_cut_out_or_listed(pictures: Path, tmp_path: Path, cut_red: Cut) -> None:
    """The folder is one of accessories; each picture has its row, with the reason why not."""
    summary = cut_red(pictures, tmp_path / "out")
    assert (summary.n, summary.n_cut_out) == (4, 2)
    assert summary.refused == {"cannot be read": 1, "too small": 1}
    table = load_table(tmp_path / "out" / TABLE, SEGMENTS).to_pylist()
    assert [row["photo_id"] for row in table] == ["hot dog/0.png", "kite/0.png", "kite/1.png",
                                                  "pea/0.png"]  # fmt: skip
    found = list_accessories(tmp_path / "out")
    assert {item.accessory: item.n_pixels for item in found.cut_outs} == {
        "hot dog": 24 * 24,
        "kite": 30 * 30,
    }
    assert found.problems == []
    with Image.open(tmp_path / "out" / table[1]["path"]) as image:
        assert json.loads(image.text["conceptstats"])["model"] == "red"
    with pytest.raises(OutputExistsError):
        cut_red(pictures, tmp_path / "out")
    with pytest.raises(SourceError, match=r"not one picture.*predicted IoU is too low"):
        cut_red(pictures, tmp_path / "none", 0.5)
    assert not (tmp_path / "none").exists()


def test_pictures_in_no_folder_are_told(pictures: Path, tmp_path: Path, cut_red: Cut) -> None:
    """Those beside the folders of concepts are left out, which the result says."""
    Image.fromarray(on_white()).save(pictures / "loose.png")
    summary = cut_red(pictures, tmp_path / "out")
    assert summary.n == 4
    assert [note.split(" ")[0] for note in summary.notes] == ["1"]
    assert summary.to_json()["notes"] == list(summary.notes)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_pictures_of_any_shape_do_not_stop_a_run(
    models: dict[str, Path], kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    """One that a model cannot scale is listed, with what the library says, beside a good one."""
    root = tmp_path / "pictures" / "umbrella"
    root.mkdir(parents=True)
    Image.new("RGB", size, "red").save(root / "0.png")
    Image.fromarray(picture_on_white(np.random.default_rng(1), 192)[0]).save(root / "1.png")
    summary = segment_pictures(root.parent, tmp_path / "out", model=models[kind], device="cpu")
    assert (summary.n, summary.n_cut_out) == (2, 1)
    odd, good = load_table(tmp_path / "out" / TABLE, SEGMENTS).to_pylist()
    assert good["reason"] is None
    assert odd["photo_sha256"] == hashlib.sha256((root / "0.png").read_bytes()).hexdigest()
    if kind == "sam" and max(size) > 1:
        assert odd["reason"] == "the model cannot take it"
        assert odd["detail"].startswith(f"{size[0]} x {size[1]} pixels: ValueError: ")
    else:
        assert odd["reason"]


def test_shards_and_kills_change_nothing(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_red: Cut
) -> None:
    """The cut-outs of two shares, and of a run that was killed, are those of one run."""
    monkeypatch.setattr(segment, "_PART", 1)
    cut_red(pictures, tmp_path / "one")
    whole = cut_outs(tmp_path / "one")
    shares: dict[str, bytes] = {}
    for number in range(2):
        out = tmp_path / f"share{number}"
        cut_red(pictures, out, shard=Shard(number, 2))
        shares |= cut_outs(out)
    assert shares == whole
    real, asked = segment._cut_out, []

    def cut(photo: segment.Photo, *rest: object) -> dict[str, object]:
        asked.append(photo.photo_id)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(photo, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(segment, "_cut_out", cut)
    with pytest.raises(KeyboardInterrupt):
        cut_red(pictures, tmp_path / "killed")
    cut_red(pictures, tmp_path / "killed")
    assert len(asked) == 5
    assert cut_outs(tmp_path / "killed") == whole


def test_a_picture_that_has_changed_is_cut_out_again(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_red: Cut
) -> None:
    """What a killed run made of a file is dropped when it is another, of the same size too."""
    file = pictures / "hot dog" / "0.bmp"
    Image.fromarray(on_white(side=24)).save(file)
    size = file.stat().st_size

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(segment, "save_table", stop)
        with pytest.raises(KeyboardInterrupt):
            cut_red(pictures, tmp_path / "out")
    Image.fromarray(on_white(side=25)).save(file)
    assert file.stat().st_size == size
    cut_red(pictures, tmp_path / "out")
    found = load_table(tmp_path / "out" / TABLE, SEGMENTS).to_pylist()
    assert found[0]["n_pixels"] == 25 * 25


def test_shares_without_a_cut_out_are_written(pictures: Path, tmp_path: Path, cut_red: Cut) -> None:
    """One that has no picture, and one whose only picture is refused: the rows stay."""
    empty = cut_red(pictures, tmp_path / "empty", shard=Shard(8, 9))
    assert (empty.n, empty.n_cut_out, empty.refused) == (0, 0, {})
    pea = cut_red(pictures, tmp_path / "pea", shard=Shard(3, 4))
    assert (pea.n, pea.n_cut_out, pea.refused) == (1, 0, {"too small": 1})
    assert load_table(tmp_path / "pea" / TABLE, SEGMENTS)["photo_id"].to_pylist() == ["pea/0.png"]


def test_mistakes_are_told_before_a_model_is_loaded(pictures: Path, tmp_path: Path) -> None:
    """A wrong path or an output that exists costs no download."""
    with pytest.raises(SourceError, match="no such folder"):
        segment_pictures(tmp_path / "none", tmp_path / "out", model=tmp_path)
    with pytest.raises(OutputExistsError):
        segment_pictures(pictures, pictures, model=tmp_path)
    with pytest.raises(ParameterError, match="min_iou is 2"):
        segment_pictures(pictures, tmp_path / "out", model=tmp_path, min_iou=2)


def test_models_that_cannot_be_had_are_errors(models: dict[str, Path], tmp_path: Path) -> None:
    """No such folder, another kind of model, missing weights, a wrong setting: each says so."""
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_segmenter(tmp_path / "none", device="cpu")
    config = json.loads((models["sam"] / "config.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_segmenter(other, device="cpu")
    half = tmp_path / "half"
    half.mkdir()
    for file in models["sam"].iterdir():
        (half / file.name).write_bytes(file.read_bytes())
    config["mask_decoder_config"]["mlp_dim"] = 48
    (half / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load_segmenter(half, device="cpu")
    with pytest.raises(ParameterError, match="precision is 'int8'"):
        load_segmenter(models["sam"], precision="int8")  # type: ignore[arg-type]


def test_weights_that_are_missing_are_an_error(models: dict[str, Path], tmp_path: Path) -> None:
    """The library would draw them at random, and only warn."""
    from safetensors.torch import load_file, save_file

    for file in models["sam"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "iou_prediction_head" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks \d+ weights of SamModel"):
        load_segmenter(tmp_path, device="cpu")


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_objects_on_white_become_accessories(
    models: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """A tiny model that has learnt to find things: its cut-outs are where the objects are."""
    rng = np.random.default_rng(1)
    truth = {}
    (tmp_path / "pictures").mkdir()
    for number in range(6):
        picture, where = picture_on_white(rng, 192)
        Image.fromarray(picture).save(tmp_path / "pictures" / f"umbrella_{number}.png")
        truth[f"umbrella_{number}.png"] = where
    arguments = ["synth", "segment", str(tmp_path / "pictures"), "-o", str(tmp_path / "out"),
                 "--model", str(models[kind]), "--device", "cpu", "--json"]  # fmt: skip
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["n"], found["n_cut_out"], found["refused"]) == (6, 6, {})
    segmenter = load_segmenter(models[kind], device="cpu", quiet=True)
    for row in load_table(tmp_path / "out" / TABLE, SEGMENTS).to_pylist():
        where = truth[row["photo_id"]]
        picture = np.asarray(Image.open(tmp_path / "pictures" / row["photo_id"]))
        mask = segmenter.segment(picture).mask
        assert (mask & where).sum() / (mask | where).sum() > 0.8
        assert row["n_pixels"] == mask.sum()
    accessories = list_accessories(tmp_path / "out")
    assert {(item.accessory, item.n_pixels) for item in accessories.cut_outs} == {
        ("umbrella", int(row["n_pixels"]))
        for row in load_table(tmp_path / "out" / TABLE, SEGMENTS).to_pylist()
    }
