"""What steps with models need, reckoned from their sizes: nobody publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .steps import ANOTHER, RECKONED, Needs, Plan, Step, gated, operations

LLAMA, FLUX = "meta-llama/Llama-3.1-8B-Instruct", "black-forest-labs/FLUX.1-dev"
OWL, SAM = "google/owlv2-base-patch16-ensemble", "facebook/sam-vit-huge"
_FLUX_TOKENS = 1024 + 512  # a picture of 512 x 512 in patches of 16, and the longest prompt


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


def chat_needs(plan: Plan, model: str, n: int, tokens: int, what: str) -> Needs:
    """Of a chat model of 8 billion parameters, for ``n`` texts of so many tokens."""
    if plan.tiny or model != LLAMA:
        return Needs() if plan.tiny else ANOTHER
    how = (
        "weights: 8.03 billion parameters x 2 bytes",
        f"{n:,} {what} of about {tokens} tokens; {RECKONED}",
    )
    weights = 16_060_000_000
    return Needs(weights, weights, operations(8.03e9, tokens, n), how, gated(model), model)


def picture_needs(plan: Plan, n: int) -> Needs:
    """Of FLUX.1-dev, for ``n`` pictures."""
    if plan.tiny or plan["image_model"] != FLUX:
        return Needs() if plan.tiny else ANOTHER
    weights = 33_600_000_000
    pictures = round(n * plan.number("size") ** 2 * 1.5)
    how = (
        "weights: 11.9 + 4.9 billion parameters (transformer, text encoders) x 2 bytes",
        f"{n:,} pictures x {plan['steps']} steps of {_FLUX_TOKENS:,} tokens (as of 512 pixels a "
        f"side); {RECKONED}; disk: PNG of about 1.5 bytes a pixel, and the weights",
    )
    hours = operations(11.9e9, _FLUX_TOKENS * plan.number("steps"), n)
    return Needs(weights, weights + pictures, hours, how, gated(FLUX), FLUX)


def detector_needs(plan: Plan, n: int) -> Needs:
    """Of OWLv2, for ``n`` pictures."""
    if plan.tiny or plan["detector"] != OWL:
        return Needs() if plan.tiny else ANOTHER
    weights = 620_000_000
    how = ("weights: 0.155 billion parameters x 4 bytes", f"3,600 tokens a picture; {RECKONED}")
    return Needs(weights, weights, operations(0.155e9, 3600, n), how, model=OWL)


def segmenter_needs(plan: Plan, n: int) -> Needs:
    """Of SAM ViT-H, for ``n`` pictures."""
    if plan.tiny or plan["segmenter"] != SAM:
        return Needs() if plan.tiny else ANOTHER
    weights = 2_564_000_000
    how = ("weights: 0.641 billion parameters x 4 bytes", f"4,096 tokens a picture; {RECKONED}")
    return Needs(weights, weights, operations(0.641e9, 4096, n), how, model=SAM)
