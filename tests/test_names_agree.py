"""A name means the same to everything that counts it: one number for a pair, or none at all."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from pair_tables import make_images, make_predictions, make_probes

from conceptstats import CaptionIndex, build_index
from conceptstats.class_names import class_names
from conceptstats.errors import ParameterError, UnknownConceptError
from conceptstats.eval.frequency.index_counts import count_in_index
from conceptstats.eval.join import join_examples
from conceptstats.index.joint import count_joint
from conceptstats.pairing import pair_up
from conceptstats.probes import select_probes
from conceptstats.synth.paste.listing import CutOut
from conceptstats.synth.paste.strata import associate
from conceptstats.tables import ACCURACIES

LISTED = {
    "horned": ["horned"], "stop": ["stop"], "truck": ["truck"],
    "fire truck": ["fire truck", "fire engine"], "ski": ["ski", "skis"], "hat": ["hat"],
}  # fmt: skip
CAPTIONS = [
    "a horned viper on skis", "a horned owl and a hat", "horned", "a stop sign and a hat",
    "stop that fire truck", "fire engine, truck and hat", "a truck on skis", "skis", "a hat",
]  # fmt: skip
STRANGERS = ("horned viper", "stop sign", "red fire truck", "hat and skis", "viper")


class Counts(NamedTuple):
    """Captions of a key, of an accessory, and of both."""

    key: int
    accessory: int
    both: int


def build(folder: Path, **options: str) -> CaptionIndex:
    """Nine captions, by the list."""
    (folder / "captions.txt").write_text("\n".join(CAPTIONS), encoding="utf-8")
    made = {"phrases": LISTED, **options}
    built = build_index(
        folder / "captions.txt", folder / "index", profile="concepts", profile_options=made
    )
    return CaptionIndex.open(built)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """Of the longest phrase: "fire truck" is no truck."""
    return build(tmp_path_factory.mktemp("names"))


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """Of every phrase: "fire truck" is a truck, too."""
    return build(tmp_path_factory.mktemp("every"), match="all")


def item(name: str) -> CutOut:
    """A cut-out of an accessory."""
    return CutOut(name, name, "alpha", "x.png", 0, 0, 20, 20, 400, 30, 30)


def by_index(index: CaptionIndex, key: str, accessory: str) -> Counts | None:
    try:
        found = index.pmi(key, accessory)
    except UnknownConceptError:
        return None
    return Counts(found.n_a, found.n_b, found.n_ab)


def by_paste(index: CaptionIndex, key: str, accessory: str) -> Counts | None:
    made = associate(index, class_names([key]), [0], [item(accessory)])
    if not (one := made.of_class.get(0)) or not one.accessories:
        return None
    return Counts(one.n_key, int(one.n_accessory[0]), int(one.n_pair[0]))


def by_finetune(index: CaptionIndex, key: str, accessory: str) -> Counts | None:
    try:
        made = pair_up(index, class_names([key]), [accessory])
    except ParameterError:
        return None
    rows = made.to_table().to_pylist()
    return Counts(*(rows[0][n] for n in ("n_class", "n_accessory", "n_pair"))) if rows else None


def by_join(index: CaptionIndex, key: str, accessory: str) -> Counts | None:
    joined = join_examples(
        make_predictions({"i": {key: 1.0}}, [key]),
        make_images({"i": "p"}, target=[key]),
        make_probes({"p": (key, accessory)}),
        index,
    )
    (row,) = joined.table.to_pylist()
    assert (row["pmi"] is None) == (row["n_pair"] is None)
    return row["n_pair"] if row["n_pair"] is None else Counts(
        row["n_key"], row["n_accessory"], row["n_pair"]
    )  # fmt: skip


def by_probes(index: CaptionIndex, key: str, accessory: str) -> Counts | None:
    try:
        (row,) = select_probes(index, [key], [accessory], min_expected=0).table.to_pylist()
    except ParameterError:
        return None
    return Counts(row["n_key"], row["n_accessory"], row["n_pair"])


WAYS = (by_index, by_paste, by_finetune, by_join, by_probes)
# By hand: (caption numbers from 0) horned 0 1 2, hat 1 3 5 8, ski 0 6 7, fire truck 4 5, stop 3 4;
# truck 5 6, and 4 6 besides 5 where every phrase counts.
KNOWN = [
    ("horned", "hat", Counts(3, 4, 1)),
    ("Horned", "SKIS", Counts(3, 3, 1)),
    ("fire-truck", "hat", Counts(2, 4, 1)),
    ("Fire  Engine", "stop", Counts(2, 2, 1)),
    ("stop", "ski", Counts(2, 3, 0)),
]


@pytest.mark.parametrize(("key", "accessory", "expected"), KNOWN)
def test_all_count_a_listed_pair_alike(
    key: str, accessory: str, expected: Counts, index: CaptionIndex, every: CaptionIndex
) -> None:
    """Case, hyphens and the list's synonyms aside; also where every phrase counts."""
    for opened in (index, every):
        assert [way(opened, key, accessory) for way in WAYS] == [expected] * len(WAYS)


def test_a_phrase_inside_a_listed_one(index: CaptionIndex, every: CaptionIndex) -> None:
    """Truck: in captions 5 and 6; with every phrase in the one with "fire truck" as well."""
    for opened, expected in ((index, Counts(2, 4, 1)), (every, Counts(3, 4, 1))):
        assert [way(opened, "truck", "hat") for way in WAYS] == [expected] * len(WAYS)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_all_refuse_a_name_that_only_holds_a_listed_one(
    stranger: str, index: CaptionIndex, every: CaptionIndex
) -> None:
    """The number of "horned" is not that of the horned viper, on either side of a pair."""
    for opened in (index, every):
        for pair in ((stranger, "ski"), ("ski", stranger)):
            assert [way(opened, *pair) for way in WAYS] == [None] * len(WAYS)
        assert opened.concepts_in(stranger) == []
        for question in (opened.count, opened.neighbors, opened.find):
            with pytest.raises(UnknownConceptError, match="it is not in its list"):
                question(stranger)  # type: ignore[operator]


def test_why_a_name_is_unknown(index: CaptionIndex) -> None:
    """Each says it in its own words; none that it would be rare."""
    made = associate(index, class_names(["horned viper"]), [0], [item("hat"), item("ski")])
    assert made.unknown == {0: "its class means nothing to the index"}
    made = associate(index, class_names(["horned"]), [0], [item("hat"), item("stop sign")])
    assert [(p.id, p.reason) for p in made.problems] == [
        ("stop sign", "it means nothing to the index")
    ]
    left_out = dict(pair_up(index, class_names(["horned"]), ["hat", "stop sign"]).left_out)
    assert left_out == {"stop sign": "it means nothing to the index"}
    notes = select_probes(index, ["horned", "horned viper"], ["hat"]).notes
    assert notes[0] == (
        "Left out keys that are not one concept under the profile of the index (1): horned viper."
    )
    with pytest.raises(UnknownConceptError, match=r"'horned viper' is no concept.*near.*: horned"):
        index.pmi("horned viper", "skis")


def test_counts_of_results_and_of_samples(index: CaptionIndex) -> None:
    """Accuracies against frequency, and samples by text, take names as a whole too."""
    names = ["Horned", "fire_engine", *STRANGERS]
    same = {"dataset": "d", "metric": "accuracy", "value": 0.5, "model": "m"}
    rows = [{"concept": name, **same} for name in names]
    found = count_in_index(index, pa.Table.from_pylist(rows, ACCURACIES))
    counted = dict(zip(found.table["concept"].to_pylist(), found.table["n_captions"].to_pylist(),
                       strict=True))  # fmt: skip
    assert counted == {"Horned": 3, "fire_engine": 2}
    assert {name for _, name in found.unknown} == set(STRANGERS)
    joint = count_joint(index, index, [name.replace("_", " ") for name in names], by="row")
    assert joint.n_text.tolist() == [3, 2, *[0] * len(STRANGERS)]
    assert joint.known_by_text.tolist() == [True, True, *[False] * len(STRANGERS)]


def test_a_list_that_keeps_case_keeps_it_in_names(tmp_path: Path) -> None:
    """Turkey is in its list, but in no caption: not the bird's count. Owl is not in the list."""
    (tmp_path / "captions.txt").write_text("a turkey and an owl\nan owl\n", encoding="utf-8")
    phrases = {name: [name] for name in ("turkey", "Turkey", "owl")}
    built = build_index(tmp_path / "captions.txt", tmp_path / "index", profile="concepts",
                        profile_options={"phrases": phrases, "split": "spaced"})  # fmt: skip
    index = CaptionIndex.open(built)
    assert (index.count("turkey"), index.count("Turkey"), index.count("owl")) == (1, 0, 2)
    assert index.concepts_in("Turkey") == ["Turkey"]
    with pytest.raises(UnknownConceptError, match="near matches: owl"):
        index.count("Owl")


def test_a_seen_form_is_found_without_the_profile(tmp_path: Path) -> None:
    """Loading one can take spaCy or NLTK, and seconds."""
    (tmp_path / "captions.txt").write_text("two dogs\na hat\n", encoding="utf-8")
    index = CaptionIndex.open(build_index(tmp_path / "captions.txt", tmp_path / "index"))
    assert index.count("DOGS") == index.count("hat") == 1
    assert index.concepts_in("Dogs") == ["dog"]
    assert "profile" not in vars(index)
    assert index.count("a dog") == 1
    assert "profile" in vars(index)


def test_words_are_searched_together_only_where_it_is_said(tmp_path: Path) -> None:
    """Under profile words "tennis racket" is two concepts: pmi, join and probes take one alone.

    Paste and fine-tuning search for captions with both: 2 of 4, one of them with a dog.
    """
    lines = ["a tennis racket and a dog", "a racket for tennis", "a dog", "tennis"]
    (tmp_path / "captions.txt").write_text("\n".join(lines), encoding="utf-8")
    index = CaptionIndex.open(build_index(tmp_path / "captions.txt", tmp_path / "index"))
    found = {way.__name__: way(index, "dog", "tennis racket") for way in WAYS}
    searched = Counts(2, 2, 1)
    assert found == {"by_index": None, "by_join": None, "by_probes": None,
                     "by_paste": searched, "by_finetune": searched}  # fmt: skip
    for way in WAYS:
        assert way(index, "dog", "tennis") == Counts(2, 3, 1)
    assert np.isclose(index.pmi("dog", "tennis").pmi, np.log(1 * 4 / (2 * 3)))
