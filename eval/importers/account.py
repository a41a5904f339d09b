"""What became of every row of the files that are imported: kept, or left out and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from conceptstats.errors import TableError

OnError = Literal["stop", "skip"]

_EXAMPLES = 3  # places that are shown for a reason


class Row(NamedTuple):
    """One row, or one number of a file of results."""

    place: str  # such as "line 3"
    values: dict[str, Any]  # by column


class LeftOut(NamedTuple):
    """Rows that were left out for one reason."""

    reason: str
    n: int
    examples: tuple[str, ...]  # where the first of them stand


@dataclass(frozen=True, slots=True)
class Options:
    """What the files of some tools do not say."""

    model: str | None = None
    pretrained: str | None = None
    dataset: str | None = None
    metric: str | None = None
    filter: str | None = None
    classes: str | None = None


class Account:
    """Counts the rows that are read, and those that are left out, by reason.

    Parameters
    ----------
    on_error : {"stop", "skip"}
        What a row that cannot be used does: it raises, or is left out and counted.
    """

    def __init__(self, on_error: OnError = "stop") -> None:
        self.on_error = on_error
        self.n_read = 0
        self.notes: list[str] = []
        self._left: dict[str, tuple[int, list[str]]] = {}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was left out, the most frequent reason first."""
        found = [LeftOut(why, n, tuple(where)) for why, (n, where) in self._left.items()]
        return tuple(sorted(found, key=lambda each: -each.n))

    def leave_out(self, path: object, place: str, reason: str) -> None:
        """Count a row that is left out by rule, and is no error."""
        n, examples = self._left.get(reason, (0, []))
        if len(examples) < _EXAMPLES:
            examples.append(f"{path}, {place}")
        self._left[reason] = n + 1, examples

    def bad(self, path: object, place: str, reason: str, hint: str | None = None) -> None:
        """Count a row that cannot be used, or stop there.

        Raises
        ------
        TableError
            With ``on_error="stop"``; names the file and the place.
        """
        if self.on_error == "stop":
            skip = "--on-error skip leaves out what cannot be used, and counts it"
            raise TableError(f"{path}, {place}: {reason}.", hint or skip)
        self.leave_out(path, place, reason)

    def add_bad(self, other: Account) -> None:
        """Take over what another account left out: rows that hold the numbers counted here."""
        for reason, n, examples in other.left_out:
            before, places = self._left.get(reason, (0, []))
            self._left[reason] = before + n, [*places, *examples][:_EXAMPLES]
            self.n_read += n

    def note(self, text: str) -> None:
        """Say something about the result that its rows do not show; once."""
        if text not in self.notes:
            self.notes.append(text)
