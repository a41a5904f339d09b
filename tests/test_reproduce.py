"""Recipes: the whole chain with small models, what is done again and what is not, and needs."""

from __future__ import annotations

import contextlib
import json
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from conceptstats.cli import cli
from conceptstats.errors import (
    OutputError,
    OutputExistsError,
    ParameterError,
    SourceError,
    TableError,
)
from conceptstats.recipes.catalogue import RECIPES
from conceptstats.recipes.run import run_recipe, step_states
from conceptstats.recipes.steps import Needs, Plan, Recipe, Setting, Step, fetching
from conceptstats.runs import dump_json, run_record
from conceptstats.synth.portraits import choose_portraits
from conceptstats.synth.questions import make_questions
from conceptstats.table_files import load_table, record_path
from conceptstats.tables import EXAMPLES

CHAINS = ("textvqa", "vqav2", "genpairs", "paste", "finetune")
NEED_WORDNET = ("genpairs", "paste", "finetune")


def reproduce(*arguments: object) -> Result:
    """Run `conceptstats reproduce`."""
    return CliRunner().invoke(cli, ["reproduce", *map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize("name", CHAINS)
def test_every_recipe_runs_small(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From captions to figure; run again, nothing is done; a changed setting is said."""
    if name in NEED_WORDNET:
        words = request.getfixturevalue("test_data") / "data/text/nltk_data"
        monkeypatch.setattr("nltk.data.path", [str(words)])
    output = tmp_path / "out"
    done = reproduce(name, "--tiny", "-o", output, "--json", "--quiet")
    assert done.exit_code == 0, done.output
    ran = json.loads(done.stdout)["ran"]
    assert ran[-2:] == ["figure", "report"]
    assert (output / "figure.png").stat().st_size > 5_000
    assert "</html>" in (output / "report.html").read_text(encoding="utf-8")
    tables = [output / "examples.parquet", *(output / "examples").glob("*.parquet")]
    for table in filter(Path.exists, tables):
        outcomes = load_table(table, EXAMPLES)["outcome"].to_pylist()
        assert len(outcomes) > 30
        assert 0 < sum(outcomes) < len(outcomes)  # both right and wrong: there is a statistic
    script = (output / "commands.sh").read_text(encoding="utf-8").splitlines()
    assert len(script) == len(ran)
    log = (output / "log.txt").read_text(encoding="utf-8")
    assert [line[2:] for line in log.splitlines() if line.startswith("$ ")] == script
    again = json.loads(reproduce(name, "--tiny", "-o", output, "--json", "--quiet").stdout)
    assert again == {"output": str(output), "ran": [], "skipped": ran}
    with pytest.raises(
        OutputExistsError, match=r"correlate.*, figure, report is another than before"
    ):
        reproduce(name, "--tiny", "-o", output, "--set", "bins=4", "--quiet")


@pytest.mark.parametrize("tiny", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_every_command_can_be_parsed(
    name: str, tiny: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All options that a recipe names exist, and take the values that it gives."""
    monkeypatch.chdir(tmp_path)
    changes = {"classes": "otter,harbour seal"} if "classes" in dict(settings(name)) else {}
    plan = RECIPES[name].plan(tmp_path / "out", changes, tiny=tiny)
    names = tmp_path / "names.txt"
    names.write_text("otter\n", encoding="utf-8")
    for step in RECIPES[name].steps(plan):
        if step.program == "python":
            continue
        made = ("classes.txt", "accessories.parquet", "keys.txt", "accessories.txt")
        rest = [str(names) if Path(word).name in made else word for word in step.command]
        context = click.Context(cli, info_name="conceptstats")
        found: click.Command = cli
        while isinstance(found, click.Group):
            child, inner, rest = found.resolve_command(context, rest)
            assert child
            assert inner
            found = inner
        found.make_context(found.name, rest, parent=context)


def settings(name: str) -> list[tuple[str, str]]:
    """Names and values of a recipe's settings."""
    return [(setting.name, setting.value) for setting in RECIPES[name].settings]


def test_a_dry_run_prints_commands_and_needs(tmp_path: Path) -> None:
    """Published numbers are from the manifests; what is not published is unknown; nothing is made.

    TextVQA's archive of images has 7,072,297,970 bytes, its questions 3,116,162. An LMM of 10
    billion parameters, 640 tokens and 5,000 questions: 2 x 1e10 x 640 x 5000 / 1e14 / 3600 = 0.18
    GPU hours.
    """
    output = tmp_path / "out"
    done = reproduce("textvqa", "--dry-run", "-o", output, "--json", "--set", "parameters=1e10")
    found = json.loads(done.stdout)
    needs = {step["name"]: step for step in found["steps"]}
    assert needs["images"]["download"] == 7_072_297_970
    assert needs["questions"]["download"] == 3_116_162
    assert needs["captions"]["download"] is None
    assert any("accept the conditions" in note for note in needs["captions"]["first"])
    assert needs["answers"]["gpu_hours"] == pytest.approx(0.1778, abs=1e-4)
    assert found["total"]["download"] is None
    assert not output.exists()
    text = reproduce("textvqa", "--dry-run", "-o", output).stdout
    assert "7.1 GB" in text
    assert "unknown" in text
    lines = [line for line in text.splitlines() if line.startswith(("conceptstats", "python"))]
    assert lines == [step["command"] for step in found["steps"]]


def test_weights_are_counted_once(tmp_path: Path) -> None:
    """The same chat model judges words and writes prompts; it is fetched at the first.

    500 probes of 20 strata and stratum 0, a picture each: 10,500 pictures of 28 steps, 1,536 tokens
    and 11.9 billion parameters: 2 x 11.9e9 x 1536 x 28 x 10500 / 1e14 / 3600 = 29.9 GPU hours.
    """
    found = json.loads(reproduce("genpairs", "--dry-run", "-o", tmp_path / "x", "--json").stdout)
    needs = {step["name"]: step for step in found["steps"]}
    assert needs["accessories"]["download"] == 16_060_000_000
    assert needs["prompts"]["download"] == needs["prompts"]["disk"] == 0
    assert needs["prompts"]["gpu_hours"] > 0
    assert needs["pictures"]["gpu_hours"] == pytest.approx(29.86, abs=0.01)
    other = reproduce("genpairs", "--dry-run", "-o", tmp_path / "x", "--json", "--set", "judge=x")
    needs = {step["name"]: step for step in json.loads(other.stdout)["steps"]}
    assert needs["accessories"]["download"] is None
    assert needs["prompts"]["download"] == 16_060_000_000


def test_captions_of_your_own_are_not_fetched(tmp_path: Path) -> None:
    """A path stands where a manifest's name stood; cc12m's size is known."""
    one = RECIPES["vqav2"].plan(tmp_path, {"captions": "mine/*.parquet"}, tiny=False)
    steps = {step.name: step for step in RECIPES["vqav2"].steps(one)}
    assert "captions" not in steps
    assert "mine/*.parquet" in steps["index"].command
    assert fetching("captions", "cc12m", tmp_path).needs.download == 2_707_204_412


def test_settings_that_there_are_not(tmp_path: Path) -> None:
    """The error lists what there is; a number must be one."""
    with pytest.raises(ParameterError, match=r"no setting 'modle' \(there are captions, model"):
        reproduce("textvqa", "--dry-run", "--set", "modle=x")
    with pytest.raises(ParameterError, match="KEY=VALUE"):
        reproduce("textvqa", "--dry-run", "--set", "model")
    with pytest.raises(ParameterError, match="parameters is 'many', expected a number"):
        reproduce("textvqa", "--dry-run", "--set", "parameters=many")
    with pytest.raises(ParameterError, match=r"no step is called 'nix' \(there are questions"):
        reproduce("textvqa", "--dry-run", "--from", "nix", "-o", tmp_path / "out")


def test_photographs_must_be_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where they are had, and nothing is run or made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"imagenet/val is missing.*accept the terms"):
        reproduce("paste")
    assert not list(tmp_path.iterdir())


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
    """Writes what a step makes, with a run record, and keeps what it was asked for."""

    def __init__(self, bad: str = "") -> None:
        self.ran: list[list[str]] = []
        self.bad = bad

    def __call__(self, arguments: Sequence[str]) -> None:
        """Run a command."""
        self.ran.append(list(arguments))
        path = Path(arguments[arguments.index("-o") + 1])
        if path.name == self.bad:
            raise TableError("no such table.", "make one")
        dump_json(path, {"run": len(self.ran)})
        known = {"n": 1} if "--n" in arguments else {}
        if known:
            known["n"] = int(arguments[arguments.index("--n") + 1])
        dump_json(record_path(path), run_record("make", known, {}))


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


def test_the_folder_of_another_recipe(tmp_path: Path) -> None:
    """Is left alone."""
    run(tmp_path, Runner())
    with pytest.raises(OutputExistsError, match="is of the recipe small"):
        reproduce("textvqa", "--tiny", "-o", tmp_path)


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


@given(
    names=st.lists(st.text("abcdef", min_size=1), min_size=8, unique=True),
    seed=st.integers(0, 5),
    n=st.none() | st.integers(1, 8),
)
def test_sides_share_no_accessory(names: list[str], seed: int, n: int | None) -> None:
    """Each accessory that is drawn is on one side, whatever others there are."""
    found = []
    for side in ("training", "evaluation"):
        with contextlib.suppress(ParameterError):  # all are on the other side
            table = choose_portraits(names, n=n, side=side, seed=seed)
            found += table["accessory"].to_pylist()
    both = choose_portraits(names, n=n, seed=seed)["accessory"].to_pylist()
    assert sorted(found) == both
    assert len(both) == (n or len(names))


def test_questions_are_right_half_of_the_time() -> None:
    """Two a picture: its accessory, to be answered with yes, and another one, with no."""
    shown = {name: {"key": "otter", "accessory": name} for name in ("hat", "bell", "drum")}
    pictures = [{"image_id": f"{name}-0", "probe_id": name} for name in shown]
    asked = make_questions(pictures, shown)
    assert [row.answer for row in asked] == ["yes", "no"] * 3
    for row, other in zip(asked[::2], asked[1::2], strict=True):
        name = pictures[row.picture]["probe_id"]
        assert row.question == f"Is there a {name} beside the otter?"
        assert other.question != row.question
        assert other.picture == row.picture


def test_the_script_is_what_was_run(tmp_path: Path) -> None:
    """A line a step, as a shell takes it."""
    runner = Runner()
    run(tmp_path, runner, n="5")
    lines = (tmp_path / "commands.sh").read_text(encoding="utf-8").splitlines()
    assert [shlex.split(line)[1:] for line in lines] == runner.ran
