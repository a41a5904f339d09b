"""Training from random weights: repeatable to the bit, also when it is killed on the way."""

from __future__ import annotations

import json
import logging
import math
import re
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import open_clip
import pytest
import torch
from click.testing import CliRunner
from messages import Messages
from PIL import Image
from safetensors.torch import load_file
from training_files import (
    COLOURS,
    CONVOLUTIONS,
    DROPPING,
    TEXT,
    Interrupted,
    coloured,
    files_of,
    losses_of,
    names_in,
    write_config,
    write_shard,
)

from conceptstats.cli import cli
from conceptstats.errors import (
    ConceptStatsError,
    OutputError,
    OutputExistsError,
    ParameterError,
)
from conceptstats.eval.finetune import train as finetune
from conceptstats.eval.finetune.checkpoints import unfinished
from conceptstats.eval.finetune.model_folder import CONFIG, LOG, RECORD, WEIGHTS
from conceptstats.eval.finetune.schedule import rows_of_step
from conceptstats.eval.finetune.train import (
    SMALL_CLIP,
    Trained,
    Training,
    train_from_scratch,
)
from conceptstats.eval.finetune.tuning import Tuning
from conceptstats.eval.finetune_cli import finetune as command
from conceptstats.eval.models import load_model
from conceptstats.progress import Silent

QUICK = Training(steps=8, batch_size=16, learning_rate=2e-3, warmup=2, checkpoint_every=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, and models to train."""
    folder = tmp_path_factory.mktemp("finetune")
    members = list(coloured().items())
    write_shard(folder / "0.tar", dict(members[:40]))
    write_shard(folder / "1.tar", dict(members[40:]))
    write_config(folder / "config.json")
    write_config(folder / "dropping.json", DROPPING)
    return folder


def train(folder: Path, output: Path, **options: Any) -> Trained:
    """Train quickly on the CPU."""
    settings = {"config": folder / "config.json", "training": QUICK, "device": "cpu"}
    return train_from_scratch([str(folder / "*.tar")], output, **(settings | options))


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained without a break."""
    return train(folder, tmp_path_factory.mktemp("trained") / "model").path


def test_the_same_settings_give_the_same_bytes(folder: Path, trained: Path, tmp_path: Path) -> None:
    """Weights, log and record; nothing but these and the configuration is left."""
    again = train(folder, tmp_path / "model")
    assert files_of(again.path) == files_of(trained)
    assert names_in(trained) == sorted([CONFIG, WEIGHTS, LOG, RECORD])
    assert (again.n_pairs, again.steps) == (48, 8)
    assert names_in(tmp_path) == ["model"]


def test_another_seed_gives_other_weights(folder: Path, trained: Path, tmp_path: Path) -> None:
    """From the first step on: weights and order differ."""
    other = train(folder, tmp_path / "model", training=replace(QUICK, seed=1))
    assert files_of(other.path)[WEIGHTS] != files_of(trained)[WEIGHTS]
    assert losses_of(other.path)[0] != losses_of(trained)[0]


def interrupt_after(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have training break off after the checkpoint of a step."""
    save = finetune.save_checkpoint

    def save_and_stop(folder: Path, model: Any, optimizer: Any, losses: list[float]) -> None:
        save(folder, model, optimizer, losses)
        if len(losses) == n:
            raise Interrupted

    monkeypatch.setattr(finetune, "save_checkpoint", save_and_stop)


@pytest.mark.parametrize("config", ["config.json", "dropping.json"])
def test_a_run_that_was_cut_off_goes_on_to_the_same_bytes(
    config: str, folder: Path, tmp_path: Path
) -> None:
    """Twice, after the first and the second checkpoint; also where a model drops at random."""
    options = {"config": folder / config}
    expected = files_of(train(folder, tmp_path / "whole", **options).path)
    progress = Messages()
    for step in (3, 6):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
            interrupt_after(step, patch)
            train(folder, tmp_path / "model", **options)
        assert f"{step}.state.safetensors" in names_in(tmp_path / ".model.partial")
    train(folder, tmp_path / "model", progress=progress, **options)
    assert files_of(tmp_path / "model") == expected
    assert "going on from the last checkpoint" in progress.said[0]
    assert names_in(tmp_path) == ["model", "whole"]


IN_A_PROCESS = """
import os, signal, sys
from pathlib import Path
from conceptstats.eval.finetune import train as finetune
save = finetune.save_checkpoint
def save_and_die(folder, model, optimizer, losses):
    save(folder, model, optimizer, losses)
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "die":
    finetune.save_checkpoint = save_and_die
folder, output = map(Path, sys.argv[1:3])
settings = finetune.Training(steps=8, batch_size=16, learning_rate=2e-3, warmup=2,
                             checkpoint_every=3)
finetune.train_from_scratch([str(folder / "*.tar")], output, config=folder / "config.json",
                            training=settings, device="cpu")
"""


def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Kill -9 after a checkpoint, then the same command again; all in processes of their own.

    For other libraries in this one may have changed how floating point rounds.
    """

    def train_in_process(name: str, end: str) -> int:
        command = [sys.executable, "-c", IN_A_PROCESS, str(folder), str(tmp_path / name), end]
        return subprocess.run(command, check=False).returncode

    assert train_in_process("whole", "live") == 0
    assert train_in_process("model", "die") == -signal.SIGKILL
    assert names_in(tmp_path) == [".model.partial", "whole"]
    assert train_in_process("model", "live") == 0
    assert files_of(tmp_path / "model") == files_of(tmp_path / "whole")


def test_a_run_with_other_settings_starts_anew(folder: Path, trained: Path, tmp_path: Path) -> None:
    """What was left by one with another seed is dropped, and that is said."""
    other = replace(QUICK, seed=1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(3, patch)
        train(folder, tmp_path / "model", training=other)
    progress = Messages()
    train(folder, tmp_path / "model", progress=progress)
    assert "an unfinished run is dropped" in progress.said[0]
    assert files_of(tmp_path / "model") == files_of(trained)


def test_a_checkpoint_outlives_a_mistake(folder: Path, trained: Path, tmp_path: Path) -> None:
    """A run that goes on with too little memory fails, and the next goes on all the same."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(3, patch)
        train(folder, tmp_path / "model")
    with pytest.raises(ParameterError, match="more than 1,000 bytes"):
        train(folder, tmp_path / "model", memory=1000)
    progress = Messages()
    train(folder, tmp_path / "model", progress=progress)
    assert "going on" in progress.said[0]
    assert files_of(tmp_path / "model") == files_of(trained)


def test_how_often_a_state_is_kept_may_change(folder: Path, trained: Path, tmp_path: Path) -> None:
    """It has no bearing on the weights, so the run goes on."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(3, patch)
        train(folder, tmp_path / "model")
    progress = Messages()
    often = replace(QUICK, checkpoint_every=1)
    train(folder, tmp_path / "model", training=often, progress=progress)
    assert "going on" in progress.said[0]
    assert files_of(tmp_path / "model") == files_of(trained)


@pytest.mark.parametrize("name", ["state.json", "3.state.safetensors"])
def test_a_damaged_state_is_an_error_that_says_what_to_do(
    name: str, folder: Path, tmp_path: Path
) -> None:
    """As a machine that went down can leave it."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(3, patch)
        train(folder, tmp_path / "model")
    (tmp_path / ".model.partial" / name).write_bytes(b"{")
    with pytest.raises(OutputError, match=r"model.partial is damaged.*remove that folder"):
        train(folder, tmp_path / "model")


def test_two_runs_cannot_write_one_output(folder: Path, tmp_path: Path) -> None:
    """The second is told so, and what the first has is not touched."""
    with unfinished(tmp_path / "model", {RECORD: {}}, Silent()) as partial:
        with pytest.raises(OutputError, match="another process"):
            train(folder, tmp_path / "model")
        assert (partial / RECORD).is_file()


def test_the_loss_falls(folder: Path, tmp_path: Path) -> None:
    """Four colours are learned: a quarter of each batch is alike, so it falls to about ln 4."""
    settings = Training(steps=60, batch_size=16, learning_rate=5e-3, warmup=5)
    found = train(folder, tmp_path / "model", training=settings)
    losses = losses_of(found.path)
    assert len(losses) == 60
    assert found.loss == pytest.approx(np.mean(losses[-6:]), abs=1e-6)
    assert losses[0] > math.log(16)
    assert math.log(4) - 0.2 < found.loss < math.log(4) + 0.3
    model = load_model(found.path, device="cpu")
    classifier = model.classifier(list(COLOURS), ["all {}"])
    pictures = [Image.new("RGB", (50, 40), colour) for colour in COLOURS.values()]
    pixels = torch.stack([model.preprocess(picture) for picture in pictures])
    assert model.probabilities(pixels, classifier).argmax(1).tolist() == [0, 1, 2, 3]


def test_open_clip_loads_the_folder(trained: Path) -> None:
    """As local-dir, with every weight; `load_model` loads the same."""
    weights = load_file(trained / WEIGHTS)
    logging.disable(logging.WARNING)
    try:
        model = open_clip.create_model(f"local-dir:{trained}")
    finally:
        logging.disable(logging.NOTSET)
    ours = load_model(trained, device="cpu")
    for state in (model.state_dict(), ours.module.state_dict()):
        assert state.keys() == weights.keys()
        assert all(torch.equal(state[name], weights[name]) for name in weights)
    assert any(name.endswith("running_mean") for name in weights)


def test_nothing_of_the_callers_is_touched(
    folder: Path, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Random numbers go on as before; open_clip's warning of random weights is not shown."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    before = logging.root.manager.disable
    with caplog.at_level(logging.DEBUG):
        train(folder, tmp_path / "model")
        logging.getLogger().warning("mine")
    assert torch.equal(torch.rand(3), expected)
    assert [record.message for record in caplog.records if record.name == "root"] == ["mine"]
    assert logging.root.manager.disable == before


def test_the_record_names_all_that_bears_on_the_weights(folder: Path, trained: Path) -> None:
    """Settings, shards and configuration with their digests, and versions."""
    record = json.loads((trained / RECORD).read_text("utf-8"))
    settings = asdict(QUICK)
    del settings["checkpoint_every"]
    assert record["arguments"] == {"from_scratch": True, "device": "cpu", **settings}
    assert {Path(name).name for name in record["inputs"]} == {"config.json", "0.tar", "1.tar"}
    assert {"torch", "open_clip_torch", "timm", "torchvision"} < set(record["versions"])


NONSENSE: dict[str, tuple[str, str]] = {
    "no file": ("", "cannot be read as JSON"),
    "no JSON": ("{", "cannot be read as JSON"),
    "a list": ("[]", "has no model_cfg and no preprocess_cfg"),
    "a part": ('{"model_cfg": {}}', "has no preprocess_cfg"),
    "a text": ('{"model_cfg": "x", "preprocess_cfg": {}}', "has no model_cfg"),
    "no towers": ('{"model_cfg": {}, "preprocess_cfg": {}}', "cannot build this model"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_configurations_that_cannot_be(case: str, folder: Path, tmp_path: Path) -> None:
    """No JSON, or not of a model; nothing is left behind."""
    text, message = NONSENSE[case]
    config = tmp_path / "config.json"
    if text:
        config.write_text(text)
    with pytest.raises(ParameterError, match=message):
        train(folder, tmp_path / "model", config=config)
    assert names_in(tmp_path) == (["config.json"] if text else [])


@pytest.mark.parametrize(
    ("vision", "extra", "message"),
    [
        ({**CONVOLUTIONS, "timm_model_name": "none"}, {}, "cannot build this model"),
        (DROPPING, {"colour": 1}, "cannot build this model"),
        (DROPPING, {"init_logit_bias": -10}, "another loss"),
        (DROPPING, {"custom_text": True, "multimodal_cfg": {**TEXT, "attn_pooler_heads": 2}},
         "another loss"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_trained(
    vision: dict[str, Any], extra: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    """Towers that do not exist, settings that are not known, models of another loss."""
    config = write_config(tmp_path / "config.json", vision, **extra)
    with pytest.raises(ParameterError, match=message):
        train(folder, tmp_path / "model", config=config)
    assert names_in(tmp_path) == ["config.json"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "more than 0"),
        ({"learning_rate": math.nan}, "more than 0"),
        ({"checkpoint_every": -1}, "more than 0"),
        ({"warmup": -1}, "0 or more"),
        ({"seed": -1}, "0 or more"),
        ({"weight_decay": math.nan}, "0 or more"),
        ({"batch_size": 1}, "2 or more"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    """Each says what was expected."""
    with pytest.raises(ParameterError, match=message):
        Training(**settings)


def test_other_mistakes_leave_nothing_behind(folder: Path, tmp_path: Path) -> None:
    """Fewer pairs than a batch, too little memory, no such device, a loss that is lost."""
    few = replace(QUICK, batch_size=49)
    fast = replace(QUICK, learning_rate=1e30, warmup=0, checkpoint_every=1)
    options: list[tuple[dict[str, Any], str]] = [
        ({"training": few}, "48 pairs are fewer than a batch of 49"),
        ({"memory": 5000}, "more than 5,000 bytes"),
        ({"device": "tpu"}, "expected auto, cpu or cuda"),
        ({"training": fast}, "the loss is nan"),
    ]
    for changes, message in options:
        with pytest.raises(ParameterError, match=message):
            train(folder, tmp_path / "model", **changes)
        assert names_in(tmp_path) == []


def test_only_models_made_here_are_overwritten(folder: Path, trained: Path, tmp_path: Path) -> None:
    """Not the weights of others, which have a configuration too."""
    model, other = tmp_path / "model", tmp_path / "other"
    train(folder, model, training=replace(QUICK, seed=1))
    with pytest.raises(OutputExistsError, match="--overwrite"):
        train(folder, model)
    train(folder, model, overwrite=True)
    assert files_of(model) == files_of(trained)
    other.mkdir()
    (other / CONFIG).write_text("{}")
    with pytest.raises(OutputExistsError, match="not replaced"):
        train(folder, other, overwrite=True)
    assert names_in(other) == [CONFIG]


def test_the_learning_rate_rises_and_falls() -> None:
    """Warm-up over 4 steps, then half a cosine over 8: by hand, and never 0 in a step."""
    settings = Training(steps=12, learning_rate=1.0, warmup=4)
    rates = [settings.rate(step) for step in range(12)]
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[8] == pytest.approx(0.5)
    assert rates[6] == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert rates[11] == pytest.approx((1 + math.cos(math.pi * 7 / 8)) / 2)
    assert Training(steps=3, learning_rate=1.0, warmup=0).rate(0) == 1.0


def test_an_epoch_sees_every_pair_once() -> None:
    """Each in an order of its own; what is left over of an epoch is left out."""
    epochs = [np.concatenate([rows_of_step(3 * epoch + k, 14, 4, seed=0) for k in range(3)])
              for epoch in range(2)]  # fmt: skip
    for rows in epochs:
        assert len(set(rows.tolist())) == 12
        assert set(rows.tolist()) < set(range(14))
    assert epochs[0].tolist() != epochs[1].tolist()


def test_command(folder: Path, tmp_path: Path) -> None:
    """`eval finetune` trains, and says what it made; a mistake is one clear error."""
    arguments = ["eval", "finetune", str(folder / "*.tar"), "-o", str(tmp_path / "model")]
    arguments += ["--config", str(folder / "config.json"), "--device", "cpu", "--json", "--quiet"]
    options = {"steps": 3, "batch-size": 16, "warmup": 1, "memory": "1MiB"}
    arguments += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = CliRunner().invoke(cli, [*arguments, "--from-scratch"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["pairs"], found["steps"]) == (48, 3)
    assert math.isfinite(found["loss"])
    assert load_model(found["model"], device="cpu").name == found["model"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert "--config, --memory, --steps needs --from-scratch" in " ".join(done.output.split())
    done = CliRunner().invoke(cli, [*arguments, "--from-scratch"])
    assert isinstance(done.exception, ConceptStatsError)


def test_options_say_the_defaults_of_the_settings() -> None:
    """Of both ways to train, in the help; the small model is said to be of its size."""
    options = {o.name: o for o in command.params if isinstance(o, click.Option)}
    for name in {*Training.__slots__, *Tuning.__slots__}:
        shown = str(options[name].show_default)
        numbers = [float(x) for x in re.findall(r"[\d.]+(?:e-\d+)?", shown)]
        wanted = [getattr(s, name) for s in (Tuning(), Training()) if name in s.__slots__]
        assert numbers == list(dict.fromkeys(map(float, wanted)))
    size = json.loads(SMALL_CLIP.read_text("utf-8"))["model_cfg"]["vision_cfg"]["image_size"]
    assert re.findall(r"(\d+) pixels", options["config"].help or "") == [str(size)]
