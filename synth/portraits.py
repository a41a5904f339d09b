"""Probes of accessories alone: `synth generate` makes pictures of them, to cut them out of."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal

import pyarrow as pa

from conceptstats.errors import ParameterError
from conceptstats.runs import run_record
from conceptstats.table_files import save_table
from conceptstats.tables import PROBES

Side = Literal["all", "training", "evaluation"]


def choose_portraits(
    accessories: Sequence[str],
    *,
    n: int | None = None,
    side: Side = "all",
    training: float = 0.5,
    seed: int = 0,
) -> pa.Table:
    """One probe an accessory, whose key it is too: a picture of it shows nothing else.

    Parameters
    ----------
    accessories : sequence of str
    n : int, optional
        So many of them, drawn at random; the same for both sides.
    side : {"all", "training", "evaluation"}
        Each accessory is on one of two sides, which its name and the seed say, so that a model can
        be trained with some and judged with others.
    training : float
        Share of the side for training.
    seed : int

    Returns
    -------
    Table
        `conceptstats.tables.PROBES`; the probe's id is the name, or with a slash in it, of which no
        folder can be made, the name and a hash of it.

    Raises
    ------
    ParameterError
        When a number is out of its range, or no accessory is left.
    """
    if (n is not None and n < 1) or not 0 < training < 1:
        raise ParameterError(
            f"n is {n} and the share for training {training}, expected 1 or more, and a share "
            "between 0 and 1."
        )
    names = sorted(dict.fromkeys(accessories), key=lambda name: _number("n", name, seed))[:n]
    if side != "all":
        share = {name: _number("side", name, seed) < training for name in names}
        names = [name for name in names if share[name] == (side == "training")]
    if not names:
        raise ParameterError(f"no accessory is left for {side}.", "more accessories, or more of n")
    names.sort()
    return pa.table(
        {"probe_id": [_probe_id(name) for name in names], "key": names, "accessory": names}
    )


def _probe_id(name: str) -> str:
    if "/" not in name:
        return name
    return f"{name.replace('/', ' ')} {sha256(name.encode()).hexdigest()[:8]}"


def _number(what: str, name: str, seed: int) -> float:
    """A number in [0, 1) that a name and a seed give."""
    digest = sha256(f"{what}\t{seed}\t{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def write_portraits(
    accessories: Sequence[str],
    output: str | Path,
    *,
    n: int | None = None,
    side: Side = "all",
    training: float = 0.5,
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Write the table of `choose_portraits`; gives its number of rows.

    Raises
    ------
    ParameterError, OutputExistsError, OutputError
    """
    table = choose_portraits(accessories, n=n, side=side, training=training, seed=seed)
    digest = sha256("\n".join(accessories).encode()).hexdigest()
    arguments = {"n": n, "side": side, "training": training, "accessories": f"sha256:{digest}"}
    record = run_record("synth portraits", arguments, {}, seed)
    save_table(output, table, PROBES, record=record, overwrite=overwrite)
    return int(table.num_rows)
