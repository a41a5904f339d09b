"""Detectors of each architecture: what they find in a picture, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_tables import picture
from safetensors.torch import load_file, save_file
from tiny_detectors import (
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

from conceptstats.errors import ModelError, ParameterError
from conceptstats.synth.detectors import Detector, Finding, load_detector, strongest


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


@pytest.mark.parametrize("name", ["owlv2", "dino"])
def test_a_model_without_its_tokeniser_is_refused(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Transformers makes up one without words, for which all queries are the same."""
    folder = copy_with(folders[name], tmp_path / "m", lambda weights: None)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="vocabulary of its"):
        load_detector(folder)


@pytest.mark.parametrize("name", ["owlv2", "dino"])
def test_a_word_without_a_token_is_not_asked_for(name: str, detectors: dict[str, Detector]) -> None:
    """Its score would be that of anything that the tokeniser does not know."""
    assert detectors[name].problem("a dog") is None
    assert "has no token for" in str(detectors[name].problem("a \N{SNOWMAN}"))


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
