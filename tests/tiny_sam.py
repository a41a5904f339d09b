"""SAM and SAM 2 that are small enough for tests, taught in seconds, saved as real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2ImageProcessor,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2Processor,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
    SamConfig,
    SamImageProcessor,
    SamMaskDecoderConfig,
    SamModel,
    SamProcessor,
    SamPromptEncoderConfig,
    SamVisionConfig,
)

SIDE = 64  # pixels of what they see
_DECODER = {"hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16}  # fmt: skip


def save_sam(folder: Path) -> Path:
    """A SAM with a tower of two layers, and its processor; gives the folder."""
    vision = SamVisionConfig(
        hidden_size=32, output_channels=32, num_hidden_layers=2, num_attention_heads=2,
        image_size=SIDE, patch_size=16, mlp_dim=32, window_size=2, global_attn_indexes=[1],
        num_pos_feats=16, initializer_range=0.02,
    )  # fmt: skip
    prompts = SamPromptEncoderConfig(
        hidden_size=32, image_size=SIDE, patch_size=16, mask_input_channels=8
    )
    config = SamConfig(
        vision_config=vision,
        prompt_encoder_config=prompts,
        mask_decoder_config=SamMaskDecoderConfig(**_DECODER),
    )
    images = SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": SIDE // 4},
        mask_pad_size={"height": SIDE // 4, "width": SIDE // 4},
    )
    _save(SamModel, config, SamProcessor(images), folder)
    return folder


def save_sam2(folder: Path) -> Path:
    """A SAM 2 with a Hiera of three stages, and its processor; gives the folder."""
    backbone = Sam2HieraDetConfig(
        hidden_size=8, image_size=[SIDE, SIDE], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[2, 2, 2, 2], global_attention_blocks=[3],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[SIDE // 4] * 2, [SIDE // 8] * 2, [SIDE // 16] * 2],
        fpn_hidden_size=32,
    )
    prompts = Sam2PromptEncoderConfig(
        hidden_size=32, image_size=SIDE, patch_size=16, mask_input_channels=8
    )
    config = Sam2Config(
        vision_config=vision,
        prompt_encoder_config=prompts,
        mask_decoder_config=Sam2MaskDecoderConfig(**_DECODER),
    )
    images = Sam2ImageProcessor(
        size={"height": SIDE, "width": SIDE},
        mask_size={"height": SIDE // 4, "width": SIDE // 4},
    )
    _save(Sam2Model, config, Sam2Processor(images), folder)
    return folder


def picture_on_white(rng: np.random.Generator, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """A coloured box somewhere on white, and where it is."""
    low, high = side // 3, 2 * side // 3
    width, height = rng.integers(low, high, 2)
    left, top = rng.integers(side // 16, side - np.array([width, height]) - side // 16)
    where = np.zeros((side, side), bool)
    where[top : top + height, left : left + width] = True
    colour = rng.integers(0, 160, 3, dtype=np.uint8)
    return np.where(where[..., None], colour, np.uint8(255)), where


def _teach(model: Any, processor: Any, steps: int = 100) -> None:
    """Train a model, in seconds, to find what is not white, and to think well of its masks."""
    rng = np.random.default_rng(0)
    last = SIDE - 1
    points = [[[[0, 0], [last, 0], [0, last], [last, last]]]] * 8
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        pictures, masks = zip(*(picture_on_white(rng) for _ in range(8)), strict=True)
        inputs = processor(
            images=[Image.fromarray(picture) for picture in pictures],
            input_points=points,
            input_labels=[[[0] * 4]] * 8,
            return_tensors="pt",
        )
        out = model(
            pixel_values=inputs["pixel_values"],
            input_points=inputs["input_points"].float(),
            input_labels=inputs["input_labels"],
            multimask_output=True,
        )
        found = out.pred_masks[:, 0]
        wanted = torch.tensor(np.stack(masks)).float()[:, None]
        wanted = torch.nn.functional.interpolate(wanted, size=found.shape[-2:], mode="area")
        loss = torch.nn.functional.binary_cross_entropy_with_logits(found, wanted.expand_as(found))
        loss = loss + (out.iou_scores - 0.97).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _save(kind: Any, config: SamConfig | Sam2Config, processor: Any, folder: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
        with torch.no_grad():
            for value in model.parameters():
                if value.ndim > 1:
                    value.normal_(0, 0.08)
        _teach(model, processor)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
