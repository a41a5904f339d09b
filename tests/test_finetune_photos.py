"""Fine-tuning on photographs: repeatable to the bit, all photographs accounted for."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from click.testing import CliRunner
from messages import Messages
from PIL import Image
from safetensors.torch import load_file
from tiny_clip import write_tiny_clip
from training_files import (
    COLOURS,
    CONVOLUTIONS,
    Interrupted,
    files_of,
    losses_of,
    names_in,
    rows_of_log,
    tune,
    write_config,
    write_photos,
    write_shard,
    write_task,
)
from training_files import QUICK_TUNING as QUICK

from conceptstats.cli import cli
from conceptstats.errors import (
    ConceptStatsError,
    OutputExistsError,
    ParameterError,
    SourceError,
)
from conceptstats.eval.finetune import learn
from conceptstats.eval.finetune.model_folder import CONFIG, LOG, RECORD, WEIGHTS
from conceptstats.eval.finetune.schedule import rows_of_step
from conceptstats.eval.finetune.tune import PASTED_TABLE, SKIPPED, finetune
from conceptstats.eval.finetune.tuning import Tuned, Tuning
from conceptstats.eval.models import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, cut-outs, captions and a model."""
    return write_task(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def tuned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A model that was fine-tuned without a break."""
    return tune(folder, tmp_path_factory.mktemp("tuned") / "model")


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


def test_parts_of_a_batch_have_its_gradient(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """Five at a time or all at once: the same losses up to rounding."""
    parts = tune(folder, tmp_path / "model", at_once=5)
    assert losses_of(parts.path) == pytest.approx(losses_of(tuned.path), rel=1e-3)


def test_mixed_precision(folder: Path, tuned: Tuned, tmp_path: Path) -> None:
    """bf16 runs through torch's autocast: near the losses of fp32, not the same; weights fp32."""
    mixed = tune(folder, tmp_path / "model", precision="bf16")
    assert losses_of(mixed.path) == pytest.approx(losses_of(tuned.path), rel=0.1)
    assert losses_of(mixed.path) != losses_of(tuned.path)
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


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """The task, with a photograph that cannot be read."""
    photos = write_photos(tmp_path / "damaged" / "photos", 6)
    (photos / "red" / "00.png").write_bytes(b"no picture")
    (tmp_path / "damaged" / "original").symlink_to(folder / "original")
    return tmp_path / "damaged"


def test_unreadable_photographs_stop_a_run_or_are_listed(damaged: Path, tmp_path: Path) -> None:
    """The others of the batch are learned from."""
    settings = {"edited": False, "tuning": replace(QUICK, epochs=4)}
    with pytest.raises(SourceError, match=r"red/00.png cannot be read.*--on-error skip"):
        tune(damaged, tmp_path / "model", **settings)
    assert names_in(tmp_path) == ["damaged"]
    found = tune(damaged, tmp_path / "model", on_error="skip", **settings)
    ((identity, reason),) = found.unreadable
    assert identity == "red/00.png"
    assert found.steps == 8
    with (found.path / SKIPPED).open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["image", "reason"], [identity, reason]]


def test_what_stopped_a_run_can_be_skipped(damaged: Path, tmp_path: Path) -> None:
    """As the error hints: the run goes on, to the bytes of one that skipped from the beginning."""
    row = sorted(damaged.glob("photos/*/*")).index(damaged / "photos" / "red" / "00.png")
    seed = next(seed for seed in range(99) if row not in rows_of_step(0, 24, 4, seed))
    settings = replace(QUICK, batch_size=4, seed=seed, checkpoint_every=1)
    with pytest.raises(SourceError, match=r"red/00\.png"):
        tune(damaged, tmp_path / "model", edited=False, tuning=settings)
    progress = Messages()
    found = tune(
        damaged, tmp_path / "model", edited=False, tuning=settings, on_error="skip",
        progress=progress,
    )  # fmt: skip
    assert any("going on from the last checkpoint" in text for text in progress.said)
    whole = tune(damaged, tmp_path / "whole", edited=False, tuning=settings, on_error="skip")
    assert files_of(found.path) == files_of(whole.path)


def test_weights_that_are_lost_are_never_saved(folder: Path, tmp_path: Path) -> None:
    """A gradient that is not finite spoils them, though the loss of its step is a number."""

    def overflow(*_: Any) -> torch.Tensor:
        return torch.tensor(math.inf)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", overflow)
        with pytest.raises(ParameterError, match="the loss is nan at step 0"):
            tune(folder, tmp_path / "model", edited=False)
    assert names_in(tmp_path) == []


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
        (
            {"tuning": replace(QUICK, warmup=8)},
            "8 steps, and 2 epochs of 48 photographs are 8",
        ),
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


def test_the_command_lists_what_is_skipped(damaged: Path, tmp_path: Path) -> None:
    """Options of editing need accessories."""
    arguments = ["eval", "finetune", str(damaged / "photos"), "-o", str(tmp_path / "model")]
    arguments += ["--model", str(damaged / "original"), "--templates", "all {}", "--epochs", "2"]
    arguments += ["--batch-size", "12", "--warmup", "1", "--on-error", "skip", "--quiet"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert "skipped: red/00.png: " in done.stdout
    done = CliRunner().invoke(cli, [*arguments, "--area", "0.2", "--edit-probability", "1"])
    assert done.exit_code == 2
    assert "--area, --edit-probability needs --accessories." in " ".join(done.output.split())
