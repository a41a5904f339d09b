"""A model of open_clip that is small enough for tests, with random weights, and pictures for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file

VIT = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
RESNET = {"layers": [1, 1, 1, 1], "width": 8}
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}


def write_tiny_clip(
    folder: Path, *, resnet: bool = False, image_size: int = 32, seed: int = 0, bias: bool = False
) -> Path:
    """Write ``open_clip_config.json`` and ``open_clip_model.safetensors``; gives the folder."""
    tower = {**(RESNET if resnet else VIT), "image_size": image_size}
    text = {"context_length": 12, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
    model_cfg = {"embed_dim": 32, "vision_cfg": tower, "text_cfg": text}
    if bias:
        model_cfg["init_logit_bias"] = -10.0
    folder.mkdir(parents=True)
    config = folder / "open_clip_config.json"
    preprocess_cfg = {"interpolation": "bicubic", "resize_mode": "shortest"}
    config.write_text(json.dumps({"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg}))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
        with torch.no_grad():  # spread the answers: as it is made, all classes look alike to it
            for value in model.parameters():
                if value.ndim > 1:
                    value.mul_(1.5)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def write_images(folder: Path, n: int, size: int = 8) -> Path:
    """``n`` noisy pictures in turn of the colours, in one folder each."""
    rng = np.random.default_rng(0)
    for number in range(n):
        name = list(COLOURS)[number % 4]
        noise = rng.normal(0, 60, (size, size, 3)) + rng.normal(0, 60, 3)
        pixels = np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8)
        path = folder / name / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder
