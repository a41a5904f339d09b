"""Tiny detectors of the real architectures, with random weights, saved as real ones are."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessor,
    OwlViTProcessor,
    PreTrainedModel,
    ProcessorMixin,
    SwinConfig,
)

SIDE = 96  # pixels of what a tiny OWLv2 sees
WORDS = 16  # tokens that it reads, as a big one


def save_owlv2(folder: Path) -> Path:
    """An OWLv2 of 36 patches, with its processor."""
    tokenizer = _clip_tokenizer()
    config = Owlv2Config(**_owl_settings(tokenizer))
    images = Owlv2ImageProcessor(size={"height": SIDE, "width": SIDE})
    return _save(folder, Owlv2ForObjectDetection, config, Owlv2Processor(images, tokenizer))


def save_owlvit(folder: Path) -> Path:
    """An OWL-ViT, which squeezes pictures into a square instead of padding them."""
    tokenizer = _clip_tokenizer()
    config = OwlViTConfig(**_owl_settings(tokenizer))
    images = OwlViTImageProcessor(size={"height": SIDE, "width": SIDE})
    return _save(folder, OwlViTForObjectDetection, config, OwlViTProcessor(images, tokenizer))


def save_grounding_dino(folder: Path) -> Path:
    """A Grounding DINO with a Swin of four stages and a BERT, 20 queries, and its processor."""
    tokenizer = _bert_tokenizer()
    config = GroundingDinoConfig(**_dino_settings(tokenizer))
    return _save(folder, GroundingDinoForObjectDetection, config, _dino_processor(tokenizer))


def save_mm_grounding_dino(folder: Path) -> Path:
    """The same as OpenMMLab has it."""
    tokenizer = _bert_tokenizer()
    config = MMGroundingDinoConfig(**_dino_settings(tokenizer))
    return _save(folder, MMGroundingDinoForObjectDetection, config, _dino_processor(tokenizer))


def _save(
    folder: Path, kind: type[PreTrainedModel], config: Any, processor: ProcessorMixin
) -> Path:
    """Save both, with weights so large that scores differ between pictures and between words."""
    torch.manual_seed(0)
    model = kind(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _owl_settings(tokenizer: CLIPTokenizer) -> dict[str, Any]:
    tower = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 2}  # fmt: skip
    words = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": WORDS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return {
        "text_config": tower | words,
        "vision_config": {**tower, "image_size": SIDE, "patch_size": 16},
        "projection_dim": 32,
    }


def _dino_settings(tokenizer: BertTokenizer) -> dict[str, Any]:
    return {
        "backbone_config": SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_indices=[2, 3, 4],
        ),
        "text_config": BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        ),
        "num_queries": 20,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
    }


def _dino_processor(tokenizer: BertTokenizer) -> GroundingDinoProcessor:
    images = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    return GroundingDinoProcessor(images, tokenizer)


def _clip_tokenizer() -> CLIPTokenizer:
    """A token a letter, and some for "photo" and "of"; 0 is not the beginning, as in real ones."""
    letters = string.printable.split(" ")[0]
    merges = [("p", "h"), ("ph", "o"), ("pho", "t"), ("phot", "o</w>"), ("o", "f</w>")]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["".join(merge) for merge in merges]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    vocabulary |= {"<|startoftext|>": len(tokens), "<|endoftext|>": len(tokens) + 1}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="!", model_max_length=WORDS)


def _bert_tokenizer() -> BertTokenizer:
    """One token a character, with the tokens that split phrases where the model expects them."""
    vocabulary = {f"[unused{number}]": number for number in range(1100)}
    places = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012,
              "?": 1029}  # fmt: skip
    places |= {letter: 200 + number for number, letter in enumerate(string.ascii_lowercase)}
    places |= {f"##{letter}": 300 + n for n, letter in enumerate(string.ascii_lowercase)}
    taken = set(places.values())
    vocabulary = {token: n for token, n in vocabulary.items() if n not in taken} | places
    return BertTokenizer(vocab=vocabulary, model_max_length=256)
