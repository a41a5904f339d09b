"""What steps with models need, reckoned from their sizes: nobody publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from .steps import ANOTHER, Needs, Plan, Step, billions, gated, operations, writing_hours

LLAMA, FLUX = "meta-llama/Llama-3.1-8B-Instruct", "black-forest-labs/FLUX.1-dev"
OWL, SAM = "google/owlv2-base-patch16-ensemble", "facebook/sam-vit-huge"
_FLUX_TOKENS = 1024 + 512  # a picture of 512 x 512 in patches of 16, and the longest prompt
_TOGETHER = 16  # texts that a chat model gets at once
VAL_PHOTOS, TRAIN_PHOTOS = 50_000, 1_281_167  # of ImageNet, as published


class _Clip(NamedTuple):
    """Sizes of a model of open_clip, as it builds it."""

    parameters: int
    of_images: int  # parameters of the image tower
    tokens: int  # of an image
    note: str = ""


_CLIPS = {
    "ViT-B-32-quickgelu": _Clip(151_277_313, 87_849_216, 50),
    "ViT-B-16-plus-240": _Clip(
        208_377_345,
        117_213_824,
        226,
        "open_clip loads epoch 31 under the name laion400m_e32, see `conceptstats data show "
        "clip-vit-b-16-plus-240-laion400m-e32`",
    ),
    "ViT-L-14": _Clip(427_616_513, 303_966_208, 257),
    "EVA01-g-14": _Clip(1_136_435_841, 1_012_588_928, 257),
}


def once(steps: Sequence[Step]) -> list[Step]:
    """Count the weights of a model at the first step that has it, and not again."""
    found, seen = [], set()
    for step in steps:
        needs = step.needs
        if needs.model and needs.model in seen and needs.download and needs.disk:
            less = needs.disk - needs.download  # the download is the weights
            step = replace(step, needs=replace(needs, download=0, disk=less, first=()))
        seen.add(needs.model)
        found.append(step)
    return found


def chat_needs(plan: Plan, model: str, n: int, tokens: int, written: int, what: str) -> Needs:
    """Of a chat model of 8 billion parameters, for ``n`` texts of so many tokens, read and written.

    Of the latter at most.
    """
    if plan.tiny or model != LLAMA:
        return Needs() if plan.tiny else ANOTHER
    weights = 16_060_000_000
    hours = operations(8.03e9, tokens + written, n) + writing_hours(weights, written, n / _TOGETHER)
    how = (
        "weights: 8.03 billion parameters x 2 bytes",
        f"{n:,} {what} of about {tokens} tokens, for each of which {written} are written at most, "
        f"{_TOGETHER} together, in bf16",
    )
    return Needs(weights, weights, hours, how, gated(model), model)


def picture_needs(plan: Plan, n: int) -> Needs:
    """Of FLUX.1-dev, for ``n`` pictures."""
    if plan.tiny or plan["image_model"] != FLUX:
        return Needs() if plan.tiny else ANOTHER
    weights = 33_600_000_000
    pictures = round(n * plan.number("size") ** 2 * 1.5)
    how = (
        "weights: 11.9 + 4.9 billion parameters (transformer, text encoders) x 2 bytes",
        f"{n:,} pictures x {plan['steps']} steps of {_FLUX_TOKENS:,} tokens (as of 512 pixels a "
        f"side) in {plan['precision']}; disk: PNG of about 1.5 bytes a pixel, and the weights",
    )
    hours = operations(11.9e9, _FLUX_TOKENS * plan.number("steps"), n, plan["precision"])
    return Needs(weights, weights + pictures, hours, how, gated(FLUX), FLUX)


def detector_needs(plan: Plan, n: int) -> Needs:
    """Of OWLv2, for ``n`` pictures."""
    if plan.tiny or plan["detector"] != OWL:
        return Needs() if plan.tiny else ANOTHER
    weights = 620_000_000
    how = (
        "weights: 0.155 billion parameters x 4 bytes",
        f"{n:,} pictures of 3,600 tokens in fp32",
    )
    return Needs(weights, weights, operations(0.155e9, 3600, n, "fp32"), how, model=OWL)


def segmenter_needs(plan: Plan, n: int) -> Needs:
    """Of SAM ViT-H, for ``n`` pictures."""
    if plan.tiny or plan["segmenter"] != SAM:
        return Needs() if plan.tiny else ANOTHER
    weights = 2_564_000_000
    how = (
        "weights: 0.641 billion parameters x 4 bytes",
        f"{n:,} pictures of 4,096 tokens in fp32",
    )
    return Needs(weights, weights, operations(0.641e9, 4096, n, "fp32"), how, model=SAM)


def zeroshot_needs(plan: Plan, model: str, *, fetched: bool, n: int | None) -> Needs:
    """Of a model of open_clip, whose weights are fetched or there, for ``n`` images."""
    if plan.tiny:
        return Needs()
    size = _CLIPS.get(model)
    if size is None:
        return ANOTHER if fetched else replace(ANOTHER, download=0, disk=0)
    needs = Needs(gpu_hours=None, how=("how many images there are is not known",))
    if n is not None:
        hours = operations(size.of_images, size.tokens, n, "fp32")
        needs = Needs(gpu_hours=hours, how=(f"{n:,} images of {size.tokens} tokens in fp32",))
    if not fetched:
        return needs
    weights = 4 * size.parameters
    how = (f"weights: {billions(size.parameters)} parameters x 4 bytes", *needs.how)
    how += (size.note,) if size.note else ()
    return replace(needs, download=weights, disk=weights, how=how, model=model)


def finetune_needs(plan: Plan, model: str, n: int | None) -> Needs:
    """Of fine-tuning a model of open_clip with ``n`` photographs.

    A step is reckoned as three passes: one forward, and backward twice as much.
    """
    if plan.tiny:
        return Needs()
    size = _CLIPS.get(model)
    if size is None:
        return ANOTHER
    if n is None:
        return Needs(None, None, None, ("how many photographs there are is not known",))
    weights = 4 * size.parameters
    how = (
        f"weights: {billions(size.parameters)} parameters x 4 bytes, fetched and written",
        f"{n:,} photographs x {plan['epochs']} epochs x 3 passes of {size.tokens} tokens in bf16; "
        "reading the photographs can take longer",
    )
    hours = operations(size.of_images, size.tokens, 3 * n * plan.number("epochs"))
    return Needs(weights, 2 * weights, hours, how, model=model)


def interpolate_needs(plan: Plan, model: str) -> Needs:
    """Of a model between two of open_clip, which is written as large as they are."""
    if plan.tiny:
        return Needs()
    size = _CLIPS.get(model)
    if size is None:
        return replace(ANOTHER, download=0, gpu_hours=0.0)
    how = (f"weights: {billions(size.parameters)} parameters x 4 bytes, written",)
    return Needs(disk=4 * size.parameters, how=how)
