"""Where a target stands among the classes, by their probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
AnyFloats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


def target_ranks(probabilities: AnyFloats, targets: Ints, twins: Ints) -> Ints:
    """Rank of the target of each row; 1 is right.

    One and the number of other classes that are *as* probable or more: a tie counts against the
    model, so that one that finds all classes alike is never right. Only a later class of the same
    name does not count: no model can tell the two apart, and so the first of them can be right.

    Parameters
    ----------
    probabilities : array of float, (n, classes)
    targets : array of int64
        Index of the class of each row.
    twins : array of int64
        A number for each class, the same for those of one name.
    """
    of_target = np.take_along_axis(probabilities, targets[:, None], axis=1)
    is_twin = twins == twins[targets][:, None]
    is_later = np.arange(len(twins)) > targets[:, None]
    ranks: Ints = ((probabilities >= of_target) & ~(is_twin & is_later)).sum(axis=1)
    return ranks


def top_classes(probabilities: AnyFloats, k: int) -> Ints:
    """Indices of the k most probable classes of each row; ties in the order of the classes."""
    n, n_classes = probabilities.shape
    if 4 * k >= n_classes:
        order: Ints = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        return order
    least = np.partition(probabilities, n_classes - k, axis=1)[:, n_classes - k]
    rows, classes = np.nonzero(probabilities >= least[:, None])  # k a row, or more that tie
    order = np.lexsort((classes, -probabilities[rows, classes], rows))
    rows, classes = rows[order], classes[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    best: Ints = classes[place < k].reshape(n, k)
    return best
