"""Questions and answers as examples: how right the model was, against the PMI of what is said.

After Qu & Xie (arXiv 2507.08000): the text of an example is its question and its answer, and its
PMI is the mean over its distinct pairs of distinct concepts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.reference import tokenize
from conceptstats.runs import run_record
from conceptstats.table_files import check_ending, fingerprint, save_table
from conceptstats.tables import EXAMPLES, numbers

from ..statistics.columns import Flags, Floats, Ints, sum_by
from .answers import read_answers
from .concepts import Mentions, find_mentions
from .metrics import METRICS
from .pair_means import Formula, PairMeans, Sets, check_formula, pair_means
from .prompts import read_prompt
from .questions import read_questions
from .score import Scored, score_answers

Answer = Literal["gold", "predicted"]
Ocr = Literal["keep", "drop"]
_SHOWN = 10  # unknown concepts


@dataclass(frozen=True, slots=True)
class VqaExamples:
    """Examples, and what is unknown of them."""

    table: pa.Table  # `EXAMPLES`, with predictors and clusters
    scored: Scored
    n_ties: int  # questions whose most frequent answer shares its place
    unknown: tuple[tuple[str, int], ...]  # concepts that the index lacks, by examples with them

    def to_json(self) -> dict[str, Any]:
        """Its numbers."""
        pmi = self.table["pmi"]
        return {
            **self.scored.accounts(),
            "n_ties": self.n_ties,
            "n_without_pmi": pmi.null_count,
            "n_unseen": int(pc.sum(pc.equal(pmi, -np.inf)).as_py() or 0),
            "mean_concepts": float(pc.mean(self.table["n_concepts"]).as_py()),
            "mean_pairs": float(pc.mean(self.table["n_pairs"]).as_py()),
            "mean_share_unseen": pc.mean(self.table["share_unseen"]).as_py(),
            "n_with_unknown": int(pc.sum(pc.greater(self.table["n_unknown"], 0)).as_py()),
            "n_unknown_concepts": len(self.unknown),
            "unknown": [{"concept": c, "n": n} for c, n in self.unknown[:_SHOWN]],
        }


def make_example_files(
    index: Path,
    questions: Path,
    predictions: Path,
    output: Path,
    *,
    metric: str,
    annotations: Sequence[Path] = (),
    max_unmatched: float = 0.0,
    overwrite: bool = False,
    **options: Any,
) -> VqaExamples:
    """`make_examples` of files, written as a table with its run record.

    Parameters
    ----------
    index, questions, predictions, output : Path
    metric, annotations, max_unmatched
        As for `score.score_files`.
    overwrite : bool
    **options
        Of `make_examples`.

    Raises
    ------
    ParameterError, TableError, IndexFormatError, OutputExistsError, OutputError
    """
    check_ending(output)
    opened = CaptionIndex.open(index)
    gold = read_questions(questions, annotations, max_unmatched=max_unmatched)
    scored = score_answers(gold, read_answers(predictions), metric, max_unmatched=max_unmatched)
    made = make_examples(scored, opened, **options)
    inputs = {str(p): fingerprint(p) for p in (index, questions, *annotations, predictions)}
    arguments = {"metric": metric, "max_unmatched": max_unmatched, **options}
    record = run_record("eval vqa examples", arguments, inputs)
    save_table(output, made.table, EXAMPLES, record=record, overwrite=overwrite)
    return made


def make_examples(
    scored: Scored,
    index: CaptionIndex,
    *,
    answer: Answer = "gold",
    ocr: Ocr = "drop",
    formula: Formula = "document",
    smoothing: float = 0.0,
) -> VqaExamples:
    """Set judged answers beside the PMI of the concepts that question and answer name.

    Parameters
    ----------
    scored : Scored
    index : CaptionIndex
        Its profile turns texts into concepts. "yes" and "no" are concepts too.
    answer : {"gold", "predicted"}
        People's most frequent answer after normalisation, in its most frequent spelling, and of
        equals the one that came first; or the model's own.
    ocr : {"keep", "drop"}
        Whether the OCR tokens, of the question or else of the prompt, belong to the text.
    formula, smoothing
        As for `pair_means.pair_means`.

    Returns
    -------
    VqaExamples
        Columns: example_id, outcome; pmi, pmi_min, pmi_answer_question (nats; null: fewer than two
        known concepts; -inf: no pair, or for pmi_min one pair, was never seen); share_unseen;
        n_concepts (known), n_unknown, n_pairs, n_unseen_pairs; log_n_concept (mean of ln n over
        known concepts); length (words of the question), n_characters (of it), answer_length
        (words); question_type, answer_type; the clusters image, question, answer; concepts and
        unknown, with commas between them. pmi_answer_question takes no OCR token.

    Raises
    ------
    ParameterError
        When a setting is outside its range, or OCR tokens are to be kept and there are none.
    """
    for name, given, allowed in (("answer", answer, Answer), ("ocr", ocr, Ocr)):
        if given not in get_args(allowed):
            raise ParameterError(f"{name} is {given!r}, expected {' or '.join(get_args(allowed))}.")
    check_formula(formula, smoothing)
    rows = scored.table
    asked = rows["question"].to_pylist()
    gold = [most_frequent(given, scored.metric) for given in rows["answers"].to_pylist()]
    said = [own.text for own in gold] if answer == "gold" else rows["answer"].to_pylist()
    read = _ocr_texts(rows) if ocr == "keep" else []
    mentions = find_mentions(index, [*asked, *said, *read])
    parts = _merge(mentions, len(asked))
    sets = _known(parts)
    means = pair_means(index, sets, len(asked), formula=formula, smoothing=smoothing)
    counts = Counter(parts.concept[~parts.known].tolist())
    unknown = [(parts.names[concept].as_py(), n) for concept, n in counts.most_common()]
    return VqaExamples(
        table=_table(rows, asked, said, parts, means, index),
        scored=scored,
        n_ties=sum(own.is_tie for own in gold) if answer == "gold" else 0,
        unknown=tuple(unknown),
    )


class GoldAnswer(NamedTuple):
    """What people answered."""

    text: str
    is_tie: bool  # another answer is as frequent


def most_frequent(answers: Sequence[str], metric: str) -> GoldAnswer:
    """The answer that most people gave, after the metric's normalisation, as most of them spelt it.

    Of answers or spellings that are as frequent, the one that came first.

    >>> most_frequent(["two", "2", "two", "three"], "textvqa")
    GoldAnswer(text='two', is_tie=False)
    """
    same = [METRICS[metric].normalise(text) for text in answers]
    (best, n), *others = Counter(same).most_common(2)
    spellings = Counter(text for text, kind in zip(answers, same, strict=True) if kind == best)
    return GoldAnswer(spellings.most_common(1)[0][0], bool(others) and others[0][1] == n)


def _ocr_texts(rows: pa.Table) -> list[str]:
    """OCR tokens of each example as one text, with commas between them."""
    texts, n_known = [], 0
    for own, prompt in zip(rows["ocr_tokens"].to_pylist(), rows["prompt"].to_pylist(), strict=True):
        tokens = own if own is not None or prompt is None else read_prompt(prompt).ocr_tokens
        n_known += tokens is not None
        texts.append(", ".join(tokens or ()))
    if not n_known:
        raise ParameterError(
            "there are no OCR tokens to keep.",
            'they stand in prompts ("Reference OCR token: …") or in the questions\' ocr_tokens',
        )
    return texts


class _Parts(NamedTuple):
    """Distinct concepts of each example, and where they stand."""

    owner: Ints
    concept: Ints
    in_question: Flags
    in_answer: Flags
    known: Flags
    names: pa.Array


def _merge(mentions: Mentions, n: int) -> _Parts:
    """Mentions by example: texts are n questions, then n answers, then the rest."""
    key = (mentions.text % n) * len(mentions.names) + mentions.concept
    distinct, place = np.unique(key, return_inverse=True)
    owner, concept = np.divmod(distinct, max(len(mentions.names), 1))
    asked, said = (
        np.bincount(place[mentions.text // n == part], minlength=len(owner)) > 0 for part in (0, 1)
    )
    return _Parts(owner, concept, asked, said, concept < mentions.n_known, mentions.names)


def _known(parts: _Parts) -> Sets:
    known = parts.known
    return Sets(parts.owner[known], parts.concept[known], parts.in_answer[known],
                parts.in_question[known])  # fmt: skip


def _table(
    rows: pa.Table,
    asked: Sequence[str],
    said: Sequence[str],
    parts: _Parts,
    means: PairMeans,
    index: CaptionIndex,
) -> pa.Table:
    n = len(asked)
    known = parts.known
    logs = np.log(numbers(index.vocabulary["n_captions"])[parts.concept[known]])
    n_concepts = np.bincount(parts.owner[known], minlength=n)
    return pa.table(
        {
            "example_id": rows["question_id"],
            "outcome": rows["outcome"],
            "pmi": _nullable(means.pmi),
            "pmi_min": _nullable(means.pmi_min),
            "pmi_answer_question": _nullable(means.pmi_answer_question),
            "share_unseen": _share(means.n_unseen_pairs, means.n_pairs),
            "n_concepts": n_concepts,
            "n_unknown": np.bincount(parts.owner[~known], minlength=n),
            "n_pairs": means.n_pairs,
            "n_unseen_pairs": means.n_unseen_pairs,
            "log_n_concept": _share(sum_by(parts.owner[known], logs, n), n_concepts),
            "length": pa.array([len(tokenize(text)) for text in asked], pa.int64()),
            "n_characters": pa.array(map(len, asked), pa.int64()),
            "answer_length": pa.array([len(tokenize(text)) for text in said], pa.int64()),
            "question_type": rows["question_type"],
            "answer_type": rows["answer_type"],
            "image": rows["image_id"],
            "question": pa.array([text.strip().lower() for text in asked], pa.string()),
            "answer": pa.array([text.strip().lower() for text in said], pa.string()),
            "concepts": _names(parts, known, n),
            "unknown": _names(parts, ~known, n),
        }
    )


def _nullable(values: Floats) -> pa.Array:
    """Numbers, of which nan is unknown: null."""
    return pa.array(values, pa.float64(), from_pandas=True)


def _share(part: Floats | Ints, whole: Ints) -> pa.Array:
    """A part over the whole; null where the whole is nothing."""
    return _nullable(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def _names(parts: _Parts, chosen: Flags, n: int) -> pa.Array:
    """Names of the chosen concepts of each example, with commas between them."""
    ends = np.cumsum(np.bincount(parts.owner[chosen], minlength=n))
    names = parts.names.take(pa.array(parts.concept[chosen]))
    lists = pa.LargeListArray.from_arrays(np.append(0, ends), names)
    return pc.binary_join(lists, pa.scalar(", ", pa.large_string())).cast(pa.string())
