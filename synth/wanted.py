"""Which pictures are wanted: the probes, the prompts of each, and how many."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from conceptstats.errors import ParameterError, TableError
from conceptstats.table_files import load_table
from conceptstats.tables import PROBES, PROMPTS

from .images import ImageRequest, image_seed

TEMPLATE = "a photo of a {key} with a {accessory}"
_TAKEN = ("", ".", "..", ".unfinished")  # no names for folders of probes


class Wanted(NamedTuple):
    """One picture of a probe."""

    image_id: str
    path: str  # in the folder of all
    probe_id: str
    number: int  # among those of its probe
    key: str
    accessory: str
    prompt: str

    def request(self, seed: int, attempt: int = 0) -> ImageRequest:
        """What a generator is asked for."""
        own = image_seed(seed, self.probe_id, self.number, attempt)
        return ImageRequest(self.prompt, own, self.key, self.accessory)


class WantedImages(NamedTuple):
    """All pictures, in the order of the probes."""

    images: list[Wanted]
    without_prompt: tuple[str, ...]  # probes that the table of prompts leaves out
    n_strange: int  # prompts of probes that there are not


def read_wanted(
    probes: str | Path, prompts: str | Path | None, template: str, per_probe: int
) -> WantedImages:
    """List the pictures of every probe.

    Parameters
    ----------
    probes : path
        Table `conceptstats.tables.PROBES`.
    prompts : path, optional
        Table `conceptstats.tables.PROMPTS`: the pictures of a probe take its prompts in turn.
    template : str
        Without prompts: ``{key}`` and ``{accessory}`` stand for those of the probe.
    per_probe : int
        Pictures of each.

    Raises
    ------
    ParameterError, TableError
    """
    rows = load_table(probes, PROBES).select(["probe_id", "key", "accessory"]).to_pylist()
    names = [row["probe_id"] for row in rows]
    _check_names(names, probes)
    if prompts is None:
        _check_template(template)
        texts = {row["probe_id"]: [_fill(template, row)] for row in rows}
    else:
        texts = _read_prompts(prompts)
        if texts.keys().isdisjoint(names):
            raise TableError(f"{prompts} has no prompt of a probe in {probes}.")
    images = []
    for row in rows:
        name, own = row["probe_id"], texts.get(row["probe_id"], [])
        images += [
            Wanted(
                f"{name}-{number:04d}",
                f"{name}/{number:04d}.png",
                name,
                number,
                row["key"],
                row["accessory"],
                own[number % len(own)],
            )
            for number in range(per_probe if own else 0)
        ]
    without = tuple(name for name in names if name not in texts)
    n_strange = sum(len(texts[name]) for name in texts.keys() - set(names))
    return WantedImages(images, without, n_strange)


def _read_prompts(path: str | Path) -> dict[str, list[str]]:
    """The prompts of each probe, in their order."""
    texts: dict[str, list[str]] = defaultdict(list)
    table = load_table(path, PROMPTS)
    for name, prompt in zip(
        table["probe_id"].to_pylist(), table["prompt"].to_pylist(), strict=True
    ):
        if not prompt.strip():
            raise TableError(f"{path}: a prompt of the probe {name!r} is empty.")
        texts[name].append(prompt)
    return dict(texts)


def _check_template(template: str) -> None:
    found = set(re.findall(r"\{(.*?)\}", template))
    if not found or found - {"key", "accessory"}:
        raise ParameterError(
            f"template is {template!r}, expected a text with {{key}}, {{accessory}} or both."
        )


def _fill(template: str, row: dict[str, str]) -> str:
    return re.sub(r"\{(key|accessory)\}", lambda found: row[found[1]], template)


def _check_names(names: list[str], where: object) -> None:
    """Raise unless each probe can have a folder of its own, inside that of the pictures."""
    if not names:
        raise TableError(f"{where} has no probes.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"{where}: the probe_id {twice!r} stands more than once.")
    for name in names:
        ours = re.match(r"(images|failures)(-\d+-of-\d+)?\.parquet", name)
        if name in _TAKEN or ours or set(name) & set("/\\\0"):
            raise TableError(f"{where}: the probe_id {name!r} cannot be the name of a folder.")
