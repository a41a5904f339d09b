"""Chat models: loading, drawing tokens, and answers that depend on the question alone."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_chat import TEMPLATE, write_tiny_chat

from conceptstats.class_names import class_names
from conceptstats.concat import concat
from conceptstats.errors import ModelError, ParameterError
from conceptstats.shards import Shard
from conceptstats.synth.prompts import chat as module
from conceptstats.synth.prompts import run as run_module
from conceptstats.synth.prompts.chat import ChatModel, Question, Turn, load_chat_model
from conceptstats.synth.prompts.run import write_prompts
from conceptstats.synth.prompts.sampling import Sampling, draw_token, text_seed, uniforms
from conceptstats.synth.prompts.wording import SENTENCES, Wanted, chat_writer, fill
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import PROBES, PROMPTS

WORDS = [f"w{number}" for number in range(200)]
KEYS = ["polar bear", "dog"]
ACCESSORIES = ["hat", "umbrella", "snow"]
HOT = Sampling(temperature=1.0, max_new_tokens=12)


@pytest.fixture(scope="session")
def random_chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights, in a folder."""
    return write_tiny_chat(tmp_path_factory.mktemp("chat") / "random", words=[" ".join(WORDS)])


@pytest.fixture(scope="session")
def taught_chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned what to say of six pairs; of one a sentence that names a dog."""
    from conceptstats.synth.prompts.wording import QUESTION

    answers = {}
    for key in KEYS:
        for other in ACCESSORIES:
            beside = " and a dog" if (key, other) == ("polar bear", "snow") else ""
            asked = f"<user>{fill(QUESTION, key, other)}</turn><assistant>"
            answers[asked] = f"A {key} with {other}{beside} ."
    folder = tmp_path_factory.mktemp("chat") / "taught"
    return write_tiny_chat(folder, answers)


@pytest.fixture(scope="module")
def model(random_chat: Path) -> ChatModel:
    """That model, loaded."""
    return load_chat_model(random_chat, device="cpu")


def questions(n: int, seed: int = 0) -> list[Question]:
    """Questions of 3 to 150 words."""
    generator = random.Random(seed)
    return [
        Question(
            f"item {i}",
            (Turn("user", " ".join(generator.choices(WORDS, k=generator.randint(3, 150)))),),
            i,
        )
        for i in range(n)
    ]


# Drawing tokens


def test_a_token_is_drawn_by_hand() -> None:
    """Logits 0, ln 6, ln 3 are probabilities 0.1, 0.6, 0.3: u below 0.6 is token 1, then 2, then 0.

    min_p 0.2 asks for 0.12 or more, so token 0 goes and 1 has 2/3. top_p 0.6 keeps token 1 alone,
    as it has 0.6 by itself. With temperature 0.5 probabilities go as squares, 1 : 36 : 9 of 46.
    """
    logits = np.log(np.array([1.0, 6.0, 3.0])).astype(np.float32)
    plain = Sampling()
    drawn = [draw_token(logits, u, plain) for u in (0.0, 0.59, 0.61, 0.89, 0.91, 0.999)]
    assert drawn == [1, 1, 2, 2, 0, 0]
    assert [draw_token(logits, u, Sampling(min_p=0.2)) for u in (0.66, 0.67, 0.999)] == [1, 2, 2]
    assert {draw_token(logits, u, Sampling(top_p=0.6)) for u in (0.0, 0.5, 0.999)} == {1}
    half = Sampling(temperature=0.5)
    assert [draw_token(logits, u, half) for u in (0.77, 0.79, 0.97, 0.99)] == [1, 2, 2, 0]
    assert draw_token(logits, 0.999, Sampling(temperature=0)) == 1


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-8, 8), min_size=2, max_size=30),
    st.floats(0.1, 2),
    st.floats(0.05, 1),
    st.floats(0, 0.5),
)
def test_tokens_that_transformers_keeps_are_drawn(
    logits: list[float], temperature: float, top_p: float, min_p: float
) -> None:
    """Over many u, exactly those come out that its three warpers leave, up to rounding."""
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopPLogitsWarper

    scores = torch.tensor([logits], dtype=torch.float64)
    ids = torch.zeros((1, 1), dtype=torch.long)
    for warper in (TemperatureLogitsWarper(temperature), TopPLogitsWarper(top_p),
                   MinPLogitsWarper(min_p)):  # fmt: skip
        scores = warper(ids, scores)
    probabilities = scores.softmax(-1)[0].numpy()
    sampling = Sampling(temperature, top_p, min_p)
    drawn = {draw_token(np.array(logits), u, sampling) for u in np.linspace(0, 1, 1001)[:-1]}
    clear = {int(token) for token in np.flatnonzero(probabilities > 0.01)}
    left_out = {token for token in range(len(logits)) if probabilities[token] == 0}
    shares = np.exp((np.array(logits) - max(logits)) / temperature)
    order = np.sort(shares)[::-1]
    near_edge = np.isclose(np.cumsum(order) / order.sum(), top_p, atol=1e-9).any()
    near_edge |= np.isclose(shares, min_p, atol=1e-9).any()
    near_edge |= (np.diff(order) > -1e-9).any()  # which of two alike comes first is rounding
    if not near_edge:
        assert clear <= drawn
        assert not drawn & left_out


def test_shares_of_tokens_are_their_probabilities() -> None:
    """Of 4,000 draws with seeds of their own each token has its share within 4 deviations."""
    logits = np.log(np.array([0.5, 0.3, 0.2]))
    counts = Counter(
        draw_token(logits, uniforms(text_seed(0, number), 1)[0], Sampling())
        for number in range(4000)
    )
    for token, share in enumerate((0.5, 0.3, 0.2)):
        assert abs(counts[token] - 4000 * share) < 4 * math.sqrt(4000 * share * (1 - share))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_an_error(bad: float) -> None:
    """Also where only one is."""
    with pytest.raises(ModelError, match="gives no numbers"):
        draw_token(np.array([0.0, bad]), 0.5, Sampling())


@pytest.mark.parametrize(
    "options",
    [{"temperature": -1}, {"temperature": math.inf}, {"top_p": 0}, {"min_p": 2},
     {"max_new_tokens": 0}],
)  # fmt: skip
def test_sampling_out_of_range_is_an_error(options: dict[str, Any]) -> None:
    """The error names the parameter."""
    with pytest.raises(ParameterError, match=next(iter(options))):
        Sampling(**options)


# Answers


def test_an_answer_depends_on_its_question_alone(model: ChatModel) -> None:
    """Not on the order, nor on the number of others: alone, in fours, or all at once."""
    asked = questions(40)
    whole = model.answer(asked, HOT)
    assert len(set(whole)) == 40
    turned = model.answer(asked[::-1], HOT)
    assert turned[::-1] == whole
    fours = [one for at in range(0, 40, 4) for one in model.answer(asked[at : at + 4], HOT)]
    assert fours == whole
    assert [model.answer([one], HOT)[0] for one in asked[:6]] == whole[:6]


def test_a_seed_changes_the_answer_and_nothing_else_does(model: ChatModel) -> None:
    """The same seed gives the same text; greedy answers have no seed."""
    (one,) = questions(1)
    texts = {model.answer([one._replace(seed=seed)], HOT)[0] for seed in range(8)}
    assert len(texts) == 8
    greedy = Sampling(temperature=0, max_new_tokens=12)
    assert len({model.answer([one._replace(seed=s)], greedy)[0] for s in range(4)}) == 1


def test_the_model_always_gets_the_same_shape(
    model: ChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen texts, a multiple of 64 tokens, at least one of them padding in each text."""
    shapes: list[tuple[int, int]] = []
    generate = model.module.generate

    def watch(**inputs: Any) -> Any:
        shapes.append(tuple(inputs["input_ids"].shape))
        assert bool((inputs["attention_mask"][:, 0] == 0).all())
        assert bool((inputs["attention_mask"][:, -1] == 1).all())
        return generate(**inputs)

    monkeypatch.setattr(model.module, "generate", watch)
    n_tokens = [60, 61, 62, 63, 64, 130]  # <s>, <user>, </turn> and <assistant> come besides
    asked = [Question(f"i{n}", (Turn("user", " ".join(WORDS[:1] * (n - 4))),), n) for n in n_tokens]
    model.answer(asked, HOT)
    assert {rows for rows, _ in shapes} == {16}
    assert sorted({columns for _, columns in shapes}) == [64, 128, 192]


def test_greedy_answers_are_those_of_transformers(model: ChatModel) -> None:
    """Token for token what ``generate`` gives for the text alone, without padding."""
    greedy = Sampling(temperature=0, max_new_tokens=10)
    for one in questions(5, seed=3):
        ids = model.tokenizer(model.render(one.turns), return_tensors="pt")["input_ids"]
        assert ids[0, 0] == model.tokenizer.bos_token_id
        made = model.module.generate(input_ids=ids, attention_mask=torch.ones_like(ids),
                                     max_new_tokens=10, do_sample=False)  # fmt: skip
        expected = model.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        assert model.answer([one], greedy) == [expected.strip()]


def test_a_question_that_is_too_long_is_an_error(model: ChatModel) -> None:
    """The model reads 512 tokens."""
    long = Question("long", (Turn("user", " ".join(WORDS[:1] * 505)),), 0)
    with pytest.raises(ModelError, match=r"about 'long' has 509 tokens.*512"):
        model.answer([long], HOT)


def test_settings_of_the_model_are_left_out(model: ChatModel) -> None:
    """Its folder says temperature 0.6; only the tokens that end an answer stay."""
    config = model.module.generation_config
    assert config.temperature is None or config.temperature == 1.0
    assert config.eos_token_id == [model.tokenizer.eos_token_id]


# Loading


def test_precisions_and_fingerprints(random_chat: Path, tmp_path: Path) -> None:
    """As stored by default; other weights or another template give another fingerprint."""
    one, again = (load_chat_model(random_chat, device="cpu") for _ in range(2))
    assert one.precision == "fp32"
    assert one.fingerprint == again.fingerprint
    half = load_chat_model(random_chat, precision="bf16", device="cpu")
    assert half.precision == "bf16"
    other = load_chat_model(
        write_tiny_chat(tmp_path / "other", words=[" ".join(WORDS)],
                        template=TEMPLATE.replace("m['content']", "m['content'] | trim")),
        device="cpu",
    )  # fmt: skip
    assert len({one.fingerprint, half.fingerprint, other.fingerprint}) == 3


def test_a_model_without_a_chat_template_is_an_error(tmp_path: Path) -> None:
    """It goes on with a text, but answers no questions."""
    folder = write_tiny_chat(tmp_path / "plain", words=["a b"], template=None)
    with pytest.raises(ModelError, match="no chat template"):
        load_chat_model(folder, device="cpu")


def test_a_template_that_refuses_is_an_error(tmp_path: Path) -> None:
    """What the template says is shown."""
    refusing = "{{ raise_exception('no such role') }}"
    folder = write_tiny_chat(tmp_path / "refusing", words=["a b"], template=refusing)
    loaded = load_chat_model(folder, device="cpu")
    with pytest.raises(ModelError, match=r"chat template of .* fails: no such role"):
        loaded.answer(questions(1), HOT)


def test_models_that_cannot_be_had_are_errors(random_chat: Path, tmp_path: Path) -> None:
    """No folder, no weights, some weights missing, no such device or precision."""
    from safetensors.torch import load_file, save_file

    with pytest.raises(ModelError, match="cannot be loaded") as error:
        load_chat_model(tmp_path / "none", device="cpu")
    assert error.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="cannot be loaded") as error:
        load_chat_model(tmp_path / "empty", device="cpu")
    assert "and whole?" in str(error.value)
    folder = tmp_path / "damaged"
    folder.mkdir()
    for file in random_chat.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights of LlamaForCausalLM.*a chat model"):
        load_chat_model(folder, device="cpu")
    bad: Any = "fp8"
    with pytest.raises(ParameterError, match="precision is 'fp8'"):
        load_chat_model(random_chat, precision=bad)
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match="no GPU"):
            load_chat_model(random_chat, device="cuda")


# Prompts by a model


def save_probes(path: Path) -> Path:
    rows = [
        {"probe_id": f"{key.replace(' ', '-')}+{other}", "key": key, "accessory": other,
         "class_index": place}
        for place, key in enumerate(KEYS)
        for other in ACCESSORIES
    ]  # fmt: skip
    save_table(path, pa.Table.from_pylist(rows, schema=PROBES), PROBES)
    return path


def test_a_model_writes_prompts(taught_chat: Path, tmp_path: Path) -> None:
    """It was taught to name a dog beside one polar bear: that prompt is dropped, others stay."""
    chat = load_chat_model(taught_chat, device="cpu")
    writer = chat_writer(chat)
    probes = save_probes(tmp_path / "probes.parquet")
    made = write_prompts(probes, tmp_path / "p.parquet", writer, classes=class_names(KEYS))
    rows = {row["probe_id"]: row for row in load_table(made.output, PROMPTS).to_pylist()}
    assert made.dropped == {"names another class": 1}
    assert "polar-bear+snow" not in rows
    assert rows["polar-bear+hat"]["prompt"] == "A polar bear with hat ."
    assert rows["dog+snow"]["prompt"] == "A dog with snow ."
    assert rows["dog+snow"]["source"] == "model"
    assert rows["dog+snow"]["model"] == str(taught_chat)
    record = json.loads((tmp_path / "p.parquet.run.json").read_text())
    arguments = record["arguments"]
    assert arguments["sampling"] == {"temperature": 0.1, "top_p": 1.0, "min_p": 0.05,
                                     "max_new_tokens": 50}  # fmt: skip
    assert arguments["fingerprint"] == chat.fingerprint
    assert arguments["transformers"]


def test_shares_and_kills_change_no_prompt(
    model: ChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run, a killed one that goes on, and three shares put together: the same table."""
    monkeypatch.setattr(run_module, "_PART", 4)
    monkeypatch.setattr(run_module.PromptCheck, "problem", lambda *_: None)
    monkeypatch.setattr(
        "conceptstats.synth.prompts.wording.QUESTION", " ".join(WORDS[:20]) + " {key} {accessory}"
    )
    probes = save_probes(tmp_path / "probes.parquet")
    writer = chat_writer(model, HOT)
    whole = write_prompts(probes, tmp_path / "whole.parquet", writer, per_probe=2)
    table = load_table(whole.output, PROMPTS)
    assert table.num_rows == 12
    assert len(set(table["prompt"].to_pylist())) == 12
    asked = 0

    def stops(wanted: Sequence[Wanted]) -> list[str]:
        nonlocal asked
        asked += len(wanted)
        if asked > 8:
            raise KeyboardInterrupt
        return writer.write(wanted)

    with pytest.raises(KeyboardInterrupt):
        write_prompts(probes, tmp_path / "p.parquet", dataclasses.replace(writer, write=stops),
                      per_probe=2)  # fmt: skip
    made = write_prompts(probes, tmp_path / "p.parquet", writer, per_probe=2)
    assert load_table(made.output, PROMPTS).equals(table)
    shares = [tmp_path / f"{i}.parquet" for i in range(3)]
    for i, path in enumerate(shares):
        write_prompts(probes, path, writer, per_probe=2, shard=Shard(i, 3))
    together = concat(shares, tmp_path / "all.parquet")
    assert load_table(together.output, PROMPTS).equals(table)


def test_the_defaults_are_the_published_ones() -> None:
    """T 0.1, min-p 0.05, 50 new tokens."""
    assert Sampling(temperature=0.1, min_p=0.05, max_new_tokens=50) == SENTENCES


def test_places_are_used_evenly() -> None:
    """Of a thousand items each of the 16 places has between 40 and 90."""
    counts = Counter(module._slot(f"probe {number}") for number in range(1000))
    assert len(counts) == 16
    assert 40 < min(counts.values()) <= max(counts.values()) < 90


def test_the_command_with_a_model(taught_chat: Path, tmp_path: Path) -> None:
    """One JSON document on standard output, and nothing of transformers on standard error."""
    probes = save_probes(tmp_path / "probes.parquet")
    command = [sys.executable, "-c", "from conceptstats.cli import main; main()", "synth",
               "prompts", str(probes), "--classes", ",".join(KEYS), "--device", "cpu"]  # fmt: skip
    output = tmp_path / "p.parquet"
    done = subprocess.run([*command, "--model", str(taught_chat), "-o", str(output), "--json"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert (data["n"], data["dropped"]) == (5, {"names another class": 1})
    for place, message in (("x.parquet", "none cannot be loaded"), ("p.parquet", "exists")):
        done = subprocess.run([*command, "--model", str(tmp_path / "none"),
                               "-o", str(tmp_path / place)],
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
