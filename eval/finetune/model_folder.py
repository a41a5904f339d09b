"""Models as folders that open_clip loads: configuration, weights, tokeniser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ..models import OpenClip

CONFIG, WEIGHTS, LOG = "open_clip_config.json", "open_clip_model.safetensors", "training.csv"
RECORD = "run.json"  # a folder that has it was made here


def config_of(model: OpenClip) -> dict[str, Any]:
    """What says how a model is built and how it takes images, as JSON types.

    That of the folder that it came from; else architecture and transform as they were loaded.
    """
    import open_clip

    known = model.name.startswith("hf-hub:") or model.name in open_clip.list_models()
    if not known:
        text = (Path(model.name) / CONFIG).read_text(encoding="utf-8")
    else:
        module: Any = model.module
        config = {
            "model_cfg": open_clip.get_model_config(model.name),
            "preprocess_cfg": module.visual.preprocess_cfg,
        }
        text = json.dumps(config)
    found: dict[str, Any] = json.loads(text)
    return found


def save_weights(folder: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write the weights of a whole model."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / WEIGHTS)


def save_tokenizer(folder: Path, tokenizer: Any) -> None:
    """Write the tokeniser, where it is not one that open_clip brings."""
    if hasattr(tokenizer, "save_pretrained"):
        tokenizer.save_pretrained(folder)
