"""Zero-shot classification: the same numbers as a plain loop, whatever happens on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from messages import Messages
from PIL import Image
from tiny_clip import COLOURS, write_images, write_tiny_clip

from conceptstats.cli import cli
from conceptstats.errors import (
    ModelError,
    OutputError,
    OutputExistsError,
    ParameterError,
    SourceError,
)
from conceptstats.eval.models import load_model
from conceptstats.eval.zeroshot.ranks import target_ranks, top_classes
from conceptstats.eval.zeroshot.run import ZeroShotSummary, zeroshot
from conceptstats.parts import unfinished
from conceptstats.progress import Silent
from conceptstats.table_files import load_table
from conceptstats.tables import PREDICTIONS

TEMPLATES = ("a {} picture.", "something {}")


class Interrupted(BaseException):
    """Stands for a signal."""


@dataclass
class ColourModel:
    """Knows a class by the colour that it is named after: the mean colour, and its distance."""

    name: str = "colours"
    pretrained: str | None = None
    fingerprint: str = "1"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    colours: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: dict(COLOURS))
    left: int = -1  # batches until it is interrupted
    n_batches: int = 0

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Mean colour."""
        return torch.from_numpy(np.array(image)).float().mean(dim=(0, 1))

    def classifier(
        self, classes: Sequence[str], templates: Sequence[str]
    ) -> npt.NDArray[np.float32]:
        """The colour of each class."""
        return np.array([self.colours[name] for name in classes], np.float32)

    def probabilities(
        self, images: torch.Tensor, classifier: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Softmax of distances."""
        if self.n_batches == self.left:
            raise Interrupted
        self.n_batches += 1
        distances = (images[:, None] - torch.from_numpy(classifier)).norm(dim=2)
        found: npt.NDArray[np.float32] = (-distances / 100).softmax(dim=1).numpy()
        return found


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 75 pictures: two whole blocks of a model and a piece of one."""
    return write_images(tmp_path_factory.mktemp("images"), 75, 40)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 700 pictures: two whole parts and a piece of one."""
    return write_images(tmp_path_factory.mktemp("many"), 700)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small vision transformer."""
    return write_tiny_clip(tmp_path_factory.mktemp("tiny") / "vit")


def run(images: Path, output: Path, **options: Any) -> ZeroShotSummary:
    """Evaluate with the colours, unless another model is given."""
    return zeroshot(images, output, **({"model": ColourModel(), "templates": "{}"} | options))


def plain_loop(model: Path, images: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Probabilities of each picture, one at a time, with the functions of open_clip alone."""
    clip, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{model}")
    clip.eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{model}")
    found = {}
    with torch.no_grad():
        rows = []
        for name in sorted(COLOURS):
            texts = clip.encode_text(tokens([text.format(name) for text in TEMPLATES]))
            mean = (texts / texts.norm(dim=-1, keepdim=True)).mean(dim=0)
            rows.append(mean / mean.norm())
        for path in sorted(images.rglob("*.png")):
            pixels = preprocess(Image.open(path).convert("RGB"))[None]
            row = clip.encode_image(pixels)
            logits = clip.logit_scale.exp() * (row / row.norm()) @ torch.stack(rows).T
            if clip.logit_bias is not None:
                logits = logits + clip.logit_bias
            found[path.relative_to(images).as_posix()] = logits.softmax(dim=-1).numpy()[0]
    return found


@pytest.mark.parametrize(
    "kind", [{}, {"resnet": True, "image_size": 64}, {"bias": True, "seed": 3}]
)
def test_predictions_are_those_of_a_plain_loop(
    tmp_path: Path, images: Path, kind: dict[str, Any]
) -> None:
    """Classes, order, probabilities over all classes, and ranks."""
    model = write_tiny_clip(tmp_path / "model", **kind)
    expected = plain_loop(model, images)
    zeroshot(images, tmp_path / "p.parquet", model=model, templates=TEMPLATES, top_k=2)
    table = load_table(tmp_path / "p.parquet", PREDICTIONS)
    assert table.column("example_id").to_pylist() == list(expected)
    names = sorted(COLOURS)
    for row in table.to_pylist():
        probabilities = expected[row["example_id"]]
        order = np.argsort(-probabilities)
        target = names.index(row["target"])
        assert row["labels"] == [names[i] for i in order[:2]]
        np.testing.assert_allclose(row["probabilities"], probabilities[order[:2]], rtol=1e-4)
        np.testing.assert_allclose(row["target_probability"], probabilities[target], rtol=1e-4)
        assert row["target_rank"] == 1 + list(order).index(target)
        assert (row["model"], row["pretrained"]) == (str(model), None)
        assert row["example_id"].startswith(row["target"])


def test_a_model_without_torch_weights_is_judged_rightly(tmp_path: Path) -> None:
    """Colours at known distances.

    From white, the others are each 361 away (two channels of 255), so that its probability is
    1 / (1 + 3 exp(-3.606)) = 0.925. What is called green is 5 from blue, 357 from red and green,
    which tie, and 361 from white.
    """
    pictures = {"blue/4.png": (0, 0, 255), "green/3.png": (0, 0, 250), "red/2.png": (200, 0, 0),
                "white/1.png": (255,) * 3}  # fmt: skip
    for name, colour in pictures.items():
        (tmp_path / "im" / name).parent.mkdir(parents=True)
        Image.new("RGB", (3, 3), colour).save(tmp_path / "im" / name)
    found = run(tmp_path / "im", tmp_path / "p.parquet", top_k=0)
    rows = {row["example_id"]: row for row in pq.read_table(tmp_path / "p.parquet").to_pylist()}
    assert [row["target_rank"] for row in rows.values()] == [1, 3, 1, 1]
    assert rows["green/3.png"]["labels"] == ["blue", "green", "red", "white"]
    white = rows["white/1.png"]
    assert white["labels"][0] == "white"
    assert white["target_probability"] == pytest.approx(0.925, abs=5e-4)
    assert sum(white["probabilities"]) == pytest.approx(1)
    assert (found.n, found.accuracy.value, found.top5) == (4, 0.75, 1.0)


def test_a_model_that_finds_all_classes_alike_is_never_right(tmp_path: Path, images: Path) -> None:
    """Ties count against the model."""
    same = ColourModel(colours=dict.fromkeys(COLOURS, (9, 9, 9)))
    found = run(images, tmp_path / "p.parquet", model=same)
    assert found.accuracy.value == 0
    assert found.mean_target_probability == pytest.approx(0.25)
    assert set(pq.read_table(tmp_path / "p.parquet")["target_rank"].to_pylist()) == {4}


def test_classes_of_one_name_are_told_and_the_first_can_be_right(
    tmp_path: Path, images: Path
) -> None:
    """As in ImageNet, where two classes are called missile and two sunglasses."""
    said = Messages()
    names = ["red", "green", "blue", "white", "grey", "grey"]
    model = ColourModel(colours=COLOURS | {"grey": (128, 128, 128)})
    run(images, tmp_path / "p.parquet", model=model, classes=names, progress=said)
    assert said.said == ["classes 4 and 5 are both called 'grey': no model can tell them apart"]
    probabilities = np.array([[0.2, 0.4, 0.4], [0.2, 0.4, 0.4], [0.2, 0.4, 0.4]], np.float32)
    ranks = target_ranks(probabilities, np.arange(3), np.array([0, 1, 1]))
    assert ranks.tolist() == [3, 1, 2]


def test_ranks_and_tops_by_hand() -> None:
    """Ties go against the target, and by the order of the classes among the tops."""
    probabilities = np.array([[0.1, 0.3, 0.3, 0.3], [0.7, 0.1, 0.1, 0.1]], np.float32)
    for target, ranks in enumerate([[4, 1], [3, 4], [3, 4], [3, 4]]):
        targets = np.array([target, target])
        assert target_ranks(probabilities, targets, np.arange(4)).tolist() == ranks
    assert top_classes(probabilities, 2).tolist() == [[1, 2], [0, 1]]


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 3}, {"workers": 2}])
# Python warns of the fork by which torch starts its workers, from 3.12 on.
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_batches_and_processes_do_not_change_a_byte(
    tmp_path: Path, images: Path, tiny: Path, options: dict[str, int]
) -> None:
    """The model gets the same numbers of images in the same places."""
    for name, extra in {"a": {}, "b": options}.items():
        (tmp_path / name).mkdir()
        zeroshot(images, tmp_path / name / "p.parquet", model=tiny, templates="simple", **extra)
    for file in ("p.parquet", "p.parquet.run.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_image_does_not_depend_on_those_behind_it(
    tmp_path: Path, images: Path, tiny: Path
) -> None:
    """A prefix of the images gives a prefix of the rows, bit for bit."""
    paths = sorted(path.as_posix() for path in images.rglob("*.png"))
    tables = []
    for n in (75, 41):
        columns = {"image_id": paths[:n], "path": paths[:n]}
        table = pa.table(columns | {"target": [Path(path).parent.name for path in paths[:n]]})
        pq.write_table(table, tmp_path / f"{n}.parquet")
        output = tmp_path / f"p{n}.parquet"
        zeroshot(tmp_path / f"{n}.parquet", output, model=tiny, classes=list(COLOURS))
        tables.append(pq.read_table(output))
    assert tables[0].slice(0, 41).to_pylist() == tables[1].to_pylist()


@pytest.mark.parametrize("left", [0, 5, 9, 20])
def test_a_run_that_is_interrupted_goes_on(tmp_path: Path, many: Path, left: int) -> None:
    """The end is the same byte for byte, and no finished part is made again."""
    (tmp_path / "whole").mkdir()
    run(many, tmp_path / "whole" / "p.parquet")
    with pytest.raises(Interrupted):
        run(many, tmp_path / "p.parquet", model=ColourModel(left=left))
    assert not (tmp_path / "p.parquet").exists()
    model, said = ColourModel(), Messages()
    run(many, tmp_path / "p.parquet", model=model, batch_size=7, progress=said)
    assert model.n_batches == 22 - left // 8 * 8
    n = left // 8
    done = "1 part is done" if n == 1 else f"{n} parts are done"
    assert said.said == ([f"going on with an unfinished run: {done}"] if n else [])
    for file in ("p.parquet", "p.parquet.run.json"):
        assert (tmp_path / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert not (tmp_path / ".p.parquet.parts").exists()


def test_other_settings_begin_anew(tmp_path: Path, many: Path) -> None:
    """What has changed is told, and the result is that of the new settings."""
    with pytest.raises(Interrupted):
        run(many, tmp_path / "p.parquet", model=ColourModel(left=9))
    model, said = ColourModel(fingerprint="2"), Messages()
    run(many, tmp_path / "p.parquet", model=model, top_k=1, progress=said)
    assert said.said == ["an unfinished run is dropped, as these have changed: model, top_k"]
    assert model.n_batches == 22
    assert len(pq.read_table(tmp_path / "p.parquet")["labels"][0]) == 1


def test_classes_are_told_by_ids_in_front_of_their_names(tmp_path: Path) -> None:
    """Three folders of four classes; with other ids an unfinished run, of old targets, is dropped.

    Names go from a to z and ids from z to a, so that no order would tell.
    """
    images = write_images(tmp_path / "images", 400)
    names = sorted(COLOURS)
    ids = [f"n0000000{4 - number}" for number in range(4)]
    for identity, name in zip(ids, names, strict=True):
        (images / name).rename(images / identity)
    shutil.rmtree(images / ids[0])
    mapping, output = tmp_path / "mapping.txt", tmp_path / "p.parquet"
    wrong = "".join(f"{one} {name}\n" for one, name in zip(reversed(ids), names, strict=True))
    mapping.write_text(wrong, encoding="utf-8")
    with pytest.raises(Interrupted):
        run(images, output, model=ColourModel(left=9), classes=mapping)
    right = "".join(f"{one} {name}, thing\n" for one, name in zip(ids, names, strict=True))
    mapping.write_text(right, encoding="utf-8")
    said = Messages()
    found = run(images, output, model=ColourModel(), classes=mapping, progress=said)
    assert said.said == ["an unfinished run is dropped, as these have changed: targets"]
    assert (found.n, found.n_classes) == (300, 4)
    assert found.accuracy.value > 0.5
    for row in load_table(output, PREDICTIONS).to_pylist():
        folder = row["example_id"].split("/")[0]
        assert row["target"] == names[ids.index(folder)]


def test_two_runs_do_not_write_the_same_output(tmp_path: Path, images: Path) -> None:
    """The second is refused while the first goes on."""
    schema = pa.schema([("x", pa.int32())])
    with (
        unfinished(tmp_path / "p.parquet", {}, schema, Silent()),
        pytest.raises(OutputError, match="another process"),
    ):
        run(images, tmp_path / "p.parquet")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """300 pictures, of which the numbers 10 and 280 are cut."""
    folder = write_images(tmp_path / "damaged", 300)
    paths = sorted(folder.rglob("*.png"))
    for number in (10, 280):
        paths[number].write_bytes(paths[number].read_bytes()[:-30])
    return folder


def test_an_image_that_cannot_be_read_stops_the_run(tmp_path: Path, damaged: Path) -> None:
    """It is named, and nothing is left behind."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SourceError, match=r"blue/00042.png cannot be read .*on-error skip"):
        run(damaged, tmp_path / "p.parquet")
    assert sorted(tmp_path.iterdir()) == before


def test_images_that_cannot_be_read_are_skipped_when_asked_for(
    tmp_path: Path, damaged: Path
) -> None:
    """They are counted, listed and recorded; the other rows are those of a run without damage."""
    found = run(damaged, tmp_path / "p.parquet", on_error="skip")
    assert (found.n, len(found.skipped)) == (298, 2)
    record = json.loads((tmp_path / "p.parquet.run.json").read_text())
    assert [identity for identity, _ in record["skipped"]] == [pair[0] for pair in found.skipped]
    whole = write_images(tmp_path / "whole", 300)
    run(whole, tmp_path / "whole.parquet")
    skipped = {identity for identity, _ in found.skipped}
    rows = pq.read_table(tmp_path / "whole.parquet").to_pylist()
    kept = [row for row in rows if row["example_id"] not in skipped]
    assert pq.read_table(tmp_path / "p.parquet").to_pylist() == kept


def test_a_run_that_stopped_at_an_image_goes_on_without_it(tmp_path: Path, damaged: Path) -> None:
    """``on_error`` may change between the two; but a skipped image stops a run that must not."""
    first = sorted(damaged.rglob("*.png"))[10]
    name = first.relative_to(damaged).as_posix()
    first.write_bytes(next(first.parent.glob("*.png")).read_bytes())
    with pytest.raises(SourceError, match="cannot be read"):
        run(damaged, tmp_path / "p.parquet")
    model = ColourModel()
    found = run(damaged, tmp_path / "p.parquet", model=model, on_error="skip")
    assert model.n_batches == 2  # of ten: 256 images were done
    assert [pair[0] for pair in found.skipped] != [name]
    first.write_bytes(b"")
    with pytest.raises(Interrupted):
        run(damaged, tmp_path / "q.parquet", model=ColourModel(left=8), on_error="skip")
    with pytest.raises(SourceError, match=name):
        run(damaged, tmp_path / "q.parquet", model=ColourModel())


def test_images_of_which_none_can_be_read_are_refused(tmp_path: Path) -> None:
    """There is no accuracy of nothing."""
    for name in "ab":
        (tmp_path / "im" / name).mkdir(parents=True)
        (tmp_path / "im" / name / "x.png").touch()
    model = ColourModel(colours={"a": (0, 0, 0), "b": (0, 0, 0)})
    with pytest.raises(SourceError, match="none of 2 images can be read"):
        run(tmp_path / "im", tmp_path / "p.parquet", model=model, on_error="skip")
    assert not (tmp_path / "p.parquet").exists()


def test_a_model_that_gives_no_numbers_is_refused(tmp_path: Path, images: Path) -> None:
    """As half precision can, where a number is too great for it."""
    nan = ColourModel(colours=COLOURS | {"red": (float("nan"),) * 3})
    with pytest.raises(ModelError, match=r"blue/00002\.png or an image behind it"):
        run(images, tmp_path / "p.parquet", model=nan)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -1}, "top_k is -1"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"workers": -1}, "workers -1"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"pretrained": "x"}, "loaded already"),
        ({"output": "p.csv"}, "does not end in"),
    ],
)
def test_settings_outside_their_range_are_refused(
    tmp_path: Path, images: Path, options: dict[str, Any], message: str
) -> None:
    """Before anything is done."""
    output = tmp_path / options.pop("output", "p.parquet")
    with pytest.raises(ParameterError, match=message):
        run(images, output, **options)
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_kept(tmp_path: Path, images: Path) -> None:
    """Unless it is to be replaced."""
    run(images, tmp_path / "p.parquet")
    with pytest.raises(OutputExistsError, match="exists"):
        run(images, tmp_path / "p.parquet")
    run(images, tmp_path / "p.parquet", overwrite=True)


def test_the_record_says_what_the_result_depends_on(
    tmp_path: Path, images: Path, tiny: Path
) -> None:
    """Images and weights by content, files by name; another picture gives another record."""
    (tmp_path / "classes.txt").write_text("blue\ngreen\nred\nwhite\n")
    zeroshot(images, tmp_path / "p.parquet", model=tiny, classes=tmp_path / "classes.txt")
    record = json.loads((tmp_path / "p.parquet.run.json").read_text())
    assert record["command"] == "eval zeroshot"
    assert record["arguments"]["images"] == str(images)
    assert record["arguments"]["precision"] == "fp32"
    assert record["arguments"]["classes"] == str(tmp_path / "classes.txt")
    assert "batch_size" not in record["arguments"]
    assert set(record["inputs"]) == {"images", "weights", str(tmp_path / "classes.txt")}
    assert record["inputs"]["weights"] == load_model(tiny).fingerprint
    assert "torch" in record["versions"]


def test_the_command_prints_a_summary_or_json(tmp_path: Path, images: Path, tiny: Path) -> None:
    """Figures are those of the table."""
    output = tmp_path / "p.parquet"
    arguments = ["eval", "zeroshot", str(images), "--model", str(tiny), "-o", str(output),
                 "--templates", "simple", "--quiet"]  # fmt: skip
    done = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    ranks = np.array(pq.read_table(output)["target_rank"].to_pylist())
    assert found["accuracy"] == pytest.approx((ranks == 1).mean())
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    assert (found["n"], found["n_skipped"], found["top5"]) == (75, 0, 1.0)
    assert (found["model"], found["pretrained"]) == (str(tiny), None)
    done = CliRunner().invoke(cli, [*arguments, "--overwrite"], catch_exceptions=False)
    assert "accuracy" in done.stdout
    assert "75" in done.stdout
