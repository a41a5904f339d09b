"""Image-text-to-text models of transformers: loaded, prompted, and asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from conceptstats.errors import ModelError
from conceptstats.models.devices import (
    DTYPES,
    Device,
    PrecisionOrAuto,
    check_precision,
    enough_memory,
    find_device,
)
from conceptstats.models.loading import loading, refuse_wordless
from conceptstats.models.weights import refuse_random
from conceptstats.table_files import fingerprint_files

# Of type Any: its types are not whole.
transformers: Any = import_module("transformers")


# Models that are prompted as LLaVA was trained, when their folder has no chat template.
_PLAIN_TYPES = ("llava", "llava_next", "vipllava")
_LESS = "a smaller --batch-size, or --precision bf16; the same command goes on from here"


class Answers(NamedTuple):
    """What a model answers to the prompts of a batch."""

    texts: list[str]
    is_cut: list[bool]  # it had more to say
    margins: list[float]  # least lead of a token over the next best, in nats


@dataclass(frozen=True, slots=True)
class Lmm:
    r"""A model with its processor.

    Parameters
    ----------
    name : str
        Id on the hub, or folder.
    revision : str, optional
        Commit on the hub.
    fingerprint : str
        Differs between models that may answer differently.
    processor, module : Any
        Of transformers.
    device : torch.device
    is_plain : bool
        Prompted as ``USER: <image>\n... ASSISTANT:``, without chat template.
    max_length : int, optional
        Tokens that prompt, image and answer may have together.
    """

    name: str
    revision: str | None
    fingerprint: str
    processor: Any
    module: Any
    device: torch.device
    is_plain: bool
    max_length: int | None

    @property
    def precision(self) -> str:
        """Of the weights."""
        return {dtype: name for name, dtype in DTYPES.items()}[self.module.dtype]

    @property
    def image_token(self) -> str | None:
        """What stands for the image in a text."""
        return getattr(self.processor, "image_token", None)

    def render(self, prompt: str, system: str | None = None) -> str:
        """The text of a conversation with an image and a prompt, up to the model's turn."""
        if self.is_plain:
            return f"{system + ' ' if system else ''}USER: {self.image_token}\n{prompt} ASSISTANT:"
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        chat: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if system:
            chat.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        return str(self.processor.apply_chat_template(chat, add_generation_prompt=True))

    def encode(self, texts: Sequence[str], images: Sequence[Image.Image]) -> Any:
        """Rendered texts with an image each as tensors, padded on the left."""
        start = self.processor.tokenizer.bos_token
        has_start = start is not None and texts[0].startswith(start)  # put there by the template
        return self.processor(
            text=list(texts),
            images=[[image] for image in images],
            padding=True,
            return_tensors="pt",
            **({"add_special_tokens": False} if has_start else {}),
        )

    @torch.inference_mode()
    def answer(self, inputs: Any, max_new_tokens: int) -> Answers:
        """The most probable token after token, until the model ends or has said so many.

        Raises
        ------
        ModelError
            When the model gives no numbers, or memory does not suffice.
        """
        leads = _Leads()
        n_prompts, n_tokens = inputs["input_ids"].shape
        with enough_memory(f"{n_prompts} questions at once", self.device, _LESS):
            moved = inputs.to(self.device, dtype=self.module.dtype)
            made = self.module.generate(
                **moved,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                logits_processor=transformers.LogitsProcessorList([leads]),
            )
        if torch.equal(made[:, :n_tokens], moved["input_ids"]):  # some give the answer alone
            made = made[:, n_tokens:]
        margins = torch.stack(leads.steps, dim=1).cpu()
        if bool(margins.isnan().any()):
            raise ModelError(
                "the probabilities of tokens are no numbers.",
                "--precision bf16 or fp32, which reach further than fp16",
            )
        return self._read(made.cpu(), margins)

    def _read(self, tokens: torch.Tensor, margins: torch.Tensor) -> Answers:
        """Answers up to the token that ends each; what is behind it is padding."""
        ends = self.module.generation_config.eos_token_id
        is_end = torch.isin(tokens, torch.tensor(ends if isinstance(ends, list) else [ends]))
        behind = is_end.cumsum(1) - is_end.long() > 0
        texts = self.processor.batch_decode(tokens, skip_special_tokens=True)
        return Answers(
            [text.strip() for text in texts],
            (~is_end.any(dim=1)).tolist(),
            margins[:, : tokens.shape[1]].masked_fill(behind, torch.inf).amin(dim=1).tolist(),
        )


class _Leads:
    """Notes at every step how far the best token is ahead of the next, and changes nothing."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """One step, of all prompts."""
        best = scores.float().topk(2, dim=-1).values
        self.steps.append(best[:, 0] - best[:, 1])
        return scores


def load_lmm(
    model: str | Path,
    *,
    revision: str | None = None,
    precision: PrecisionOrAuto = "auto",
    device: Device = "auto",
) -> Lmm:
    """Load a model with its weights and its processor.

    Its own settings of generation, such as a temperature or a penalty on repetition, are left out,
    but for the tokens that end an answer.

    Parameters
    ----------
    model : str or Path
        Id on the hub of huggingface, or a folder as ``save_pretrained`` writes it.
    revision : str, optional
        Branch, tag or commit on the hub.
    precision : {"auto", "fp32", "bf16", "fp16"}
        auto: as the weights are stored.
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    ParameterError
        When precision or device is unknown, or there is no such device.
    ModelError
        When the model cannot be had, is none that answers on images, or lacks weights.
    """
    check_precision(precision, auto=True)
    place = find_device(device)
    with loading(str(model), quiet=True):
        processor = transformers.AutoProcessor.from_pretrained(str(model), revision=revision)
        module, info = transformers.AutoModelForImageTextToText.from_pretrained(
            str(model),
            revision=revision,
            dtype=DTYPES.get(precision, "auto"),
            output_loading_info=True,
        )
        refuse_random(module, info, str(model), "a model of images and text")
        module = module.to(place).eval().requires_grad_(False)
    return _complete(str(model), processor, module, place)


def _complete(name: str, processor: Any, module: Any, device: torch.device) -> Lmm:
    """Check that a model can be asked, and set it to plain greedy answers."""
    config = module.config
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise ModelError(f"{name} has no processor for text and images.", "name another model")
    refuse_wordless(tokenizer, name)
    is_plain = getattr(processor, "chat_template", None) is None
    if is_plain and config.model_type not in _PLAIN_TYPES:
        raise ModelError(
            f"{name} has no chat template, and {config.model_type} no known form of prompts.",
            "put a chat_template.jinja beside its weights, in a folder of your own",
        )
    if module.dtype not in DTYPES.values():
        raise ModelError(
            f"the weights of {name} are stored as {module.dtype}.",
            f"--precision {'|'.join(DTYPES)}",
        )
    ends = module.generation_config.eos_token_id
    ends = tokenizer.eos_token_id if ends is None else ends
    if ends is None:
        raise ModelError(f"{name} does not say which token ends an answer.")
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    module.generation_config = transformers.GenerationConfig(
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    commit = getattr(config, "_commit_hash", None)
    return Lmm(
        name=name,
        revision=commit,
        fingerprint=_fingerprint(Path(name)) if Path(name).is_dir() else f"{name}@{commit}",
        processor=processor,
        module=module,
        device=device,
        is_plain=is_plain,
        max_length=getattr(config.get_text_config(), "max_position_embeddings", None),
    )


def _fingerprint(folder: Path) -> str:
    """SHA-256 of the names and contents of the files in a folder."""
    shown = (file for file in sorted(folder.iterdir()) if not file.name.startswith("."))
    return fingerprint_files(folder, filter(Path.is_file, shown))
