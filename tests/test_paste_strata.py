"""Accessories are set against classes: counted whole, in strata of PMI, none that is the answer."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest
from paste_inputs import TOGETHER, captions, paste, picture, rows, write_inputs
from PIL import Image

from conceptstats.class_names import ClassNames, class_names
from conceptstats.index import CaptionIndex, build_index
from conceptstats.synth.paste.listing import CutOut
from conceptstats.synth.paste.saving import Edit
from conceptstats.synth.paste.strata import Association, associate
from conceptstats.table_files import load_table
from conceptstats.tables import PROBES


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, photographs of two classes, and a cut-out or two of each accessory."""
    return write_inputs(tmp_path_factory.mktemp("paste"))


def test_strata_follow_from_the_counts(inputs: Path, tmp_path: Path) -> None:
    """PMI(lion, clock): 16 of 34 lion captions, 37 of 197 with a clock, so ln(16 * 197 / 34 / 37).

    Of the lion's six by rising PMI (umbrella, cake, vase, boat, kite, clock) the thirds are two
    each, and fork is never seen with it.
    """
    assert (len(captions()), sum(TOGETHER["lion"].values())) == (197, 34)
    summary = paste(inputs, tmp_path / "out", Edit(per_photo=4))
    assert (summary.n_photos, summary.n_edited, summary.n_listed) == (10, 10, 0)
    assert (summary.n_images, summary.n_complete) == (40, 10)
    of_lion: dict[str, set[str]] = {}
    for row in rows(tmp_path / "out"):
        if row["target"] == "lion":
            of_lion.setdefault(row["stratum"], set()).add(row["accessory"])
            if row["accessory"] == "clock":
                assert row["pmi"] == pytest.approx(log(16 * 197 / 34 / 37))
    assert of_lion["high"] <= {"kite", "clock"}
    assert of_lion["low"] <= {"umbrella", "cake"}
    assert of_lion["zero"] == {"fork"}
    assert of_lion["matched"] <= {"umbrella", "cake", "vase"}
    probes = load_table(tmp_path / "out" / "probes.parquet", PROBES).to_pylist()
    levels = {(probe["key"], probe["accessory"]): probe["stratum"] for probe in probes}
    assert levels["lion", "fork"] == 0
    assert {levels.get(("lion", name), 3) for name in ("kite", "clock")} == {3}
    assert {levels.get(("lion", name), 1) for name in ("umbrella", "cake")} == {1}
    assert {row["probe_id"] for row in rows(tmp_path / "out")} == {p["probe_id"] for p in probes}
    zero = next(stratum for stratum in summary.strata if stratum["stratum"] == "zero")
    assert zero["mean_pmi"] is None


def associated(n_pair: list[int], n_accessory: list[int]) -> Association:
    """A class in 100 of 1,000 captions."""
    pairs, singles = np.array(n_pair), np.array(n_accessory)
    with np.errstate(divide="ignore"):
        pmi = np.log(pairs * 1000 / (100 * singles))
    names = tuple("abcdefghij"[: len(pairs)])
    return Association("k", 0, 1000, 100, names, singles, pairs, pmi, singles / 10)


def test_few_accessories_make_few_strata() -> None:
    """One that was seen is high or low by its sign; two are one each; none is none."""
    one = associated([5, 0], [10, 10])
    assert [one.candidates(s).tolist() for s in ("high", "low", "zero")] == [[0], [], [1]]
    one = associated([1, 0], [500, 10])
    assert [one.candidates(s).tolist() for s in ("high", "low", "zero")] == [[], [0], [1]]
    two = associated([1, 5], [10, 10])
    assert [two.candidates(s).tolist() for s in ("high", "low", "matched")] == [[1], [0], [0]]
    none = associated([0, 0], [10, 20])
    assert [len(none.candidates(s)) for s in ("high", "low", "zero", "matched")] == [0, 0, 2, 0]
    assert none.candidates("zero", min_expected=1.5).tolist() == [1]


def item(accessory: str) -> CutOut:
    return CutOut(accessory, accessory, "alpha", "x.png", 0, 0, 20, 20, 400, 30, 30)


def test_names_of_several_words_are_counted_whole(inputs: Path) -> None:
    """A sports car is in 23 captions; what is a class, a word of one, or unknown is listed."""
    index = CaptionIndex.open(inputs / "index")
    names = ["vase", "car", "lion", "sports cars", "zebra", "the", "kites", "kite"]
    classes = ClassNames(("lion", "sports car", "dragon", "of"), ((), (), (), ()))
    found = associate(index, classes, [0, 1, 2, 3], [item(name) for name in names])
    sports_car = found.of_class[1]
    assert sports_car.n_key == 23
    assert sports_car.accessories == ("kite", "vase")
    assert sports_car.n_pair.tolist() == [0, 5]
    assert found.unknown == {
        2: "no caption holds its class",
        3: "its class means nothing to the index",
    }
    assert {problem.id: problem.reason for problem in found.problems} == {
        "car": "it is a class, or a word of the name of one",
        "lion": "it is a class, or a word of the name of one",
        "sports cars": "it is a class, or a word of the name of one",
        "the": "it means nothing to the index",
        "zebra": "no caption holds it",
    }
    assert found.accessory_of == {"vase": "vase", "kites": "kite", "kite": "kite"}
    few = associate(index, classes, [0, 1], [item("vase")], min_count=30)
    assert few.unknown == {1: "fewer than 30 captions hold its class"}


def test_synonyms_count_for_their_class(inputs: Path) -> None:
    """A caption with either name holds the class, once."""
    index = CaptionIndex.open(inputs / "index")
    classes = ClassNames(("dragon",), (("lion", "sports car"),))
    found = associate(index, classes, [0], [item("clock"), item("fork")]).of_class[0]
    assert found.n_key == 34 + 23
    assert dict(zip(found.accessories, found.n_pair.tolist(), strict=True)) == {
        "clock": 17,
        "fork": 3,
    }


def test_an_accessory_that_shares_a_word_with_a_class_is_left_out_for_it(tmp_path: Path) -> None:
    """A tennis ball is in every caption of golf balls that has "tennis", by its "ball" alone."""
    lines = ["golf ball and tennis ball", "golf ball", "tennis ball on sand", "lion on sand"]
    (tmp_path / "c.txt").write_text("\n".join(lines))
    build_index([tmp_path / "c.txt"], tmp_path / "index")
    index = CaptionIndex.open(tmp_path / "index")
    cut_outs = [item("tennis ball"), item("sand")]
    found = associate(index, class_names(["golf ball", "lion"]), [0, 1], cut_outs)
    assert found.of_class[0].accessories == ("sand",)
    assert found.of_class[1].accessories == ("sand", "tennis ball")


def test_classes_of_one_name_are_one(inputs: Path, tmp_path: Path) -> None:
    """No caption tells them apart, so their photographs show the first, and a pair is one probe."""
    for name in ("0", "1", "2"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(picture(int(name))).save(tmp_path / "photos" / name / "a.png")
    (tmp_path / "classes.txt").write_text("lion\nlion\nsports car\n")
    summary = paste(inputs, tmp_path / "out", photos=tmp_path / "photos",
                    classes=tmp_path / "classes.txt")  # fmt: skip
    assert (summary.n_edited, summary.n_images) == (3, 9)
    assert any("Classes of one name" in note for note in summary.notes)
    shown = {(row["photo_id"], row["class_index"], row["target"]) for row in rows(tmp_path / "out")}
    assert shown == {("0/a.png", 0, "lion"), ("1/a.png", 0, "lion"), ("2/a.png", 2, "sports car")}
    ids = load_table(tmp_path / "out" / "probes.parquet", PROBES)["probe_id"].to_pylist()
    assert len(ids) == len(set(ids))
    assert set(ids) == {row["probe_id"] for row in rows(tmp_path / "out")}
