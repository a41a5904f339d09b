"""Image-text-to-text models of transformers: loaded, prompted, and asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import torch
from PIL import Image

from conceptstats.errors import ModelError, ParameterError
from conceptstats.table_files import fingerprint

from ..models import find_device, is_full

if TYPE_CHECKING:
    from ..models import Device

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Models that are prompted as LLaVA was trained, when their folder has no chat template.
_PLAIN_TYPES = ("llava", "llava_next", "vipllava")


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
        return {dtype: name for name, dtype in _DTYPES.items()}[self.module.dtype]

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
        from transformers import LogitsProcessorList

        leads = _Leads()
        n_prompts, n_tokens = inputs["input_ids"].shape
        with _memory_errors(n_prompts):
            moved = inputs.to(self.device, dtype=self.module.dtype)
            made = self.module.generate(
                **moved,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                logits_processor=LogitsProcessorList([leads]),
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


@contextmanager
def _memory_errors(n_prompts: int) -> Iterator[None]:
    """Say what to do when memory runs out; finished answers are kept."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_full(error):
            raise
        raise ModelError(
            f"memory does not suffice for {n_prompts} questions at once.",
            "a smaller --batch-size, or --precision bf16; the same command goes on from here",
        ) from error


def load_lmm(
    model: str | Path,
    *,
    revision: str | None = None,
    precision: Precision = "auto",
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
    if precision not in get_args(Precision):
        raise ParameterError(
            f"precision is {precision!r}, expected {' or '.join(get_args(Precision))}."
        )
    place = find_device(device)
    with _loading(str(model)):
        transformers: Any = import_module("transformers")  # its types are not whole
        processor = transformers.AutoProcessor.from_pretrained(str(model), revision=revision)
        module, info = transformers.AutoModelForImageTextToText.from_pretrained(
            str(model),
            revision=revision,
            dtype=_DTYPES.get(precision, "auto"),
            output_loading_info=True,
        )
        module = module.to(place).eval().requires_grad_(False)
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{model} lacks {len(missing):,} weights, such as {missing[0]}; its answers would be "
            "random.",
            "is the download whole?",
        )
    return _complete(str(model), processor, module, place)


def _complete(name: str, processor: Any, module: Any, device: torch.device) -> Lmm:
    """Check that a model can be asked, and set it to plain greedy answers."""
    transformers: Any = import_module("transformers")
    config = module.config
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise ModelError(f"{name} has no processor for text and images.", "name another model")
    is_plain = getattr(processor, "chat_template", None) is None
    if is_plain and config.model_type not in _PLAIN_TYPES:
        raise ModelError(
            f"{name} has no chat template, and {config.model_type} no known form of prompts.",
            "put a chat_template.jinja beside its weights, in a folder of your own",
        )
    if module.dtype not in _DTYPES.values():
        raise ModelError(
            f"the weights of {name} are stored as {module.dtype}.",
            f"--precision {'|'.join(_DTYPES)}",
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
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            digest.update(f"{file.name}\t{fingerprint(file)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


@contextmanager
def _loading(model: str) -> Iterator[None]:
    """Turn what goes wrong as a model is loaded into errors; its log and bars are not shown."""
    try:
        logging: Any = import_module("transformers.utils.logging")
    except ImportError as error:
        raise ModelError(
            "transformers is not installed.", "pip install 'conceptstats[models]'"
        ) from error
    level, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # of transformers, torch, safetensors, the hub, the network
        reason = shorten(" ".join(str(error).split()) or type(error).__name__, 300)
        raise ModelError(f"{model} cannot be loaded: {reason}", _hint(model, error)) from error
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()


def _hint(model: str, error: Exception) -> str:
    if is_full(error):
        return "memory does not suffice: --precision bf16, or a smaller model"
    kinds = {type(part).__name__ for part in (error, error.__cause__, error.__context__)}
    if "GatedRepoError" in kinds or "gated repo" in str(error):
        return "accept its terms on the hub, and log in with: hf auth login"
    if Path(model).is_dir():
        return (
            "a folder as save_pretrained writes it: a model of images and text, and its processor"
        )
    return (
        "an id on the hub as ORG/NAME; without a network, download it elsewhere and name its folder"
    )
