"""Accessories alone, questions about pictures, small models: what recipes make of their own."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conceptstats.errors import ParameterError, TableError
from conceptstats.eval.tiny_models import write_tiny_model as write_for_eval
from conceptstats.eval.vqa.lmm import load_lmm
from conceptstats.synth.detectors import load_detector
from conceptstats.synth.portraits import choose_portraits
from conceptstats.synth.questions import make_questions
from conceptstats.synth.tiny_models import write_tiny_model


@given(
    names=st.lists(st.text("abcdef", min_size=1), min_size=8, unique=True),
    seed=st.integers(0, 5),
    n=st.none() | st.integers(1, 8),
)
def test_sides_share_no_accessory(names: list[str], seed: int, n: int | None) -> None:
    """Each accessory that is drawn is on one side, whatever others there are."""
    found = []
    for side in ("training", "evaluation"):
        with contextlib.suppress(ParameterError):  # all are on the other side
            table = choose_portraits(names, n=n, side=side, seed=seed)
            found += table["accessory"].to_pylist()
    both = choose_portraits(names, n=n, seed=seed)["accessory"].to_pylist()
    assert sorted(found) == both
    assert len(both) == (n or len(names))


def test_questions_are_right_half_of_the_time() -> None:
    """Two a picture: its accessory, to be answered with yes, and another one, with no."""
    shown = {name: {"key": "otter", "accessory": name} for name in ("hat", "bell", "drum")}
    pictures = [{"image_id": f"{name}-0", "probe_id": name} for name in shown]
    asked = make_questions(pictures, shown)
    assert [row.answer for row in asked] == ["yes", "no"] * 3
    for row, other in zip(asked[::2], asked[1::2], strict=True):
        name = pictures[row.picture]["probe_id"]
        assert row.question == f"Is there a {name} beside the otter?"
        assert other.question != row.question
        assert other.picture == row.picture


def test_names_with_slashes_are_different_probes() -> None:
    """An id can name a folder, and no two names have one."""
    table = choose_portraits(["a/b", "a b", "b/a"])
    ids = table["probe_id"].to_pylist()
    assert len(set(ids)) == 3
    assert "a b" in ids
    assert not any("/" in one for one in ids)
    assert table["accessory"].to_pylist() == ["a b", "a/b", "b/a"]


def test_questions_need_two_accessories() -> None:
    """Of one alone nothing can be asked whose answer is no."""
    with pytest.raises(TableError, match="two accessories"):
        make_questions([], {"p": {"key": "otter", "accessory": "hat"}})


def test_a_small_llava_says_one_word(tmp_path: Path) -> None:
    """Yes or no, however many it may say."""
    lmm = load_lmm(write_for_eval("llava", tmp_path / "m"), device="cpu")
    pictures = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "white")]
    texts = [lmm.render(f"Is there a hat {place}?") for place in ("here", "there", "above")]
    found = lmm.answer(lmm.encode(texts, pictures), 128)
    assert set(found.texts) <= {"yes", "no"}
    assert found.is_cut == [False] * 3


def test_a_small_detector_reads_long_names(tmp_path: Path) -> None:
    """Though it has a token a letter; a real one has one a word, or two."""
    detector = load_detector(write_tiny_model("owlv2", tmp_path / "m"), device="cpu")
    assert detector.problem("pickup truck") is None
    assert detector.problem("Chesapeake Bay Retriever and a typewriter keyboard") is None


def test_small_models_refuse_what_they_have_no_use_for(tmp_path: Path) -> None:
    """Probes are for the writer alone, which needs them; words are for LLaVA."""
    with pytest.raises(ParameterError, match=r"writer needs probes to learn\. Hint: --probes PRO"):
        write_tiny_model("writer", tmp_path / "m")
    with pytest.raises(ParameterError, match="flux takes no probes"):
        write_tiny_model("flux", tmp_path / "m", probes=tmp_path / "probes.parquet")
    with pytest.raises(ParameterError, match="clip takes no words"):
        write_for_eval("clip", tmp_path / "m", words=tmp_path / "words.txt")
    assert not list(tmp_path.iterdir())
