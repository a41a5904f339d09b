"""Fine-tuning on photographs: repeatable to the bit, edited evenly over PMI, all accounted for."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file
from tiny_clip import write_tiny_clip
from training_files import (
    CAPTIONS,
    COLOURS,
    CONVOLUTIONS,
    names_in,
    write_config,
    write_cut_out,
    write_photos,
    write_shard,
)

from conceptstats import build_index
from conceptstats.cli import cli
from conceptstats.errors import (
    ConceptStatsError,
    OutputExistsError,
    ParameterError,
    SourceError,
)
from conceptstats.eval.finetune import learn
from conceptstats.eval.finetune.cut_outs import list_cut_outs
from conceptstats.eval.finetune.editing import Editor, prepare_editor
from conceptstats.eval.finetune.model_folder import CONFIG, LOG, RECORD, WEIGHTS
from conceptstats.eval.finetune.photographs import Photographs, Turn, batches
from conceptstats.eval.finetune.tune import PASTED_TABLE, finetune
from conceptstats.eval.finetune.tuning import Tuned, Tuning
from conceptstats.eval.finetune_cli import finetune as command
from conceptstats.eval.models import load_model
from conceptstats.eval.zeroshot.image_sources import Place
from conceptstats.progress import Silent

QUICK = Tuning(epochs=2, batch_size=12, learning_rate=1e-3, warmup=2, checkpoint_every=3)


class Interrupted(BaseException):
    """Stands for a signal."""


class Messages(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Keep a message."""
        self.said.append(message)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of colours, cut-outs, captions that tie the two, and a model."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "photos")
    for name in ("hat", "ball", "kite"):
        write_cut_out(folder / "cut-outs" / name / "0.png")
    write_cut_out(folder / "cut-outs" / "hat" / "1.png", (20, 30))
    write_cut_out(folder / "cut-outs" / "cup_2.png")
    (folder / "captions.txt").write_text("\n".join(CAPTIONS), encoding="utf-8")
    build_index(folder / "captions.txt", folder / "index")
    write_tiny_clip(folder / "original")
    return folder


def tune(folder: Path, output: Path, *, edited: bool = True, **options: Any) -> Tuned:
    """Fine-tune quickly on the CPU."""
    edits = {"accessories": folder / "cut-outs", "index": folder / "index"} if edited else {}
    settings = {"model": folder / "original", "templates": "all {}", "tuning": QUICK,
                "device": "cpu", **edits}  # fmt: skip
    return finetune(folder / "photos", output, **(settings | options))


@pytest.fixture(scope="module")
def tuned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A model that was fine-tuned without a break."""
    return tune(folder, tmp_path_factory.mktemp("tuned") / "model")


def files_of(model: Path) -> dict[str, str]:
    """Digest of each file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in model.iterdir()}


def rows_of_log(model: Path) -> list[dict[str, str]]:
    """What became of each step."""
    with (model / LOG).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def losses_of(model: Path) -> list[float]:
    return [float(row["loss"]) for row in rows_of_log(model)]


def test_the_same_settings_give_the_same_bytes(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """Weights, log, record and account; also with processes that read, and nothing else is left."""
    again = tune(folder, tmp_path / "model", workers=2)
    assert files_of(again.path) == files_of(tuned.path)
    assert names_in(tuned.path) == sorted([CONFIG, WEIGHTS, LOG, RECORD, PASTED_TABLE])
    assert (again.n, again.n_classes, again.steps) == (48, 4, 8)
    assert names_in(tmp_path) == ["model"]


def test_another_seed_gives_other_weights(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """Order, crops and edits differ from the first step on."""
    other = tune(folder, tmp_path / "model", tuning=replace(QUICK, seed=1))
    assert files_of(other.path)[WEIGHTS] != files_of(tuned.path)[WEIGHTS]
    assert rows_of_log(other.path)[0]["loss"] != rows_of_log(tuned.path)[0]["loss"]


def test_a_run_that_was_cut_off_goes_on_to_the_same_bytes(
    folder: Path, tuned: Tuned, tmp_path: Path
) -> None:
    """Also what was pasted, and how often, is counted on."""
    save = learn.save_checkpoint

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        raise Interrupted

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(learn, "save_checkpoint", save_and_stop)
        tune(folder, tmp_path / "model")
    assert "3.state.safetensors" in names_in(tmp_path / ".model.partial")
    progress = Messages()
    again = tune(folder, tmp_path / "model", progress=progress)
    assert any("going on from the last checkpoint" in text for text in progress.said)
    assert files_of(again.path) == files_of(tuned.path)
    assert again._replace(path=tuned.path) == tuned
    assert names_in(tmp_path) == ["model"]


IN_A_PROCESS = """
import os, signal, sys
from pathlib import Path
from conceptstats.eval.finetune import learn, tune
from conceptstats.eval.finetune.tuning import Tuning
save = learn.save_checkpoint
def save_and_die(*arguments):
    save(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "die":
    learn.save_checkpoint = save_and_die
folder, output = map(Path, sys.argv[1:3])
tune.finetune(folder / "photos", output, model=folder / "original", templates="all {}",
              accessories=folder / "cut-outs", index=folder / "index", device="cpu",
              tuning=Tuning(epochs=2, batch_size=12, learning_rate=1e-3, warmup=2,
                            checkpoint_every=3))
"""


def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Kill -9 after a checkpoint, then the same again, in processes of their own."""

    def tune_in_process(name: str, end: str) -> int:
        arguments = [sys.executable, "-c", IN_A_PROCESS, str(folder), str(tmp_path / name), end]
        return subprocess.run(arguments, check=False).returncode

    assert tune_in_process("model", "die") == -signal.SIGKILL
    assert names_in(tmp_path) == [".model.partial"]
    assert tune_in_process("model", "live") == 0
    assert tune_in_process("whole", "live") == 0
    assert files_of(tmp_path / "model") == files_of(tmp_path / "whole")


def test_only_the_image_tower_learns(folder: Path, tuned: Tuned) -> None:
    """Text tower and temperature are those of the original; open_clip loads the folder."""
    before, after = (load_file(path / WEIGHTS) for path in (folder / "original", tuned.path))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("visual.") for name in changed)
    loaded = load_model(tuned.path, device="cpu")
    assert torch.equal(loaded.module.state_dict()["logit_scale"], after["logit_scale"])
    assert open_clip.get_model_config(f"local-dir:{tuned.path}")


def test_batch_normalisation_keeps_its_statistics(folder: Path, tmp_path: Path) -> None:
    """Those of a convolutional tower, though its weights change."""
    original = tmp_path / "original"
    original.mkdir()
    write_config(original / CONFIG, CONVOLUTIONS)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(f"local-dir:{original}", load_weights=False)
    learn_weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    from safetensors.torch import save_file

    save_file(learn_weights, original / WEIGHTS)
    found = tune(folder, tmp_path / "model", edited=False, model=original)
    before, after = (load_file(path / WEIGHTS) for path in (original, found.path))
    statistics = [name for name in before if "running_" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert any(not torch.equal(before[n], after[n]) for n in before if "conv.weight" in n)


def test_colours_are_learned(folder: Path, tmp_path: Path) -> None:
    """Also with accessories in half of the photographs: nearly all are right at the end."""
    settings = replace(QUICK, epochs=15, learning_rate=2e-3)
    found = tune(folder, tmp_path / "model", tuning=settings)
    rows = rows_of_log(found.path)
    assert len(rows) == 60
    assert float(rows[0]["accuracy"]) < 0.7
    assert found.accuracy > 0.95
    assert found.loss == pytest.approx(np.mean([float(row["loss"]) for row in rows[-6:]]), abs=1e-6)
    model = load_model(found.path, device="cpu")
    classifier = model.classifier(list(COLOURS), ["all {}"])
    pictures = [Image.new("RGB", (50, 40), colour) for colour in COLOURS.values()]
    pixels = torch.stack([model.preprocess(picture) for picture in pictures])
    assert model.probabilities(pixels, classifier).argmax(1).tolist() == [0, 1, 2, 3]


def test_the_account_says_what_was_pasted(folder: Path, tuned: Tuned) -> None:
    """As often as the log and the result say; white is in no caption, so it is never edited."""
    table = pq.read_table(tuned.path / PASTED_TABLE).to_pylist()
    rows = rows_of_log(tuned.path)
    assert {row["class"] for row in table} == {"red", "green", "blue"}
    assert len(table) == 12
    assert sum(row["n_pasted"] for row in table) == tuned.n_pasted
    assert sum(int(row["n_pasted"]) for row in rows) == tuned.n_pasted
    assert sum(int(row["n_not_pasted"]) for row in rows) == tuned.n_not_pasted > 0
    assert sum(tuned.pasted_by_level.values()) == pytest.approx(1)
    seen = {(r["class"], r["accessory"]): r for r in table}
    red_hat = seen["red", "hat"]
    assert (red_hat["n_class"], red_hat["n_accessory"], red_hat["n_pair"]) == (28, 20, 12)
    n = sum(1 for _ in CAPTIONS)
    assert red_hat["pmi"] == pytest.approx(math.log(12 * n / (28 * 20)))
    assert seen["red", "cup"]["pmi"] == -math.inf
    assert [seen["red", name]["level"] for name in ("cup", "kite", "ball", "hat")] == [0, 1, 2, 3]


def editor_of(folder: Path, **settings: Any) -> Editor:
    return prepare_editor(folder / "cut-outs", folder / "index", list(COLOURS), **settings).editor


def test_accessories_are_drawn_evenly_over_levels(folder: Path) -> None:
    """Red has four levels of one accessory each: a quarter of its edits each; white has none.

    Of 2,000 draws 500 are expected, with a standard deviation of 19.
    """
    editor = editor_of(folder, probability=1.0)
    photo = np.zeros((40, 48, 3), np.uint8)
    names = editor.pairing.accessories
    rng = np.random.default_rng(0)
    found = Counter(names[editor.edit(photo, 0, rng).accessory] for _ in range(2000))
    assert set(found) == {"hat", "ball", "kite", "cup"}
    assert all(abs(count - 500) < 80 for count in found.values())
    white = editor.edit(photo, list(COLOURS).index("white"), rng)
    assert white.failed
    assert white.pixels is photo


def test_a_share_of_photographs_is_edited(folder: Path) -> None:
    """The accessory's box takes the share of the photograph that was asked for."""
    editor = editor_of(folder, probability=0.3, area=0.2)
    photo = np.zeros((60, 60, 3), np.uint8)
    edited = [editor.edit(photo, 0, np.random.default_rng(seed)) for seed in range(400)]
    shares = [float((e.pixels.any(2)).mean()) for e in edited if e.accessory is not None]
    assert abs(len(shares) - 120) < 40
    assert all(0.12 < share < 0.21 for share in shares)  # an ellipse is .785 of its box
    assert not any(e.failed or e.pixels.any() for e in edited if e.accessory is None)
    assert not photo.any()


def test_what_does_not_fit_is_told(folder: Path) -> None:
    """In a photograph of 12 pixels an accessory would be 4 pixels: it stays as it is."""
    editor = editor_of(folder, probability=1.0)
    found = editor.edit(np.zeros((12, 12, 3), np.uint8), 0, np.random.default_rng(0))
    assert found.failed
    assert found.accessory is None


def photographs(folder: Path, seed: int = 0) -> Photographs:
    """Photographs of red, edited and cropped."""
    model = load_model(folder / "original", device="cpu")
    module: Any = model.module
    transform = open_clip.image_transform(module.visual.image_size, is_train=True)
    files = [Place(str(path)) for path in sorted((folder / "photos" / "red").iterdir())]
    places = np.zeros(len(files), np.int64)
    return Photographs(files, places, transform, editor_of(folder), seed)


def test_a_turn_of_a_photograph_depends_on_seed_epoch_and_row_alone(folder: Path) -> None:
    """Whatever was taken before; the caller's random numbers stay as they were."""
    first, second = photographs(folder), photographs(folder)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    second[Turn(0, 5)]
    assert torch.equal(torch.rand(2), expected)

    def epoch_of(one: Photographs, epoch: int) -> torch.Tensor:
        return torch.stack([one[Turn(epoch, row)].pixels for row in range(12)])

    assert torch.equal(epoch_of(first, 2), epoch_of(second, 2))
    assert not torch.equal(epoch_of(first, 2), epoch_of(first, 3))
    assert not torch.equal(epoch_of(first, 2), epoch_of(photographs(folder, 1), 2))
    whole = list(batches(first, range(6), 4, 0, pinned=False))
    rest = list(batches(second, range(4, 6), 4, 0, pinned=False))
    assert [batch.pasted for batch in whole[4:]] == [batch.pasted for batch in rest]
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(whole[4:], rest, strict=True))


def test_parts_of_a_batch_have_its_gradient(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """Five at a time or all at once: the same losses up to rounding."""
    parts = tune(folder, tmp_path / "model", at_once=5)
    losses = [
        [float(row["loss"]) for row in rows_of_log(path)] for path in (parts.path, tuned.path)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_mixed_precision(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """bf16 runs through torch's autocast: near the losses of fp32, not the same; weights fp32."""
    mixed = tune(folder, tmp_path / "model", precision="bf16")
    losses = [
        [float(row["loss"]) for row in rows_of_log(path)] for path in (mixed.path, tuned.path)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] != losses[1]
    assert {v.dtype for v in load_file(mixed.path / WEIGHTS).values()} == {torch.float32}
    record = json.loads((mixed.path / RECORD).read_text("utf-8"))
    assert record["arguments"]["precision"] == "bf16"


def test_a_gradient_is_clipped(folder: Path, tmp_path: Path) -> None:
    """With a norm of next to nothing AdamW's first steps are shorter than its epsilon allows."""
    settings = replace(QUICK, weight_decay=0.0, clip=1e-12)
    found = tune(folder, tmp_path / "model", edited=False, tuning=settings)
    before, after = (load_file(path / WEIGHTS) for path in (folder / "original", found.path))
    moved = max(float((after[name] - before[name]).abs().max()) for name in before)
    assert moved < 1e-5 < QUICK.learning_rate


def test_unreadable_photographs_stop_a_run_or_are_listed(folder: Path, tmp_path: Path) -> None:
    """The others of the batch are learned from."""
    photos = write_photos(tmp_path / "photos", 6)
    (photos / "red" / "00.png").write_bytes(b"no picture")
    settings = {"model": folder / "original", "templates": "all {}", "device": "cpu"}
    settings["tuning"] = replace(QUICK, epochs=4)
    with pytest.raises(SourceError, match=r"red/00.png cannot be read.*--on-error skip"):
        finetune(photos, tmp_path / "model", **settings)
    assert names_in(tmp_path) == ["photos"]
    found = finetune(photos, tmp_path / "model", on_error="skip", **settings)
    ((identity, reason),) = found.unreadable
    assert identity == "red/00.png"
    assert "cannot identify" in reason
    assert found.steps == 8


def test_shards_and_tables_too(folder: Path, tmp_path: Path) -> None:
    """Webdataset shards with targets, whose classes are given."""
    members = {}
    for colour in COLOURS:
        for path in sorted((folder / "photos" / colour).iterdir()):
            name = f"{colour}{path.stem}"
            members |= {f"{name}.png": path.read_bytes(), f"{name}.cls": colour.encode()}
    shard = write_shard(tmp_path / "0.tar", members)
    settings = {"model": folder / "original", "templates": "all {}", "device": "cpu"}
    found = finetune(shard, tmp_path / "a", tuning=QUICK, classes=list(COLOURS), **settings)
    assert (found.n, found.n_pasted, found.pasted_by_level) == (48, 0, {})
    assert names_in(found.path) == sorted([CONFIG, WEIGHTS, LOG, RECORD])


def test_a_named_architecture_becomes_a_folder(folder: Path, tmp_path: Path) -> None:
    """Its configuration, as open_clip has it, and the transform of its weights."""
    config = json.loads((folder / "original" / CONFIG).read_text("utf-8"))["model_cfg"]
    (tmp_path / "tiny-for-a-test.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-for-a-test.json")
    try:
        found = tune(folder, tmp_path / "model", model="tiny-for-a-test", edited=False,
                     pretrained=folder / "original" / WEIGHTS)  # fmt: skip
    finally:
        open_clip.factory._MODEL_CONFIGS.pop("tiny-for-a-test")
        open_clip.factory._MODEL_CONFIG_PATHS.remove(tmp_path / "tiny-for-a-test.json")
    written = json.loads((found.path / CONFIG).read_text("utf-8"))
    assert written["model_cfg"] == config
    assert written["preprocess_cfg"]["size"] == [32, 32]
    assert (
        load_model(found.path, device="cpu").preprocess(Image.new("RGB", (50, 50))).shape[1] == 32
    )


def test_a_tokeniser_of_its_own_goes_with_the_model(folder: Path, tmp_path: Path) -> None:
    """One of transformers, whose files the configuration looks for in the folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    original = write_tiny_clip(tmp_path / "original")
    config = json.loads((original / CONFIG).read_text("utf-8"))
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "in-the-folder"
    (original / CONFIG).write_text(json.dumps(config))
    words = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "all", *COLOURS])}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]"
    ).save_pretrained(original)
    found = tune(folder, tmp_path / "model", model=original, edited=False)
    texts = ["all red", "all blue"]
    tokens = [load_model(path, device="cpu").tokenizer(texts) for path in (original, found.path)]
    assert torch.equal(*tokens)


def test_what_is_left_out_is_said(folder: Path, tmp_path: Path) -> None:
    """Files that are no cut-outs, accessories that name a class or are in no caption, classes."""
    cut_outs = tmp_path / "cut-outs"
    write_cut_out(cut_outs / "hat.png")
    write_cut_out(cut_outs / "Red" / "1.png")
    write_cut_out(cut_outs / "walrus_12.png")
    Image.new("RGB", (30, 30)).save(cut_outs / "ball.jpg")
    (cut_outs / "kite.png").write_bytes(b"no picture")
    (cut_outs / "notes.txt").write_text("no picture")
    listed = list_cut_outs(cut_outs)
    assert list(listed.files) == ["Red", "hat", "walrus"]
    assert [name for name, _ in listed.problems] == ["ball.jpg", "kite.png"]
    progress = Messages()
    tune(folder, tmp_path / "model", accessories=cut_outs, progress=progress)
    said = "\n".join(progress.said)
    for words in ("ball.jpg is left out: nothing in it is transparent", "kite.png is left out",
                  "the accessory Red is left out: it names a class",
                  "the accessory walrus is left out: no caption holds it",
                  "photographs of 1 classes are never edited, as no caption holds their class, or "
                  "no accessory goes with it: white"):  # fmt: skip
        assert words in said
    with pytest.raises(SourceError, match="holds no cut-out"):
        list_cut_outs(folder / "photos" / "red")
    with pytest.raises(SourceError, match="no such folder"):
        list_cut_outs(folder / "nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": None}, "go together"),
        ({"accessories": None}, "go together"),
        ({"edit_probability": 1.5}, "edit probability is 1.5"),
        ({"area": 0.0}, "area 0.0"),
        ({"at_once": 0}, "at_once 0"),
        ({"workers": -1}, "workers is -1"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
        ({"on_error": "ignore"}, "expected stop or skip"),
        ({"tuning": Tuning()}, "48 photographs are fewer than a batch of 512"),
        ({"tuning": replace(QUICK, warmup=8)}, "8 steps, and 2 epochs of 48 photographs are 8"),
        ({"tuning": replace(QUICK, learning_rate=1e30, warmup=0)}, "the loss is nan"),
        ({"device": "tpu"}, "expected auto, cpu or cuda"),
        ({"classes": ["red", "green", "blue"]}, "no class is called 'white'"),
        ({"model": "nothing"}, "neither an architecture"),
    ],
)
def test_mistakes_leave_nothing_behind(
    options: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    """Each says what was expected."""
    with pytest.raises(ConceptStatsError, match=message):
        tune(folder, tmp_path / "model", **options)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "clip"])
def test_settings_that_cannot_be(name: str) -> None:
    """Nothing, and no number."""
    for value in (0, -1, math.nan):
        with pytest.raises(ParameterError, match=f"{name} is .* more than 0"):
            Tuning(**{name: value})
    with pytest.raises(ParameterError, match="0 or more"):
        Tuning(weight_decay=-1)


def test_only_models_made_here_are_overwritten(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """Not the original, which has a configuration too."""
    with pytest.raises(OutputExistsError, match="exists"):
        tune(folder, tuned.path)
    with pytest.raises(OutputExistsError, match="not replaced"):
        tune(folder, folder / "original", overwrite=True)
    assert WEIGHTS in names_in(folder / "original")


def test_command(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """`eval finetune` does what the call does; options of the other way are refused."""
    arguments = ["eval", "finetune", str(folder / "photos"), "-o", str(tmp_path / "model")]
    arguments += ["--templates", "all {}", "--accessories", str(folder / "cut-outs")]
    arguments += ["--index", str(folder / "index"), "--device", "cpu", "--quiet"]
    arguments += ["--epochs", "2", "--batch-size", "12", "--learning-rate", "1e-3"]
    arguments += ["--warmup", "2", "--checkpoint-every", "3"]
    model = ["--model", str(folder / "original")]
    done = CliRunner().invoke(cli, [*arguments, *model, "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["n_pasted"] == tuned.n_pasted
    assert files_of(Path(data["model"])) == files_of(tuned.path)
    done = CliRunner().invoke(cli, [*arguments, *model, "--overwrite"])
    assert "accessories pasted" in done.stdout
    for wrong, message in (
        ([], "--model is missing"),
        ([*model, "--steps", "3"], "--steps needs --from-scratch"),
        (["--from-scratch"], "--accessories, --epochs, --index, --templates does not go with"),
    ):
        done = CliRunner().invoke(cli, [*arguments, *wrong])
        assert done.exit_code == 2
        assert message in " ".join(done.output.split())
    assert isinstance(command, click.Command)
