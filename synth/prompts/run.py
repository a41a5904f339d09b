"""Prompts for probes, written and checked part by part, so that a killed run goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.class_names import ClassNames
from conceptstats.errors import ParameterError, TableError
from conceptstats.parts import Parts, unfinished
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.shards import PLACE, Shard
from conceptstats.table_files import check_output, fingerprint, load_table, save_table
from conceptstats.tables import PROBES, PROMPTS

from .checks import Problem, PromptCheck, classes_of_probes
from .sampling import text_seed
from .wording import Wanted, Writer

_PART = 1024  # prompts of a part that outlives a killed run
_WHOLE = Shard()

WRITTEN = pa.schema(
    [
        *PROMPTS,
        pa.field(PLACE, pa.int64(), nullable=False),  # of the probe, in its table
        pa.field("number", pa.int32(), nullable=False),  # of the prompt, among those of its probe
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("problem", pa.string()),  # why it is dropped; null: it is fit
        pa.field("detail", pa.string()),
    ]
)


class _Item(NamedTuple):
    """A prompt to write."""

    place: int
    probe_id: str
    key: str
    accessory: str
    class_index: int | None
    number: int


@dataclass(frozen=True, slots=True)
class PromptSummary:
    """What `write_prompts` wrote."""

    output: Path
    n: int
    n_probes: int
    n_probes_without: int  # every prompt of these was dropped
    n_retried: int  # prompts that a later attempt gave
    dropped: dict[str, int]  # how many, by reason

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "output": str(self.output),
            "n": self.n,
            "n_probes": self.n_probes,
            "n_probes_without": self.n_probes_without,
            "n_retried": self.n_retried,
            "n_dropped": sum(self.dropped.values()),
            "dropped": self.dropped,
        }


def write_prompts(
    probes: str | Path,
    output: str | Path,
    writer: Writer,
    *,
    classes: ClassNames | None = None,
    per_probe: int = 1,
    retries: int = 3,
    seed: int = 0,
    shard: Shard = _WHOLE,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PromptSummary:
    """Write prompts for every probe; those that are not fit are dropped, and counted.

    A prompt depends on its probe, its number and ``seed`` alone, so neither order nor share nor
    interruption changes it.

    Parameters
    ----------
    probes : path
        Table `conceptstats.tables.PROBES`.
    output : path
        Table `conceptstats.tables.PROMPTS`, with ``place`` of the probe in its table, ``number`` of
        the prompt, and the ``attempt`` that gave it.
    writer : Writer
    classes : ClassNames, optional
        No prompt may name another of them than that of its key. By default the keys of all probes.
    per_probe : int
        Prompts wanted of each.
    retries : int
        Further attempts at a prompt that is not fit, each with a seed of its own.
    seed : int
    shard : Shard
        Share of the probes.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    PromptSummary

    Raises
    ------
    ParameterError, TableError, ModelError, OutputExistsError, OutputError
    """
    output = Path(output)
    check_output(output, overwrite=overwrite)
    if per_probe < 1 or retries < 0 or seed < 0:
        raise ParameterError(
            f"per_probe is {per_probe}, retries {retries} and seed {seed}; expected 1, 0 and 0 or "
            "more."
        )
    progress = progress or Silent()
    items, check, phrases = _prepare(probes, classes, per_probe, shard)
    inputs = {str(probes): fingerprint(Path(probes))}
    arguments = {
        "source": writer.source,
        "model": writer.model,
        **writer.settings,
        "classes": phrases,
        "per_probe": per_probe,
        "retries": retries,
        "shard": str(shard),
    }
    plan = {**arguments, "seed": seed, "probes": inputs[str(probes)]}
    with closing(progress), unfinished(output, plan, WRITTEN, progress) as parts:
        _write_parts(parts, items, writer, check, retries, seed, progress)
        written = parts.read()
        record = run_record("synth prompts", arguments, inputs, seed)
        return _finish(written, output, record, shard, overwrite=overwrite)


def _prepare(
    probes: str | Path, classes: ClassNames | None, per_probe: int, shard: Shard
) -> tuple[list[_Item], PromptCheck, list[list[str]]]:
    """What to write, how it is checked, and the phrases of the classes."""
    table = load_table(probes, PROBES)
    rows = table.select(["probe_id", "key", "accessory", "class_index"]).to_pylist()
    ids = Counter(row["probe_id"] for row in rows)
    if not rows:
        raise TableError(f"{probes} has no probes.")
    if twice := [name for name, n in ids.items() if n > 1]:
        raise TableError(f"{probes}: the probe_id {twice[0]!r} stands more than once.")
    names, indices = classes_of_probes(
        [row["key"] for row in rows], [row["class_index"] for row in rows], classes
    )
    items = [
        _Item(place, row["probe_id"], row["key"], row["accessory"], indices[place], number)
        for place, row in shard.take(list(enumerate(rows)))
        for number in range(per_probe)
    ]
    phrases = [names.phrases(place) for place in range(len(names))]
    return items, PromptCheck(names), phrases


def _write_parts(
    parts: Parts,
    items: list[_Item],
    writer: Writer,
    check: PromptCheck,
    retries: int,
    seed: int,
    progress: Progress,
) -> None:
    """Write the prompts that are in no part yet."""
    progress.stage("prompts", "prompts")
    first = parts.n_done * _PART
    for number, start in enumerate(range(first, len(items), _PART), parts.n_done):
        some = items[start : start + _PART]
        rows = list(_write(some, writer, check, retries, seed))
        parts.write(number, pa.Table.from_pylist(rows, schema=WRITTEN))
        progress.advance(len(some), (start + len(some) - first) / (len(items) - first))


def _write(
    items: list[_Item], writer: Writer, check: PromptCheck, retries: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of `WRITTEN`; the last attempt at each prompt."""
    rows: dict[_Item, dict[str, Any]] = {}
    for attempt in range(retries + 1):
        left = [item for item in items if item not in rows or rows[item]["problem"]]
        if not left:
            break
        wanted = [_wanted(item, attempt, seed) for item in left]
        for item, asked, text in zip(left, wanted, writer.write(wanted), strict=True):
            found = check.problem(text, item.key, item.accessory, item.class_index)
            rows[item] = _row(item, asked.seed, attempt, text, found, writer)
    return (rows[item] for item in items)


def _wanted(item: _Item, attempt: int, seed: int) -> Wanted:
    return Wanted(
        f"{item.probe_id}\0{item.number}",
        item.key,
        item.accessory,
        text_seed(seed, item.probe_id, item.number, attempt),
    )


def _row(
    item: _Item, seed: int, attempt: int, text: str, found: Problem | None, writer: Writer
) -> dict[str, Any]:
    return {
        "probe_id": item.probe_id,
        "prompt": text,
        "source": writer.source,
        "model": writer.model,
        "seed": seed,
        PLACE: item.place,
        "number": item.number,
        "attempt": attempt,
        "problem": found.reason if found else None,
        "detail": found.detail if found else None,
    }


def _finish(
    written: pa.Table, output: Path, record: dict[str, Any], shard: Shard, *, overwrite: bool
) -> PromptSummary:
    """Write prompts and run record, and sum them up; a share may have none."""
    is_fit = pc.is_null(written["problem"])
    columns = ["probe_id", "number", "problem", "detail", "prompt"]
    bad = written.filter(pc.invert(is_fit)).select(columns).to_pylist()
    fit = written.filter(is_fit).drop_columns(["problem", "detail"])
    dropped = dict(Counter(row["problem"] for row in bad).most_common())
    record["n_dropped"] = dropped
    record["dropped"] = [list(row.values()) for row in bad]
    if not fit.num_rows and shard.n == 1:
        reasons = ", ".join(f"{reason} ({n:,})" for reason, n in dropped.items())
        raise TableError(
            f"none of {len(bad):,} prompts is fit: {reasons}; the first is "
            f"{bad[0]['prompt'][:200]!r}.",
            "another --model, or more --retries",
        )
    save_table(output, fit, PROMPTS, record=record, overwrite=overwrite)
    n_probes = len(pc.unique(written["probe_id"]))
    return PromptSummary(
        output=output,
        n=fit.num_rows,
        n_probes=n_probes,
        n_probes_without=n_probes - len(pc.unique(fit["probe_id"])),
        n_retried=pc.sum(pc.greater(fit["attempt"], 0)).as_py() or 0,
        dropped=dropped,
    )
