"""Options that take names: of classes, and of accessories."""

from __future__ import annotations

from typing import Any

import click

from conceptstats.class_names import ClassNames, read_classes


class Classes(click.ParamType[ClassNames]):
    """A file of classes, the name of a list, or names with commas between them."""

    name = "FILE|NAME,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ClassNames:
        """Read the classes."""
        return value if isinstance(value, ClassNames) else read_classes(value)


class Accessories(click.ParamType[list[str]]):
    """A table or a file of accessories, or names with commas between them."""

    name = "FILE|NAME,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """Read the accessories."""
        from conceptstats.accessories import read_accessories

        return value if isinstance(value, list) else read_accessories(value)


key_match_option = click.option(
    "--key-match",
    type=click.Choice(["phrase", "paper"]),
    default="phrase",
    show_default=True,
    help="What a class is: its whole name, as a phrase. paper: the last word of its name, which "
    "several classes share (arXiv 2507.08000).",
)
accessories_option = click.option(
    "--accessories",
    type=Accessories(),
    help="What may go with them: a table of `conceptstats synth accessories`, a file with one a "
    "line, or names with commas. [default: every other concept of the index]",
)
