"""A folder of pictures that is made beside its place: what is killed goes on, nothing is half."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from conceptstats.errors import ConceptStatsError
from conceptstats.parts import Parts, unfinished
from conceptstats.progress import Progress
from conceptstats.tables import check_folder, output_errors, replace_folder


@contextmanager
def staged(
    output: Path,
    mark: str,
    plan: Mapping[str, Any],
    schema: pa.Schema,
    progress: Progress,
    *,
    overwrite: bool,
) -> Iterator[tuple[Path, Parts]]:
    """Yield a folder to write pictures to, and the parts that say which are there.

    The folder is moved to its place at the end. Both outlive a run that is killed, and the next one
    with the same plan finds them.

    Parameters
    ----------
    output : Path
    mark : str
        A file that every such folder holds: a folder without it is never replaced.
    plan : mapping
        Of JSON types: all that the pictures depend on.
    schema : Schema
        Of a part.
    progress : Progress
    overwrite : bool

    Raises
    ------
    OutputExistsError, OutputError
    """
    check_folder(output, mark, overwrite=overwrite)
    output = output.resolve()  # where a link points to
    folder = output.with_name(f".{output.name}.partial")
    with unfinished(output, plan, schema, progress) as parts:
        with output_errors(folder):
            if not parts.n_done:
                shutil.rmtree(folder, ignore_errors=True)
            elif not folder.is_dir():  # the pictures are gone
                for part in parts.folder.glob("*.arrow"):
                    part.unlink()
            folder.mkdir(parents=True, exist_ok=True)
        try:
            with output_errors(output):
                yield folder, parts
                replace_folder(folder, output)
        except ConceptStatsError:
            if not parts.n_done:  # the user's mistake, and nothing is lost
                shutil.rmtree(folder, ignore_errors=True)
            raise
