from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from vqa_files import ASKED, llava_lines, make_answers, vqa_annotations, vqa_questions

from conceptstats import CaptionIndex, build_index, reference
from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError
from conceptstats.eval.statistics.correlate import correlate
from conceptstats.eval.vqa import pair_means as pair_means_module
from conceptstats.eval.vqa.answers import read_answers
from conceptstats.eval.vqa.concepts import find_mentions
from conceptstats.eval.vqa.examples import (
    VqaExamples,
    make_example_files,
    make_examples,
    most_frequent,
)
from conceptstats.eval.vqa.pair_means import Sets, count_pairs, pair_means
from conceptstats.eval.vqa.questions import TYPED_QUESTIONS, Gold, read_questions
from conceptstats.eval.vqa.score import Scored, score_answers
from conceptstats.table_files import load_table
from conceptstats.tables import EXAMPLES

SAID = {"1": "A puppy.", "2": "Frisbees", "3": "no"}
CAPTIONS = (
    ["dog puppy animal"] * 4
    + ["dog frisbee run"] * 6
    + ["animal run dog"] * 10
    + ["red car"] * 10
    + ["frisbee"] * 10
    + ["yes"] * 60
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """100 captions: dog 20, animal 14, run 16, puppy 4, frisbee 16, red and car 10, yes 60."""
    folder = tmp_path_factory.mktemp("vqa")
    (folder / "captions.txt").write_text("\n".join(CAPTIONS) + "\n", encoding="utf-8")
    return CaptionIndex.open(build_index(folder / "captions.txt", folder / "index"))


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """Answers to three questions, judged."""
    gold = read_questions(
        vqa_questions(tmp_path / "q.json"), [vqa_annotations(tmp_path / "a.json")]
    )
    return score_answers(gold, read_answers(llava_lines(tmp_path / "p.jsonl", SAID)), "textvqa")


def rows(made: VqaExamples) -> list[dict[str, Any]]:
    return list(made.table.to_pylist())


def test_gold_answers(scored: Scored, index: CaptionIndex) -> None:
    """Mean PMI over the pairs of "What animal runs?" and people's answer, puppy.

    Of 100 captions 14 have animal, 16 run, 4 puppy. animal and run: 10 captions, ln(10 * 100 / (14
    * 16)) = ln 4.464286 = 1.496109. animal and puppy: 4, ln(4 * 100 / (14 * 4)) = ln 7.142857 =
    1.966113. run and puppy: never, left out of the mean: (1.496109 + 1.966113) / 2 = 1.731111.
    Between answer and question, of those seen: 1.966113.
    """
    first, second, third = rows(make_examples(scored, index))
    assert first["concepts"] == "run, animal, puppy"  # in the order of the vocabulary
    assert first["pmi"] == pytest.approx(1.731111, abs=1e-6)
    assert first["pmi_min"] == -math.inf
    assert first["pmi_answer_question"] == pytest.approx(1.966113, abs=1e-6)
    assert (first["n_pairs"], first["n_unseen_pairs"]) == (3, 1)
    assert first["share_unseen"] == pytest.approx(1 / 3)
    assert first["log_n_concept"] == pytest.approx(math.log(14 * 16 * 4) / 3)
    assert (first["length"], first["n_characters"], first["answer_length"]) == (3, 17, 1)
    assert (first["example_id"], first["outcome"], first["image"]) == ("1", 1.0, "i1")
    assert (first["question"], first["answer"]) == ("what animal runs?", "puppy")
    assert first["question_type"] == "what"
    # "How many dogs?", and people say two or three: both are unknown here, one concept has no pair.
    assert (second["concepts"], second["unknown"], second["n_unknown"]) == ("dog", "two", 1)
    assert second["pmi"] is second["pmi_min"] is second["share_unseen"] is None
    # "Is it red?" yes: never together.
    assert (third["concepts"], third["pmi"]) == ("yes, red", -math.inf)
    assert third["pmi_answer_question"] == third["pmi_min"] == -math.inf


def test_predicted_answers(scored: Scored, index: CaptionIndex) -> None:
    """The model's own words; "no", which the profile drops, is an unknown concept."""
    made = make_examples(scored, index, answer="predicted")
    first, second, third = rows(made)
    assert (first["concepts"], first["answer"]) == ("run, animal, puppy", "a puppy.")
    assert second["concepts"] == "dog, frisbee"
    assert second["pmi"] == pytest.approx(math.log(6 * 100 / (20 * 16)))
    assert (third["concepts"], third["unknown"], third["pmi"]) == ("red", "no", None)
    assert made.unknown == (("no", 1),)
    found = made.to_json()
    assert (found["n_without_pmi"], found["n_with_unknown"], found["n_unseen"]) == (1, 1, 0)
    assert found["unknown"] == [{"concept": "no", "n": 1}]


def test_ocr_tokens(scored: Scored, index: CaptionIndex) -> None:
    """Dropped unless they are to be kept; then they take part in the mean, and "10" is no concept.

    dog and frisbee: ln(6 * 100 / (20 * 16)) = 0.628609. They are no part of pmi_answer_question.
    """
    kept = rows(make_examples(scored, index, ocr="keep"))
    assert kept[1]["concepts"] == "dog, frisbee"
    assert kept[1]["pmi"] == pytest.approx(0.628609, abs=1e-6)
    assert kept[1]["pmi_answer_question"] is None
    assert kept[0]["n_pairs"] == 6
    place = scored.table.schema.get_field_index("prompt")
    without = scored.table.set_column(place, "prompt", pa.nulls(3, pa.string()))
    with pytest.raises(ParameterError, match="no OCR tokens to keep"):
        make_examples(_with(scored, without), index, ocr="keep")
    place = without.schema.get_field_index("ocr_tokens")
    own = without.set_column(
        place, "ocr_tokens", pa.array([["a car"], [], None], pa.list_(pa.string()))
    )
    kept = rows(make_examples(_with(scored, own), index, ocr="keep"))
    assert [row["n_concepts"] for row in kept] == [4, 1, 2]


def _with(scored: Scored, table: pa.Table) -> Scored:
    names = [name for name in Scored.__slots__ if name != "table"]
    return Scored(table=table, **{name: getattr(scored, name) for name in names})


def test_smoothing(scored: Scored, index: CaptionIndex) -> None:
    """Every pair counts: yes and red, 60 and 10 of 100, never together: ln(0.5 / 6.5)."""
    third = rows(make_examples(scored, index, smoothing=0.5))[2]
    assert third["pmi"] == third["pmi_min"] == pytest.approx(math.log(0.5 / 6.5))
    assert third["n_unseen_pairs"] == 1
    for smoothing in (-1.0, math.inf, math.nan):
        with pytest.raises(ParameterError, match="expected a number of captions"):
            make_examples(scored, index, smoothing=smoothing)
    with pytest.raises(ParameterError, match="constants of its own"):
        make_examples(scored, index, formula="paper", smoothing=0.5)


def test_paper_formula(scored: Scored, index: CaptionIndex) -> None:
    """The values of `CaptionIndex.pmi`; a pair that was never seen has one too."""
    first, _, third = rows(make_examples(scored, index, formula="paper"))
    expected = [
        index.pmi(a, b, formula="paper").pmi for a, b in combinations(["animal", "run", "puppy"], 2)
    ]
    assert first["pmi"] == pytest.approx(np.mean(expected))
    assert first["pmi_min"] == pytest.approx(min(expected))
    assert math.isfinite(third["pmi"])


@pytest.mark.parametrize("option", ["answer", "ocr", "formula"])
def test_unknown_settings(option: str, scored: Scored, index: CaptionIndex) -> None:
    """An error that says what there is."""
    settings_: dict[str, Any] = {option: "other"}
    with pytest.raises(ParameterError, match=f"{option} is 'other', expected"):
        make_examples(scored, index, **settings_)


def test_most_frequent_answer() -> None:
    """After normalisation, in its most frequent spelling; of equals the first, and that is said."""
    assert most_frequent(["2", "two", "two", "3", "3"], "textvqa") == ("two", False)
    assert most_frequent(["cat", "dog", "dog", "cat"], "vqav2") == ("cat", True)
    assert most_frequent(["The dog", "cat", "a dog"], "vqav2") == ("The dog", False)
    assert most_frequent(["yes"], "pope") == ("yes", False)


WORDS = sorted({word for caption in CAPTIONS for word in caption.split()})
SETS = st.lists(
    st.dictionaries(st.sampled_from(WORDS), st.sampled_from(["question", "answer", "both", "ocr"])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(chosen=SETS, block=st.sampled_from([1, 4, 1 << 23]), smoothing=st.sampled_from([0.0, 0.5]))
def test_means_by_hand(
    chosen: list[dict[str, str]], block: int, smoothing: float, index: CaptionIndex
) -> None:
    """Pair by pair with `conceptstats.reference`, whatever the blocks that pairs are taken in."""
    cells = sorted((i, index.concept_id(w), w) for i, words in enumerate(chosen) for w in words)
    parts = [chosen[i][word] for i, _, word in cells]
    sets = Sets(
        np.array([i for i, _, _ in cells], np.int64),
        np.array([concept for _, concept, _ in cells], np.int64),
        np.array([part in ("answer", "both") for part in parts], np.bool_),
        np.array([part in ("question", "both") for part in parts], np.bool_),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_means_module, "_BLOCK", block)
        found = pair_means(index, sets, len(chosen), smoothing=smoothing)
    counts = reference.count([caption.split() for caption in CAPTIONS])

    def value(a: str, b: str) -> float:
        n_a, n_b = counts.n_captions[a], counts.n_captions[b]
        n_ab = counts.n_pairs.get((a, b), counts.n_pairs.get((b, a), 0))
        if smoothing:
            return math.log((n_ab + smoothing) / (n_a * n_b / counts.n + smoothing))
        return reference.pmi(counts.n, n_a, n_b, n_ab)

    def mean(values: list[float]) -> float:
        finite = [x for x in values if math.isfinite(x)]
        return sum(finite) / len(finite) if finite else (-math.inf if values else math.nan)

    for i, words in enumerate(chosen):
        pairs = list(combinations(sorted(words), 2))
        values = [value(a, b) for a, b in pairs]
        across = [
            value(a, b)
            for a, b in pairs
            if {words[a], words[b]} in ({"question", "answer"}, {"both", "question"}, {"both"})
            or {words[a], words[b]} == {"both", "answer"}
        ]
        assert found.n_pairs[i] == len(pairs)
        assert found.pmi[i] == pytest.approx(mean(values), abs=1e-12, nan_ok=True)
        assert found.pmi_min[i] == pytest.approx(min(values, default=math.nan), nan_ok=True)
        assert found.pmi_answer_question[i] == pytest.approx(mean(across), abs=1e-12, nan_ok=True)
        n_unseen = sum(not counts.n_pairs.get(p, counts.n_pairs.get(p[::-1], 0)) for p in pairs)
        assert found.n_unseen_pairs[i] == n_unseen


def test_pairs_are_counted_as_one_by_one(index: CaptionIndex) -> None:
    """All at once gives what `PairTable.count` gives, in the order asked."""
    a, b = (np.array(side) for side in zip(*combinations(range(index.n_concepts), 2), strict=True))
    order = np.random.default_rng(0).permutation(len(a))
    found = count_pairs(index, a[order], b[order])
    assert found.tolist() == [
        index.pairs.count(int(x), int(y)) for x, y in zip(a[order], b[order], strict=True)
    ]
    assert count_pairs(index, a[:0], b[:0]).tolist() == []


def test_mentions(index: CaptionIndex) -> None:
    """Lemmas as captions have them, each once a text; what the vocabulary lacks comes last."""
    found = find_mentions(index, ["Dogs and DOG", "", "a zebra dog", "No!"])
    names = [found.names[i].as_py() for i in found.concept.tolist()]
    assert list(zip(found.text.tolist(), names, strict=True)) == [
        (0, "dog"), (2, "dog"), (2, "zebra"), (3, "no"),
    ]  # fmt: skip
    assert found.known.tolist() == [True, True, False, False]
    assert find_mentions(index, [""]).text.tolist() == []


def test_nothing_is_known(index: CaptionIndex) -> None:
    """Examples of words that no caption has: no PMI, and every one of them counted as unknown."""
    row = {"question_id": "1", "question": "Which zebra?", "answers": ["gnu"]}
    gold = Gold(pa.Table.from_pylist([row], TYPED_QUESTIONS), 0, ())
    made = make_examples(score_answers(gold, make_answers({"1": "gnu"}), "gqa"), index)
    (only,) = rows(made)
    assert (only["pmi"], only["log_n_concept"], only["n_concepts"]) == (None, None, 0)
    assert (only["n_unknown"], only["n_pairs"], only["unknown"]) == (2, 0, "zebra, gnu")
    assert made.to_json()["mean_share_unseen"] is None


@pytest.fixture
def arguments(tmp_path: Path, index: CaptionIndex) -> list[str]:
    """`eval vqa examples` over the small files."""
    return [
        "eval", "vqa", "examples", str(index.path), "--metric", "textvqa",
        "--questions", str(vqa_questions(tmp_path / "q.json")),
        "--annotations", str(vqa_annotations(tmp_path / "a.json")),
        "--predictions", str(llava_lines(tmp_path / "p.jsonl", SAID)),
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_command(ending: str, arguments: list[str], tmp_path: Path) -> None:
    """Examples with their run record, which names all that they were made of."""
    output = tmp_path / f"examples.{ending}"
    done = CliRunner().invoke(cli, [*arguments, "-o", str(output), "--ocr", "keep", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["n"], found["n_unmatched"]) == (3, 0)
    table = load_table(output, EXAMPLES)
    assert table["example_id"].to_pylist() == list(ASKED)
    assert table["n_pairs"].to_pylist() == [6, 1, 3]
    record = json.loads(output.with_name(f"{output.name}.run.json").read_text("utf-8"))
    assert len(record["inputs"]) == 4
    assert record["arguments"]["ocr"] == "keep"
    done = CliRunner().invoke(cli, [*arguments, "-o", str(output)])
    assert isinstance(done.exception, OutputExistsError)
    done = CliRunner().invoke(cli, [*arguments, "-o", str(output), "--overwrite"])
    assert "concepts that the index does not know" in done.stdout


def test_textvqa_against_pmi(test_data: Path, tmp_path: Path) -> None:
    """Real answers and captions: `correlate` takes the examples; bins hide how weak r is."""
    data = test_data / "data"
    built = build_index(data / "captions" / "coco_captions_val2017.json", tmp_path / "index")
    folder = data / "vqa" / "textvqa"
    made = make_example_files(
        built,
        folder / "val_questions_vqa_format.json",
        folder / "llava-v1.5-13b_predictions.jsonl",
        tmp_path / "examples.parquet",
        metric="textvqa",
        annotations=[folder / "val_annotations_vqa_format.json"],
        formula="paper",
    )
    assert made.table.num_rows == 5000
    table = load_table(tmp_path / "examples.parquet", EXAMPLES)
    found = correlate(table, cluster="image", n_bootstrap=0, n_permutations=0)
    assert found.n == 5000
    assert found.n_used + found.unknown == 5000
    by_length = correlate(
        table, predictor="length", controls=[], cluster="image", n_bootstrap=0, n_permutations=0
    )
    assert by_length.r_binned.value is not None
    assert by_length.r_binned.value < -0.85
    assert abs(by_length.r_unbinned.value or 0) < 0.2
