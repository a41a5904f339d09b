"""The demo: a corpus with a known answer, and what the index makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from conceptstats.demo import (
    COMPANIONS,
    THINGS,
    joint_table,
    run_demo,
    true_pmi,
    write_captions,
)
from conceptstats.errors import OutputExistsError
from conceptstats.reference import tokenize
from conceptstats.text.words import STOP_WORDS, noun_lemma


def test_names_are_their_own_lemmas() -> None:
    """Singular and plural of every name are one concept, and stay."""
    for name in THINGS + COMPANIONS:
        assert noun_lemma(name) == noun_lemma(f"{name}s") == name
        assert name not in STOP_WORDS
    assert len(set(THINGS + COMPANIONS)) == len(THINGS) + len(COMPANIONS)


def test_true_pmi_is_that_of_the_drawn_captions(tmp_path: Path) -> None:
    """Counting the words of many captions gives the probabilities behind `true_pmi`."""
    rng = np.random.default_rng(1)
    joint = joint_table(rng)
    assert joint.sum() == pytest.approx(1)
    write_captions(tmp_path / "c.parquet", joint, 40_000, rng)
    texts = pq.read_table(tmp_path / "c.parquet").column("TEXT").to_pylist()
    i, j = np.unravel_index(joint.argmax(), joint.shape)
    thing, companion = THINGS[i], COMPANIONS[j]
    words = [{noun_lemma(word) for word in tokenize(text)} for text in texts]
    has_a = [thing in text for text in words]
    has_b = [companion in text for text in words]
    both = sum(a and b for a, b in zip(has_a, has_b, strict=True))
    value = np.log(both * len(texts) / (sum(has_a) * sum(has_b)))
    assert value == pytest.approx(true_pmi(joint)[i, j], abs=4 / np.sqrt(both))


def test_the_demo_recovers_the_truth(tmp_path: Path) -> None:
    """PMI recovered correlates with PMI true, and the intervals hold it as often as they say."""
    result = run_demo(tmp_path / "demo")
    assert result.captions == 50_000
    assert result.n_compared > 200
    assert result.r_pmi > 0.97
    assert result.coverage > 0.9
    assert result.figure is not None
    assert Path(result.figure).stat().st_size > 10_000


def test_the_demo_replaces_itself_but_nothing_else(tmp_path: Path) -> None:
    """An earlier demo is made anew; a folder with something else in it is refused and kept."""
    run_demo(tmp_path / "demo", n_captions=5_000)
    run_demo(tmp_path / "demo", n_captions=5_000)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "captions.parquet").write_text("x", encoding="utf-8")
    with pytest.raises(OutputExistsError):
        run_demo(tmp_path / "mine")
    assert (tmp_path / "mine" / "captions.parquet").read_text(encoding="utf-8") == "x"
