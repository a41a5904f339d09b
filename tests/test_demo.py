"""The demo: the whole chain by the command line, in a small world."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from conceptstats.cli import cli
from conceptstats.demo import FULL, QUICK, Scale, demo_commands, run_demo
from conceptstats.errors import OutputExistsError

FIGURES = {"r_binned", "n_bins", "r_unbinned", "gap_5pct", "slope", "slope_low", "slope_high"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a quick demo, with what it printed in stdout.txt."""
    folder = tmp_path_factory.mktemp("demo")
    code = "from conceptstats.cli import main; main()"
    command = [sys.executable, "-c", code, "demo", "-o", str(folder / "out"), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def test_json_has_the_figures_of_every_world_and_control(demo: Path) -> None:
    """Standard output is one JSON document, with the figures under their names."""
    data = json.loads((demo / "stdout.txt").read_text(encoding="utf-8"))
    assert data == json.loads((demo / "out" / "demo.json").read_text(encoding="utf-8"))
    for world in ("main", "independent", "observer"):
        assert set(data[world]) >= FIGURES
    assert set(data["opposite"]) >= {"r_delta_binned", "r_delta_unbinned"}
    assert data["captions"] == 3 * QUICK.n
    assert data["seconds"] > 0


def test_the_index_recovers_the_pmi_of_the_world(demo: Path) -> None:
    """PMI counted correlates with PMI true over pairs in 30 captions or more."""
    data = json.loads((demo / "stdout.txt").read_text(encoding="utf-8"))
    assert data["recovered"]["n_pairs"] > 50
    assert data["recovered"]["r"] > 0.99
    assert data["recovered"]["coverage"] > 0.85


def test_the_observer_follows_pmi(demo: Path) -> None:
    """Whatever the evidence is worth, a model that knows the world errs where PMI is low."""
    data = json.loads((demo / "stdout.txt").read_text(encoding="utf-8"))
    assert data["observer"]["r_unbinned"] > 0.3
    assert data["observer"]["slope_low"] > 0


def test_shuffled_pmi_explains_nothing(demo: Path) -> None:
    """The mean of r over shuffles is about 0, and their range holds it."""
    shuffled = json.loads((demo / "stdout.txt").read_text(encoding="utf-8"))["shuffled"]
    assert abs(shuffled["r_unbinned"]) < 0.05
    assert shuffled["r_binned_low"] < 0 < shuffled["r_binned_high"]


def test_report_and_figures_are_there(demo: Path) -> None:
    """The last two commands leave one page and a figure in two formats."""
    page = (demo / "out" / "report.html").read_text(encoding="utf-8")
    assert "</html>" in page
    assert (demo / "out" / "figure.png").stat().st_size > 10_000
    assert (demo / "out" / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_commands_are_kept_as_a_script(demo: Path) -> None:
    """commands.sh holds what was run, one command a line, each of which can be run by itself."""
    lines = (demo / "out" / "commands.sh").read_text(encoding="utf-8").splitlines()
    expected = list(demo_commands(demo / "out", QUICK))
    assert [tuple(shlex.split(line)[1:]) for line in lines] == expected


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_every_command_can_be_parsed(scale: Scale, tmp_path: Path) -> None:
    """All options that the demo names exist, and take the values that it gives."""
    (tmp_path / "worlds" / "main").mkdir(parents=True)
    for name in ("keys", "accessories"):  # read where the command is parsed
        (tmp_path / "worlds" / "main" / f"{name}.txt").write_text("anchor\n", encoding="utf-8")
    for command in demo_commands(tmp_path, scale):
        context = click.Context(cli, info_name="conceptstats")
        found: click.Command = cli
        rest = list(command)
        while isinstance(found, click.Group):
            name, child, rest = found.resolve_command(context, rest)
            assert name
            assert child
            found = child
        found.make_context(found.name, rest, parent=context)


def test_another_folder_is_refused_and_kept(tmp_path: Path) -> None:
    """A folder with something else in it is no demo; nothing is run, nothing lost."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "captions.parquet").write_text("x", encoding="utf-8")

    def run(arguments: Sequence[str]) -> None:
        raise AssertionError(arguments)

    with pytest.raises(OutputExistsError):
        run_demo(tmp_path / "mine", run)
    assert (tmp_path / "mine" / "captions.parquet").read_text(encoding="utf-8") == "x"
