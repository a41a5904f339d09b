"""Running a recipe: what is done is skipped, what has changed is said, the first error ends it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TextIO

from conceptstats.errors import (
    ConceptStatsError,
    OutputError,
    OutputExistsError,
    ParameterError,
    SourceError,
)
from conceptstats.parts import take_lock
from conceptstats.progress import Progress, Silent
from conceptstats.runs import dump_json
from conceptstats.table_files import fingerprint, record_path
from conceptstats.tables import output_errors, writing

from .steps import Plan, Recipe, Step

LEDGER = "recipe.json"  # what was run, and what each step found
_RECORDED = ("{}", "n_{}", "num_inference_{}", "{}_scale")  # names of an option in run records
Run = Callable[[Sequence[str]], None]
State = Literal["done", "stale", "to do"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What `run_recipe` did."""

    output: Path
    states: Mapping[str, State]  # of each step, before
    ran: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        skipped = [name for name in self.states if name not in self.ran]
        return {"output": str(self.output), "ran": list(self.ran), "skipped": skipped}


def step_states(steps: Sequence[Step], output: Path, first: str | None = None) -> dict[str, State]:
    """Which steps are done.

    Parameters
    ----------
    steps : sequence of Step
    output : Path
        Folder of the recipe.
    first : str, optional
        This step, and all that rest on it, count as not done.

    Returns
    -------
    dict of str to {"done", "stale", "to do"}
        Done: what it makes is there, made by this very command from what is there now: what other
        steps make, and files of the user's own. One that was run by hand is told by its run record.
        Stale: something is there, of another command, or of inputs that have changed since.

    Raises
    ------
    ParameterError
        When there is no step ``first``.
    """
    names = [step.name for step in steps]
    if first is not None and first not in names:
        raise ParameterError(f"no step is called {first!r} (there are {', '.join(names)}).")
    ledger = _read_ledger(output).get("steps", {})
    states: dict[str, State] = {}
    for number, step in enumerate(steps):
        before = [other for other in steps[:number] if step.reads(other)]
        again = step.name == first or any(states[other.name] != "done" for other in before)
        if not step.shown.exists():
            states[step.name] = "to do"
        elif not again and _is_done(step, before, ledger.get(step.name)):
            states[step.name] = "done"
        else:
            states[step.name] = "to do" if step.goes_on else "stale"
    return states


def _is_done(step: Step, before: Sequence[Step], entry: Mapping[str, Any] | None) -> bool:
    if entry is None:
        return not step.goes_on and _agrees(step)
    return bool(entry["line"] == step.line and entry["inputs"] == _inputs(step, before))


def _inputs(step: Step, before: Sequence[Step]) -> dict[str, list[int]]:
    """What a step reads, as it is now: what steps before it made, and files of the user's own."""
    found = {other.name: _stamp(other.shown) for other in before}
    for flag, word in pairwise(("", *step.command)):
        path = Path(word)
        made = flag == "-o" or any(path.is_relative_to(other.makes) for other in before)
        if path.is_file() and not made:
            found[word] = _stamp(path)
    return found


def _stamp(path: Path) -> list[int]:
    """Changes when a file is written anew."""
    found = path.stat()
    return [found.st_size if path.is_file() else 0, found.st_mtime_ns]


def _agrees(step: Step) -> bool:
    """Whether a run record says that an output is of this command, its options and inputs."""
    record = _read_record(step)
    if record is None or not set(record["command"].split()) <= set(step.command):
        return False
    known = list(_told(record.get("arguments", {})))
    known += [("seed", record["seed"])] if record.get("seed") is not None else []
    for option, value in pairwise(step.command):
        if not option.startswith("--"):
            continue
        option = option.removeprefix("--").replace("-", "_")
        names = {form.format(option) for form in _RECORDED}
        found = [other for name, other in known if name in names]
        if found and not any(_same(one, value) for one in found):
            return False
    inputs = dict(record.get("inputs", {}))
    read = [name for name in step.command if str(inputs.get(name)).startswith("sha256:")]
    return all(
        fingerprint(Path(name)) == inputs[name]
        for name in read
        if Path(name).is_file() or Path(name, "index.json").is_file()
    )


def _told(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Arguments of a run record, with those within."""
    for name, value in arguments.items():
        if isinstance(value, dict):
            yield from _told(value)
        yield name, value


def _same(recorded: Any, given: str) -> bool:
    """Whether a recorded value can be what stands on a command line."""
    if isinstance(recorded, dict | list | bool) or recorded is None:
        return True  # told another way than it is written
    try:
        return float(recorded) == float(given)
    except ValueError:
        return str(recorded) == given


def _read_record(step: Step) -> dict[str, Any] | None:
    """The run record of an output: beside it, in its folder, or within it."""
    shown = step.shown
    places = [record_path(shown), shown.parent / "run.json", shown]
    for place in places:
        if place.suffix != ".json" or not place.is_file():
            continue
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(place.read_text(encoding="utf-8"))
            found = found.get("run", found)
            if isinstance(found, dict) and "command" in found:
                return found
    return None


def _read_ledger(output: Path) -> dict[str, Any]:
    path = output / LEDGER
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}.", "remove it") from error
    return dict(found)


def run_recipe(
    recipe: Recipe,
    plan: Plan,
    run: Run,
    *,
    first: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Ran:
    """Run the steps of a recipe that are not done.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
        As `Recipe.plan` makes it. Into its folder go ``commands.sh``, all commands; ``log.txt``,
        what they print; and ``recipe.json``, what was done.
    run : callable
        Runs one command, given as the arguments of `conceptstats`.
    first : str, optional
        Run this step again, and all that rest on it.
    overwrite : bool
        Run steps again whose output is of another command, or of inputs that have changed.
    progress : Progress, optional
        Is told each command.

    Raises
    ------
    SourceError, ProfileError
        When something is missing that no command fetches.
    OutputExistsError
        When outputs are stale and ``overwrite`` is false, or the folder is of another recipe.
    OutputError
        When another process runs a recipe there.
    ConceptStatsError
        As the first step that fails raises it, with its name.
    """
    for given in recipe.given(plan):
        if not given.path.exists():
            raise SourceError(f"{given.path} is missing.", given.what)
    steps = recipe.steps(plan)
    check_output(recipe, plan)
    _check_installed(steps, step_states(steps, plan.output, first))
    with output_errors(plan.output):
        plan.output.mkdir(parents=True, exist_ok=True)
        log = (plan.output / "log.txt").open("a", encoding="utf-8")
    with log:
        take_lock(log, plan.output)
        states = step_states(steps, plan.output, first)
        if not overwrite:
            _check_stale(plan, steps, states, first)
        with output_errors(plan.output):
            (plan.output / "commands.sh").write_text(_script(recipe, steps), encoding="utf-8")
        ledger = {"recipe": recipe.name, "tiny": plan.tiny, "settings": dict(plan.settings),
                  "steps": _read_ledger(plan.output).get("steps", {})}  # fmt: skip
        progress = progress or Silent()
        for number, step in enumerate(steps):
            inputs = _inputs(step, [other for other in steps[:number] if step.reads(other)])
            count = f"[{number + 1}/{len(steps)}]"
            if states[step.name] == "done":
                progress.say(f"{count} {step.name} is done")
            else:
                progress.say(f"{count} {step.line}")
                for note in step.needs.first:
                    progress.say(f"needed first: {note}")
                again = states[step.name] == "stale"
                _run_step(step, run, log, again=again, overwrite=overwrite)
            ledger["steps"][step.name] = {"line": step.line, "inputs": inputs}
            with writing(plan.output / LEDGER, overwrite=True) as partial:
                dump_json(partial, ledger)
    return Ran(plan.output, states, tuple(n for n, state in states.items() if state != "done"))


def _script(recipe: Recipe, steps: Sequence[Step]) -> str:
    """All commands, as a shell takes them."""
    head = (
        f"# {recipe.title}\n"
        f"# To be run where `conceptstats reproduce {recipe.name}` was, which skips what is done,\n"
        "# and writes this file anew: edit a copy.\n"
        "set -e\n"
    )
    return head + "".join(f"\n# {step.name}\n{step.line}\n" for step in steps)


def _check_installed(steps: Sequence[Step], states: Mapping[str, State]) -> None:
    """Raise where a step that is not done would fail for want of data, hours after the first."""
    for step in steps:
        for item in step.needs.installed if states[step.name] != "done" else ():
            try:
                item.load()
            except ConceptStatsError as error:
                said = f"nothing is run, for the step {step.name} cannot be: {error.message}"
                raise type(error)(said, error.hint) from error


def _check_stale(
    plan: Plan, steps: Sequence[Step], states: Mapping[str, State], first: str | None
) -> None:
    """Raise where a step would be made again that nobody has asked for."""
    asked = _resting_on(first, steps)
    stale = [name for name, state in states.items() if state == "stale" and name not in asked]
    if stale:
        names = ", ".join(stale)
        raise OutputExistsError(
            f"{plan.output}: the command or input of {names} is another than before.",
            "--overwrite makes these steps again, or choose another folder",
        )


def _resting_on(first: str | None, steps: Sequence[Step]) -> set[str]:
    """A step, and all that rest on what it makes."""
    found: list[Step] = []
    for step in steps:
        if step.name == first or any(step.reads(other) for other in found):
            found.append(step)
    return {step.name for step in found}


def check_output(recipe: Recipe, plan: Plan) -> None:
    """Raise where the folder is of something else.

    Raises
    ------
    OutputExistsError
    """
    ledger = _read_ledger(plan.output)
    found = ledger.get("recipe"), ledger.get("tiny")
    if ledger and found != (recipe.name, plan.tiny):
        size = " with --tiny" if found[1] else ""
        raise OutputExistsError(
            f"{plan.output} is of the recipe {found[0]}{size}.", "choose another folder"
        )


def _run_step(step: Step, run: Run, log: TextIO, *, again: bool, overwrite: bool) -> None:
    """Run one step; its error says which one it was."""
    log.write(f"$ {step.line}\n")
    log.flush()
    command = (*step.command, "--overwrite") if again else step.command
    try:
        if step.program == "python":
            _run_python(step, log)
        else:
            with contextlib.redirect_stdout(log):
                _run_command(command, run, overwrite=overwrite)
    except ConceptStatsError as error:
        log.write(f"Error: {error}\n")
        raise type(error)(f"step {step.name}: {error.message}", error.hint) from error
    except Exception as error:
        log.write(f"Error: {error}\n")
        error.add_note(f"in step {step.name}: {step.line}")
        raise
    if not step.shown.exists():
        raise OutputError(f"step {step.name} ended without {step.shown}.")


def _run_command(command: Sequence[str], run: Run, *, overwrite: bool) -> None:
    """Run a command; where it cannot go on with what is there, anew, if that is wanted."""
    try:
        run(command)
    except OutputExistsError:
        if not overwrite or "--overwrite" in command:
            raise
        run((*command, "--overwrite"))


def _run_python(step: Step, log: TextIO) -> None:
    done = subprocess.run(
        [sys.executable, *step.command], stdout=log, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise OutputError(f"{step.line} ended with status {done.returncode}: {said}.")
