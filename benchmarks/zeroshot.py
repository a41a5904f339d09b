"""Measure `eval zeroshot` beside open_clip's own evaluation loop, on the same pictures.

    python benchmarks/zeroshot.py --models ViT-B-32 ViT-L-14 --images 20000 --workers 16 \
        --precision bf16
    python benchmarks/zeroshot.py --models tiny ViT-B-32 --images 256 --workers 1

Weights are random, which changes no time. Both sides get the same module, the same classifier of
1,000 classes, the same folder and as many processes that read; model and classifier are made before
the clock starts. Runs alternate, so that a slow minute hits both; ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip_train import zero_shot as open_clip_loop
from open_clip_train.data import get_imagenet
from PIL import Image

from conceptstats.eval.models import Floats, OpenClip
from conceptstats.eval.zeroshot.judging import SLOTS
from conceptstats.eval.zeroshot.run import zeroshot
from conceptstats.models.devices import find_device
from conceptstats.pictures import decode_image
from conceptstats.runs import dump_json

WORK = Path(__file__).parent / "work"
N_CLASSES = 1000
N_FOLDERS = 20
TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
PACKAGES = ("conceptstats", "open_clip_torch", "torch", "torchvision", "pillow")

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared(OpenClip):
    """A model whose classifier is made."""

    weights: Floats

    def classifier(self, classes: Sequence[str], templates: Sequence[str]) -> Floats:
        """The rows of the first classes, in order."""
        return self.weights[[int(name) for name in classes]]


def make_images(folder: Path, n: int, seed: int) -> Path:
    """JPEGs of 500 by 375, ImageNet's commonest size, in one folder a class, read once."""
    done = folder / f"{n}-{seed}.done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        rng = np.random.default_rng(seed)
        for number in range(n):
            small = rng.uniform(0, 255, (12, 16, 3)).astype(np.uint8)
            picture = Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC)
            grain = rng.normal(0, 12, (375, 500, 1))
            pixels = np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
            path = folder / "images" / f"{number % N_FOLDERS:04d}" / f"{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=90)
        done.touch()
    for path in sorted((folder / "images").rglob("*.jpg")):  # into the page cache, for both
        path.read_bytes()
    return folder / "images"


def make_model(
    name: str, precision: Any, device: torch.device, compiled: bool, images: Path
) -> Prepared:
    """A model with random weights, the same every time."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tiny.json").write_text(json.dumps(TINY))
        open_clip.add_model_config(folder)
    module = open_clip.create_model(name, precision=precision, device=device)
    module.eval().requires_grad_(False)
    encode = module.encode_image
    model = Prepared(
        name=name,
        pretrained=None,
        fingerprint="random",
        preprocess=image_transform_v2(PreprocessCfg(**module.visual.preprocess_cfg), False),
        module=module,
        tokenizer=open_clip.get_tokenizer("ViT-B-32"),
        device=device,
        precision=precision,
        encode=torch.compile(encode, dynamic=False) if compiled else encode,
        weights=np.empty((0, 0), np.float32),
    )
    return replace(model, weights=make_classifier(model, images))


def make_classifier(model: Prepared, images: Path) -> Floats:
    """Random rows, but for the classes that there are: like the first picture of each.

    So some pictures are told rightly, and the accuracies of both sides can be compared.
    """
    paths = [sorted(folder.iterdir())[0] for folder in sorted(images.iterdir())]
    pixels = torch.stack([model.preprocess(decode_image(path.read_bytes())) for path in paths])
    pixels = pixels.to(model.device, open_clip.get_input_dtype(model.precision))
    with torch.inference_mode():
        found = model.module.encode_image(pixels).float().cpu().numpy()
    rows = np.random.default_rng(0).normal(size=(N_CLASSES, found.shape[1]))
    mean = found.mean(axis=0)
    rows[: len(found)] = found - mean
    rows -= np.outer(rows @ mean, mean) / (mean @ mean)  # what all pictures share says nothing
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def run_ours(model: Prepared, images: Path, workers: int) -> float:
    """`zeroshot` from the folder to the written table; gives the accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{number:04d}" for number in range(N_CLASSES)]
        found = zeroshot(
            images, Path(folder) / "p.parquet", model=model, classes=names, templates="{}",
            workers=workers,
        )  # fmt: skip
        return float(found.accuracy.value)


def run_theirs(model: Prepared, images: Path, workers: int) -> float:
    """open_clip's loop, with its own loader; gives the accuracy."""
    arguments = SimpleNamespace(
        device=str(model.device), precision=model.precision, batch_size=SLOTS[model.device.type],
        workers=workers, imagenet_val=str(images),
    )  # fmt: skip
    data = get_imagenet(arguments, (model.preprocess, model.preprocess), "val")
    kind = open_clip.get_input_dtype(model.precision)  # of what the image tower gives, too
    classifier = torch.from_numpy(model.weights.T).to(model.device, kind)

    def forward(image: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the module does with an image and no text; compiled, where ours is."""
        return {"image_features": torch.nn.functional.normalize(model.encode(image), dim=-1)}

    open_clip_loop.accuracy = count_right  # its own fails with NumPy 2.4
    top1, _ = open_clip_loop.run(forward, classifier, data.dataloader, arguments)
    return float(top1)


def count_right(output: torch.Tensor, target: torch.Tensor, topk: tuple[int, ...]) -> list[float]:
    """Images whose target is among the best classes."""
    best = output.topk(max(topk), 1, True, True)[1].t()
    right = best.eq(target.view(1, -1).expand_as(best))
    return [float(right[:k].sum().cpu()) for k in topk]


def measure(
    model: Prepared, images: Path, n: int, workers: int, repeat: int
) -> dict[str, list[Result]]:
    """Alternate both sides after a warm-up of each."""
    sides = {"conceptstats": run_ours, "open_clip": run_theirs}
    runs: dict[str, list[Result]] = {side: [] for side in sides}
    for number in range(repeat + 1):
        for side, job in sides.items():
            began, cores = time.perf_counter(), core_seconds()
            accuracy = job(model, images, workers)
            seconds, cores = time.perf_counter() - began, core_seconds() - cores
            if number:
                runs[side].append({"seconds": seconds, "per_s": n / seconds,
                                   "core_ms": 1000 * cores / n, "accuracy": accuracy})  # fmt: skip
            print(f"{model.name} {side:>12}  {n / seconds:10.1f} images/s", file=sys.stderr)
    return runs


def core_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def stages(model: Prepared, images: Path, n: int) -> dict[str, float]:
    """Milliseconds an image of each stage by itself: the first three on one core."""
    paths = sorted(images.rglob("*.jpg"))[:n]
    reading, data = clocked(lambda: [path.read_bytes() for path in paths])
    decoding, pictures = clocked(lambda: [decode_image(one) for one in data])
    preprocessing, tensors = clocked(lambda: [model.preprocess(one) for one in pictures])
    slots = SLOTS[model.device.type]
    blocks = list(in_blocks(tensors, slots, model.device))
    wait = torch.cuda.synchronize if model.device.type == "cuda" else lambda: None

    def transfer() -> list[torch.Tensor]:
        moved = [block.to(model.device, non_blocking=True) for block in blocks]
        wait()
        return moved

    def judge() -> None:
        for block in moved:
            model.probabilities(block, model.weights)

    transferring, moved = clocked(transfer)
    judge()
    modelling, _ = clocked(judge)
    in_all = len(blocks) * slots
    return {
        "reading": 1000 * reading / len(paths),
        "decoding": 1000 * decoding / len(paths),
        "preprocessing": 1000 * preprocessing / len(paths),
        "transfer": 1000 * transferring / in_all,
        "model": 1000 * modelling / in_all,
    }


def clocked(job: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a job takes, and what it gives."""
    began = time.perf_counter()
    found = job()
    return time.perf_counter() - began, found


def in_blocks(
    tensors: Sequence[torch.Tensor], slots: int, device: torch.device
) -> Iterator[torch.Tensor]:
    """Whole blocks, pinned for a GPU; the first images again where the last block is short."""
    for start in range(0, len(tensors), slots):
        block = torch.stack([tensors[(start + i) % len(tensors)] for i in range(slots)])
        yield block.pin_memory() if device.type == "cuda" else block


def rows(name: str, runs: dict[str, list[Result]]) -> list[str]:
    """Lines of the table of throughput."""
    rate = {side: median(run["per_s"] for run in found) for side, found in runs.items()}
    cores = {side: median(run["core_ms"] for run in found) for side, found in runs.items()}
    right = {side: median(run["accuracy"] for run in found) for side, found in runs.items()}
    lines = []
    for side, found in runs.items():
        each = [run["per_s"] for run in found]
        lines.append(
            f"| {name} | {side} | {rate[side]:,.1f} ({min(each):,.1f}–{max(each):,.1f}) | "
            f"{rate[side] / rate['open_clip']:.2f} | {cores[side]:.1f} | {right[side]:.4f} |"
        )
    return lines


def parse() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["ViT-B-32", "ViT-L-14"],
                        help="architectures of open_clip, and tiny")  # fmt: skip
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="fp32")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--compile", action="store_true", help="on both sides")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--stage-images", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=WORK / "zeroshot.json")
    return parser.parse_args()


def main() -> None:
    """Measure all models, print two tables, and keep every run."""
    arguments = parse()
    images = make_images(WORK / "zeroshot-images", arguments.images, arguments.seed)
    device = find_device(arguments.device)
    results: dict[str, Result] = {}
    for name in arguments.models:
        model = make_model(name, arguments.precision, device, arguments.compile, images)
        results[name] = {
            "runs": measure(model, images, arguments.images, arguments.workers, arguments.repeat),
            "stages_ms": stages(model, images, min(arguments.images, arguments.stage_images)),
        }
    print(
        "| model | loop | images/s (least–most) | × open_clip | core ms an image | accuracy |\n"
        "|---|---|--:|--:|--:|--:|"
    )
    print("\n".join(line for name, found in results.items() for line in rows(name, found["runs"])))
    names = list(next(iter(results.values()))["stages_ms"])
    print(f"\n| ms an image | {' | '.join(names)} |\n|---|{'--:|' * len(names)}")
    for name, found in results.items():
        print(f"| {name} | {' | '.join(f'{ms:.3f}' for ms in found['stages_ms'].values())} |")
    machine = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    dump_json(
        arguments.output,
        {
            "arguments": {name: str(value) for name, value in vars(arguments).items()},
            "device": machine,
            "versions": {name: metadata.version(name) for name in PACKAGES},
            "models": results,
        },
    )


if __name__ == "__main__":
    main()
