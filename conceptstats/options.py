"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Container
from typing import Any

import click
from click.core import ParameterSource

from conceptstats.errors import ParameterError
from conceptstats.shards import Shard, parse_shard

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
quiet_option = click.option(
    "--quiet", is_flag=True, help="No progress and no messages on standard error."
)

revision_option = click.option("--revision", help="Of a model on the hub: a branch, tag or commit.")
precision_option = click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="In which the model computes.",
)
stored_precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default="auto",
    show_default=True,
    help="Of the model; auto: as its weights are stored.",
)

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip


class Size(click.ParamType[int]):
    """Bytes, with or without a unit: 4GiB, 500MB, 2g."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a size."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([\d.]+)\s*([kmgt]?i?)b?", str(value).strip().lower())
        if match and match[2] in _UNITS and match[1].count(".") <= 1 and match[1] != ".":
            return int(float(match[1]) * _UNITS[match[2]])
        return self.fail(
            f"{value!r} is no size; expected a number of bytes, such as 4GiB.", param, ctx
        )


memory_option = click.option(
    "--memory",
    type=Size(),
    default="4GiB",
    show_default=True,
    help="Memory for counting and merging, which take passes beyond it. Reading takes up to 100 MB "
    "a worker besides.",
)
workers_option = click.option("--workers", type=int, help="Threads. [default: all cores]")
processes_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=lambda: len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    show_default="all cores",
    help="Processes; the result does not depend on it.",
)


class ShardType(click.ParamType[Shard]):
    """A share of the work: 0/4."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shard:
        """Parse a share."""
        if isinstance(value, Shard):
            return value
        try:
            return parse_shard(str(value))
        except ParameterError as error:
            return self.fail(str(error), param, ctx)


shard_option = click.option(
    "--shard",
    type=ShardType(),
    default="0/1",
    show_default=True,
    help="Do share I of N only, counted from 0; each share writes an output of its own.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: a GPU where there is one.",
)


def refuse_given(names: Container[str], why: str) -> None:
    """Raise where the command line has one of these parameters, which would have no effect.

    Raises
    ------
    click.UsageError
        It says "--NAME WHY."
    """
    context = click.get_current_context()
    for param in context.command.params:
        source = context.get_parameter_source(param.name or "")
        if param.name in names and source == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{param.opts[0]} {why}.")
