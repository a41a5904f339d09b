"""Draw pairs from strata so that the frequencies of their concepts match.

Coarsened exact matching (Iacus, King & Porro, 2012, doi:10.1093/pan/mpr013): all strata are served
from one list of targets, a (key, frequency of the accessory) each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_BIN_WIDTH = 0.2  # standard deviations of ln n; as calipers usually are (Austin, 2011)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Cell = tuple[int, int]  # group of keys, bin of accessories


@dataclass(frozen=True, slots=True)
class Concepts:
    """Keys or accessories, by falling count."""

    names: list[str]  # as given
    ids: Ints
    counts: Ints
    places: Ints  # in the list that was given

    def __len__(self) -> int:
        """How many."""
        return len(self.names)

    def take(self, at: Ints) -> Concepts:
        """Those at some places."""
        names = [self.names[i] for i in at]
        return Concepts(names, self.ids[at], self.counts[at], self.places[at])


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every key with every accessory."""

    keys: Concepts
    accessories: Concepts
    n: int
    n_pair: Ints  # (keys, accessories)
    stratum: npt.NDArray[np.int16]  # (keys, accessories); -1: no candidate
    edges: Floats  # of the strata from 1 on

    @property
    def n_strata(self) -> int:
        """Strata, the pairs that were never seen among them."""
        return len(self.edges)


@dataclass(frozen=True, slots=True)
class Grid:
    """Candidates in cells of like frequency; concepts of a group or bin stand side by side."""

    groups: list[slice]  # of keys
    bins: list[slice]  # of accessories
    x: Floats  # mean ln n_key of each group, in standard deviations of keys
    y: Floats  # mean ln n_accessory of each bin, in standard deviations of accessories
    available: Ints  # (strata, groups, bins)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pairs that were chosen: places in the candidates."""

    stratum: Ints
    row: Ints
    column: Ints
    matched: npt.NDArray[np.bool_]


def spread_of(concepts: Concepts) -> float:
    """Standard deviation of ln n over concepts; 1 where all are as frequent."""
    return float(np.log(concepts.counts).std()) or 1.0


def make_grid(found: Candidates, n_targets: int) -> Grid:
    """Groups of keys, bins of accessories, and what each stratum has in each cell."""
    keys, others = found.keys, found.accessories
    parts = np.array_split(np.arange(len(keys)), min(len(keys), n_targets))
    groups = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
    x, y = np.log(keys.counts) / spread_of(keys), np.log(others.counts) / spread_of(others)
    of_bin = np.unique(-np.floor(y / _BIN_WIDTH), return_inverse=True)[1]
    starts = np.searchsorted(of_bin, np.arange(of_bin[-1] + 2))
    bins = [slice(int(a), int(b)) for a, b in pairwise(starts)]
    available = np.zeros((found.n_strata, len(groups), len(bins)), np.int64)
    for g, group in enumerate(groups):
        for row in found.stratum[group]:
            cells = (row.astype(np.int64) * len(bins) + of_bin)[row >= 0]
            counts = np.bincount(cells, minlength=found.n_strata * len(bins))
            available[:, g] += counts.reshape(found.n_strata, len(bins))
    return Grid(
        groups,
        bins,
        np.array([x[group].mean() for group in groups]),
        np.array([y[part].mean() for part in bins]),
        available,
    )


def choose_targets(grid: Grid, size: int, rng: np.random.Generator) -> list[Cell]:
    """Cells that every stratum is to be served from, the groups of keys in turn.

    Of the bins the one with the least sum over strata of the distance to the nearest pair that is
    left; where several are as good, the one that was used least.
    """
    left = grid.available.copy()
    used = np.zeros(len(grid.bins))
    between = np.abs(grid.y[:, None] - grid.y)
    order = rng.permutation(len(grid.groups))
    targets = []
    for unit in range(size):
        g = int(order[unit % len(order)])
        if not left[:, g].any():
            continue
        reach = np.where(left[:, g, None, :] > 0, between, np.inf)  # stratum, target, bin
        cost = reach.min(2)
        total = np.where(np.isfinite(cost), cost, 0).sum(0).round(9)  # ties are ties
        total[~left[:, g].any(0)] = np.inf
        b = int(np.lexsort((rng.random(len(used)), used, total))[0])
        has = np.isfinite(cost[:, b])
        left[has, g, reach[has, b].argmin(1)] -= 1
        used[b] += 1
        targets.append((g, b))
    return targets


def _serve(grid: Grid, stratum: int, targets: list[Cell], wanted: int) -> list[Cell | None]:
    """The cell that each target of a stratum is served from; None when all pairs are taken.

    The nearest one with the same keys, or else the nearest one.
    """
    left = grid.available[stratum].copy()
    cells: list[Cell | None] = [None] * wanted
    for anywhere in (False, True):
        for i in range(wanted):
            g, b = targets[i % len(targets)]
            first, last = (0, len(grid.groups)) if anywhere else (g, g + 1)
            if cells[i] is not None or not left[first:last].any():
                continue
            away = np.hypot(grid.x[first:last, None] - grid.x[g], grid.y - grid.y[b])
            away[left[first:last] == 0] = np.inf
            row, column = np.unravel_index(away.argmin(), away.shape)
            cells[i] = (first + int(row), int(column))
            left[cells[i]] -= 1
    return cells


def draw_matched(
    found: Candidates, grid: Grid, targets: list[Cell], wanted: Ints, rng: np.random.Generator
) -> Drawn:
    """Draw a pair of each cell that serves a target, of the concepts that were used least."""
    free = found.stratum.copy()
    n_uses = np.zeros(len(found.keys), np.int64), np.zeros(len(found.accessories), np.int64)
    drawn = []
    for stratum in range(found.n_strata):
        n_here = np.zeros_like(n_uses[0]), np.zeros_like(n_uses[1])
        for i, cell in enumerate(_serve(grid, stratum, targets, int(wanted[stratum]))):
            if cell is None:
                continue
            rows, columns = grid.groups[cell[0]], grid.bins[cell[1]]
            at = np.argwhere(free[rows, columns] == stratum)
            at += np.array([rows.start, columns.start])
            for uses in (n_here, n_uses):
                for axis in (0, 1):
                    n = uses[axis][at[:, axis]]
                    at = at[n == n.min()]
            row, column = at[rng.integers(len(at))]
            free[row, column] = -1
            for uses in (n_here, n_uses):
                uses[0][row] += 1
                uses[1][column] += 1
            drawn.append((stratum, row, column, cell == targets[i % len(targets)]))
    places = np.array(drawn, np.int64).reshape(-1, 4).T
    return Drawn(places[0], places[1], places[2], places[3].astype(np.bool_))


def draw_at_random(found: Candidates, wanted: Ints, rng: np.random.Generator) -> Drawn:
    """Draw pairs of each stratum, or take all of them."""
    drawn = []
    for stratum, size in enumerate(wanted):
        at = np.flatnonzero(found.stratum == stratum)
        drawn.append(at if size >= len(at) else rng.choice(at, size, replace=False))
    row, column = np.divmod(np.concatenate(drawn), len(found.accessories))
    strata = np.repeat(np.arange(len(drawn)), [len(at) for at in drawn])
    return Drawn(strata, row, column, np.zeros(len(row), np.bool_))
