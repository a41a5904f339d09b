"""Which question a row of another file belongs to: every row on either side is accounted for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from conceptstats.errors import ParameterError, TableError

from .prompts import read_prompt

_NAMED = 3  # rows that an error shows

Key = Callable[[pa.Table, bool], list[Hashable]]


@dataclass(frozen=True, slots=True)
class Matches:
    """The other half of each question, and what is left over.

    Parameters
    ----------
    by : str
        What they were matched by.
    rows : list of int or None
        For each question its row in the other table; None: there is none.
    unused : list of int
        Rows of the other table that belong to no question.
    repeated : list of int
        Rows of the other table that say once more what another of the same question says.
    n_other_text : int
        Of the unused rows those whose id is a question's, while they ask something else.
    """

    by: str
    rows: list[int | None]
    unused: list[int]
    repeated: list[int]
    n_other_text: int

    @property
    def n(self) -> int:
        """Questions that found their other half."""
        return len(self.rows) - self.rows.count(None)

    @property
    def missing(self) -> list[int]:
        """Questions that did not."""
        return [row for row, other in enumerate(self.rows) if other is None]


def match_rows(questions: pa.Table, others: pa.Table, value: str, what: str) -> Matches:
    """Match rows with questions by ``question_id``, or by image and question where that finds more.

    By id, a row that comes with a question or a prompt must hold the question's text, so that two
    files which number their questions alike are not mistaken for each other. By image and question,
    both in lower case, the image of a row without ``image_id`` is its ``question_id``, as in what
    LLaVA writes for TextVQA. The same image and question can stand twice: the first row goes with
    the first, the second with the second.

    Parameters
    ----------
    questions, others : Table
        With ``question_id``, ``image_id`` and ``question``; ``question_type`` where both have it.
    value : str
        Column of the others in which rows of one question must agree.
    what : str
        The others, in the plural, for messages.

    Raises
    ------
    TableError
        When rows of one question differ, or two questions have one id.
    """
    _check_unique(questions)
    matches, conflicts = _match(questions, others, value, "question_id")
    if matches.missing:
        by_text = _match(questions, others, value, "image and question")
        matches, conflicts = max((matches, conflicts), by_text, key=lambda found: found[0].n)
    if conflicts:
        ids = others["question_id"].take(pa.array(conflicts)).to_pylist()
        raise TableError(
            f"{what}: {len(conflicts):,} say something else than others of the same question, such "
            f"as that of {', '.join(map(repr, dict.fromkeys(ids[:_NAMED])))}.",
            "keep one for each question, as of one model or filter; identical ones may stand twice",
        )
    return matches


def _check_unique(questions: pa.Table) -> None:
    counts = Counter(questions["question_id"].to_pylist())
    if twice := [name for name, n in counts.items() if n > 1]:
        raise TableError(
            f"questions: {len(twice):,} values of question_id stand more than once, such as "
            f"{', '.join(map(repr, twice[:_NAMED]))}."
        )


def _match(questions: pa.Table, others: pa.Table, value: str, by: str) -> tuple[Matches, list[int]]:
    """The matches by one key, and the rows that contradict others of their question."""
    with_type = all(
        "question_type" in table.column_names and table["question_type"].null_count == 0
        for table in (questions, others)
    )
    places: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(_KEYS[by](questions, with_type)):
        places[key].append(row)
    asked = [text.strip().lower() for text in questions["question"].to_pylist()]
    heard = [text and text.lower() for text in others["question"].to_pylist()]
    values = others[value].to_pylist()
    rows: list[int | None] = [None] * len(asked)
    unused, repeated, conflicts, n_other_text = [], [], [], 0
    for other, key in enumerate(_KEYS[by](others, with_type)):
        own = places.get(key, [])
        free = next((row for row in own if rows[row] is None), None)
        if not own or not _asks(heard[other], asked[own[0]]):
            unused.append(other)
            n_other_text += bool(own)
        elif free is not None:
            rows[free] = other
        elif any(values[rows[row] or 0] == values[other] for row in own):
            repeated.append(other)
        else:
            conflicts.append(other)
    return Matches(by, rows, unused, repeated, n_other_text), conflicts


def _asks(heard: str | None, asked: str) -> bool:
    """Whether a prompt, if there is one, holds the question."""
    return heard is None or asked in heard


def _by_id(table: pa.Table, with_type: bool) -> list[Hashable]:
    return list(table["question_id"].to_pylist())


def _by_text(table: pa.Table, with_type: bool) -> list[Hashable]:
    """Image, question and, where both tables know it, the type; unmatchable without question."""
    columns = [table[name].to_pylist() for name in ("question_id", "image_id", "question")]
    kinds = table["question_type"].to_pylist() if with_type else [None] * table.num_rows
    return [
        (image or name, read_prompt(question).question.lower(), kind)
        if question is not None
        else (name, row)
        for row, (name, image, question, kind) in enumerate(zip(*columns, kinds, strict=True))
    ]


_KEYS: dict[str, Key] = {"question_id": _by_id, "image and question": _by_text}


def check_left_over(
    what: str, left: Sequence[Any], n: int, missing: str, limit: float, hint: str
) -> None:
    """Raise when more rows than a share are left over.

    Parameters
    ----------
    what : str
        The rows, in the plural.
    left : sequence
        Names of those that are left over.
    n : int
        Of how many.
    missing : str
        What they lack.
    limit : float
        Largest share.
    hint : str

    Raises
    ------
    ParameterError
        When the limit is no share.
    TableError
    """
    if not 0 <= limit <= 1:
        raise ParameterError(f"max_unmatched is {limit}, expected a share from 0 to 1.")
    if len(left) > limit * n:
        raise TableError(
            f"{len(left):,} of {n:,} {what} have no {missing}, such as "
            f"{', '.join(map(repr, left[:_NAMED]))}; at most {limit:.0%} may.",
            f"{hint}, or a larger --max-unmatched",
        )
