"""Chat models of transformers: loaded, prompted, and asked for seeded answers."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import transformers
from transformers import GenerationConfig, LogitsProcessorList

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
from conceptstats.models.weights import fingerprint_of, refuse_random

from .sampling import Sampling, draw_token, uniforms

_AT_ONCE = 16  # texts that a model always gets; empty places are filled up
_STEP = 64  # prompts are padded to a multiple of so many tokens


class Turn(NamedTuple):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


class Question(NamedTuple):
    """A conversation that waits for the model's turn."""

    item: str  # what it is about
    turns: tuple[Turn, ...]
    seed: int


class _Encoded(NamedTuple):
    """A question as the model takes it."""

    place: int  # among the questions
    tokens: list[int]
    seed: int


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A chat model with its tokeniser.

    An answer depends on the question and its seed alone. The last digits of a product of matrices
    depend on its shape, and on the place in it, so the model always gets 16 texts at once, padded
    on the left to the next multiple of 64 tokens; a text has its place from what it is about, and
    places without a text are filled up. What that costs: of a thousand questions,
    about one place in five is empty; of a single one, fifteen in sixteen. In models with experts
    how tokens are grouped can depend on the other texts too, and so can the last digits.

    Parameters
    ----------
    name : str
        Id on the hub, or folder.
    fingerprint : str
        Differs between models that may answer differently.
    tokenizer, module : Any
        Of transformers.
    device : torch.device
    """

    name: str
    fingerprint: str
    tokenizer: Any
    module: Any
    device: torch.device

    @property
    def precision(self) -> str:
        """Of the weights."""
        return {dtype: name for name, dtype in DTYPES.items()}.get(
            self.module.dtype, str(self.module.dtype)
        )

    @property
    def settings(self) -> dict[str, Any]:
        """All that answers depend on, besides question, seed and sampling."""
        return {
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "device": self.device.type,
            "torch": version("torch"),
            "transformers": version("transformers"),
        }

    def render(self, turns: Sequence[Turn]) -> str:
        """The text of a conversation, up to the model's turn.

        Raises
        ------
        ModelError
            When the model's template takes no such conversation.
        """
        try:
            text = self.tokenizer.apply_chat_template(
                [{"role": turn.role, "content": turn.text} for turn in turns],
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=False,  # models that reason aloud would use up all tokens
            )
        except Exception as error:  # of the template, which is a program
            raise ModelError(f"the chat template of {self.name} fails: {error}.") from error
        return str(text)

    def answer(self, questions: Sequence[Question], sampling: Sampling) -> list[str]:
        """Answer questions, in their order.

        Raises
        ------
        ModelError
            When the model gives no numbers, memory does not suffice, or a question is too long.
        """
        queues: dict[int, list[deque[_Encoded]]] = defaultdict(
            lambda: [deque() for _ in range(_AT_ONCE)]
        )
        for place, question in enumerate(questions):
            tokens = self._encode(question, sampling)
            length = _STEP * (len(tokens) // _STEP + 1)  # so that at least one token is padding
            queues[length][_slot(question.item)].append(_Encoded(place, tokens, question.seed))
        answers: dict[int, str] = {}
        for length, slots in sorted(queues.items()):
            while any(slots):
                batch = [queue.popleft() if queue else None for queue in slots]
                for one, answer in zip(batch, self._generate(batch, length, sampling), strict=True):
                    if one is not None:
                        answers[one.place] = answer
        return [answers[place] for place in range(len(questions))]

    def _encode(self, question: Question, sampling: Sampling) -> list[int]:
        # The template has written the token that begins a text, where there is one.
        text = self.render(question.turns)
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        longest = getattr(self.module.config, "max_position_embeddings", None)
        n = len(tokens) + sampling.max_new_tokens
        if longest is not None and n > longest:
            raise ModelError(
                f"the question about {question.item!r} has {len(tokens):,} tokens; with the answer "
                f"that is more than the {longest:,} of {self.name}."
            )
        return tokens

    @torch.inference_mode()
    def _generate(
        self, batch: Sequence[_Encoded | None], length: int, sampling: Sampling
    ) -> list[str]:
        config = self.module.generation_config
        pad, ends = config.pad_token_id, config.eos_token_id
        ids = torch.full((len(batch), length), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(batch):
            tokens = [pad] if one is None else one.tokens
            ids[row, length - len(tokens) :] = torch.tensor(tokens)
            mask[row, length - len(tokens) :] = 1
        draw = _Draw([None if one is None else one.seed for one in batch], ends[0], sampling)
        with enough_memory(f"{_AT_ONCE} texts at once by {self.name}", self.device):
            made = self.module.generate(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                    do_sample=False,  # tokens are drawn by the processor
                    max_new_tokens=sampling.max_new_tokens,
                    pad_token_id=pad,
                    eos_token_id=ends,
                ),
                logits_processor=LogitsProcessorList([draw]),
            )
        return [self._read(row, ends) for row in made[:, length:].tolist()]

    def _read(self, tokens: list[int], ends: list[int]) -> str:
        """An answer up to the token that ends it; what is behind that is padding."""
        end = next((at for at, token in enumerate(tokens) if token in ends), None)
        return str(self.tokenizer.decode(tokens[:end], skip_special_tokens=True)).strip()


def _slot(item: str) -> int:
    """The place of a text in its batch, from what it is about."""
    return hashlib.blake2b(item.encode(), digest_size=1).digest()[0] % _AT_ONCE


class _Draw:
    """Draws the next token of each text, and leaves no other to choose from."""

    def __init__(self, seeds: Sequence[int | None], end: int, sampling: Sampling) -> None:
        n = sampling.max_new_tokens
        self._numbers = [None if seed is None else uniforms(seed, n) for seed in seeds]
        self._end = end
        self._sampling = sampling
        self._step = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """One step, of all texts; on the CPU in double precision, so alike on all devices."""
        rows = scores.float().cpu().numpy()
        chosen = [
            self._end if numbers is None else draw_token(row, numbers[self._step], self._sampling)
            for row, numbers in zip(rows, self._numbers, strict=True)
        ]
        self._step += 1
        only = torch.full_like(scores, -torch.inf)
        only[torch.arange(len(chosen)), torch.tensor(chosen)] = 0
        return only


def load_chat_model(
    model: str | Path,
    *,
    revision: str | None = None,
    precision: PrecisionOrAuto = "auto",
    device: Device = "auto",
    quiet: bool = False,
) -> ChatModel:
    """Load a chat model with its weights; never one without.

    Its own settings of generation, such as a temperature or a penalty on repetition, are left out,
    but for the tokens that end an answer.

    Parameters
    ----------
    model : str or Path
        Id on the Hugging Face hub, or a folder as ``save_pretrained`` writes it.
    revision : str, optional
        On the hub: a branch, a tag or a commit.
    precision : {"auto", "fp32", "bf16", "fp16"}
        auto: as the weights are stored.
    device : {"auto", "cpu", "cuda"}
    quiet : bool
        Show no progress of downloads.

    Raises
    ------
    ParameterError
        When precision or device is unknown, or there is no such device.
    ModelError
        When the model cannot be had, is no chat model, or lacks weights.
    """
    check_precision(precision, auto=True)
    place = find_device(device)
    name = str(model)
    with loading(name, quiet=quiet):
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, revision=revision)
        refuse_wordless(tokenizer, name)
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            name,
            revision=revision,
            dtype=DTYPES.get(precision, "auto"),
            output_loading_info=True,
        )
        module, info = loaded
        refuse_random(module, info, name, "a chat model")
        module = module.to(place).eval().requires_grad_(False)
    _set_up(name, tokenizer, module)
    words = json.dumps([tokenizer.chat_template, tokenizer.get_vocab()], sort_keys=True)
    return ChatModel(
        name=f"{name}@{revision}" if revision else name,
        fingerprint=fingerprint_of(module, words),
        tokenizer=tokenizer,
        module=module,
        device=place,
    )


def _set_up(name: str, tokenizer: Any, module: Any) -> None:
    """Check that a model can be asked, and leave only the ends of answers of its settings."""
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"{name} has no chat template: it goes on with a text, but answers no questions.",
            "name an instruction-tuned model, often called -Instruct or -it",
        )
    ends = module.generation_config.eos_token_id
    ends = tokenizer.eos_token_id if ends is None else ends
    if ends is None:
        raise ModelError(f"{name} does not say which token ends an answer.")
    ends = ends if isinstance(ends, list) else [ends]
    pad = tokenizer.pad_token_id
    module.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=ends,
        pad_token_id=ends[0] if pad is None else pad,
        bos_token_id=tokenizer.bos_token_id,
    )
