"""Models of open_clip: loaded with their weights or not at all, and what fails as they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tiny_clip import write_images, write_tiny_clip

from conceptstats.errors import ModelError, ParameterError
from conceptstats.eval.models import load_model
from conceptstats.eval.zeroshot.run import zeroshot


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small vision transformer."""
    return write_tiny_clip(tmp_path_factory.mktemp("tiny") / "vit")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 pictures."""
    return write_images(tmp_path_factory.mktemp("images"), 40, 40)


def test_low_precision_comes_close(tmp_path: Path, images: Path, tiny: Path) -> None:
    """Half the bits change probabilities little."""
    found = {}
    for precision in ("fp32", "bf16", "fp16"):
        output = tmp_path / f"{precision}.parquet"
        zeroshot(images, output, model=tiny, templates="{}", precision=precision)
        found[precision] = pq.read_table(output)["target_probability"].to_numpy()
    assert 0 < np.abs(found["bf16"] - found["fp32"]).max() < 0.1
    assert 0 < np.abs(found["fp16"] - found["fp32"]).max() < 0.01


def test_weights_can_come_from_a_file(tmp_path: Path, tiny: Path) -> None:
    """A checkpoint of a training run, put into the architecture of a folder."""
    other = write_tiny_clip(tmp_path / "other", seed=1)
    weights = load_model(other).module.state_dict()
    checkpoint = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"epoch": 3, "state_dict": checkpoint}, tmp_path / "epoch_3.pt")
    loaded = load_model(f"local-dir:{tiny}", tmp_path / "epoch_3.pt")
    assert loaded.fingerprint == load_model(other).fingerprint != load_model(tiny).fingerprint
    assert (loaded.name, loaded.pretrained) == (str(tiny), str(tmp_path / "epoch_3.pt"))


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        ("ViT-B-32", None, "without weights its answers are random. Hint: --pretrained openai"),
        ("ViT-B-32", "laion2b_s34b", "no weights .* did you mean laion2b_s34b_b79k"),
        ("ViT-B-32", "laion400m_e31", "QuickGELU.*--model ViT-B-32-quickgelu"),
        ("ViT-B-33", "openai", "neither an architecture .* did you mean ViT-B-32"),
        ("hf-hub:some/model", "openai", "brings its own weights"),
        ("FOLDER/empty", None, "holds no open_clip_config.json"),
        ("FOLDER/bare", None, "holds no weights"),
        ("FOLDER/bare", "none.pt", "no such file"),
        ("FOLDER/bare", "FOLDER/text.pt", "bare cannot be loaded: .*of this architecture"),
        ("FOLDER/broken", None, "broken cannot be loaded"),
        ("RN50", "FOLDER/tiny.safetensors", "RN50 .* cannot be loaded"),
    ],
)
def test_models_that_cannot_be_had_are_refused(
    tmp_path: Path, tiny: Path, model: str, pretrained: str | None, message: str
) -> None:
    """Random weights are never evaluated, and names are helped with."""
    config = (tiny / "open_clip_config.json").read_text()
    for name in ("empty", "bare", "broken"):
        (tmp_path / name).mkdir()
        if name != "empty":
            (tmp_path / name / "open_clip_config.json").write_text(config)
    (tmp_path / "broken" / "open_clip_model.safetensors").write_bytes(b"x" * 100)
    (tmp_path / "text.pt").write_text("no weights")
    weights = (tiny / "open_clip_model.safetensors").read_bytes()
    (tmp_path / "tiny.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match=message):
        load_model(
            model.replace("FOLDER", str(tmp_path)),
            pretrained and pretrained.replace("FOLDER", str(tmp_path)),
        )


def test_weights_that_cannot_be_downloaded_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the weights, the reason, and the way around."""

    def fail(*_: Any, **__: Any) -> str:
        raise OSError("no route to the hub")

    monkeypatch.setattr("open_clip.factory.download_pretrained", fail)
    with pytest.raises(ModelError, match=r"laion2b_e16 cannot be loaded: .*no route.*--pretrained"):
        load_model("ViT-B-32", "laion2b_e16")


@pytest.mark.parametrize("options", [{"precision": "fp8"}, {"device": "tpu"}])
def test_unknown_precisions_and_devices_are_refused(tiny: Path, options: Any) -> None:
    """Those that there are, are named."""
    with pytest.raises(ParameterError, match="expected"):
        load_model(tiny, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tiny: Path) -> None:
    """Nothing is moved to another device in silence."""
    with pytest.raises(ParameterError, match="no GPU"):
        load_model(tiny, device="cuda")


def test_what_fails_as_a_model_runs_is_told(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No compiler, or too little memory for images or prompts, with the option that helps."""
    loaded = load_model(tiny)
    full = torch.cuda.OutOfMemoryError("CUDA out of memory")
    kinds: tuple[tuple[Exception, str], ...] = (
        (full, "memory does not suffice.*--precision bf16"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory does not suffice"),
        (torch._dynamo.exc.TorchDynamoException("no g++"), "no g[+]{2}.*--compile"),
    )
    for error, message in kinds:

        def fail(*_: Any, error: Exception = error, **__: Any) -> torch.Tensor:
            raise error

        object.__setattr__(loaded, "encode", fail)
        with pytest.raises(ModelError, match=message):
            loaded.probabilities(torch.zeros(2, 3, 32, 32), np.zeros((3, 32), np.float32))
        monkeypatch.setattr(loaded.module, "encode_text", fail)
        with pytest.raises(ModelError, match=message):
            loaded.classifier(["a", "b"], ["{}"])
    fault = RuntimeError("of another kind")
    object.__setattr__(loaded, "encode", lambda _: (_ for _ in ()).throw(fault))
    with pytest.raises(RuntimeError, match="another kind"):
        loaded.probabilities(torch.zeros(2, 3, 32, 32), np.zeros((3, 32), np.float32))
    monkeypatch.setattr("open_clip.create_model", lambda *_, **__: (_ for _ in ()).throw(full))
    with pytest.raises(ModelError, match=r"cannot be loaded.*memory does not suffice"):
        load_model(tiny)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_scale_of_logits_is_not_rounded_twice(tiny: Path, dtype: torch.dtype) -> None:
    """A model whose scale is stored with half of the bits: it is taken to a power in float32.

    The cosines of the two classes are c and -c, so that the log of the odds is 2 c times the scale.
    """
    loaded = load_model(tiny)
    loaded.module.logit_scale.data = torch.tensor(4.6, dtype=dtype)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    row = torch.nn.functional.normalize(loaded.module.encode_image(images)[0], dim=0).numpy()
    towards = np.stack([row, -row]) * np.float32(0.01)
    found = loaded.probabilities(images, towards)[0].astype(np.float64)
    scale = np.exp(float(torch.tensor(4.6, dtype=dtype)))
    assert np.log(found[0] / found[1]) == pytest.approx(0.02 * scale, rel=1e-5)
