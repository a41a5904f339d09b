"""One reading of one source: what was asked for, and what to do with a row that cannot be read."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from dataclasses import dataclass

import pyarrow as pa

from conceptstats.errors import SourceError
from conceptstats.sources.batch import Batch, OnError, Problem, Source
from conceptstats.sources.text import is_list, to_strings


class DamagedFileError(Exception):
    """A reader found that nothing more can be read; `read_batches` turns it into what users see."""


DAMAGE = (
    DamagedFileError,
    pa.ArrowException,
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
)
"""What is raised for a file that is damaged or ends too early, here and in the libraries."""

SKIP_HINT = "--on-error skip leaves out what cannot be read, and counts it"

BATCH_ROWS = 65_536
BATCH_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """A source, whether its ids are wanted, and what happens at a row that cannot be read."""

    source: Source
    with_ids: bool
    on_error: OnError

    @property
    def id_column(self) -> str | None:
        """The id column where ids are to be read, else None."""
        return self.source.id_column if self.with_ids else None

    @property
    def scores_column(self) -> str | None:
        """The column of the tags' scores, if there is one."""
        return self.source.tags.scores if self.source.tags else None

    def texts(self, values: pa.Array) -> pa.Array:
        """The caption column as strings; where it is of tags, lists are left as they are."""
        return values if self.source.tags and is_list(values.type) else to_strings(values)

    def bad_row(self, row: int, reason: str, *, line: int | None = None) -> Problem:
        """Note a row that cannot be used, or stop there.

        Parameters
        ----------
        row : int
            Number of the row, from 0.
        reason : str
            What is wrong with it.
        line : int, optional
            Number of its line in the file, from 1, where the format has lines.

        Raises
        ------
        SourceError
            With ``on_error="stop"``.
        """
        where = f"row {row}" if line is None else f"line {line}"
        if self.on_error == "stop":
            raise SourceError(f"{self.source.path}, {where}: {reason}.", SKIP_HINT)
        return Problem(row, reason if line is None else f"line {line}: {reason}")

    def cut_short(self, row: int, reason: object) -> Batch:
        """Note that nothing can be read from this row on, or stop there."""
        described = str(reason).strip().rstrip(".") or type(reason).__name__
        if self.on_error == "stop":
            message = f"{self.source.path} cannot be read from row {row} on: {described}."
            raise SourceError(message, SKIP_HINT)
        problem = Problem(row, f"{described}; the rest of the file was left out")
        no_ids = pa.nulls(0, pa.string()) if self.id_column else None
        return Batch(pa.nulls(0, pa.string()), no_ids, problems=(problem,))
