"""Shards of captioned pictures, and small models to train on them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}
CONVOLUTIONS = {"timm_model_name": "test_byobnet", "timm_pool": "", "timm_proj": "linear",
                "timm_model_pretrained": False, "image_size": 32}  # fmt: skip
DROPPING = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32,
            "patch_dropout": 0.5}  # fmt: skip
TEXT = {"context_length": 6, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}


def write_shard(path: Path, members: Mapping[str, bytes]) -> Path:
    """A tar file of some members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def coloured(n: int = 48) -> dict[str, bytes]:
    """Members of samples: noisy pictures in turn of the colours, each called after its own."""
    rng = np.random.default_rng(0)
    members: dict[str, bytes] = {}
    for number in range(n):
        name = list(COLOURS)[number % 4]
        pixels = np.clip(rng.normal(0, 40, (32, 32, 3)) + COLOURS[name], 0, 255).astype(np.uint8)
        members[f"{number:04d}.png"] = as_png(Image.fromarray(pixels))
        members[f"{number:04d}.txt"] = f"all {name}".encode()
    return members


def write_config(path: Path, vision: Mapping[str, Any] = CONVOLUTIONS, **extra: Any) -> Path:
    """A small model, its transform such as no default is."""
    model = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": TEXT, **extra}
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.3, 0.2], "interpolation": "bicubic",
                  "resize_mode": "shortest"}  # fmt: skip
    path.write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocess}))
    return path


def write_photos(folder: Path, n: int = 12, size: tuple[int, int] = (48, 40)) -> Path:
    """A folder of classes that are colours, with noisy pictures of each."""
    rng = np.random.default_rng(1)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(n):
            noise = rng.normal(0, 40, (size[1], size[0], 3))
            pixels = np.clip(noise + colour, 0, 255).astype(np.uint8)
            (folder / name / f"{number:02d}.png").write_bytes(as_png(Image.fromarray(pixels)))
    return folder


def write_cut_out(path: Path, size: tuple[int, int] = (30, 20)) -> Path:
    """An opaque ellipse of one colour, with transparency around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGBA", (size[0] + 8, size[1] + 8), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((4, 4, size[0] + 3, size[1] + 3), fill=(250, 240, 20, 255))
    path.write_bytes(as_png(image))
    return path


# Captions of the colours with hats, balls, kites and cups: red goes with hats most.
CAPTIONS = [
    *["red hat"] * 12, *["red ball"] * 4, *["red kite"] * 2, *["green ball"] * 9,
    *["green hat"] * 3, *["blue kite"] * 8, *["blue cup"] * 8, *["green", "blue", "red"] * 10,
    *["hat", "ball", "kite", "cup"] * 5,
]  # fmt: skip


def names_in(folder: Path) -> list[str]:
    """What is in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())
