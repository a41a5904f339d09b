"""The calibrated observer: what a model with the right posterior would score.

A contrastive model that is calibrated scores an image x against the text of key k by
ln p(k|x)/p(k). Where key and accessory are independent that is the evidence of the key alone. So
the evidence is taken from a model of the independent world, and the PMI of key and accessory,
which is known, is added: the score of a model that knew the world. How its accuracy follows PMI is
the effect of the data; what another model lacks of it is the model's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import TableError
from conceptstats.runs import run_record
from conceptstats.table_files import fingerprint, load_table, save_table
from conceptstats.tables import IMAGES, JOINT, PREDICTIONS, PROBES

from .zeroshot.ranks import target_ranks, top_classes

_LEAST = float(np.finfo(np.float32).tiny)  # for a probability that was stored as 0
NAME = "calibrated observer"


def observe_files(
    predictions: str | Path,
    output: str | Path,
    *,
    images: str | Path,
    probes: str | Path,
    joint: str | Path,
    overwrite: bool = False,
) -> pa.Table:
    """`observe` of files, written as a table with its run record.

    Raises
    ------
    TableError, OutputExistsError, OutputError
    """
    made = observe(
        load_table(predictions, PREDICTIONS),
        load_table(images, IMAGES),
        load_table(probes, PROBES),
        load_table(joint, JOINT),
    )
    inputs = [Path(path) for path in (predictions, images, probes, joint)]
    record = run_record("eval observer", {}, {str(path): fingerprint(path) for path in inputs})
    save_table(output, made, PREDICTIONS, record=record, overwrite=overwrite)
    return made


def observe(predictions: pa.Table, images: pa.Table, probes: pa.Table, joint: pa.Table) -> pa.Table:
    """Add the known PMI of each key with the accessory that an image shows to the evidence.

    Parameters
    ----------
    predictions : Table
        Of a model of the independent world, with the probabilities of all classes.
    images, probes : Table
        Which accessory an image shows.
    joint : Table
        `conceptstats.tables.JOINT` of the world that the observer knows.

    Returns
    -------
    Table
        Predictions of the observer, all classes.

    Raises
    ------
    TableError
        When a prediction lacks a class, or an image, a pair or an id is missing.
    """
    if not predictions.num_rows:
        raise TableError("there are no predictions.")
    classes = sorted(set(joint["key"].to_pylist()))
    accessories = sorted(set(joint["accessory"].to_pylist()))
    pmi = _pmi(joint, accessories, classes)
    scores = _evidence(predictions, classes) + pmi[_shown(predictions, images, probes, accessories)]
    scores -= scores.max(1, keepdims=True)
    probability = np.exp(scores)
    probability /= probability.sum(1, keepdims=True)
    return _as_table(predictions, classes, probability)


def _pmi(joint: pa.Table, accessories: list[str], classes: list[str]) -> npt.NDArray[np.float64]:
    """PMI of each accessory with each key."""
    pmi = np.full((len(accessories), len(classes)), np.nan)
    pmi[_places(joint["accessory"], accessories), _places(joint["key"], classes)] = joint["pmi"]
    if joint.num_rows != pmi.size or np.isnan(pmi).any():
        raise TableError(
            f"the joint table has {joint.num_rows:,} rows, expected the PMI of each of "
            f"{len(accessories)} accessories with each of {len(classes)} keys, once."
        )
    if not np.isfinite(pmi).any(1).all():
        raise TableError("the joint table has an accessory that stands with no key.")
    return pmi


def _places(column: pa.ChunkedArray | pa.Array, names: list[str]) -> npt.NDArray[np.int64]:
    found = pc.index_in(column, pa.array(names))
    if found.null_count:
        lost = column.filter(pc.is_null(found)).unique()[:3].to_pylist()
        raise TableError(f"the joint table does not have {', '.join(map(repr, lost))}.")
    return np.asarray(found, np.int64)


def _evidence(predictions: pa.Table, classes: list[str]) -> npt.NDArray[np.float64]:
    """Log probability of each class, (examples, classes)."""
    labels = predictions["labels"].combine_chunks()
    sizes = pc.list_value_length(labels)
    if not pc.all(pc.equal(sizes, len(classes))).as_py():
        raise TableError(
            f"predictions have {pc.min(sizes).as_py()} to {pc.max(sizes).as_py()} classes a row, "
            f"expected all {len(classes)} keys of the joint table.",
            "conceptstats eval zeroshot --top-k 0 keeps all",
        )
    shape = predictions.num_rows, len(classes)
    place = _places(pc.list_flatten(labels), classes).reshape(shape)
    values = np.asarray(pc.list_flatten(predictions["probabilities"].combine_chunks()), np.float64)
    probability = np.full(shape, np.nan)
    if values.size == probability.size:
        np.put_along_axis(probability, place, values.reshape(shape), axis=1)
    if np.isnan(probability).any():
        raise TableError("a prediction does not have the probability of each class, once.")
    return np.log(np.maximum(probability, _LEAST))


def _shown(
    predictions: pa.Table, images: pa.Table, probes: pa.Table, accessories: list[str]
) -> npt.NDArray[np.int64]:
    """Place of the accessory that the image of each prediction shows."""
    probe_of = dict(
        zip(images["image_id"].to_pylist(), images["probe_id"].to_pylist(), strict=True)
    )
    shown = dict(zip(probes["probe_id"].to_pylist(), probes["accessory"].to_pylist(), strict=True))
    ids = predictions["example_id"].to_pylist()
    names = [shown.get(probe_of.get(name)) for name in ids]
    if None in names:
        lost = ids[names.index(None)]
        raise TableError(
            f"{names.count(None):,} of {len(ids):,} predictions have no image with a probe, the "
            f"first of them {lost!r}."
        )
    return _places(pa.array(names, pa.string()), accessories)


def _as_table(
    predictions: pa.Table, classes: list[str], probability: npt.NDArray[np.float64]
) -> pa.Table:
    order = top_classes(probability, len(classes))
    target = _places(predictions["target"], classes)
    of_target = np.take_along_axis(probability, target[:, None], 1)
    rank = target_ranks(probability, target, np.arange(len(classes)))
    names = np.array(classes, object)
    n = predictions.num_rows
    columns = {
        "example_id": predictions["example_id"],
        "target": predictions["target"],
        "labels": pa.array(names[order].tolist(), pa.list_(pa.string())),
        "probabilities": pa.array(
            np.take_along_axis(probability, order, 1).tolist(), pa.list_(pa.float32())
        ),
        "target_rank": pa.array(rank, pa.int32()),
        "target_probability": pa.array(of_target[:, 0], pa.float32()),
        "model": pa.array([NAME] * n),
        "pretrained": pa.nulls(n, pa.string()),
    }
    return pa.table(columns, schema=PREDICTIONS)
