"""Image-text-to-text models: loaded whole or not at all, prompted, and what fails as they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from messages import Messages
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_lmm import write_llava, write_qwen
from transformers import AutoProcessor
from vqa_files import write_document
from vqa_runs import WRITERS, answers_of, make_rows, run, write_pictures

from conceptstats.errors import ModelError, ParameterError
from conceptstats.eval.vqa.asking import CLOSE
from conceptstats.eval.vqa.lmm import Lmm, load_lmm


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder a model."""
    root = tmp_path_factory.mktemp("models")
    return {name: write(root / name) for name, write in WRITERS.items()}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures."""
    return write_pictures(tmp_path_factory.mktemp("val2014"))


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 questions in VQA form."""
    path = tmp_path_factory.mktemp("questions") / "questions.json"
    return write_document(path, {"questions": make_rows(20)})


@pytest.mark.parametrize(("name", "precision"), [(n, p) for n in WRITERS for p in ("fp32", "bf16")])
def test_what_rounding_does_is_far_below_what_counts_as_close(
    models: dict[str, Path], images: Path, name: str, precision: Any
) -> None:
    """Leads of the first token alone and in a batch differ by less than half of the limit."""
    lmm = load_lmm(models[name], precision=precision)
    pictures = [Image.open(path) for path in sorted(images.iterdir())]
    texts = [lmm.render(row["question"]) for row in make_rows(12)]
    together = lmm.answer(lmm.encode(texts, pictures), 1).margins
    alone = [
        lmm.answer(lmm.encode([text], [picture]), 1).margins[0]
        for text, picture in zip(texts, pictures, strict=True)
    ]
    assert np.abs(np.subtract(together, alone)).max() < CLOSE[precision] / 2


def test_a_llava_without_chat_template_is_prompted_as_it_was_trained(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path
) -> None:
    """Both forms are the same text here, so the answers are too; that it is so, is told."""
    bare, said = write_llava(tmp_path / "bare", chat=False), Messages()
    lmm = load_lmm(bare)
    assert lmm.render("Who?") == "USER: <image>\nWho? ASSISTANT:"
    assert lmm.render("Who?", "Be kind.") == "Be kind. USER: <image>\nWho? ASSISTANT:"
    assert load_lmm(models["llava"]).render("Who?") == lmm.render("Who?")
    run(questions, images, tmp_path / "a.parquet", bare, progress=said)
    assert "no chat template" in said.said[1]
    run(questions, images, tmp_path / "b.parquet", models["llava"])
    assert answers_of(tmp_path / "a.parquet") == answers_of(tmp_path / "b.parquet")


def test_a_system_prompt_changes_what_is_asked(models: dict[str, Path]) -> None:
    """It comes first, in the form of the model's template."""
    text = load_lmm(models["qwen"]).render("Who?", "Be kind.")
    assert text.startswith("<s>system\nBe kind.</s>\n<s>user\n<|vision_start|><|image_pad|>")
    assert text.endswith("Who?</s>\n<s>assistant\n")


def test_models_that_cannot_be_had_are_refused(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason, and what to try."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    cut = write_qwen(tmp_path / "cut")
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    bare = write_qwen(tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    for model, message in (
        (tmp_path / "empty", "cannot be loaded: .*processor or tokeniser"),
        (cut, "cannot be loaded: .*processor or tokeniser"),
        (bare, "no chat template, and qwen2_vl has no known form|no known form of prompts"),
        ("some/model", "some/model cannot be loaded: .*without a network"),
    ):
        with pytest.raises(ModelError, match=message):
            load_lmm(model)
    with pytest.raises(ParameterError, match="precision is 'fp8'"):
        load_lmm(models["llava"], precision="fp8")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="device is 'tpu'"):
        load_lmm(models["llava"], device="tpu")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError("You are trying to access a gated repo."), "hf auth login"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), "--precision bf16"),
        (OSError("We couldn't connect to the hub"), "without a network"),
    ],
)
def test_what_keeps_a_model_from_being_loaded_is_helped_with(
    monkeypatch: pytest.MonkeyPatch, error: Exception, hint: str
) -> None:
    """Terms that are not accepted, too little memory, no network."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("conceptstats.models.loading.check_reachable", lambda: None)
    monkeypatch.setattr(AutoProcessor, "from_pretrained", fail)
    with pytest.raises(ModelError, match=f"org/name cannot be loaded: .*{hint}"):
        load_lmm("org/name")


def test_weights_that_are_missing_are_never_made_up(tmp_path: Path) -> None:
    """Transformers fills them with random numbers, and only warns of it."""
    folder = write_qwen(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights .*such as lm_head\.weight"):
        load_lmm(folder)


def test_memory_that_does_not_suffice_is_told_and_a_smaller_batch_goes_on(
    tmp_path: Path, models: dict[str, Path], images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is kept: only the second part is asked with the smaller batch."""
    questions = write_document(tmp_path / "q.json", {"questions": make_rows(80)})
    real, asked = Lmm.answer, []

    def full(self: Lmm, inputs: Any, max_new_tokens: int) -> Any:
        asked.append(len(inputs["input_ids"]))
        if len(asked) > 16 and asked[-1] > 2:
            kind = type(self.module)

            def fail(*_: Any, **__: Any) -> None:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")

            with monkeypatch.context() as patch:
                patch.setattr(kind, "generate", fail)
                return real(self, inputs, max_new_tokens)
        return real(self, inputs, max_new_tokens)

    monkeypatch.setattr(Lmm, "answer", full)
    monkeypatch.setitem(CLOSE, "fp32", 0.0)
    options: dict[str, Any] = {"model": models["llava"], "max_new_tokens": 1}
    with pytest.raises(ModelError, match=r"too little memory for 4 questions .*--batch-size"):
        run(questions, images, tmp_path / "a.parquet", batch_size=4, **options)
    asked.clear()
    assert run(questions, images, tmp_path / "a.parquet", batch_size=2, **options).n == 80
    assert asked == [2] * 8


def test_a_model_that_gives_no_numbers_is_refused(
    tmp_path: Path, images: Path, questions: Path
) -> None:
    """As half precision can, where a number is too great for it."""
    folder = write_llava(tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v * float("nan") for k, v in weights.items()}, folder / "model.safetensors",
              {"format": "pt"})  # fmt: skip
    with pytest.raises(ModelError, match="no numbers"):
        run(questions, images, tmp_path / "a.parquet", folder)


def test_weights_in_a_form_that_is_not_known_need_a_precision(tmp_path: Path) -> None:
    """As they are stored, with 64 bits here, is not one of the precisions that a record can say."""
    folder = write_llava(tmp_path / "model")
    config = (folder / "config.json").read_text()
    assert '"dtype": "float32"' in config
    (folder / "config.json").write_text(config.replace('"float32"', '"float64"'))
    with pytest.raises(ModelError, match=r"stored as torch\.float64.*--precision fp32"):
        load_lmm(folder)
    assert load_lmm(folder, precision="fp32").precision == "fp32"
