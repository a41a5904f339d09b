r"""The whole definition of counting and PMI, in plain Python.

This module is the documentation of what the index computes and the oracle of its tests. It is
written to be read; the index computes the same numbers, some thousand times faster.

A *caption* is a string. A *profile* turns it into a list of concepts. A concept counts once a
caption, a pair is an unordered pair of distinct concepts in one caption, and every probability has
the caption for its unit. Sources: Qu & Xie, arXiv 2507.08000, for `tokenize` and `paper_pmi`; Xu et
al. (MetaCLIP), arXiv 2309.16671, for `spaced_tokens`; Dunning, Computational Linguistics 19(1),
1993, for `llr`; Bouma, GSCL 2009, for `npmi`; Garwood, Biometrika 28, 1936, for the interval.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

_NOT_A_WORD = re.compile(r"[\W_]+")
_SPACED_PUNCTUATION = re.compile(r"([,.;:?!`])")


class Counts(NamedTuple):
    """Counts over a corpus."""

    n: int  # captions that count, empty ones included
    n_captions: dict[str, int]  # captions that hold the concept; every concept of the corpus
    n_occurrences: dict[str, int]  # its occurrences, repeats included
    vocabulary: list[str]  # by falling n_captions, then by code points
    n_pairs: dict[tuple[str, str], int]  # captions that hold both; keys in vocabulary order


def tokenize(caption: str) -> list[str]:
    r"""Words of a caption: runs of `[\W_]` become a blank, then lower case, then split.

    >>> tokenize("Two DOGS_running — 3-legged!")
    ['two', 'dogs', 'running', '3', 'legged']
    """
    return _NOT_A_WORD.sub(" ", caption).lower().split()


def words(
    caption: str,
    stop_words: frozenset[str],
    lemmatize: Callable[[str], str],
    *,
    filters_lemmas: bool,
) -> list[str]:
    """Concepts of the profiles `words` (filters_lemmas) and `paper` (not).

    Stop words, words of one character and numeric words are dropped, the rest becomes its lemma;
    `words` then drops a lemma that is a stop word or has one character, `paper` keeps it.
    """
    concepts = []
    for word in tokenize(caption):
        if word in stop_words or len(word) == 1 or word.isnumeric():
            continue
        lemma = lemmatize(word)
        if filters_lemmas and (lemma in stop_words or len(lemma) == 1):
            continue
        concepts.append(lemma)
    return concepts


def spaced_tokens(caption: str) -> list[str]:
    """MetaCLIP's tokens: what stands between single blanks, case kept; '' where two blanks meet.

    Seven marks are padded with blanks. A phrase of the list, which is not padded, matches where it
    stands between blanks: where ``phrase.split(" ")`` are consecutive tokens.

    >>> spaced_tokens("Dog, cat")
    ['Dog', ',', '', 'cat']
    """
    padded = _SPACED_PUNCTUATION.sub(r" \1 ", re.sub(r"[\t\n\r\0]", " ", caption))
    return padded.split(" ")


def phrases(
    tokens: Sequence[str], concept_of: Mapping[tuple[str, ...], str], *, every: bool
) -> list[str]:
    """Concepts whose phrase stands in the tokens: every one, or the longest from left to right.

    >>> table = {("fire", "truck"): "fire truck", ("truck",): "truck"}
    >>> phrases(["red", "fire", "truck"], table, every=False)
    ['fire truck']
    >>> phrases(["red", "fire", "truck"], table, every=True)
    ['fire truck', 'truck']
    """
    longest = max(map(len, concept_of), default=0)
    found = []
    begin = 0
    while begin < len(tokens):
        ends = range(begin + 1, min(begin + longest, len(tokens)) + 1)
        matches = [end for end in ends if tuple(tokens[begin:end]) in concept_of]
        kept = matches if every else matches[-1:]
        found += [concept_of[tuple(tokens[begin:end])] for end in kept]
        begin = begin + 1 if every or not matches else matches[-1]
    return found


def tag(text: str) -> str:
    """A tag of an image as a concept: lower case, single blanks; '' is none.

    >>> tag(" Polar  Bear ")
    'polar bear'
    """
    return " ".join(text.lower().split())


def tags(
    texts: Sequence[str | None],
    scores: Sequence[float | None] | None = None,
    threshold: float = -math.inf,
) -> list[str]:
    """Concepts of an image's tags; of tags with scores, those at the threshold or above."""
    given = [math.inf] * len(texts) if scores is None else scores
    reached = [score is not None and score >= threshold for score in given]
    kept = [tag(text) for text, ok in zip(texts, reached, strict=True) if ok and text is not None]
    return [concept for concept in kept if concept]


def count(captions: Iterable[Sequence[str]], max_concepts: int | None = None) -> Counts:
    """Count concepts and pairs over captions that are lists of concepts."""
    captions = list(captions)
    n_captions: Counter[str] = Counter()
    n_occurrences: Counter[str] = Counter()
    for concepts in captions:
        n_captions.update(set(concepts))
        n_occurrences.update(concepts)
    vocabulary = sorted(n_captions, key=lambda c: (-n_captions[c], c))[:max_concepts]
    rank = {concept: i for i, concept in enumerate(vocabulary)}
    n_pairs: Counter[tuple[str, str]] = Counter()
    for concepts in captions:
        known = sorted({c for c in concepts if c in rank}, key=rank.__getitem__)
        n_pairs.update(combinations(known, 2))
    return Counts(len(captions), dict(n_captions), dict(n_occurrences), vocabulary, dict(n_pairs))


class Joint(NamedTuple):
    """Samples that hold concepts by their text, by the tags of their image, and by both."""

    n_text: dict[str, int]  # of each concept
    n_tags: dict[str, int]
    n_joint: dict[str, int]
    n_both: int  # with a concept on both sides
    n_misaligned: int  # and none in common


def joint(samples: Sequence[tuple[set[str], set[str]]], concepts: Sequence[str]) -> Joint:
    """Count concepts over samples that are sets of concepts: of the text, and of the tags.

    Source: Udandarao et al., arXiv 2404.04125, for the three searches and the misalignment.
    """
    listed = set(concepts)
    samples = [(text & listed, tags & listed) for text, tags in samples]
    both = [(text, tags) for text, tags in samples if text and tags]
    return Joint(
        {c: sum(c in text for text, _ in samples) for c in concepts},
        {c: sum(c in tags for _, tags in samples) for c in concepts},
        {c: sum(c in text & tags for text, tags in samples) for c in concepts},
        len(both),
        sum(not text & tags for text, tags in both),
    )


def pmi(n: int, n_a: int, n_b: int, n_ab: int, alpha: float = 0.0, n_concepts: int = 0) -> float:
    """Pointwise mutual information in nats: ln p(a,b) / (p(a) p(b)).

    With smoothing, alpha is added to every cell of the n_concepts x n_concepts table of ordered
    pairs, and to the marginals what that adds to them, so that singles and pairs stay matched:
    p(a,b) = (n_ab + alpha) / T and p(a) = (n_a + alpha V) / T, where T = n + alpha V^2.
    """
    total = n + alpha * n_concepts**2
    pair = n_ab + alpha
    singles = (n_a + alpha * n_concepts) * (n_b + alpha * n_concepts)
    return math.log(pair * total / singles) if pair > 0 else -math.inf


def npmi(n: int, n_a: int, n_b: int, n_ab: int) -> float:
    """PMI over -ln p(a,b): -1 never together, 0 independent, 1 only together."""
    if n_ab == 0:
        return -1.0
    return pmi(n, n_a, n_b, n_ab) / -math.log(n_ab / n) if n_ab < n else 1.0


def llr(n: int, n_a: int, n_b: int, n_ab: int) -> float:
    """Dunning's log-likelihood ratio of the 2 x 2 table of captions with a, with b."""
    cells = [(n_ab, n_a, n_b), (n_a - n_ab, n_a, n - n_b),
             (n_b - n_ab, n - n_a, n_b), (n - n_a - n_b + n_ab, n - n_a, n - n_b)]  # fmt: skip
    return 2 * sum(k * math.log(k * n / (row * column)) for k, row, column in cells if k > 0)


def paper_pmi(f_a: int, f_b: int, f_ab: int) -> float:
    """The published code's PMI: singles are marginals of the pair table, constants are its own."""
    total = 2 * 3.2e9 * (3.2e9 - 1) / 2
    k = (1 / total) / (1 / 3.2e9) ** 2
    return math.log(k * (f_ab + 1) / ((f_a + 1000) * (f_b + 1000)))
