"""Write docs/reference.md from the help texts; with --check, fail when it is out of date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from conceptstats.cli import cli

TARGET = Path(__file__).with_name("reference.md")
_WIDTH = 96


def walk(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Name and help text of a command and of all below it."""
    context = click.Context(
        command,
        info_name=" ".join(names),
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield " ".join(names), command.get_help(context)
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            child = command.get_command(context, name)
            if child is not None:
                yield from walk(child, (*names, name))


def reference() -> str:
    """The whole page."""
    sections = [
        f"## {name}\n\n```text\n{text.rstrip()}\n```\n"
        for name, text in walk(cli, ("conceptstats",))
    ]
    head = (
        "# Command line\n\n"
        "Written by `make docs` from the help texts. Exit status: 0; 1 for a clear error (one "
        "line and a hint on standard error; `conceptstats --debug ...` shows the traceback); 2 "
        "for wrong usage.\n\n"
    )
    return head + "\n".join(sections)


if __name__ == "__main__":
    if "--check" in sys.argv:
        if TARGET.read_text(encoding="utf-8") != reference():
            sys.exit("docs/reference.md is out of date: make docs")
    else:
        TARGET.write_text(reference(), encoding="utf-8")
