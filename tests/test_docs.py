"""The documents say what is true, and their commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from conceptstats.cli import cli

ROOT = Path(__file__).resolve().parent.parent


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """All commands below one, by full name."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            below = command.get_command(context, child)
            assert below is not None
            yield from commands(below, f"{name} {child}")


@pytest.mark.parametrize(("name", "command"), list(commands(cli, "conceptstats")))
def test_every_command_has_a_summary_and_an_example(name: str, command: click.Command) -> None:
    """Help has one line that says what the command does, and an example that names it."""
    assert command.help
    assert command.help.split("\n\n")[0].strip().endswith(".")
    assert command.epilog
    assert command.epilog.startswith("Example: conceptstats")
    if not isinstance(command, click.Group):
        assert f"Example: {name}" in command.epilog


@pytest.mark.parametrize(("name", "command"), list(commands(cli, "conceptstats")))
def test_every_option_has_help(name: str, command: click.Command) -> None:
    """Each option of each command says what it does."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


def test_reference_page_is_current() -> None:
    """docs/reference.md is what `make docs` writes."""
    script = ROOT / "docs" / "make_reference.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def readme_blocks() -> dict[str, list[str]]:
    """Code blocks of the README by language."""
    blocks: dict[str, list[str]] = {}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        blocks.setdefault(language, []).append(code)
    return blocks


def test_readme_commands_run(readme_blocks: dict[str, list[str]], tmp_path: Path) -> None:
    """The README's shell and Python blocks run as written, one after another."""
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    script = "set -euo pipefail\n" + "\n".join(readme_blocks["sh"])
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=True)
    code = "\n".join(readme_blocks["python"])
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_changelog_has_the_version() -> None:
    """The version in the metadata has its section in the changelog."""
    import conceptstats

    assert f"## {conceptstats.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
