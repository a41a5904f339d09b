"""What the name of a metric says: the task that it is of, and whether it is a share."""

from __future__ import annotations

from typing import Literal

Task = Literal["classification", "retrieval", "generation"]

_CLASSIFICATION = ("accuracy", "acc1")  # metrics of the published trend
_SHARES = ("acc", "precision", "f1")  # beginnings


def task_of(metric: str) -> Task:
    """The task of a metric, as the published recipe tells them apart.

    Examples
    --------
    >>> task_of("i2t_recall@5")
    'retrieval'
    """
    if metric in _CLASSIFICATION:
        return "classification"
    return "retrieval" if "recall@" in metric else "generation"


def is_share(metric: str) -> bool:
    """Whether a metric is surely a share from 0 to 1.

    Examples
    --------
    >>> is_share("mean_per_class_recall"), is_share("aesthetics")
    (True, False)
    """
    name = metric.casefold()
    return name.startswith(_SHARES) or "recall" in name
