"""Text-to-image pipelines of diffusers that are small enough for tests.

The classes are real, the weights random. Each is saved as a folder, as `from_pretrained` takes it;
its pictures are noise with colours.
"""

from __future__ import annotations

import string
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

SIZE = 32  # pixels a side, by default
_LETTERS = string.ascii_lowercase + string.digits + string.punctuation
_WIDTH = 32  # of what a text encoder gives


def write_tiny_flux(folder: Path, *, seed: int = 0) -> Path:
    """Write a FLUX with guidance in its transformer and two text encoders; 4 pixels a patch."""
    with _seeded(seed):
        transformer = FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=_WIDTH,
            pooled_projection_dim=_WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        )
        pipeline = FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=_vae(shift_factor=0.1),
            text_encoder=_clip_text(),
            tokenizer=_clip_tokenizer(),
            text_encoder_2=_t5(),
            tokenizer_2=_t5_tokenizer(),
            transformer=_spread(transformer),
        )
    return _save(pipeline, folder)


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
        unet = UNet2DConditionModel(
            sample_size=SIZE // 2,
            block_out_channels=(32, 32),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=_WIDTH,
            attention_head_dim=2,
        )
        kind = EulerAncestralDiscreteScheduler if ancestral else PNDMScheduler
        more = {} if ancestral else {"skip_prk_steps": True}
        scheduler = kind(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            **more,
        )
        pipeline = StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=_clip_text(),
            tokenizer=_clip_tokenizer(),
            unet=_spread(unet),
            scheduler=scheduler,
            safety_checker=_offended() if watchful else None,
            feature_extractor=CLIPImageProcessor(size=32, crop_size=32) if watchful else None,
            requires_safety_checker=watchful,
        )
    return _save(pipeline, folder)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random weights by a seed; what libraries say of each other's old habits is not shown."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.manual_seed(seed)
        yield


def _save(pipeline: Any, folder: Path) -> Path:
    pipeline.save_pretrained(folder)
    return folder


def _spread(module: torch.nn.Module) -> torch.nn.Module:
    """Make prompts, steps and guidance matter: as it is made, a network heeds its input little."""
    with torch.no_grad():
        for value in module.parameters():
            if value.ndim > 1:
                value.mul_(1.5)
    return module


def _vae(**settings: float) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=SIZE,
        block_out_channels=(16, 16),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        **settings,
    )


def _clip_text() -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(_clip_vocabulary()),
        hidden_size=_WIDTH,
        intermediate_size=37,
        projection_dim=_WIDTH,
        num_attention_heads=4,
        num_hidden_layers=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config).eval()


def _clip_vocabulary() -> dict[str, int]:
    """Letters within words, letters that end them, and the two marks of a text."""
    pieces = ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{x}</w>" for x in _LETTERS)]
    return {piece: number for number, piece in enumerate(pieces)}


def _clip_tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(vocab=_clip_vocabulary(), merges=[], model_max_length=77)


def _t5_vocabulary() -> list[tuple[str, float]]:
    return [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0)] + [
        (letter, -3.0) for letter in _LETTERS
    ]


def _t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(_t5_vocabulary()),
        d_model=_WIDTH,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()


def _t5_tokenizer() -> T5Tokenizer:
    return T5Tokenizer(vocab=_t5_vocabulary(), extra_ids=0, model_max_length=512)


def _offended() -> StableDiffusionSafetyChecker:
    """A safety checker that finds every picture as close to a bad concept as is needed."""
    small = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4,
             "num_hidden_layers": 1, "projection_dim": 32}  # fmt: skip
    vision = {**small, "image_size": 32, "patch_size": 16}
    config = CLIPConfig(text_config=small, vision_config=vision, projection_dim=32)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(-2.0)  # below any cosine
    return checker.eval()
