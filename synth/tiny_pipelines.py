"""Small FLUX and Stable Diffusion pipelines of diffusers: real classes, random weights."""

from __future__ import annotations

import string
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

# Of type Any: their annotations do not cover what is called here.
diffusers: Any = import_module("diffusers")
transformers: Any = import_module("transformers")

_SIDE = 32  # pixels, by default
_LETTERS = string.ascii_lowercase + string.digits + string.punctuation
_WIDTH = 32  # of what a text encoder gives


def write_flux(folder: Path) -> None:
    """FLUX with guidance in its transformer, two text encoders and a sixteenfold VAE."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in _LETTERS]
    t5 = transformers.T5Config(
        vocab_size=len(pieces), d_model=_WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=_WIDTH, pooled_projection_dim=_WIDTH,
        axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_vae(shift_factor=0.1),
        text_encoder=_clip_text(),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=transformers.T5EncoderModel(t5).eval(),
        tokenizer_2=transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512),
        transformer=_spread(transformer),
    ).save_pretrained(folder)


def write_stable_diffusion(folder: Path) -> None:
    """Stable Diffusion 1, without a safety checker."""
    unet = diffusers.UNet2DConditionModel(
        sample_size=_SIDE // 2, block_out_channels=(32, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_WIDTH, attention_head_dim=2,
    )  # fmt: skip
    scheduler = diffusers.PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
        skip_prk_steps=True,
    )  # fmt: skip
    diffusers.StableDiffusionPipeline(
        vae=_vae(), text_encoder=_clip_text(), tokenizer=_clip_tokenizer(), unet=_spread(unet),
        scheduler=scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip


def _spread(module: Any) -> Any:
    """Make prompts, steps and guidance matter: as it is made, a network heeds its input little."""
    with torch.no_grad():
        for value in module.parameters():
            if value.ndim > 1:
                value.mul_(1.5)
    return module


def _vae(**settings: float) -> Any:
    return diffusers.AutoencoderKL(
        sample_size=_SIDE, block_out_channels=(16, 16), layers_per_block=1, latent_channels=4,
        norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, **settings,
    )  # fmt: skip


def _clip_text() -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=len(_clip_vocabulary()), hidden_size=_WIDTH, intermediate_size=37,
        projection_dim=_WIDTH, num_attention_heads=4, num_hidden_layers=2, bos_token_id=0,
        eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return transformers.CLIPTextModel(config).eval()


def _clip_vocabulary() -> dict[str, int]:
    """Letters within words, letters that end them, and the two marks of a text."""
    pieces = ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{x}</w>" for x in _LETTERS)]
    return {piece: number for number, piece in enumerate(pieces)}


def _clip_tokenizer() -> Any:
    return transformers.CLIPTokenizer(vocab=_clip_vocabulary(), merges=[], model_max_length=77)
