"""What recipes are made of: settings, steps, and what a step needs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from conceptstats.errors import ParameterError
from conceptstats.manifests.manifest import load_manifest, shipped_names

SUSTAINED = {"bf16": 100e12, "fp16": 100e12, "fp32": 6.5e12}
"""Floating-point operations a second: about a third of an A100's peak (312e12, 19.5e12)."""
PRECISIONS = tuple(SUSTAINED)
READ = 1e12  # bytes of weights a second: about half of what an A100's memory gives


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that a user may set; ``tiny`` is its value for small models and data."""

    name: str
    value: str
    meaning: str
    tiny: str | None = None  # None: the same
    choices: tuple[str, ...] = ()

    def check(self, value: str) -> None:
        """Raise unless it can take a value, before hours are spent on the steps before it is used.

        A setting whose own value is a whole number, or a number, takes such ones from 0 on.

        Raises
        ------
        ParameterError
        """
        if self.choices:
            wanted, fits = " or ".join(self.choices), value in self.choices
        elif _number(self.value) is None:
            wanted, fits = "a name or path", bool(value.strip())
        else:
            whole = self.value.isdecimal()
            wanted = "a whole number from 0 on" if whole else "a number from 0 on"
            fits = value.isdecimal() if whole else (_number(value) or 0) >= 0
            fits = fits and _number(value) is not None
        if not fits:
            raise ParameterError(f"{self.name} is {value!r}, expected {wanted}.", self.meaning)


def _number(text: str) -> float | None:
    """The finite number that a text is."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if isfinite(found) else None


class Installed(NamedTuple):
    """Something that must be on this machine before a step, such as data of a library."""

    what: str  # and how it is had
    load: Callable[[], object]  # raises a ConceptStatsError where it is missing


@dataclass(frozen=True, slots=True)
class Needs:
    """What a step takes; None is unknown.

    Parameters
    ----------
    download, disk : int, optional
        Bytes.
    gpu_hours : float, optional
    how : tuple of str
        How an estimate was reckoned.
    first : tuple of str
        What must be accepted or done before.
    model : str
        Whose weights the download is.
    installed : tuple of Installed
        What must be there before the first step is run.
    """

    download: int | None = 0
    disk: int | None = 0
    gpu_hours: float | None = 0.0
    how: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    model: str = ""
    installed: tuple[Installed, ...] = ()

    @property
    def before(self) -> list[str]:
        """All that must be accepted, done or installed before."""
        return [*(item.what for item in self.installed), *self.first]


@dataclass(frozen=True, slots=True)
class Step:
    """One command line.

    Parameters
    ----------
    name : str
    command : tuple of str
        Arguments of `conceptstats`, or of ``program``.
    makes : Path
        File or folder that it writes, as later steps name it.
    needs : Needs
    sign : Path, optional
        File that is there when it is done. None: ``makes``.
    program : str
        "conceptstats", or "python".
    goes_on : bool
        It may be run again over what it has made: it keeps what is right.
    """

    name: str
    command: tuple[str, ...]
    makes: Path
    needs: Needs = Needs()
    sign: Path | None = None
    program: str = "conceptstats"
    goes_on: bool = False

    @property
    def line(self) -> str:
        """As a shell takes it."""
        return shlex.join((self.program, *self.command))

    @property
    def shown(self) -> Path:
        """What is there when it is done."""
        return self.sign or self.makes

    def reads(self, other: Step) -> bool:
        """Whether something that another step makes is named in the command.

        >>> made = Step("make", ("make",), Path("out/a"))
        >>> Step("use", ("use", "out/a/b.txt"), Path("out/c")).reads(made)
        True
        """
        parts = other.makes.parts
        named = (Path(argument.partition("=")[2] or argument) for argument in self.command)
        return any(path.parts[: len(parts)] == parts for path in named)


@dataclass(frozen=True, slots=True)
class Given:
    """Something that a user must have: no command fetches it."""

    path: Path
    what: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of one run of a recipe, and where it lies."""

    output: Path
    settings: Mapping[str, str]
    tiny: bool

    def __getitem__(self, name: str) -> str:
        """The value of a setting."""
        return self.settings[name]

    def at(self, *names: str) -> Path:
        """A place in the folder of the recipe."""
        return self.output.joinpath(*names)

    def number(self, name: str) -> float:
        """A setting that is a number."""
        return float(self[name])


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one result of the paper is made."""

    name: str
    title: str
    settings: tuple[Setting, ...]
    steps: Callable[[Plan], list[Step]]
    given: Callable[[Plan], list[Given]] = lambda _: []

    def plan(self, output: Path, changes: Mapping[str, str], *, tiny: bool) -> Plan:
        """Its settings with some of them changed.

        Raises
        ------
        ParameterError
            When it has no such setting, or the setting takes no such value.
        """
        known = {setting.name: setting for setting in self.settings}
        if unknown := sorted(set(changes) - set(known)):
            lines = "; ".join(f"{s.name}: {s.meaning}" for s in self.settings)
            raise ParameterError(
                f"{self.name} has no setting {unknown[0]!r} (there are {', '.join(known)}).", lines
            )
        for name, value in changes.items():
            known[name].check(value)
        values = {
            name: setting.tiny if tiny and setting.tiny is not None else setting.value
            for name, setting in known.items()
        }
        return Plan(output, {**values, **changes}, tiny)


def line(command: str, *arguments: object) -> tuple[str, ...]:
    """A command line: words of the command, then arguments."""
    return (*command.split(), *map(str, arguments))


def fetching(name: str, manifest: str, folder: Path, pattern: str | None = None) -> Step:
    """Fetch files of a manifest; what it needs is as published."""
    entry = load_manifest(manifest)
    chosen = [f for f in entry.files if pattern is None or fnmatchcase(f.path, pattern)]
    sizes = [file.bytes for file in chosen]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    how = [] if total is not None or not entry.size else [f"published size: {entry.size}"]
    first = (f"{manifest}: {entry.terms}",) if entry.terms else ()
    command = line("data fetch", manifest, "-o", folder)
    if pattern:
        command = (*command, "--files", pattern)
    makes = folder / pattern if pattern and "*" not in pattern else folder
    needs = Needs(download=total, disk=total, how=tuple(how), first=first)
    return Step(name, command, makes, needs, goes_on=True)


def captions_steps(plan: Plan) -> tuple[list[Step], str]:
    """Steps that fetch the captions, none where they are there already, and where they are.

    Raises
    ------
    ParameterError
        When the manifest is not of captions.
    """
    captions = plan["captions"]
    if captions in shipped_names() or captions.endswith(".toml"):
        if (kind := load_manifest(captions).kind) != "captions":
            raise ParameterError(
                f"captions is {captions!r}, a manifest of {kind}, expected one of captions.",
                "`conceptstats data list` has all of them",
            )
        folder = plan.at("captions")
        return [fetching("captions", captions, folder)], str(folder)
    return [], captions


def operations(parameters: float, tokens: float, times: float, precision: str = "bf16") -> float:
    """GPU hours of passes through a model: 2 operations a parameter and token, at `SUSTAINED`."""
    return 2 * parameters * tokens * times / SUSTAINED[precision] / 3600


def writing_hours(weights: float, tokens: float, batches: float) -> float:
    """GPU hours of tokens that are written one after the other: each reads all weights."""
    return weights * tokens * batches / READ / 3600


RECKONED = (
    "GPU hours: 2 operations x parameters x tokens x passes, at {bf16:g} TFLOP/s in bf16 and fp16, "
    "{fp32:g} in fp32 (about a third of the peak of an A100); for each token that is written all "
    "weights are read besides, at {read:g} TB/s. Loading comes on top."
).format(read=READ / 1e12, **{name: value / 1e12 for name, value in SUSTAINED.items()})


def billions(parameters: float) -> str:
    """How many parameters a model has, in words.

    >>> billions(151_277_313), billions(13.4e9)
    ('0.151 billion', '13.4 billion')
    """
    return f"{parameters / 1e9:.3g} billion"


def gated(model: str) -> tuple[str, ...]:
    """What must be done before a model can be had whose licence has to be accepted."""
    where = f"https://huggingface.co/{model}"
    return (f"accept the licence on {where}, and log in with `hf auth login`",)


ANOTHER = Needs(None, None, None, ("it was reckoned for another model only",))


def total(values: Sequence[float | None]) -> float | None:
    """Sum, unknown where one is."""
    return None if None in values else sum(value for value in values if value is not None)
