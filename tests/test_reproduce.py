"""Recipes: the whole chain with small models, what is done again and what is not, and needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from conceptstats.cli import cli
from conceptstats.errors import (
    OutputExistsError,
    ParameterError,
    ProfileError,
    SourceError,
)
from conceptstats.recipes.catalogue import RECIPES
from conceptstats.recipes.run import step_states
from conceptstats.recipes.steps import fetching
from conceptstats.table_files import load_table
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
    script = commands(output)
    assert len(script) == len(ran)
    log = (output / "log.txt").read_text(encoding="utf-8")
    assert [line[2:] for line in log.splitlines() if line.startswith("$ ")] == script
    again = json.loads(reproduce(name, "--tiny", "-o", output, "--json", "--quiet").stdout)
    assert again == {"output": str(output), "ran": [], "skipped": ran}
    with pytest.raises(
        OutputExistsError, match=r"correlate.*, figure, report is another than before"
    ):
        reproduce(name, "--tiny", "-o", output, "--set", "bins=4", "--quiet")
    (output / "recipe.json").unlink()
    assert_run_by_hand(name, output)


def assert_run_by_hand(name: str, output: Path) -> None:
    """Without a ledger, run records say which steps are done, and which are of other options."""
    recipe = RECIPES[name]
    for changes, expected in (({}, "done"), ({"bins": "4"}, "stale")):
        plan = recipe.plan(output, changes, tiny=True)
        states = step_states(recipe.steps(plan), output)
        first = next(step for step in states if step.startswith("correlate"))
        assert states[first] == expected
        before = list(states)[: list(states).index(first)]
        assert {states[step] for step in before} == {"done"}
    if name == "genpairs":
        plan = recipe.plan(output, {"guidance": "4.0"}, tiny=True)
        states = step_states(recipe.steps(plan), output)
        assert states["prompts"] == "done"
        assert states["pictures"] == states["verify"] == "stale"


def commands(output: Path) -> list[str]:
    """The commands of a script."""
    lines = (output / "commands.sh").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(("conceptstats", "python"))]


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
    billion parameters, 640 tokens and 5,000 questions: 2 x 1e10 x 640 x 5000 / 1e14 / 3600 = 0.178
    GPU hours; 5 tokens written for 5000 / 8 batches: 2e10 bytes x 5 x 625 / 1e12 / 3600 = 0.017.
    """
    output = tmp_path / "out"
    done = reproduce("textvqa", "--dry-run", "-o", output, "--json", "--set", "parameters=1e10")
    found = json.loads(done.stdout)
    needs = {step["name"]: step for step in found["steps"]}
    assert needs["images"]["download"] == 7_072_297_970
    assert needs["questions"]["download"] == 3_116_162
    assert needs["unpack-images"]["disk"] == 7_072_297_970
    assert needs["captions"]["download"] is None
    assert any("accept the conditions" in note for note in needs["captions"]["first"])
    assert needs["answers"]["gpu_hours"] == pytest.approx(0.1778 + 0.0174, abs=1e-4)
    assert found["total"]["download"] is None
    assert not output.exists()
    text = reproduce("textvqa", "--dry-run", "-o", output).stdout
    assert "7.1 GB" in text
    assert "unknown" in text
    assert "answers: weights: 13.4 billion parameters x 2 bytes" in text
    lines = [line for line in text.splitlines() if line.startswith(("conceptstats", "python"))]
    assert lines == [step["command"] for step in found["steps"]]


def test_a_dry_run_fits_a_screen(tmp_path: Path) -> None:
    """Notes stand one below the other, and what may be long is last in its line."""
    lines = reproduce("genpairs", "--dry-run", "-o", tmp_path / "x").stdout.splitlines()
    notes = lines.index(next(line for line in lines if line.startswith("Before captions")))
    settings = lines.index(next(line for line in lines if line.startswith("setting ")))
    assert lines[notes - 1] == lines[settings - 1] == ""
    assert all(lines[notes : settings - 1])
    assert [len(line) for line in lines[settings:] if len(line) > 120] == [
        len(line) for line in lines[settings:] if line.startswith("models ")
    ]


@pytest.mark.parametrize("tiny", [[], ["--tiny"]])
@pytest.mark.parametrize(("name", "step"), [(n, "accessories") for n in NEED_WORDNET])
def test_wordnet_is_named_before_anything_runs(
    name: str, step: str, tiny: list[str], tmp_path: Path
) -> None:
    """A dry run lists it with the step that needs it."""
    done = reproduce(name, *tiny, "--dry-run", "-o", tmp_path / "x")
    before = f"Before {step}: NLTK with WordNet: python -m nltk.downloader wordnet (or set"
    assert before in done.stdout


def test_data_of_nltk_that_are_missing_end_a_recipe_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first step; the profile words needs none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nltk.data.path", [str(tmp_path / "none")])
    from nltk.corpus import reader
    from nltk.corpus.util import LazyCorpusLoader

    for corpus, kind in (
        ("stopwords", reader.WordListCorpusReader),
        ("wordnet", reader.WordNetCorpusReader),
    ):  # that no other test has made load
        monkeypatch.setattr(f"nltk.corpus.{corpus}", LazyCorpusLoader(corpus, kind, r"(?!\.).*"))
    with pytest.raises(ProfileError, match=r"the step accessories cannot be: this needs WordNet"):
        reproduce("genpairs", "--tiny")
    with pytest.raises(ProfileError, match=r"the step index cannot be: profile 'paper' needs"):
        reproduce("textvqa")
    assert not list(tmp_path.iterdir())
    text = reproduce("vqav2", "--dry-run").stdout
    assert "Before index: NLTK with its data: python -m nltk.downloader stopwords wordnet" in text
    assert "NLTK with" not in reproduce("vqav2", "--dry-run", "--set", "profile=words").stdout


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
    assert any("epoch 31" in note for note in needs["zeroshot-ViT-B-16-plus-240"]["how"])
    other = reproduce("genpairs", "--dry-run", "-o", tmp_path / "x", "--json", "--set", "judge=x")
    needs = {step["name"]: step for step in json.loads(other.stdout)["steps"]}
    assert needs["accessories"]["download"] is None
    assert needs["prompts"]["download"] == 16_060_000_000


def test_what_models_of_open_clip_take(tmp_path: Path) -> None:
    """Known for those of the paper and ImageNet, unknown for others.

    A model between two is written as large as they are, of 151,277,313 x 4 bytes.

    ViT-B-32: 87,849,216 parameters, 50 tokens, 3 x 50,000 images in fp32: 2 x 87849216 x 50 x
    150000 / 6.5e12 / 3600 = 0.0563 GPU hours. Fine-tuning: 3 passes of 1,281,167 photographs in 10
    epochs in bf16: 2 x 87849216 x 50 x 38435010 / 1e14 / 3600 = 0.938.
    """

    def needs(*changes: str) -> dict[str, Any]:
        options = [part for change in changes for part in ("--set", change)]
        done = reproduce("finetune", "--dry-run", "-o", tmp_path / "x", "--json", *options)
        return {step["name"]: step for step in json.loads(done.stdout)["steps"]}

    found = needs()
    assert found["finetune"]["gpu_hours"] == pytest.approx(0.938, abs=1e-3)
    assert found["finetune"]["download"] == 4 * 151_277_313
    assert found["interpolate"]["disk"] == 4 * 151_277_313
    for which in ("before", "after", "interpolated"):
        assert found[f"zeroshot-{which}"]["gpu_hours"] == pytest.approx(0.0563, abs=1e-4)
        assert found[f"zeroshot-{which}"]["download"] == 0
    found = needs("photos=mine", "training_photos=mine")
    assert found["finetune"]["gpu_hours"] is found["zeroshot-after"]["gpu_hours"] is None
    found = needs("models=RN50:openai")
    assert found["zeroshot-before"]["download"] is found["finetune"]["gpu_hours"] is None
    assert found["interpolate"]["disk"] is None


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
    with pytest.raises(ParameterError, match=r"no step is called 'nix' \(there are questions"):
        reproduce("textvqa", "--dry-run", "--from", "nix", "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("textvqa", "parameters=many", "parameters is 'many', expected a number from 0 on"),
        ("textvqa", "parameters=nan", "expected a number from 0 on"),
        ("textvqa", "bins=1e3", "bins is '1e3', expected a whole number"),
        ("textvqa", "formula=npmi", "formula is 'npmi', expected paper or document"),
        ("textvqa", "captions=", "captions is '', expected a name or path"),
        ("textvqa", "captions=gqa", "'gqa', a manifest of questions"),
        ("genpairs", "precision=int8", "precision is 'int8', expected bf16 or fp16 or fp32"),
        ("genpairs", "classes=nix", r"classes is 'nix': no such file, and no list \(imagenet"),
        ("paste", "area=-0.1", "area is '-0.1', expected a number from 0 on"),
    ],
)
def test_values_are_checked_before_anything_runs(name: str, change: str, said: str) -> None:
    """A wrong one would end the recipe hours later, at the step that takes it."""
    with pytest.raises(ParameterError, match=said):
        reproduce(name, "--dry-run", "--set", change)


def test_photographs_must_be_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where they are had, and nothing is run or made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"imagenet/val is missing.*accept the terms"):
        reproduce("paste")
    assert not list(tmp_path.iterdir())
