"""What a profile is: the rule that turns a caption into concepts, as data in the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pyarrow as pa

if TYPE_CHECKING:  # the interner brings numba, which questions to an index do without
    from conceptstats.text.interner import Bounds, Ids


class Extracted(NamedTuple):
    """Concepts of consecutive captions, numbered within themselves.

    Row r has ``ids[bounds[r]:bounds[r + 1]]`` in the order of its text, with repeats.
    """

    concepts: pa.Array  # large_string: concept of each local id
    ids: Ids
    bounds: Bounds
    forms: pa.Array  # large_string: surface forms that are not spelt as their concept
    form_ids: Ids  # local id of each of them
    invalid: tuple[int, ...]  # rows that are not UTF-8; they have no concepts


class Profile(Protocol):
    """A rule from captions to concepts."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def options(self) -> dict[str, Any]:
        """Everything that, with the name, makes the same profile again; JSON types only."""

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the data that the rule rests on."""

    def extract(self, captions: pa.Array) -> Extracted:
        """Concepts of every caption (strings; null and empty ones have none)."""

    def concepts_of(self, text: str) -> list[str]:
        """Concepts of one text, in order, with repeats: what a caption holds."""

    def meaning(self, name: str) -> list[str]:
        """Concepts that a name means, in order, with repeats: what a query asks for.

        Where concepts are phrases, it is one, of which the whole name is a phrase, or none: what
        stands inside a name means something else ("stop" in "stop sign").
        """
