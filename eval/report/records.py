"""How results were made: their run records, and those of the tables behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.table_files import ENDINGS, fingerprint, record_path

_MOST = 50  # records


class Made(NamedTuple):
    """What made a file."""

    name: str
    command: str
    text: str  # the record as JSON


def made(name: str, record: Mapping[str, Any]) -> Made:
    """A record as people read it."""
    command = record.get("command")
    text = json.dumps(record, indent=1, ensure_ascii=False)
    return Made(name, f"conceptstats {command}" if isinstance(command, str) else "", text)


def records_behind(paths: Sequence[Path]) -> list[Made]:
    """Records that stand beside some files, and beside the inputs which these name, and so on."""
    found: list[Made] = []
    waiting, known = list(paths), set()
    while waiting and len(found) < _MOST:
        path = waiting.pop(0)
        beside = record_path(path)
        if beside in known or not is_file(beside):
            continue
        known.add(beside)
        try:
            record = json.loads(beside.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            found.append(Made(path.name, "", f"{beside.name} cannot be read: {error}"))
            continue
        if isinstance(record, dict):
            found.append(made(path.name, record))
            waiting += [place for place, _ in inputs_of(record, path.parent)]
    return found


def inputs_of(record: Mapping[str, Any], folder: Path) -> Iterator[tuple[Path, str]]:
    """Inputs of a run that are still there, with the fingerprints which they had.

    A path is looked for as it is, then from the folder of the output, then in that folder.
    """
    inputs = record.get("inputs")
    for text, digest in inputs.items() if isinstance(inputs, dict) else ():
        path = Path(str(text))
        for place in (path, folder / path, folder / path.name):
            if is_file(place) or is_file(record_path(place)):
                yield place, str(digest)
                break


def models_of(result: Mapping[str, Any]) -> tuple[str, str]:
    """What the two models of a comparison are called: A and B, with their files where known."""
    inputs = result.get("run", {}).get("inputs")
    paths = [Path(str(path)) for path in inputs] if isinstance(inputs, dict) else []
    if len(paths) != 2:
        return "A", "B"
    names = [path.name for path in paths]
    if names[0] == names[1]:  # such as before/examples.parquet, after/examples.parquet
        names = [str(path) for path in paths]
    return f"A ({names[0]})", f"B ({names[1]})"


def examples_behind(result: Mapping[str, Any], path: Path) -> tuple[Path | None, str]:
    """The examples that a result was made of; None, and why, where they are not there any more.

    Parameters
    ----------
    result : mapping
    path : Path
        Of the result.
    """
    for place, digest in inputs_of(result.get("run", {}), path.parent):
        if place.suffix in ENDINGS and is_file(place):
            if fingerprint(place) == digest:
                return place, ""
            return None, f"{place.name} has changed since; --examples takes it all the same"
    return None, "the table of examples was not found; --examples says where it is"


def is_file(path: Path) -> bool:
    """Whether there is such a file; a path that cannot be is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
