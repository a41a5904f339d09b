"""Text-to-image pipelines of diffusers that are small enough for tests: those of the package.

The classes are real, the weights random. Each is saved as a folder, as `from_pretrained` takes it;
its pictures are noise with colours.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor

from conceptstats.synth.tiny_pipelines import write_flux, write_stable_diffusion


def write_tiny_flux(folder: Path, *, seed: int = 0) -> Path:
    """Write a FLUX with guidance in its transformer and two text encoders; 4 pixels a patch."""
    with _seeded(seed):
        write_flux(folder)
    return folder


def write_tiny_sd(
    folder: Path, *, seed: int = 0, ancestral: bool = False, watchful: bool = False
) -> Path:
    """Write a Stable Diffusion 1.

    Parameters
    ----------
    folder : Path
    seed : int
    ancestral : bool
        With a scheduler that draws noise at every step, in place of the usual PNDM, which remembers
        steps.
    watchful : bool
        With a safety checker, which takes offence at every picture.
    """
    with _seeded(seed):
        write_stable_diffusion(folder)
        if ancestral or watchful:
            pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
            if ancestral:
                scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
                pipeline.register_modules(scheduler=scheduler)
            if watchful:
                seen = CLIPImageProcessor(size=32, crop_size=32)
                pipeline.register_modules(safety_checker=_offended(), feature_extractor=seen)
                pipeline.register_to_config(requires_safety_checker=True)
            pipeline.save_pretrained(folder)
    return folder


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random weights by a seed; what libraries say of each other's old habits is not shown."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.manual_seed(seed)
        yield


def _offended() -> StableDiffusionSafetyChecker:
    """A safety checker that finds every picture as close to a bad concept as is needed."""
    small = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4,
             "num_hidden_layers": 1, "projection_dim": 32}  # fmt: skip
    vision = {**small, "image_size": 32, "patch_size": 16}
    config = CLIPConfig(text_config=small, vision_config=vision, projection_dim=32)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(-2.0)  # below any cosine
    return checker.eval()
