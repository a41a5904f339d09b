"""Pictures of probes: a folder of PNG files with its images table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ConceptStatsError, ModelError, ParameterError
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.shards import Shard
from conceptstats.table_files import fingerprint
from conceptstats.tables import writing

from .images import ImageGenerator, Refused, png_bytes, read_png_head
from .picture_folder import FAILURES, MADE, Rows, picture_folder
from .pool import in_processes
from .wanted import TEMPLATE, Wanted, WantedImages, read_wanted

_HOPELESS = 20  # pictures after which a run that has made nothing ends; probes in a row with errors


@dataclass(frozen=True, slots=True)
class Generated:
    """What `generate_images` made."""

    table: Path  # of all pictures; of those of this share, as long as others are missing
    n: int  # rows in it
    failures: tuple[tuple[str, str], ...]  # id and reason of each picture that could not be made
    without_prompt: tuple[str, ...]  # probes
    read_in_part: tuple[str, ...]  # prompts that are longer than the generator reads
    shard: Shard
    complete: bool  # all shares are done

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "output": str(self.table),
            "n": self.n,
            "n_failed": len(self.failures),
            "n_without_prompt": len(self.without_prompt),
            "n_prompts_read_in_part": len(self.read_in_part),
            "shard": str(self.shard),
            "complete": self.complete,
            "failures": [list(pair) for pair in self.failures],
        }


@dataclass(frozen=True, slots=True)
class _Task:
    """Pictures that one process makes, one call of the generator after another."""

    generator: ImageGenerator
    folder: Path
    calls: tuple[tuple[Wanted, ...], ...]
    slots: int  # what a call is filled up to
    seed: int
    retries: int
    texts: Mapping[str, str]  # in every picture


def generate_images(
    probes: str | Path,
    output: str | Path,
    generator: ImageGenerator,
    *,
    prompts: str | Path | None = None,
    template: str = TEMPLATE,
    per_probe: int = 10,
    seed: int = 0,
    shard: Shard | None = None,
    batch_size: int = 16,
    batched: bool = False,
    retries: int = 2,
    workers: int = 1,
    settings: Mapping[str, Any] | None = None,
    packages: Sequence[str] = (),
    read_in_part: Callable[[Sequence[str]], Sequence[str]] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Generated:
    """Make pictures of every probe.

    The seed of a picture comes from its probe, its number and ``seed`` alone, so that neither the
    order of the probes nor batches, workers, shares or interruptions change a pixel. Each is in its
    place as soon as it is made, with its origin inside; a run that was killed goes on from there.

    Parameters
    ----------
    probes : path
        Table `conceptstats.tables.PROBES`.
    output : path
        Folder: ``images.parquet`` (`conceptstats.tables.IMAGES`, and the prompt) and one folder a
        probe; ``failures.parquet`` where pictures could not be made.
    generator : ImageGenerator
    prompts, template
        As `wanted.read_wanted` takes them.
    per_probe : int
        Pictures of each.
    seed : int
    shard : Shard, optional
        Make this share only. Shares have one output; the last one writes ``images.parquet``, those
        before it ``images-I-of-N.parquet``. A run without takes over what shares have made.
    batch_size : int
        Pictures that a worker gets at once.
    batched : bool
        Ask the generator for all pictures of a batch in one call, which is always of
        ``batch_size``: the last is filled up. For generators whose last bits depend on what is
        made together; they then depend on ``batch_size``, and still on nothing else.
    retries : int
        How often to try again. An error is tried again with the same seed; a picture that was
        refused, with the next seed of its probe and number.
    workers : int
        Processes.
    settings : mapping, optional
        Of the generator, of JSON types: for the run record, and the texts in the pictures.
    packages : sequence of str
        Distributions on whose versions the pictures depend.
    read_in_part : callable, optional
        Which of some prompts the generator reads only in part; they are counted and recorded.
    overwrite : bool
        Replace a finished run, or an unfinished one with other settings. An unfinished one with the
        same settings goes on in any case; a finished one goes on, without ``overwrite``, where
        pictures failed: they are tried again, with as many ``retries`` or more.
    progress : Progress, optional

    Returns
    -------
    Generated

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    ModelError
        When no picture can be made: none of all, none of the first 20, or none of 20 probes in a
        row because of errors, as when a GPU has failed. What is made stays.
    """
    shard = shard or Shard()
    progress = progress or Silent()
    output = Path(output)
    _check(probes, output, per_probe, seed, batch_size, retries)
    wanted = read_wanted(probes, prompts, template, per_probe)
    prompt_texts = list(dict.fromkeys(image.prompt for image in wanted.images))
    cut = tuple(read_in_part(prompt_texts)) if read_in_part else ()
    _say(wanted, cut, progress)
    arguments = {
        "backend": generator.backend,
        "template": template if prompts is None else None,
        "per_probe": per_probe,
        "batched": batch_size if batched else None,
        "retries": retries,
        **(settings or {}),
    }
    inputs = {str(path): fingerprint(Path(path)) for path in (probes, prompts) if path is not None}
    record = run_record("synth generate", arguments, inputs, seed, packages=("pillow", *packages))
    record |= {"without_prompt": list(wanted.without_prompt), "read_in_part": list(cut)}
    with (
        closing(progress),
        picture_folder(output, record, shard, overwrite=overwrite, progress=progress) as folder,
    ):
        calls = _calls(wanted.images, shard, batch_size if batched else 1)
        step = 1 if batched else batch_size
        texts = _texts(record, generator, settings or {})
        slots = batch_size if batched else 1
        tasks = [
            _Task(generator, output, calls[at : at + step], slots, seed, retries, texts)
            for at in range(0, len(calls), step)
        ]
        rows = _make_all(tasks, workers, progress)
        order = [image.image_id for image in wanted.images]
        rows, complete = folder.finish(rows, order)
    ids, reasons = (rows.failures[name].to_pylist() for name in ("image_id", "reason"))
    return Generated(
        table=folder.table(complete=complete),
        n=rows.images.num_rows,
        failures=tuple(zip(ids, reasons, strict=True)),
        without_prompt=wanted.without_prompt,
        read_in_part=cut,
        shard=shard,
        complete=complete,
    )


def _check(
    probes: str | Path, output: Path, per_probe: int, seed: int, batch_size: int, retries: int
) -> None:
    if per_probe < 1 or seed < 0:
        raise ParameterError(f"per_probe is {per_probe} and seed {seed}, expected 1 and 0 or more.")
    if batch_size < 1 or retries < 0:
        raise ParameterError(
            f"batch_size is {batch_size} and retries {retries}, expected 1 and 0 or more."
        )
    if output.resolve() in Path(probes).resolve().parents:
        raise ParameterError(f"{probes} is inside {output}, which is written anew.")


def _say(wanted: WantedImages, cut: Sequence[str], progress: Progress) -> None:
    if wanted.without_prompt:
        n, first = len(wanted.without_prompt), wanted.without_prompt[0]
        progress.say(f"{n:,} probes have no prompt, and get no pictures; the first is {first}")
    if wanted.n_strange:
        progress.say(f"{wanted.n_strange:,} prompts are of probes that there are not")
    if cut:
        progress.say(
            f"prompts that are longer than the model reads: {len(cut):,}; the first is "
            f"{shorten(cut[0], 120)!r}"
        )


def _texts(
    record: Mapping[str, Any], generator: ImageGenerator, settings: Mapping[str, Any]
) -> dict[str, str]:
    """What every picture says of its origin."""
    own = {"backend": generator.backend, "batched": record["arguments"]["batched"]}
    facts = {**own, **settings, "versions": record["versions"]}
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in facts.items()
        if value is not None
    }


def _calls(images: Sequence[Wanted], shard: Shard, size: int) -> tuple[tuple[Wanted, ...], ...]:
    """What each call of the generator is for: consecutive pictures, whatever the share."""
    starts = range(0, len(images), size)[shard.index :: shard.n]
    return tuple(tuple(images[at : at + size]) for at in starts)


def _make_all(tasks: Sequence[_Task], workers: int, progress: Progress) -> Rows:
    """Do all tasks; raise where nothing comes of them."""
    images, failures = [MADE.empty_table()], [FAILURES.empty_table()]
    n = sum(len(call) for task in tasks for call in task.calls)
    n_made = n_failed = 0
    in_row: set[str] = set()  # probes of which there were errors since a picture was made
    progress.stage("pictures", "pictures")
    with closing(in_processes(_make, tasks, workers)) as results:
        for made in results:
            images.append(made.images)
            failures.append(made.failures)
            n_made += made.images.num_rows
            n_failed += made.failures.num_rows
            progress.advance(len(made.images) + len(made.failures), (n_made + n_failed) / n)
            errors = made.failures.filter(pc.equal(made.failures["kind"], "error"))
            in_row = set() if made.images.num_rows else in_row
            in_row |= set(errors["probe_id"].to_pylist())
            if not n_made and n_failed >= min(_HOPELESS, n):
                reason = made.failures["reason"][0]
                raise ModelError(f"none of {n_failed:,} pictures could be made: {reason}")
            if len(in_row) >= _HOPELESS:
                raise ModelError(
                    f"no picture of {len(in_row)} probes in a row could be made: "
                    f"{errors['reason'][-1]}",
                    "what was made stays, and the same command goes on from there",
                )
    return Rows(pa.concat_tables(images), pa.concat_tables(failures))


def _make(task: _Task) -> Rows:
    """Do one task."""
    images: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for call in task.calls:
        _make_call(task, call, images, failures)
    return Rows(
        pa.Table.from_pylist(images, schema=MADE), pa.Table.from_pylist(failures, schema=FAILURES)
    )


def _make_call(
    task: _Task,
    call: Sequence[Wanted],
    images: list[dict[str, Any]],
    failures: list[dict[str, Any]],
) -> None:
    """Make the pictures of one call that are not there, and add the rows of all.

    Those that are there are asked for too where others are not, so that a call is the same whether
    or not it was interrupted before.
    """
    found = {wanted: row for wanted in call if (row := _found(task, wanted))}
    attempts = dict.fromkeys(call, 0)
    reasons: dict[Wanted, tuple[str, str]] = {}  # kind and text
    for _ in range(task.retries + 1):
        if len(found) == len(call):
            break
        requests = [wanted.request(task.seed, attempts[wanted]) for wanted in call]
        requests += requests[-1:] * (task.slots - len(requests))
        try:
            answers = list(zip(requests, task.generator.generate(requests), strict=True))
        except ConceptStatsError:
            raise
        except Exception as error:  # of a model and its libraries: any
            reason = shorten(f"{type(error).__name__}: {error}", 300)  # in one line
            reasons |= dict.fromkeys(call, ("error", reason))
            continue
        for wanted, (request, picture) in zip(call, answers, strict=False):
            if isinstance(picture, Refused):
                reasons[wanted] = ("refused", picture.reason)
                attempts[wanted] += 1
            elif wanted not in found:
                texts = {**task.texts, **_own_texts(wanted), "seed": str(request.seed)}
                data = png_bytes(picture, texts)
                with writing(task.folder / wanted.path, overwrite=True) as partial:
                    partial.write_bytes(data)
                found[wanted] = _row(task, wanted, request.seed, data, picture.size)
    images += [found[wanted] for wanted in call if wanted in found]
    failures += [_failure(task, wanted, *reasons[wanted]) for wanted in call if wanted not in found]


def _failure(task: _Task, wanted: Wanted, kind: str, reason: str) -> dict[str, Any]:
    """A row of `FAILURES`."""
    return {
        "image_id": wanted.image_id,
        "probe_id": wanted.probe_id,
        "prompt": wanted.prompt,
        "seed": wanted.request(task.seed).seed,
        "attempts": task.retries + 1,
        "kind": kind,
        "reason": reason,
    }


def _own_texts(wanted: Wanted) -> dict[str, str]:
    return {
        "image_id": wanted.image_id,
        "probe_id": wanted.probe_id,
        "key": wanted.key,
        "accessory": wanted.accessory,
        "prompt": wanted.prompt,
    }


def _found(task: _Task, wanted: Wanted) -> dict[str, Any] | None:
    """The row of a picture that an earlier run made, if it is whole and has the same origin."""
    try:
        data = (task.folder / wanted.path).read_bytes()
    except OSError:
        return None
    head = read_png_head(data)
    expected = {**task.texts, **_own_texts(wanted)}
    if head is None or not expected.items() <= head.texts.items():
        return None
    seeds = [wanted.request(task.seed, attempt).seed for attempt in range(task.retries + 1)]
    seed = next((seed for seed in seeds if str(seed) == head.texts.get("seed")), None)
    return None if seed is None else _row(task, wanted, seed, data, head.size)


def _row(
    task: _Task, wanted: Wanted, seed: int, data: bytes, size: tuple[int, int]
) -> dict[str, Any]:
    """A row of `MADE`. Nobody has looked yet for key and accessory in the picture."""
    return {
        "image_id": wanted.image_id,
        "path": wanted.path,
        "probe_id": wanted.probe_id,
        "target": wanted.key,
        "sha256": hashlib.sha256(data).hexdigest(),
        "backend": task.generator.backend,
        "seed": seed,
        "width": size[0],
        "height": size[1],
        "key_found": None,
        "accessory_found": None,
        "prompt": wanted.prompt,
    }
