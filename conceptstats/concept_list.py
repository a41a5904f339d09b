"""The list of concepts to count so that classes of several words can be probed.

An index of profile `words` counts single words, so a class "polar bear" is no concept of it. The
way from captions to probes of such classes is: index the words, choose accessories among them,
write a list of classes and accessories, and index the captions by this list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from conceptstats.class_names import (
    WORD_PROFILES,
    ClassNames,
    Tokens,
    listed,
    settle,
    strangers,
    with_synonyms,
    words_of,
)
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import fingerprint, record_path
from conceptstats.tables import FORMS, read_table, writing


class ConceptList(NamedTuple):
    """Concepts, each with its phrases, its own name first."""

    classes: list[list[str]]  # in their order; empty for one left out, or of an earlier one's name
    accessories: list[list[str]]
    notes: list[str]


def list_concepts(
    classes: ClassNames, accessories: Sequence[str] = (), index: CaptionIndex | None = None
) -> ConceptList:
    """Put classes and accessories into one list of concepts, in which each phrase is of one.

    Parameters
    ----------
    classes : ClassNames
    accessories : sequence of str
        One that is a phrase of a class is left out.
    index : CaptionIndex, optional
        Of profile words, paper or nouns over the same captions: its other forms of the last word
        of each phrase are added ("polar bears"), as far as they mean nothing else.

    Raises
    ------
    ParameterError
        When there is no class, or the index is of another profile.
    """
    settled = settle(classes)
    notes = list(settled.notes)
    taken: dict[Tokens, str] = {}
    rows = settled.phrases
    if not any(rows):
        raise ParameterError("there is no class with a word in its name.")
    for phrases in rows:
        taken |= {words_of(phrase): phrases[0] for phrase in phrases}
    others, left = [], []
    for name in dict.fromkeys(accessories):
        words = words_of(name)
        if not name:
            continue
        if not words or words in taken:
            left.append(name)
            continue
        taken[words] = name
        others.append([name])
    if left:
        notes.append(
            f"Left out accessories that name a class or repeat another ({len(left):,}): "
            f"{listed(left)}."
        )
    if index is None:
        notes.append(
            "Without an index of words only the phrases themselves are counted, no plurals."
        )
    else:
        forms = _Forms(index)
        for phrases in (*rows, *others):
            _add_forms(phrases, forms, taken)
    return ConceptList(rows, others, notes)


class _Forms:
    """Forms of words in the captions of an index."""

    def __init__(self, index: CaptionIndex) -> None:
        if index.profile.name not in WORD_PROFILES:
            raise ParameterError(
                f"{index.path} has the profile {index.profile.name}, expected "
                f"{' or '.join(WORD_PROFILES)}.",
                "forms of words are taken from an index of words",
            )
        table = read_table(index.path / "forms.arrow", FORMS)
        self._concept_of: dict[str, int] = dict(
            zip(table["form"].to_pylist(), table["concept_id"].to_pylist(), strict=True)
        )
        self._of: dict[int, list[str]] = {}
        for form, concept in self._concept_of.items():
            self._of.setdefault(concept, []).append(form)

    def of(self, word: str) -> list[str]:
        """All forms of a word."""
        concept = self._concept_of.get(word)
        return [] if concept is None else self._of[concept]


def _add_forms(phrases: list[str], forms: _Forms, taken: dict[Tokens, str]) -> None:
    """Add the other forms of each phrase that no concept has yet."""
    for phrase in list(phrases):
        words = words_of(phrase)
        for form in forms.of(words[-1]):
            other = (*words[:-1], form)
            if other not in taken:
                taken[other] = phrases[0]
                phrases.append(" ".join(other))


def make_concept_list(
    classes: ClassNames,
    output: str | Path,
    *,
    synonyms: ClassNames | None = None,
    accessories: Sequence[str] = (),
    index: str | Path | None = None,
    overwrite: bool = False,
) -> ConceptList:
    """Write a concept file for profile `concepts`, with its run record.

    Parameters
    ----------
    classes : ClassNames
    output : path
        One concept a line, its other phrases behind tabs.
    synonyms : ClassNames, optional
        Other names of the same classes, in the same order.
    accessories, index
        As `list_concepts` takes them; the index by its path.
    overwrite : bool

    Raises
    ------
    ParameterError, IndexFormatError, OutputExistsError, OutputError
    """
    output = Path(output)
    notes = []
    if synonyms is not None:
        if strange := strangers(classes, synonyms):
            notes.append(
                f"Classes that share no word with their synonyms; is the order the same? "
                f"({len(strange):,}): {listed(strange)}."
            )
        classes = with_synonyms(classes, synonyms)
    opened = None if index is None else CaptionIndex.open(index)
    made = list_concepts(classes, accessories, opened)
    made = made._replace(notes=notes + made.notes)
    record = run_record(
        "concepts",
        {
            "classes": [classes.phrases(place) for place in range(len(classes))],
            "accessories": list(accessories),
        },
        {} if index is None else {str(index): fingerprint(Path(index))},
    )
    lines = ["\t".join(phrases) + "\n" for phrases in (*made.classes, *made.accessories)]
    with writing(output, overwrite=overwrite) as partial:
        partial.write_text("".join(lines), encoding="utf-8")
    with writing(record_path(output), overwrite=True) as partial:
        dump_json(partial, record)
    return made
