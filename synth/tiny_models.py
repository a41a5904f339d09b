"""Small models of the real classes, saved as real ones are, to try a chain of commands with.

Pictures by them are noise with colours. What must come to something for a chain to go on is taught
in seconds: the judge says yes, the writer has its sentences by heart, SAM cuts out the middle.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from conceptstats.errors import ParameterError
from conceptstats.models.tiny import tiny_model_folder
from conceptstats.table_files import load_table
from conceptstats.tables import PROBES

from .tiny_chat import write_chat
from .tiny_pipelines import write_flux, write_stable_diffusion

# Of type Any: its annotations do not cover what is called here.
transformers: Any = import_module("transformers")

_SIDE = 64  # pixels of what SAM sees
_SEEN = 96  # ... and OWLv2
_LETTERS = 77  # tokens that OWLv2 reads: a big one 16, but of words
_SENTENCE = "A photo of a {key} and {accessory}."


def write_tiny_model(
    kind: str,
    output: str | Path,
    *,
    probes: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write a small model as a folder that `from_pretrained` loads.

    Parameters
    ----------
    kind : {"flux", "stable-diffusion", "judge", "writer", "owlv2", "sam"}
        Pipelines of diffusers; chat models (Llama) that judge accessories or write prompts; an
        open-vocabulary detector; a segmenter.
    output : path
    probes : path, optional
        For writer: the pairs whose sentences it has by heart.
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
        When the writer has no probes, or another kind has some.
    ModelError
        When the writer cannot learn so many.
    TableError, OutputExistsError, OutputError
    """
    output = Path(output)
    if kind == "writer" and probes is None:
        raise ParameterError("writer needs probes to learn.", "--probes PROBES, a table of them")
    if kind != "writer" and probes is not None:
        raise ParameterError(f"{kind} takes no probes.", "--probes is for writer alone")
    rows = [] if probes is None else load_table(probes, PROBES).to_pylist()
    making = tiny_model_folder("synth tiny-model", kind, output, probes, seed, overwrite=overwrite)
    with making as folder:
        KINDS[kind](folder, rows)
    return output


def _writer(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    from .prompts.wording import QUESTION, fill

    pairs = [(row["key"], row["accessory"]) for row in rows]
    asked = [f"<user>{fill(QUESTION, *pair)}</turn><assistant>" for pair in pairs]
    write_chat(folder, dict(zip(asked, (fill(_SENTENCE, *pair) for pair in pairs), strict=True)))


def _judge(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    write_chat(folder, {"<user>Word: </turn><assistant>": "yes", "<assistant>": "yes"})


def _owlv2(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    letters = string.printable.split(" ")[0]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "ph", "pho", "phot"]
    tokens += ["photo</w>", "of</w>", "<|startoftext|>", "<|endoftext|>"]
    merges = [("p", "h"), ("ph", "o"), ("pho", "t"), ("phot", "o</w>"), ("o", "f</w>")]
    tokenizer = transformers.CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=merges,
        pad_token="!", model_max_length=_LETTERS,
    )  # fmt: skip
    tower = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 2}  # fmt: skip
    words = {
        "vocab_size": len(tokenizer), "max_position_embeddings": _LETTERS,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    config = transformers.Owlv2Config(
        text_config=tower | words,
        vision_config={**tower, "image_size": _SEEN, "patch_size": 16},
        projection_dim=32,
    )
    model: Any = transformers.Owlv2ForObjectDetection(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    images = transformers.Owlv2ImageProcessor(size={"height": _SEEN, "width": _SEEN})
    model.save_pretrained(folder)
    transformers.Owlv2Processor(images, tokenizer).save_pretrained(folder)


def _sam(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    config = transformers.SamConfig(
        vision_config=transformers.SamVisionConfig(
            hidden_size=32, output_channels=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=_SIDE, patch_size=16, mlp_dim=32, window_size=2, global_attn_indexes=[1],
            num_pos_feats=16, initializer_range=0.02,
        ),
        prompt_encoder_config=transformers.SamPromptEncoderConfig(
            hidden_size=32, image_size=_SIDE, patch_size=16, mask_input_channels=8
        ),
        mask_decoder_config=transformers.SamMaskDecoderConfig(
            hidden_size=32, mlp_dim=32, num_hidden_layers=2, num_attention_heads=2,
            iou_head_hidden_dim=16,
        ),
    )  # fmt: skip
    quarter = _SIDE // 4
    images = transformers.SamImageProcessor(
        size={"longest_edge": _SIDE}, pad_size={"height": _SIDE, "width": _SIDE},
        mask_size={"longest_edge": quarter}, mask_pad_size={"height": quarter, "width": quarter},
    )  # fmt: skip
    model: Any = transformers.SamModel(config)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.08)
    processor = transformers.SamProcessor(images)
    _teach_the_middle(model, processor)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _teach_the_middle(model: Any, processor: Any, steps: int = 80) -> None:
    """Teach a SAM that the object is in the middle, whatever the picture, and to be sure of it."""
    rng = np.random.default_rng(0)
    last = _SIDE - 1
    points = [[[[0, 0], [last, 0], [0, last], [last, last]]]] * 4
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        pictures = list(rng.integers(0, 256, (4, _SIDE, _SIDE, 3), dtype=np.uint8))
        inputs = processor(
            images=pictures, input_points=points, input_labels=[[[0] * 4]] * 4, return_tensors="pt"
        )
        out = model(
            pixel_values=inputs["pixel_values"], input_points=inputs["input_points"].float(),
            input_labels=inputs["input_labels"], multimask_output=True,
        )  # fmt: skip
        found = out.pred_masks[:, 0]
        side = found.shape[-1]
        wanted = torch.zeros_like(found)
        wanted[..., side // 5 : -side // 5, side // 5 : -side // 5] = 1
        loss = torch.nn.functional.binary_cross_entropy_with_logits(found, wanted)
        loss = loss + (out.iou_scores - 0.97).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


KINDS: dict[str, Callable[[Path, Sequence[Mapping[str, Any]]], None]] = {
    "flux": lambda folder, _: write_flux(folder),
    "stable-diffusion": lambda folder, _: write_stable_diffusion(folder),
    "judge": _judge,
    "writer": _writer,
    "owlv2": _owlv2,
    "sam": _sam,
}
