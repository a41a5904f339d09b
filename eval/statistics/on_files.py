"""A statistic of examples tables on disk, written as JSON with the record of its run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import fingerprint, load_table
from conceptstats.tables import EXAMPLES, writing


class Result(Protocol):
    """What a statistic found."""

    @property
    def seed(self) -> int:
        """Of what was drawn."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        ...


Found = TypeVar("Found", bound=Result)
_PACKAGES = ("pandas", "pingouin", "statsmodels")  # whose versions the record names


def compute_on_files(
    command: str,
    compute: Callable[..., Found],
    paths: Sequence[Path],
    output: Path | None,
    options: dict[str, Any],
    *,
    overwrite: bool,
) -> Found:
    """Compute a statistic of the examples of files; without ``output`` nothing is written.

    The place of the output is checked first, so that no long computation is in vain.

    Raises
    ------
    OutputExistsError, OutputError
        And what ``compute`` and `conceptstats.table_files.load_table` raise.
    """
    if output is None:
        return compute(*(load_table(path, EXAMPLES) for path in paths), **options)
    with writing(output, overwrite=overwrite) as partial:
        found = compute(*(load_table(path, EXAMPLES) for path in paths), **options)
        inputs = {str(path): fingerprint(path) for path in paths}
        record = run_record(command, options, inputs, found.seed, packages=_PACKAGES)
        dump_json(partial, {**found.to_json(), "run": record})
    return found
