"""Small chat models of transformers: a Llama that has answers by heart, or random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from conceptstats.errors import ModelError

# Of type Any: their annotations do not cover what is called here.
tokenizers: Any = import_module("tokenizers")
transformers: Any = import_module("transformers")

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</turn>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
_SPECIAL = ["<pad>", "<s>", "</turn>", "<user>", "<assistant>", "<unk>"]
_MOST_STEPS = 1000
_TAUGHT = 0.005  # mean loss of a token: answers come with a probability of 0.97 and more


def write_chat(
    folder: Path,
    answers: Mapping[str, str],
    *,
    words: Sequence[str] = (),
    template: str | None = TEMPLATE,
) -> None:
    """Write a Llama that has learned to answer whole conversations.

    Parameters
    ----------
    folder : Path
    answers : mapping
        Of conversations, as the template writes them without its first token, to answers. Where
        there are none the weights are random, and say different things.
    words : sequence of str
        Texts whose words the tokeniser knows, besides.
    template : str, optional

    Raises
    ------
    ModelError
        When it cannot learn so many.
    """
    tokenizer = _word_tokenizer([*words, *answers, *answers.values()], template)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=bool(answers),
        initializer_range=0.02 if answers else 0.3,
    )  # fmt: skip
    model: Any = transformers.LlamaForCausalLM(config)
    if answers:
        _teach_answers(model, tokenizer, answers)
    model.generation_config.temperature = 0.6  # as real models bring settings of their own
    model.generation_config.do_sample = True
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _word_tokenizer(texts: Sequence[str], template: str | None) -> Any:
    """A tokeniser of the words of some texts, each with the blank before it."""
    splitter = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Metaspace(prepend_scheme="never"),
            tokenizers.pre_tokenizers.Punctuation(),
        ]
    )
    words = dict.fromkeys(word for text in texts for word, _ in splitter.pre_tokenize_str(text))
    vocabulary = {word: number for number, word in enumerate([*_SPECIAL, *words])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = tokenizers.decoders.Metaspace(prepend_scheme="never")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</turn>", pad_token="<pad>",
        unk_token="<unk>", additional_special_tokens=["<user>", "<assistant>"],
    )  # fmt: skip
    fast.chat_template = template
    return fast


def _teach_answers(model: Any, tokenizer: Any, answers: Mapping[str, str]) -> None:
    rows = []
    for asked, answer in answers.items():
        prompt = tokenizer(f"<s>{asked}", add_special_tokens=False)["input_ids"]
        said = tokenizer(f"{answer}</turn>", add_special_tokens=False)["input_ids"]
        rows.append((prompt + said, [-100] * len(prompt) + said))
    longest = max(len(tokens) for tokens, _ in rows)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([tokens + [pad] * (longest - len(tokens)) for tokens, _ in rows])
    labels = torch.tensor([said + [-100] * (longest - len(said)) for _, said in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(_MOST_STEPS):
        loss = model(input_ids=ids, labels=labels).loss
        if loss < _TAUGHT:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    else:
        raise ModelError(f"so small a model cannot learn {len(rows)} answers.", "fewer probes")
    model.eval()
