"""Image-text-to-text models that are small enough for tests: real classes, random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    SiglipVisionConfig,
)

WORDS = (
    "yes no a the is in of what colour which animal how many dogs are there cat dog frisbee ball "
    "red green blue one two three question using single word or phrase answer image on grass it"
)
IMAGE_TOKENS = ["<image>", "<video>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>",
                "<|vision_end|>"]  # fmt: skip
_TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
_EYE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4}  # fmt: skip
_LLAVA_CHAT = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ part['text'] + ' ' }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
_QWEN_CHAT = (
    "{% for message in messages %}{{ '<s>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '</s>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, and one for those that it does not know."""
    words = ["<unk>", "<pad>", "<s>", "</s>", *IMAGE_TOKENS, *WORDS.split()]
    words += [*"?.,:!0123456789", *WORDS.title().split(), "USER", "ASSISTANT", "Reference", "OCR"]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", bos_token="<s>",
        eos_token="</s>", additional_special_tokens=IMAGE_TOKENS,
    )  # fmt: skip


def write_llava(folder: Path, *, chat: bool = True, max_length: int = 256, seed: int = 0) -> Path:
    """LLaVA-1.5: a vision tower of CLIP before a Llama."""
    tokenizer = make_tokenizer()
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=32, patch_size=8, projection_dim=16, **_EYE),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=max_length,
            **_TEXT,
            **_ids(tokenizer),
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    side = {"height": 32, "width": 32}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=side),
        tokenizer=tokenizer, patch_size=8, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=_LLAVA_CHAT if chat else None,
    )  # fmt: skip
    return _save(folder, LlavaForConditionalGeneration, config, processor, seed)


def write_onevision(folder: Path) -> Path:
    """LLaVA-OneVision: pictures of any shape in tiles, SigLIP before a Qwen2."""
    tokenizer = make_tokenizer()
    pinpoints = [[32, 32], [32, 64], [64, 32], [64, 64]]
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            image_size=32, patch_size=8, vision_use_head=False, **_EYE
        ),
        text_config=Qwen2Config(vocab_size=len(tokenizer), **_TEXT, **_ids(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_select_strategy="full", vision_feature_layer=-1,
    )  # fmt: skip
    side = {"height": 32, "width": 32}
    processor = LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(size=side, image_grid_pinpoints=pinpoints),
        tokenizer=tokenizer, video_processor=LlavaOnevisionVideoProcessor(size=side),
        num_image_tokens=16, vision_feature_select_strategy="full", chat_template=_LLAVA_CHAT,
    )  # fmt: skip
    return _save(folder, LlavaOnevisionForConditionalGeneration, config, processor, 0)


def write_qwen(folder: Path) -> Path:
    """Qwen2-VL: pictures at their own size."""
    tokenizer = make_tokenizer()
    number = tokenizer.convert_tokens_to_ids
    text = {"vocab_size": len(tokenizer), **_TEXT, **_ids(tokenizer)}
    rope = {"rope_type": "default", "type": "mrope", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    config = Qwen2VLConfig(
        text_config={**text, "rope_parameters": rope},
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4,
                       "mlp_ratio": 2, "patch_size": 8},
        image_token_id=number("<|image_pad|>"), video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )  # fmt: skip
    pixels = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=8, size=pixels), tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(patch_size=8, size=pixels), chat_template=_QWEN_CHAT,
    )  # fmt: skip
    return _save(folder, Qwen2VLForConditionalGeneration, config, processor, 0)


def _ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    return {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id}  # fmt: skip


def _save(folder: Path, kind: Any, config: Any, processor: Any, seed: int) -> Path:
    """Make weights, spread so that pictures and questions matter, and write a folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config)
        with torch.no_grad():
            for value in model.parameters():
                if value.ndim > 1:
                    value.normal_(0, 1.5 / value[0].numel() ** 0.5)
            ids = processor.tokenizer.convert_tokens_to_ids(IMAGE_TOKENS)
            model.get_output_embeddings().weight[ids] = 0  # nothing that a model says
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.temperature = 0.5  # as real ones have it; greedy answers ignore it
    model.generation_config.do_sample = True
    model.generation_config.repetition_penalty = 1.3
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
