"""Results that the commands of `eval` wrote, read back under labels.

The files may come from anywhere, so that what is drawn from them is checked here, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conceptstats.errors import ParameterError, TableError

from .result_checks import how_made
from .result_kinds import check_result


def parse_labels(given: Sequence[str]) -> dict[str, Path]:
    """Read ``[LABEL=]FILE`` arguments; a label that is not given is the stem of the file's name.

    Raises
    ------
    ParameterError
        When a label is empty or stands twice.
    """
    found: dict[str, Path] = {}
    for text in given:
        label, equals, name = text.partition("=")
        path = Path(name if equals and not Path(text).exists() else text)
        if path == Path(text):
            label = path.stem
        if not label.strip():
            raise ParameterError(f"{text!r} has an empty label.", "LABEL=FILE")
        if label in found:
            raise ParameterError(
                f"two files are labelled {label!r}: {found[label]} and {path}.",
                "LABEL=FILE gives each a label of its own",
            )
        found[label] = path
    return found


def load_results(paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Read the files of several results, by label.

    Raises
    ------
    TableError
    """
    return {label: load_result(path) for label, path in paths.items()}


def load_result(path: Path) -> dict[str, Any]:
    """Read one result and check all that is drawn from it.

    Raises
    ------
    TableError
        When the file is missing or damaged, or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = how_made("correlate", "EXAMPLES")
        raise TableError(f"{path} is missing or damaged: {reason}.", hint) from error
    check_result(data, path)
    result: dict[str, Any] = data
    return result
