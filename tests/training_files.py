"""Shards of captioned pictures, and small models to train on them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from tiny_clip import write_tiny_clip

from conceptstats import build_index
from conceptstats.eval.finetune.model_folder import LOG
from conceptstats.eval.finetune.tune import finetune
from conceptstats.eval.finetune.tuning import Tuned, Tuning

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

QUICK_TUNING = Tuning(epochs=2, batch_size=12, learning_rate=1e-3, warmup=2, checkpoint_every=3)


class Interrupted(BaseException):
    """Stands for a signal."""


def write_task(folder: Path) -> Path:
    """Photographs of colours, cut-outs, captions that tie the two, and a model."""
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
    """Fine-tune quickly on the CPU, in a folder as `write_task` makes it."""
    edits = {"accessories": folder / "cut-outs", "index": folder / "index"} if edited else {}
    settings = {"model": folder / "original", "templates": "all {}", "tuning": QUICK_TUNING,
                "device": "cpu", **edits}  # fmt: skip
    return finetune(folder / "photos", output, **(settings | options))


def rows_of_log(model: Path) -> list[dict[str, str]]:
    """What became of each step."""
    with (model / LOG).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def losses_of(model: Path) -> list[float]:
    """Loss of each step, as the log has it."""
    return [float(row["loss"]) for row in rows_of_log(model)]


def files_of(model: Path) -> dict[str, str]:
    """Digest of each file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in model.iterdir()}


def names_in(folder: Path) -> list[str]:
    """What is in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())
