"""Running a recipe: what is done again and what is not, and what ends it."""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conceptstats.cli import cli
from conceptstats.errors import OutputError, OutputExistsError, ProfileError, TableError
from conceptstats.recipes.needs import describe
from conceptstats.recipes.run import run_recipe, step_states
from conceptstats.recipes.steps import Installed, Needs, Plan, Recipe, Setting, Step
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import fingerprint, record_path


def small(plan: Plan) -> list[Step]:
    """Three steps, one behind the other, and one that rests on the first alone."""
    at = plan.at
    command = ("make", "--n", plan["n"], "-o", str(at("a.json")))
    return [
        Step("a", command, at("a.json"), Needs()),
        Step("b", ("make", str(at("a.json")), "-o", str(at("b.json"))), at("b.json")),
        Step("c", ("make", "--n", "3", "-o", str(at("c.json"))), at("c.json")),
        Step("d", ("make", str(at("b.json")), "-o", str(at("d.json"))), at("d.json")),
    ]


SMALL = Recipe("small", "Small", (Setting("n", "1", "a number"),), small)


class Runner:
    """Writes what a step makes, with a run record, and keeps what it was asked for.

    At the output ``bad`` it fails; at ``unfinished`` as commands do that find parts of another run.
    """

    def __init__(
        self, bad: str = "", error: type[Exception] = TableError, unfinished: str = ""
    ) -> None:
        self.ran: list[list[str]] = []
        self.bad, self.error, self.unfinished = bad, error, unfinished

    def __call__(self, arguments: Sequence[str]) -> None:
        """Run a command."""
        self.ran.append(list(arguments))
        path = Path(arguments[arguments.index("-o") + 1])
        if path.name == self.bad:
            raise self.error("no such table.", "make one")
        if path.name == self.unfinished and "--overwrite" not in arguments:
            raise OutputExistsError("an unfinished run, which differs.")
        dump_json(path, {"run": len(self.ran)})
        known = {"n": 1} if "--n" in arguments else {}
        if known:
            known["n"] = int(arguments[arguments.index("--n") + 1])
        inputs = {name: fingerprint(Path(name)) for name in arguments[1:2] if name[0] != "-"}
        dump_json(record_path(path), run_record("make", known, inputs))


def run(output: Path, runner: Runner, n: str = "1", **options: Any) -> tuple[str, ...]:
    """Run the small recipe; gives what was run."""
    plan = SMALL.plan(output, {"n": n}, tiny=False)
    return run_recipe(SMALL, plan, runner, **options).ran


def test_a_changed_step_makes_those_behind_it_stale(tmp_path: Path) -> None:
    """They are named, and made again with --overwrite; a step that does not rest on it stays."""
    assert run(tmp_path, Runner()) == ("a", "b", "c", "d")
    assert run(tmp_path, Runner()) == ()
    with pytest.raises(OutputExistsError, match="the command or input of a, b, d is another"):
        run(tmp_path, Runner(), n="2")
    runner = Runner()
    assert run(tmp_path, runner, n="2", overwrite=True) == ("a", "b", "d")
    assert all(command[-1] == "--overwrite" for command in runner.ran)
    assert run(tmp_path, Runner(), n="2") == ()


def test_from_a_step(tmp_path: Path) -> None:
    """It is made again, and all that rest on it."""
    run(tmp_path, Runner())
    assert run(tmp_path, Runner(), first="b") == ("b", "d")
    with pytest.raises(OutputExistsError, match="input of a is another"):
        run(tmp_path, Runner(), n="2", first="b")
    assert run(tmp_path, Runner(), n="2", first="a") == ("a", "b", "d")


def test_an_input_that_was_made_anew_by_hand(tmp_path: Path) -> None:
    """What rests on it is stale, though no command has changed."""
    run(tmp_path, Runner())
    dump_json(tmp_path / "b.json", {"another": "and longer"})
    with pytest.raises(OutputExistsError, match="input of d is another"):
        run(tmp_path, Runner())


def test_a_step_that_was_run_by_hand(tmp_path: Path) -> None:
    """Its run record says that it is this command with these options, or another."""
    for n, state in (("1", "done"), ("7", "stale")):
        folder = tmp_path / n
        folder.mkdir()
        Runner()(("make", "--n", n, "-o", str(folder / "a.json")))
        plan = SMALL.plan(folder, {}, tiny=False)
        states = step_states(small(plan), folder)
        assert states == {"a": state, "b": "to do", "c": "to do", "d": "to do"}


def test_an_input_that_was_made_anew_after_a_step_by_hand(tmp_path: Path) -> None:
    """A run record holds the fingerprint of what was read."""
    for name in ("a", "b"):
        source = ("--n", "1") if name == "a" else (str(tmp_path / "a.json"),)
        Runner()(("make", *source, "-o", str(tmp_path / f"{name}.json")))
    plan = SMALL.plan(tmp_path, {}, tiny=False)
    assert step_states(small(plan), tmp_path)["b"] == "done"
    dump_json(tmp_path / "a.json", {"another": 1})
    assert step_states(small(plan), tmp_path)["b"] == "stale"


def test_a_file_of_the_users_own_that_changes(tmp_path: Path) -> None:
    """What was made of it is stale, as what was made of an output."""
    names = tmp_path / "names.txt"
    names.write_text("otter\n", encoding="utf-8")
    made = tmp_path / "out" / "a.json"
    step = Step("a", ("make", str(names), "-o", str(made)), made)
    recipe = Recipe("own", "Own", (), lambda _: [step])
    plan = recipe.plan(tmp_path / "out", {}, tiny=False)
    assert run_recipe(recipe, plan, Runner()).ran == ("a",)
    assert run_recipe(recipe, plan, Runner()).ran == ()
    names.write_text("otter\nseal\n", encoding="utf-8")
    with pytest.raises(OutputExistsError, match="input of a is another"):
        run_recipe(recipe, plan, Runner())
    assert run_recipe(recipe, plan, Runner(), overwrite=True).ran == ("a",)


def test_parts_of_another_run_are_dropped_only_with_overwrite(tmp_path: Path) -> None:
    """A step goes on with parts of its own run, so --overwrite comes where the command needs it."""
    with pytest.raises(OutputExistsError, match="step b: an unfinished run"):
        run(tmp_path, Runner(unfinished="b.json"))
    runner = Runner(unfinished="b.json")
    assert run(tmp_path, runner, overwrite=True) == ("b", "c", "d")
    assert [command[-1] == "--overwrite" for command in runner.ran] == [False, True, False, False]


def test_two_at_once(tmp_path: Path) -> None:
    """The second is refused while the first runs."""

    def again(_: Sequence[str]) -> None:
        run(tmp_path, Runner())

    with pytest.raises(OutputError, match="step a: another process is writing"):
        run_recipe(SMALL, SMALL.plan(tmp_path, {}, tiny=False), again)


def test_an_output_without_a_record_is_never_taken(tmp_path: Path) -> None:
    """Nobody knows what it is of."""
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    plan = SMALL.plan(tmp_path, {}, tiny=False)
    assert step_states(small(plan), tmp_path)["a"] == "stale"


def test_the_first_error_ends_it(tmp_path: Path) -> None:
    """It names the step; the log has it; the next run goes on there."""
    runner = Runner(bad="b.json")
    with pytest.raises(TableError, match=r"step b: no such table\. Hint: make one"):
        run(tmp_path, runner)
    assert len(runner.ran) == 2
    assert "Error: no such table." in (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert run(tmp_path, Runner()) == ("b", "c", "d")


def test_an_error_of_a_library_names_the_step(tmp_path: Path) -> None:
    """It is in the log too."""
    with pytest.raises(OSError, match="no such table") as caught:
        run(tmp_path, Runner(bad="b.json", error=OSError))
    assert caught.value.__notes__[0].startswith("in step b: conceptstats make")
    assert "Error: " in (tmp_path / "log.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("how", [[], ["--dry-run"]])
def test_the_folder_of_another_recipe(tmp_path: Path, how: list[str]) -> None:
    """Is left alone."""
    run(tmp_path, Runner())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(OutputExistsError, match="is of the recipe small"):
        arguments = ["reproduce", "textvqa", "--tiny", "-o", str(tmp_path), *how]
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_archives_are_unpacked(tmp_path: Path) -> None:
    """By Python's own zipfile, as the script says; one that is damaged ends the run by name."""
    archive, folder = tmp_path / "a.zip", tmp_path / "images"
    command = ("-m", "zipfile", "-e", str(archive), str(folder))
    step = Step("unpack", command, folder, program="python", goes_on=True)
    recipe = Recipe("unpacking", "Unpacking", (), lambda _: [step])
    plan = recipe.plan(tmp_path, {}, tiny=False)
    archive.write_bytes(b"PK no")
    with pytest.raises(OutputError, match=r"step unpack: python -m zipfile .* status 1: .*zip"):
        run_recipe(recipe, plan, Runner())
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("1.jpg", b"picture")
    assert run_recipe(recipe, plan, Runner()).ran == ("unpack",)
    assert (folder / "1.jpg").read_bytes() == b"picture"
    assert run_recipe(recipe, plan, Runner()).ran == ()


def test_what_must_be_installed_is_missed_before_anything_runs(tmp_path: Path) -> None:
    """Nothing is run or made; a step that is done needs it no more."""
    is_there = False

    def load() -> None:
        if not is_there:
            raise ProfileError("the words are missing.", "fetch words")

    output = tmp_path / "out"
    needs = Needs(installed=(Installed("words: fetch words", load),))

    def steps(plan: Plan) -> list[Step]:
        first, second, *rest = small(plan)
        return [first, replace(second, needs=needs), *rest]

    recipe = Recipe("small", "Small", (Setting("n", "1", "a number"),), steps)
    plan = recipe.plan(output, {}, tiny=False)
    runner = Runner()
    with pytest.raises(ProfileError, match=r"the step b cannot be: the words are missing.*fetch"):
        run_recipe(recipe, plan, runner)
    assert runner.ran == []
    assert not output.exists()
    found = describe(recipe, plan)
    assert found["notes"] == ["Before b: words: fetch words"]
    assert found["steps"][1]["first"] == ["words: fetch words"]
    is_there = True
    assert run_recipe(recipe, plan, runner).ran == ("a", "b", "c", "d")
    is_there = False
    assert run_recipe(recipe, plan, runner).ran == ()
    with pytest.raises(ProfileError, match="the step b"):
        run_recipe(recipe, plan, runner, first="a")


def test_the_script_is_what_was_run(tmp_path: Path) -> None:
    """A line a step, as a shell takes it."""
    runner = Runner()
    run(tmp_path, runner, n="5")
    script = (tmp_path / "commands.sh").read_text(encoding="utf-8").splitlines()
    lines = [line for line in script if line.startswith("conceptstats")]
    assert [shlex.split(line)[1:] for line in lines] == runner.ran
    assert "set -e" in script  # the first that fails ends it
