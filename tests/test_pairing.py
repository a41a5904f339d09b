"""Classes set against accessories: counts, PMI and its levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats import CaptionIndex, build_index
from conceptstats.class_names import class_names
from conceptstats.errors import ParameterError
from conceptstats.pairing import BARRED, NEVER, PAIRED, Pairing, pair_up, pmi_levels

CAPTIONS = [
    "a dog with a red ball", "dog and ball", "dog and hat", "the dog", "cat with hat",
    "cat and hat", "a cat", "polar bear and ball", "a bear", "tennis ball", "tennis player",
    "kite", "hat",
]  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """Thirteen captions."""
    folder = tmp_path_factory.mktemp("pairing")
    (folder / "captions.txt").write_text("\n".join(CAPTIONS), encoding="utf-8")
    return CaptionIndex.open(build_index(folder / "captions.txt", folder / "index"))


def pair(index: CaptionIndex, accessories: list[str], classes: str = "dog,cat") -> Pairing:
    """Pair accessories with classes that stand with commas between them."""
    return pair_up(index, class_names(classes.split(",")), accessories)


def test_by_hand(index: CaptionIndex) -> None:
    """Dog (4 captions) and cat (3) with ball (4), hat (4) and kite (1) of 13 captions.

    Dog and ball are in 2: pmi = ln(2 * 13 / (4 * 4)); dog and hat in 1, cat and hat in 2; dog and
    kite never. Dog was seen with hat (lower) and ball, so these are its levels 1 and 2.
    """
    found = pair(index, ["ball", "hat", "kite"])
    assert (found.n, found.n_class.tolist()) == (13, [4, 3])
    assert found.n_accessory.tolist() == [4, 4, 1]
    assert found.n_pair.tolist() == [[2, 1, 0], [0, 2, 0]]
    assert found.pmi[0, 0] == pytest.approx(math.log(26 / 16))
    assert found.pmi[1, 1] == pytest.approx(math.log(26 / 12))
    assert found.pmi[0, 2] == -math.inf
    assert found.level.tolist() == [[2, 1, NEVER], [NEVER, 1, NEVER]]
    table = found.to_table()
    assert table.schema == PAIRED
    assert table.num_rows == 6
    assert table.to_pylist()[0]["pmi"] == pytest.approx(math.log(26 / 16))


def test_what_cannot_go_with_a_class_is_left_out_with_a_reason(index: CaptionIndex) -> None:
    """Names of a class or its kind, unknown words and stop words; the others stay."""
    found = pair(index, ["dogs", "bear", "zebra", "the", "hat"], "dog,polar bear")
    assert found.accessories == ("hat",)
    assert dict(found.left_out) == {
        "dogs": "it names a class, or its kind",
        "bear": "it names a class, or its kind",
        "zebra": "no caption holds it",
        "the": "it means nothing to the index",
    }
    with pytest.raises(ParameterError, match="none of 1 accessories can go with a class"):
        pair(index, ["dog"])
    with pytest.raises(ParameterError, match="no accessories"):
        pair(index, [])


def test_a_concept_in_common_bars_one_class_only(index: CaptionIndex) -> None:
    """A tennis player is not set against a tennis ball, but against a dog it is."""
    found = pair(index, ["tennis player", "hat"], "tennis ball,dog")
    assert found.level[0].tolist() == [BARRED, NEVER]
    assert BARRED not in found.level[1]
    assert found.to_table().num_rows == 3


def test_classes_without_captions_have_no_levels(index: CaptionIndex) -> None:
    """And classes of one name have those of the first."""
    found = pair(index, ["ball", "hat"], "dog,walrus,dog")
    assert found.level[1].tolist() == [BARRED, BARRED]
    assert found.level[2].tolist() == found.level[0].tolist() == [2, 1]


@given(
    st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0, 3.0]), min_size=1, max_size=30),
    st.integers(1, 5),
    st.data(),
)
def test_levels_are_even_and_rise(values: list[float], n_levels: int, data: st.DataObject) -> None:
    """As many in each, to one; none of a higher level has a lower PMI; never and barred stay."""
    barred = np.array(data.draw(st.lists(st.booleans(), min_size=len(values),
                                         max_size=len(values))))  # fmt: skip
    pmi = np.array(values)
    level = pmi_levels(pmi[None], barred[None], n_levels)[0]
    assert ((level == BARRED) == barred).all()
    assert ((level == NEVER) == (~barred & np.isneginf(pmi))).all()
    sizes = [int((level == number).sum()) for number in range(1, n_levels + 1)]
    assert max(sizes) - min(sizes) <= 1
    for low in range(1, n_levels):
        if sizes[low]:
            assert pmi[level == low].max() <= pmi[level == low + 1].min()
