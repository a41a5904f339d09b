"""Are key and accessory in the picture? An open-vocabulary detector says, with its scores."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, SourceError, TableError
from conceptstats.parts import unfinished
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.shards import PLACE, Shard
from conceptstats.table_files import (
    LIST_ENDINGS,
    check_output,
    conform,
    fingerprint,
    load_table,
    relocated,
    save_table,
)
from conceptstats.tables import IMAGES, PROBES

from .looking import LOOKED, SCORES, OnError, list_pictures, look, stamp, tell_problems

if TYPE_CHECKING:
    from conceptstats.models.devices import Device, Precision


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify_images` found."""

    output: Path
    detector: str
    threshold: float
    n: int  # pictures
    n_key: int  # with the key
    n_accessory: int
    n_both: int
    skipped: tuple[tuple[str, str], ...]  # id and reason of each picture that was not looked at

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "output": str(self.output),
            "detector": self.detector,
            "threshold": self.threshold,
            "n": self.n,
            "n_key": self.n_key,
            "n_accessory": self.n_accessory,
            "n_both": self.n_both,
            "n_skipped": len(self.skipped),
            "skipped": [list(pair) for pair in self.skipped],
        }


def verify_images(
    images: str | Path,
    output: str | Path,
    *,
    probes: str | Path,
    model: str | Path,
    revision: str | None = None,
    query: str | None = None,
    threshold: float | None = None,
    shard: Shard | None = None,
    precision: Precision = "fp32",
    device: Device = "auto",
    workers: int = 1,
    on_error: OnError = "stop",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Verified:
    """Look for key and accessory of its probe in every picture.

    A thing is found when the score of its best box reaches the threshold. Scores are kept, so that
    `set_threshold` needs no second look. A run that is killed goes on when it is started again with
    the same settings, another threshold aside; neither that, nor ``workers``, nor ``shard`` changes
    a bit of a picture's scores, which depend on the picture and the query alone. For that, pictures
    are looked at one at a time (see `detectors.Detector`).

    Parameters
    ----------
    images : path
        Table `conceptstats.tables.IMAGES`.
    output : path
        The rows of ``images`` with key_found, accessory_found, the columns `looking.SCORES`,
        ``detector`` and ``place``, their row in ``images`` (.parquet or .arrow); paths of pictures
        are relative to it.
    probes : path
        Table `conceptstats.tables.PROBES`: what is looked for.
    model, revision
        As `detectors.load_detector` takes them.
    query : str, optional
        How the model is asked for a thing, which stands for ``{}``. None: as the authors of the
        model ask.
    threshold : float, optional
        In [0, 1]. None: that which transformers has for the model. Scores of two models, and those
        of two things, are not on one scale.
    shard : Shard, optional
        Look at this share of the pictures only; `conceptstats.concat` puts shares together.
    precision, device
        As `detectors.load_detector` takes them.
    workers : int
        Threads that read pictures ahead.
    on_error : {"stop", "skip"}
        What to do with a picture that cannot be looked at: no readable file, not the file that
        its table names, no probe, or a query that is too long for the model or has something that
        it has no token for; all but the first two are told before the first picture is looked at.
        Skipped, it keeps its row: found and scores are null, and ``unverified`` says why. A whole
        run in which all are skipped is an error.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    Verified

    Raises
    ------
    ParameterError, TableError, SourceError, ModelError, OutputExistsError, OutputError

    Notes
    -----
    Pictures that hold no such thing, such as sprites of other concepts, are a negative control: a
    threshold at which things are found there asks too little.

    What is found can itself go with PMI, where generator or detector do worse on rare pairs. `eval
    correlate` therefore gives its figures with and without the pictures that lack something.
    """
    output, progress, shard = Path(output), progress or Silent(), shard or Shard()
    _check(output, overwrite, threshold, query)
    if on_error not in get_args(OnError):
        raise ParameterError(f"on_error is {on_error!r}, expected stop or skip.")
    if workers < 1:
        raise ParameterError(f"workers is {workers}, expected 1 or more.")
    table = _images(images, output)
    places = pa.array(shard.take(range(table.num_rows)), pa.int64())
    table = _with_columns(table.take(places), pa.table({PLACE: places}))
    pairs = _pairs(probes)
    from .detectors import load_detector

    progress.stage("loading the model", "models")
    detector = load_detector(
        model,
        revision,
        precision=precision,
        device=device,
        quiet=isinstance(progress, Silent),
    )
    query = detector.query if query is None else query
    threshold = detector.threshold if threshold is None else threshold
    items = list_pictures(table, output, pairs, detector, query)
    tell_problems(items, on_error, progress)
    arguments = {
        "model": str(model),
        "revision": revision,
        "query": query,
        "shard": str(shard),
        "precision": precision,
        "device": detector.device.type,
    }
    inputs = {str(path): fingerprint(Path(path)) for path in (images, probes)}
    inputs["weights"] = detector.fingerprint
    record = run_record(
        "synth verify",
        {**arguments, "threshold": threshold, "on_error": on_error},
        inputs,
        packages=("torch", "torchvision", "transformers", "pillow"),
    )
    plan = {
        **arguments,
        "inputs": inputs,
        "pictures": stamp(item.path for item in items),
        "versions": record["versions"],
    }
    with closing(progress), unfinished(output, plan, LOOKED, progress) as parts:
        looked = look(parts, items, detector, workers, on_error, progress)
        if shard.n == 1:
            _refuse_nothing(looked)
        table = _with_columns(table, looked.drop_columns("image_id"))
        name = pa.repeat(pa.scalar(detector.name, pa.string()), table.num_rows)
        table = _with_columns(table, pa.table({"detector": name}))
        return _save(table, output, detector.name, threshold, record, overwrite=overwrite)


def set_threshold(
    images: str | Path,
    output: str | Path,
    *,
    threshold: float,
    overwrite: bool = False,
) -> Verified:
    """Say again what is found, by the scores of an earlier look.

    Parameters
    ----------
    images : path
        Table that `verify_images` wrote.
    output : path
    threshold : float
        In [0, 1].
    overwrite : bool

    Returns
    -------
    Verified

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    """
    output = Path(output)
    _check(output, overwrite, threshold, None)
    table = _images(images, output)
    missing = [name for name in (*SCORES.names, "detector") if name not in table.column_names]
    if missing:
        raise TableError(
            f"{images}: the images are not verified (no column {', '.join(missing)}).",
            "--model MODEL --probes PROBES looks for keys and accessories",
        )
    detectors = table["detector"].unique().to_pylist()
    if len(detectors) != 1 or None in detectors:
        raise TableError(
            f"{images}: expected scores of one detector, as those of others are on other scales; "
            f"these are of {', '.join(map(str, detectors))}."
        )
    table = _with_columns(table, conform(table.select(SCORES.names), SCORES, images))
    record = run_record(
        "synth verify",
        {"threshold": threshold},
        {str(images): fingerprint(Path(images))},
    )
    return _save(table, output, detectors[0], threshold, record, overwrite=overwrite)


def _check(output: Path, overwrite: bool, threshold: float | None, query: str | None) -> None:
    check_output(output, LIST_ENDINGS, overwrite=overwrite)  # boxes are lists
    if threshold is not None and not 0 <= threshold <= 1:
        raise ParameterError(f"threshold is {threshold}, expected a score from 0 to 1.")
    if query is not None and "{}" not in query:
        raise ParameterError(f"query is {query!r}, expected {{}} in it, for the thing's name.")


def _images(images: str | Path, output: Path) -> pa.Table:
    """The rows of an images table, with paths relative to where the output will be."""
    table = load_table(images, IMAGES)
    if not table.num_rows:
        raise TableError(f"{images} has no images.")
    _refuse_twins(table, "image_id", images)
    return relocated(table, Path(images).parent, output.parent)


def _pairs(probes: str | Path) -> dict[str, tuple[str, str]]:
    """Key and accessory of each probe."""
    table = load_table(probes, PROBES)
    _refuse_twins(table, "probe_id", probes)
    columns = (table[name].to_pylist() for name in ("probe_id", "key", "accessory"))
    return {name: (key, accessory) for name, key, accessory in zip(*columns, strict=True)}


def _refuse_twins(table: pa.Table, column: str, where: object) -> None:
    counts = pc.value_counts(table[column])
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(twice):
        raise TableError(
            f"{where}: {len(twice):,} values of {column} stand more than once, such as "
            f"{twice[0].as_py()!r}."
        )


def _with_columns(table: pa.Table, columns: pa.Table) -> pa.Table:
    """The table with columns replaced, or added behind."""
    for name in columns.column_names:
        place = table.schema.get_field_index(name)
        if place < 0:
            table = table.append_column(name, columns[name])
        else:
            table = table.set_column(place, name, columns[name])
    return table


def _refuse_nothing(looked: pa.Table) -> None:
    if looked["unverified"].null_count:
        return
    raise SourceError(
        f"none of {looked.num_rows:,} pictures can be verified; {looked['image_id'][0]}: "
        f"{looked['unverified'][0]}."
    )


def _save(
    table: pa.Table,
    output: Path,
    detector: str,
    threshold: float,
    record: dict[str, Any],
    *,
    overwrite: bool,
) -> Verified:
    """Write the table with what is found from this score on, and sum it up."""
    key = pc.greater_equal(table["key_score"], threshold)
    accessory = pc.greater_equal(table["accessory_score"], threshold)
    table = _with_columns(table, pa.table({"key_found": key, "accessory_found": accessory}))
    bad = table.filter(pc.is_valid(table["unverified"]))
    skipped = tuple(zip(bad["image_id"].to_pylist(), bad["unverified"].to_pylist(), strict=True))
    record["unverified"] = [list(pair) for pair in skipped]
    save_table(output, table, IMAGES, record=record, overwrite=overwrite)
    n_key, n_accessory, n_both = (
        int(pc.sum(flags).as_py() or 0) for flags in (key, accessory, pc.and_(key, accessory))
    )
    return Verified(
        output, detector, threshold, table.num_rows, n_key, n_accessory, n_both, skipped
    )
