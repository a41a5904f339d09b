"""Models between an original and a fine-tuned one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_clip import write_tiny_clip
from training_files import names_in

from conceptstats.errors import ModelError, OutputExistsError, ParameterError
from conceptstats.eval.finetune.interpolate import interpolate
from conceptstats.eval.finetune.model_folder import CONFIG, RECORD, WEIGHTS
from conceptstats.eval.finetune_cli import interpolate as command
from conceptstats.eval.models import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of one architecture."""
    folder = tmp_path_factory.mktemp("interpolate")
    write_tiny_clip(folder / "a", seed=0)
    write_tiny_clip(folder / "b", seed=1)
    return folder


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_weights_lie_between(alpha: float, folder: Path, tmp_path: Path) -> None:
    """(1 - alpha) a + alpha b, number by number; at the ends the very models."""
    found = interpolate(folder / "a", folder / "b", tmp_path / "model", alpha=alpha)
    a, b, made = (load_file(path / WEIGHTS) for path in (folder / "a", folder / "b", found.path))
    assert made.keys() == a.keys()
    for name in a:
        expected = (1 - alpha) * a[name].double() + alpha * b[name].double()
        assert torch.allclose(made[name].double(), expected, rtol=0, atol=1e-7)
    for end, weights in ((0, a), (1, b)):
        same = all(torch.equal(made[name], weights[name]) for name in a)
        assert same == (alpha == end)
    assert names_in(found.path) == sorted([CONFIG, WEIGHTS, RECORD])
    assert found.n_weights > 1000
    norm = np.sqrt(sum(float(v.double().square().sum()) for v in a.values()))
    apart = np.sqrt(sum(float((b[n] - a[n]).double().square().sum()) for n in a))
    assert found.distance == pytest.approx(apart / norm)


def test_the_rest_of_the_tools_loads_it(folder: Path, tmp_path: Path) -> None:
    """At alpha 0 it answers as the original does; the record says what it was made of."""
    found = interpolate(folder / "a", folder / "b", tmp_path / "model", alpha=0.0)
    models = [load_model(path, device="cpu") for path in (folder / "a", found.path)]
    pixels = torch.stack([models[0].preprocess(Image.new("RGB", (40, 40), "red"))] * 2)
    answers = [m.probabilities(pixels, m.classifier(["cat", "dog"], ["a {}"])) for m in models]
    assert np.array_equal(*answers)
    record = json.loads((found.path / RECORD).read_text("utf-8"))
    assert record["arguments"]["alpha"] == 0
    assert record["inputs"]["original"] == models[0].fingerprint
    configs = [json.loads((p / CONFIG).read_text("utf-8")) for p in (found.path, folder / "b")]
    assert configs[0] == configs[1]


def test_whole_numbers_are_those_of_the_nearer_model(tmp_path: Path) -> None:
    """Counts of batches of a convolutional tower cannot be between."""
    for name, count in (("a", 3), ("b", 8)):
        write_tiny_clip(tmp_path / name, resnet=True)
        weights = load_file(tmp_path / name / WEIGHTS)
        for key in weights:
            if key.endswith("num_batches_tracked"):
                weights[key] = torch.tensor(count)
        save_file(weights, tmp_path / name / WEIGHTS)
    for alpha, count in ((0.4, 3), (0.6, 8)):
        found = interpolate(tmp_path / "a", tmp_path / "b", tmp_path / f"{alpha}", alpha=alpha)
        made = load_file(found.path / WEIGHTS)
        counts = [int(made[key]) for key in made if key.endswith("num_batches_tracked")]
        assert counts
        assert set(counts) == {count}


def edited(folder: Path, part: str, name: str, value: object) -> Path:
    """A model whose configuration says something else."""
    write_tiny_clip(folder, seed=1)
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    config[part][name] = value
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


def test_models_that_do_not_go_together(folder: Path, tmp_path: Path) -> None:
    """Other shapes, another activation, another transform; nothing is left behind."""
    larger = write_tiny_clip(tmp_path / "larger", image_size=48)
    quick = edited(tmp_path / "quick", "model_cfg", "quick_gelu", True)
    squash = edited(tmp_path / "squash", "preprocess_cfg", "resize_mode", "squash")
    for other, message in (
        (larger, r"1 weights differ in shape \(visual.positional_embedding"),
        (write_tiny_clip(tmp_path / "resnet", resnet=True), "different architectures"),
        (quick, "other layers, such as their activation"),
        (squash, "take images in different ways: resize_mode"),
        (tmp_path / "nothing", "neither an architecture"),
    ):
        with pytest.raises(ModelError, match=message):
            interpolate(folder / "a", other, tmp_path / "model")
    with pytest.raises(ParameterError, match="from 0 to 1"):
        interpolate(folder / "a", folder / "b", tmp_path / "model", alpha=1.5)
    assert "model" not in names_in(tmp_path)
    assert not any(name.startswith(".") for name in names_in(tmp_path))


def test_command(folder: Path, tmp_path: Path) -> None:
    """It says how far the two models are apart; an output that exists stays."""
    arguments = [str(folder / "a"), str(folder / "b"), "--alpha", "0.3", "-o", str(tmp_path / "m")]
    done = CliRunner().invoke(command, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert (data["model"], data["alpha"]) == (str(tmp_path / "m"), 0.3)
    assert data["distance"] > 0
    assert isinstance(CliRunner().invoke(command, arguments).exception, OutputExistsError)
    done = CliRunner().invoke(command, [*arguments, "--overwrite"])
    assert f"distance, of the original's norm  {data['distance']:.2g}\n" in done.stdout
