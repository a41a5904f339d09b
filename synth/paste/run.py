"""Accessories pasted into photographs: a folder of versions with its tables."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats import pmi as measures
from conceptstats.errors import ParameterError, SourceError
from conceptstats.index import CaptionIndex
from conceptstats.probes import probe_id
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.shards import Shard
from conceptstats.table_files import fingerprint, save_table
from conceptstats.tables import PROBES, dump_table

from ..pool import in_processes
from .compose import Edited, edit_photo
from .inputs import NOT_LISTED, Inputs, make_tasks, read_inputs, stamp
from .listing import CUT_OUTS, PROBLEMS, Problem
from .photos import WORDNET_ID, ClassFrom
from .saving import PASTED, Edit, Place, Task
from .staging import staged
from .strata import STRATA

TABLE = "images.parquet"
MARK = f"{TABLE}.run.json"  # a folder that has it was made here
_MADE = pa.schema([("image", pa.struct(list(PASTED))), ("problem", pa.struct(list(PROBLEMS)))])
_AT_ONCE = 8  # photographs that go to a process together
_PART = 16  # such groups of a part that outlives a killed run


@dataclass(frozen=True, slots=True)
class PasteSummary:
    """What `paste_photos` made.

    Parameters
    ----------
    output : Path
        Folder.
    class_from : {"folder", "name", "table"}
        Where the classes of the photographs are told from.
    n_photos, n_edited, n_listed, n_complete : int
        Photographs: all of this share, those with a version, those that are listed instead; of the
        edited ones, those with every version that was asked for.
    n_images, n_probes, n_accessories, n_cut_outs : int
        Pictures that were saved, pairs that they show; accessories and cut-outs that could be used.
    strata : list of dict
        Of each stratum: n, mean PMI (of pairs that were seen; null: of none), and mean logarithm of
        the captions that hold the accessory.
    problems : dict of str to int
        How often each reason is listed, with what it is of before it.
    notes : list of str
    """

    output: Path
    class_from: str
    n_photos: int
    n_edited: int
    n_listed: int
    n_complete: int
    n_images: int
    n_probes: int
    n_accessories: int
    n_cut_outs: int
    strata: list[dict[str, Any]]
    problems: dict[str, int]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return asdict(self) | {"output": str(self.output)}


def paste_photos(
    photos: str | Path,
    accessories: str | Path,
    index: str | Path,
    output: str | Path,
    edit: Edit | None = None,
    *,
    class_from: ClassFrom | None = None,
    classes: str | Path | None = None,
    boxes: str | Path | None = None,
    split_accessories: float | None = None,
    min_count: int = 1,
    keep_partial: bool = False,
    shard: Shard | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PasteSummary:
    """Make versions of photographs that differ in an accessory, and so in PMI.

    What becomes of a photograph depends on the seed, its id and the lists of accessories and
    classes, never on other photographs, their order, the processes or the share of the work. A run
    that is killed goes on when it is started again with the same settings.

    Parameters
    ----------
    photos : path
        As `photos.list_photos` takes it.
    accessories : path
        As `cut_outs.list_accessories` takes it.
    index : path
        A caption index, whose PMI of class and accessory chooses the accessories.
    output : path
        Folder: ``images/CLASS/``, ``images.parquet`` (`saving.PASTED`), ``probes.parquet``
        (`conceptstats.tables.PROBES`), ``cut_outs.parquet`` (`listing.CUT_OUTS`) and
        ``problems.parquet`` (`listing.PROBLEMS`).
    edit : Edit, optional
    class_from : {"folder", "name"}, optional
        As for `photos.list_photos`.
    classes : path or str, optional
        What the photographs are told apart from, with synonyms, as
        `conceptstats.class_names.read_classes` takes it. By default the classes that they show.
    boxes : path, optional
        Table `photos.BOXES` of what photographs show, which is spared as
        `conceptstats.pasting.place_object` says. A photograph without a box there has none to
        spare.
    split_accessories : float, optional
        Share of accessories, and of photographs, that are for training: each is on one side, which
        its name and the seed say, and photographs get accessories of their own side only.
    min_count : int
        Least captions of a class and of an accessory.
    keep_partial : bool
        As for `cut_outs.list_accessories`.
    shard : Shard, optional
        Edit this share of the photographs only.
    workers : int
        Processes.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    PasteSummary
        Photographs are edited or listed: none is passed through, and none is lost.

    Raises
    ------
    ParameterError, TableError, IndexFormatError, OutputExistsError, OutputError
    SourceError
        When there are no photographs or accessories, or not one photograph could be edited; of a
        share of them there may be none.
    """
    edit = edit or Edit()
    _check(edit, split_accessories, min_count)
    progress, output, shard = progress or Silent(), Path(output), shard or Shard()
    opened = CaptionIndex.open(index)
    inputs = read_inputs(photos, accessories, opened, class_from, classes, boxes, min_count,
                   keep_partial, shard)  # fmt: skip
    arguments = {
        **asdict(edit),
        "strata": list(edit.strata),
        "photos": str(photos),
        "accessories": str(accessories),
        "class_from": inputs.class_from,
        "classes": None if classes is None else str(classes),
        "boxes": None if boxes is None else str(boxes),
        "split_accessories": split_accessories,
        "min_count": min_count,
        "keep_partial": keep_partial,
        "shard": str(shard),
    }
    files = [Path(path) for path in (index, classes, boxes) if path and Path(path).exists()]
    files += [Path(photos)] if inputs.class_from == "table" else []
    prints = {str(path): fingerprint(path) for path in files} | inputs.prints
    plan = {**arguments, "inputs": prints, "stamp": stamp(inputs, Path(accessories)),
            "versions": {name: version(name) for name in ("numpy", "pillow")}}  # fmt: skip
    tasks, listed = make_tasks(inputs, split_accessories, edit.seed)
    for note in inputs.notes:
        progress.say(note)
    with (
        closing(progress),
        staged(output, MARK, plan, _MADE, progress, overwrite=overwrite) as (folder, parts),
    ):
        place = _write_cut_outs(inputs, folder, Path(accessories))
        step = _AT_ONCE * _PART
        blocks = [tasks[at : at + step] for at in range(0, len(tasks), step)]
        n_done = min(parts.n_done, len(blocks))
        progress.stage("photographs", "photographs")
        for number in range(n_done, len(blocks)):
            parts.write(number, _edit(blocks[number], edit, place, workers))
            progress.advance(len(blocks[number]), (number + 1) / len(blocks))
        Path(place.cut_outs).unlink()
        made = parts.read()
        images = _rows(made, "image", PASTED)
        problems = [*inputs.accessories.problems, *inputs.found.problems, *listed]
        problems += [Problem(**row) for row in _rows(made, "problem", PROBLEMS).to_pylist()]
        if shard.n == 1:  # of a share there can be nothing to edit
            _refuse_nothing(images, problems)
        probes = _probes(images, tasks)
        record = run_record("synth paste", arguments, prints, edit.seed, packages=("pillow",))
        table = pa.Table.from_pylist([problem._asdict() for problem in problems], PROBLEMS)
        save_table(folder / "problems.parquet", table, PROBLEMS, overwrite=True)
        save_table(folder / "probes.parquet", probes, PROBES, overwrite=True)
        save_table(folder / TABLE, images, PASTED, record=record, overwrite=True)
    return _summary(output, inputs, edit.per_photo, images, probes, problems)


def _check(edit: Edit, split: float | None, min_count: int) -> None:
    """Raise for settings outside their range."""
    strata = edit.strata
    if not strata or len(set(strata)) < len(strata) or set(strata) - set(STRATA):
        raise ParameterError(
            f"strata are {', '.join(strata) or 'none'}; expected some of {', '.join(STRATA)}, each "
            "once."
        )
    if "matched" in strata and "high" not in strata[: strata.index("matched")]:
        raise ParameterError(
            "stratum matched stands without high before it, whose accessory it is matched to."
        )
    if edit.per_photo < 1 or edit.seed < 0 or min_count < 1:
        raise ParameterError(
            f"per_photo is {edit.per_photo}, seed {edit.seed} and min_count {min_count}; expected "
            "1, 0 and 1 or more."
        )
    for name, value, high in (
        ("area", edit.area, 1.0),
        ("max_overlap", edit.max_overlap, 1.0),
        ("harmonise", edit.harmonise, 1.0),
        ("split_accessories", split or 0.0, 1.0),
        ("max_enlarge", edit.max_enlarge, np.inf),
        ("min_expected", edit.min_expected, np.inf),
    ):
        if not 0 <= value <= high or (value == 0 and name in ("area", "max_enlarge")):
            raise ParameterError(f"{name} is {value}, expected a number from 0 to {high:g}.")
    if edit.jpeg_quality is not None and not 1 <= edit.jpeg_quality <= 100:
        raise ParameterError(f"jpeg_quality is {edit.jpeg_quality}, expected 1 to 100.")


def _write_cut_outs(inputs: Inputs, folder: Path, root: Path) -> Place:
    """Write the cut-outs that may be used: for the user, and for the processes."""
    names = inputs.found.accessory_of
    rows = [item._asdict() | {"accessory": names[item.accessory]}
            for item in inputs.accessories.cut_outs if item.accessory in names]  # fmt: skip
    table = pa.Table.from_pylist(rows, CUT_OUTS)
    table = table.sort_by([("accessory", "ascending"), ("cut_out_id", "ascending")])
    save_table(folder / "cut_outs.parquet", table, CUT_OUTS, overwrite=True)
    digest = hashlib.sha256(repr(table.to_pylist()).encode()).hexdigest()
    path = folder / f".cut_outs-{digest[:16]}.arrow"  # processes keep what they read by its path
    dump_table(path, table)
    return Place(str(path), str(root), str(folder))


def _edit(tasks: Sequence[Task], edit: Edit, place: Place, workers: int) -> pa.Table:
    """Edit some photographs; a part of the run."""
    groups = [tasks[at : at + _AT_ONCE] for at in range(0, len(tasks), _AT_ONCE)]
    rows: list[dict[str, Any]] = []
    with closing(in_processes(partial(_edit_group, edit, place), groups, workers)) as made:
        for found in made:
            rows += [{"image": row} for row in found.rows]
            rows += [{"problem": problem._asdict()} for problem in found.problems]
    return pa.Table.from_pylist(rows, _MADE)


def _edit_group(edit: Edit, place: Place, tasks: Sequence[Task]) -> Edited:
    found = [edit_photo(task, edit, place) for task in tasks]
    return Edited([row for one in found for row in one.rows],
                  [problem for one in found for problem in one.problems])  # fmt: skip


def _rows(made: pa.Table, column: str, schema: pa.Schema) -> pa.Table:
    """The rows of one kind that the parts hold."""
    return pa.Table.from_pylist([row for row in made[column].to_pylist() if row], schema)


def _refuse_nothing(images: pa.Table, problems: Sequence[Problem]) -> None:
    if images.num_rows:
        return
    photographs = [problem for problem in problems if problem.what == "photograph"]
    reasons = Counter(problem.reason for problem in photographs).most_common()
    told = "; ".join(f"{reason} ({n:,})" for reason, n in reasons)
    labels = [problem.detail or "" for problem in photographs]
    hint = "an index that knows the classes, such as one of profile concepts with their synonyms"
    if reasons[0][0] == NOT_LISTED or any(WORDNET_ID.fullmatch(label) for label in labels):
        hint = (
            f"--classes must tell what {labels[0]} is: by its WordNet id in front of the name "
            "(a file with lines such as n01440764 tench), name, other phrase or number"
        )
    raise SourceError(f"not one of {len(photographs):,} photographs could be edited: {told}.", hint)


def _probes(images: pa.Table, tasks: Sequence[Task]) -> pa.Table:
    """`conceptstats.tables.PROBES` of the pairs that versions show, with n and the interval."""
    known = {(task.association.class_index, task.split): task.association for task in tasks}
    pairs = images.filter(pc.is_valid(images["accessory"]))
    shown = zip(*(pairs[name].to_pylist() for name in ("class_index", "split", "accessory")),
                strict=True)  # fmt: skip
    rows = []
    for at, side, accessory in sorted(set(shown), key=lambda pair: (pair[0], pair[2])):
        found = known[at, side]
        place = found.accessories.index(accessory)
        n_a, n_ab = int(found.n_accessory[place]), int(found.n_pair[place])
        interval = measures.pmi_interval(found.n, found.n_key, n_a, n_ab)
        rows.append(
            {
                "probe_id": probe_id(found.name, accessory),
                "key": found.name,
                "accessory": accessory,
                "class_index": at,
                "n_key": found.n_key,
                "n_accessory": n_a,
                "n_pair": n_ab,
                "pmi": float(found.pmi[place]),
                "stratum": found.level(place),
                "n": found.n,
                "pmi_low": float(interval.low),
                "pmi_high": float(interval.high),
            }
        )
    more = [("n", pa.int64()), ("pmi_low", pa.float64()), ("pmi_high", pa.float64())]
    return pa.Table.from_pylist(rows, pa.schema([*PROBES, *more]))


def _summary(
    output: Path,
    inputs: Inputs,
    per_photo: int,
    images: pa.Table,
    probes: pa.Table,
    problems: Iterable[Problem],
) -> PasteSummary:
    counts = dict(zip(probes["probe_id"].to_pylist(), probes["n_accessory"].to_pylist(),
                      strict=True))  # fmt: skip
    rows = images.select(["stratum", "pmi", "probe_id", "photo_id"]).to_pylist()
    strata = []
    for stratum in ("original", *STRATA):
        here = [row for row in rows if row["stratum"] == stratum]
        pmi = [row["pmi"] for row in here if row["pmi"] is not None and np.isfinite(row["pmi"])]
        logs = [np.log(counts[row["probe_id"]]) for row in here if row["probe_id"]]
        if here:
            strata.append({
                "stratum": stratum,
                "n": len(here),
                "mean_pmi": float(np.mean(pmi)) if pmi else None,
                "mean_ln_n_accessory": float(np.mean(logs)) if logs else None,
            })  # fmt: skip
    names = inputs.found.accessory_of
    n_versions = Counter(row["photo_id"] for row in rows if row["probe_id"])
    return PasteSummary(
        output=output,
        class_from=inputs.class_from,
        n_photos=len(inputs.photos),
        n_edited=len(n_versions),
        n_listed=len({p.id for p in problems if p.what == "photograph"}),
        n_complete=list(n_versions.values()).count(per_photo),
        n_images=images.num_rows,
        n_probes=probes.num_rows,
        n_accessories=len(set(names.values())),
        n_cut_outs=sum(item.accessory in names for item in inputs.accessories.cut_outs),
        strata=strata,
        problems=dict(Counter(f"{p.what}: {p.reason}" for p in problems).most_common()),
        notes=inputs.notes,
    )
