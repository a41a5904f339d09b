"""The run record: what made an output, so that it can be made again.

A record holds no time and no machine, so that the same run makes the same bytes.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from conceptstats import __version__

_RECORDED = ("numpy", "pyarrow", "numba", "scipy")


def run_record(
    command: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, str],
    seed: int | None = None,
    *,
    packages: Sequence[str] = (),
) -> dict[str, Any]:
    """Record of one run.

    Parameters
    ----------
    command : str
        As on the command line, such as "index build".
    arguments : mapping
        Everything that bears on the result.
    inputs : mapping
        Fingerprint of each input, by path.
    seed : int, optional
    packages : sequence of str
        Distributions whose versions bear on the result, besides those of the core.

    Returns
    -------
    dict
        Of JSON types.
    """
    versions = {"conceptstats": __version__, "python": platform.python_version()}
    for package in (*_RECORDED, *packages):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "command": command,
        "arguments": dict(arguments),
        "seed": seed,
        "inputs": dict(inputs),
        "versions": versions,
    }


def dump_json(path: Path, data: object) -> None:
    """Write JSON for people and programs: indented, in ASCII, with a final newline.

    ASCII also holds the names of files that are not UTF-8.
    """
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="ascii")
