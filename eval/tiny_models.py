"""Models with a few thousand random weights, of the real classes, saved as real ones are.

They know nothing. A chain of commands can be tried with them on any machine, before it is run with
models that take hours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from conceptstats.class_names import read_lines
from conceptstats.errors import ParameterError
from conceptstats.models.tiny import tiny_model_folder

# Of type Any: their annotations do not cover what is called here.
tokenizers: Any = import_module("tokenizers")
transformers: Any = import_module("transformers")

_SAID = ("yes", "no")
_SIDE = 32  # pixels of what they see
_TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
          "num_attention_heads": 4}  # fmt: skip
_CHAT = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ part['text'] + ' ' }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def write_tiny_model(
    kind: str,
    output: str | Path,
    *,
    words: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write a small model as a folder that `from_pretrained`, or open_clip, loads.

    Parameters
    ----------
    kind : {"clip", "llava"}
        open_clip's CLIP, or LLaVA-1.5: CLIP's vision tower before a Llama, which says yes or no.
    output : path
    words : path, optional
        For llava: a text whose words its tokeniser knows.
    seed : int
        Of the weights.
    overwrite : bool

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ParameterError
        When the words cannot be read, or CLIP gets some: it has its own.
    OutputExistsError, OutputError
    """
    output = Path(output)
    if words is not None and kind != "llava":
        raise ParameterError(f"{kind} takes no words: it has its own.")
    text = "" if words is None else "\n".join(read_lines(Path(words)))
    making = tiny_model_folder("eval tiny-model", kind, output, words, seed, overwrite=overwrite)
    with making as folder:
        KINDS[kind](folder, text)
    return output


def _clip(folder: Path, words: str) -> None:
    import open_clip
    from safetensors.torch import save_file

    tower = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": _SIDE}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    settings = {
        "model_cfg": {"embed_dim": 32, "vision_cfg": tower, "text_cfg": text},
        "preprocess_cfg": {"interpolation": "bicubic", "resize_mode": "shortest"},
    }
    config = folder / "open_clip_config.json"
    config.write_text(json.dumps(settings, indent=1) + "\n", encoding="ascii")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it warns that there are no weights yet
    try:
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    finally:
        logging.disable(before)
    weights = {name: value.contiguous() for name, value in _spread(model, 1.5).state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")


def _llava(folder: Path, words: str) -> None:
    tokenizer = _tokenizer(words)
    number = tokenizer.convert_tokens_to_ids
    ids = {"bos_token_id": number("<s>"), "eos_token_id": number("</s>"),
           "pad_token_id": number("<pad>")}  # fmt: skip
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            image_size=_SIDE, patch_size=8, projection_dim=16, **_TOWER
        ),
        text_config=transformers.LlamaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=512, num_key_value_heads=2,
            **_TOWER, **ids
        ),
        image_token_index=number("<image>"),
        image_seq_length=(_SIDE // 8) ** 2,
    )  # fmt: skip
    crop = {"height": _SIDE, "width": _SIDE}
    images = transformers.CLIPImageProcessor(size={"shortest_edge": _SIDE}, crop_size=crop)
    processor = transformers.LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer, patch_size=8, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=_CHAT,
    )  # fmt: skip
    model: Any = transformers.LlavaForConditionalGeneration(config)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 1.5 / value[0].numel() ** 0.5)
        head = model.get_output_embeddings().weight
        yes, no = (number(word) for word in _SAID)
        toward = head[yes].clone()
        head.zero_()  # nothing else is said: what speaks for the one speaks against the other
        head[yes], head[no] = toward, -toward
    model.generation_config.eos_token_id = [ids["eos_token_id"], yes, no]  # no word comes behind
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _tokenizer(words: str) -> Any:
    """One token a word, and one for those that it does not know."""
    splitter = tokenizers.pre_tokenizers.Whitespace()
    special = ["<unk>", "<pad>", "<s>", "</s>", "<image>"]
    known = [word for word, _ in splitter.pre_tokenize_str(words)]
    names = dict.fromkeys([*special, *_SAID, *known])
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: n for n, word in enumerate(names)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = splitter
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", bos_token="<s>",
        eos_token="</s>", additional_special_tokens=["<image>"],
    )  # fmt: skip


def _spread(model: Any, factor: float) -> Any:
    """Spread the answers: as it is made, all classes look alike to a model."""
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.mul_(factor)
    return model


KINDS: dict[str, Callable[[Path, str], None]] = {"clip": _clip, "llava": _llava}
