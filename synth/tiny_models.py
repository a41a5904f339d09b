"""Small models of the real classes, saved as real ones are, to try a chain of commands with.

Pictures by them are noise with colours. What must come to something for a chain to go on is taught
in seconds: the judge says yes, the writer has its sentences by heart, SAM cuts out the middle.
"""

from __future__ import annotations

import string
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from conceptstats.errors import ModelError
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import load_table
from conceptstats.tables import PROBES, writing_folder

from .tiny_pipelines import write_flux, write_stable_diffusion

# Of type Any: their annotations do not cover what is called here.
tokenizers: Any = import_module("tokenizers")
transformers: Any = import_module("transformers")

MARK = "run.json"  # a folder that has it was made here
_SIDE = 64  # pixels of what SAM sees
_SEEN = 96  # ... and OWLv2
_WORDS = 16  # tokens that OWLv2 reads, as a big one
_MOST_STEPS = 600
_TAUGHT = 0.01  # mean loss of a token: answers come with a probability of 0.95 and more
_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</turn>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
_SPECIAL = ["<pad>", "<s>", "</turn>", "<user>", "<assistant>", "<unk>"]
_SENTENCE = "A photo of a {key} and {accessory}."


@contextmanager
def _without_bars() -> Iterator[None]:
    """Show no progress of saving some kilobytes."""
    log = transformers.utils.logging
    shown = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            log.enable_progress_bar()


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
    ModelError
        When the writer has no probes, or cannot learn so many.
    TableError, OutputExistsError, OutputError
    """
    output = Path(output)
    rows = [] if probes is None else load_table(probes, PROBES).to_pylist()
    with (
        writing_folder(output, MARK, overwrite=overwrite) as folder,
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries about each other
        torch.manual_seed(seed)
        with _without_bars():
            KINDS[kind](folder, rows)
        record = run_record("synth tiny-model", {"kind": kind}, {}, seed, packages=("torch",))
        dump_json(folder / MARK, record)
    return output


def _writer(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    from .prompts.wording import QUESTION, fill

    if not rows:
        raise ModelError("a writer needs probes to learn.", "--probes PROBES")
    pairs = [(row["key"], row["accessory"]) for row in rows]
    asked = [f"<user>{fill(QUESTION, *pair)}</turn><assistant>" for pair in pairs]
    _chat(folder, dict(zip(asked, (fill(_SENTENCE, *pair) for pair in pairs), strict=True)))


def _judge(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    _chat(folder, {"<user>Word: </turn><assistant>": "yes", "<assistant>": "yes"})


def _chat(folder: Path, answers: Mapping[str, str]) -> None:
    """A Llama that has learned to answer whole conversations."""
    tokenizer = _word_tokenizer([*answers, *answers.values()])
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=True,
    )  # fmt: skip
    model: Any = transformers.LlamaForCausalLM(config)
    _teach_answers(model, tokenizer, answers)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _word_tokenizer(texts: Sequence[str]) -> Any:
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
    fast.chat_template = _TEMPLATE
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


def _owlv2(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    letters = string.printable.split(" ")[0]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "ph", "pho", "phot"]
    tokens += ["photo</w>", "of</w>", "<|startoftext|>", "<|endoftext|>"]
    merges = [("p", "h"), ("ph", "o"), ("pho", "t"), ("phot", "o</w>"), ("o", "f</w>")]
    tokenizer = transformers.CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=merges,
        pad_token="!", model_max_length=_WORDS,
    )  # fmt: skip
    tower = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 2}  # fmt: skip
    words = {
        "vocab_size": len(tokenizer), "max_position_embeddings": _WORDS,
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
