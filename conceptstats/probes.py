"""Which pairs to probe: spread evenly over PMI, with the frequencies of single concepts matched.

A rare concept can have a high PMI and a frequent one cannot, so pairs drawn at random from each
stratum of PMI differ in frequency too, and a model's errors could be due to either. Here all strata
are served from one list of targets, a (key, frequency of the accessory) each. It is coarsened exact
matching (Iacus, King & Porro, 2012, doi:10.1093/pan/mpr013): keys by themselves, or in groups of
like frequency where there are more keys than probes in a stratum; accessories in bins of frequency.
Each target goes where the pairs of all strata lie nearest, in the sum of distances; a stratum
without a pair there takes its nearest one. What remains is reported as standardised mean
differences, in standard deviations of the candidates, the same before and after matching (Stuart,
2010, doi:10.1214/09-STS313). Below 0.1 is the usual rule for calling a difference negligible.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats import pmi as measures
from conceptstats.class_names import listed
from conceptstats.errors import AbsentConceptError, ParameterError, UnknownConceptError
from conceptstats.index import CaptionIndex
from conceptstats.matching import (
    Candidates,
    Concepts,
    Drawn,
    Floats,
    Ints,
    choose_targets,
    draw_at_random,
    draw_matched,
    make_grid,
    spread_of,
)
from conceptstats.table_files import conform
from conceptstats.tables import PROBES, numbers

BALANCE = pa.schema(
    [
        ("stratum", pa.int32()),
        ("pmi_low", pa.float64()),  # edges; the outer strata are open
        ("pmi_high", pa.float64()),
        ("n_available", pa.int64()),  # candidates
        ("n_wanted", pa.int64()),
        ("n_found", pa.int64()),
        ("n_matched", pa.int64()),  # of these, in the cell of their target; null: not asked for
        ("ln_n_key", pa.float64()),  # means
        ("ln_n_accessory", pa.float64()),
        ("d_key", pa.float64()),  # standardised differences from the target
        ("d_accessory", pa.float64()),
        ("expected_min", pa.float64()),  # captions with both, were the two independent
        ("expected_max", pa.float64()),
    ]
)
SMALL_DIFFERENCE = 0.1
_ENDS = 0.01, 0.99  # quantiles of PMI between which strata are of equal width
_CHANCE = 3.0  # expected captions below which seeing none has a chance of 5% or more: exp(-3)
_MAX_STRATA = 10_000


@dataclass(frozen=True, slots=True)
class Probes:
    """The pairs to probe, and how even they are.

    Parameters
    ----------
    table : Table
        `conceptstats.tables.PROBES` with n, pmi_low and pmi_high (the 95% interval of PMI), and
        ``matched`` where matching was asked for; by stratum, key, accessory.
    balance : Table
        `BALANCE`, one row a stratum.
    notes : list of str
        What was left out, and what could not be matched.
    """

    table: pa.Table
    balance: pa.Table
    notes: list[str]


def select_probes(
    index: CaptionIndex,
    keys: Sequence[str],
    accessories: Sequence[str] | None = None,
    *,
    not_accessories: Sequence[int] = (),
    n_strata: int = 20,
    per_stratum: int | None = 24,
    n_unseen: int | None = None,
    min_count: int = 1,
    min_expected: float = 0.0,
    match: bool = True,
    seed: int = 0,
) -> Probes:
    """Choose pairs of a key and an accessory, as many at every level of PMI.

    Strata 1 to ``n_strata`` are of equal width in PMI (formula "document") between the 1% and 99%
    quantiles of the candidates that were seen together, the outer ones open; stratum 0 holds those
    that never were. Within a stratum each key has as many probes as the others, so with a multiple
    of the number of keys in ``per_stratum`` effects of the key cancel between strata; accessories
    are repeated as little as can be.

    Parameters
    ----------
    index : CaptionIndex
    keys : sequence of str
        Names of classes in their order. A name that the index does not know is left out; an empty
        one keeps a place.
    accessories : sequence of str, optional
        By default every concept of the vocabulary that is no key.
    not_accessories : sequence of int
        Ids of concepts that are not to be accessories: other names of the classes.
    n_strata : int
    per_stratum : int or None
        Probes wanted in a stratum; None: every candidate, without selection.
    n_unseen : int, optional
        Probes wanted in stratum 0. By default as in the others.
    min_count : int
        Least captions of each single concept.
    min_expected : float
        Least captions with both that independence would give, n_key * n_accessory / n: with less,
        PMI is mostly noise, and that a pair was never seen says little.
    match : bool
        Match the frequencies of keys and accessories between strata; otherwise pairs are drawn at
        random.
    seed : int

    Returns
    -------
    Probes
        Same input, same seed: same table. ``probe_id`` depends on the two names alone.

    Raises
    ------
    ParameterError
        When a number is out of range, two keys are one concept, or no pair is left.
    """
    per = 1 if per_stratum is None else per_stratum
    unseen = per if n_unseen is None else n_unseen
    if not (1 <= n_strata <= _MAX_STRATA and min(per, min_count) >= 1 and min(unseen, seed) >= 0):
        raise ParameterError(
            f"n_strata is {n_strata}, per_stratum {per_stratum}, min_count {min_count}, n_unseen "
            f"{n_unseen}, seed {seed}; expected 1 or more of the first three, {_MAX_STRATA:,} "
            "strata at most, and 0 or more of the others."
        )
    if not 0 <= min_expected < np.inf:
        raise ParameterError(f"min_expected is {min_expected}, expected 0 or more.")
    notes: list[str] = []
    left_out = np.array(not_accessories, np.int64)
    found = _candidates(
        index, keys, accessories, left_out, min_count, min_expected, n_strata, notes
    )
    in_rows = (np.bincount(row + 1, minlength=found.n_strata + 1) for row in found.stratum)
    sizes = np.sum(list(in_rows), axis=0)[1:]
    wanted = sizes.copy()
    if per_stratum is not None:
        wanted[:] = per_stratum
        wanted[0] = unseen
    rng = np.random.default_rng(seed)
    target = None
    if match and per_stratum is not None:
        grid = make_grid(found, per_stratum)
        cells = choose_targets(grid, per_stratum, rng)
        drawn = draw_matched(found, grid, cells, wanted, rng)
        target = np.array([[grid.x[g], grid.y[b]] for g, b in cells]).mean(0)
    else:
        drawn = draw_at_random(found, wanted, rng)
    if not len(drawn.row):
        raise ParameterError("no two of them were ever seen together, and n_unseen is 0.")
    balance = _balance(found, drawn, sizes, wanted, target)
    notes += _shortfalls(balance)
    if target is not None:
        notes += _missing_keys(found, drawn, balance)
    table = _probe_table(found, drawn, matched=target is not None)
    return Probes(table, pa.Table.from_pylist(balance, BALANCE), notes)


def _candidates(
    index: CaptionIndex,
    keys: Sequence[str],
    accessories: Sequence[str] | None,
    left_out: Ints,
    min_count: int,
    min_expected: float,
    n_strata: int,
    notes: list[str],
) -> Candidates:
    """Every key with every accessory, their counts and strata."""
    all_counts = numbers(index.vocabulary.column("n_captions"))
    known, same = _resolve(index, keys, "key", notes)
    if same:
        pairs = [f"{keys[a]!r} (place {a}) and {keys[b]!r} ({b})" for a, b in same]
        raise ParameterError(
            f"two keys are one concept, {len(same)} times: {listed(pairs, '; ')}.",
            "leave one out: captions do not tell them apart; an empty name keeps its place",
        )
    if accessories is None:
        names = index.vocabulary.column("concept")
        is_other = all_counts >= min_count
        is_other[known.ids] = False
        is_other[left_out] = False
        ids = np.flatnonzero(is_other)
        others = Concepts(names.take(pa.array(ids)).to_pylist(), ids, all_counts[ids], ids)
    else:
        others, same = _resolve(index, accessories, "accessory", notes)
        _say(
            notes,
            "accessories that are one concept with an earlier one",
            [accessories[b] for _, b in same],
        )
        others = _leave(others, np.isin(others.ids, known.ids), "accessories that are keys", notes)
        is_name = np.isin(others.ids, left_out)
        others = _leave(others, is_name, "accessories that name a class", notes)
    few = f"in fewer than {min_count:,} captions"
    known = _leave(known, known.counts < min_count, f"keys {few}", notes)
    others = _leave(others, others.counts < min_count, f"accessories {few}", notes)
    expected = known.counts.astype(np.float64) * others.counts.max(initial=0) / max(index.n, 1)
    rare = f"keys with no pair of {min_expected:g} expected captions"
    known = _leave(known, expected < min_expected, rare, notes)
    if not len(known) or not len(others):
        raise ParameterError(
            f"{len(known)} keys and {len(others)} accessories are left: no pair to probe. "
            + " ".join(notes),
            "names are those of the index: see `conceptstats count INDEX NAME`",
        )
    return _stratify(index, known, others, min_expected, n_strata)


def _resolve(
    index: CaptionIndex, names: Sequence[str], what: str, notes: list[str]
) -> tuple[Concepts, list[tuple[int, int]]]:
    """The concepts that names mean, and the places of two names that mean the same."""
    known: dict[int, int] = {}
    same: list[tuple[int, int]] = []
    absent: list[str] = []
    cut: list[str] = []
    not_one: list[str] = []
    for place, name in enumerate(names):
        if not name:
            continue
        try:
            concept = index.concept_id(name)
        except AbsentConceptError:
            absent.append(name)
            continue
        except UnknownConceptError:
            (cut if len(set(index.profile.meaning(name))) == 1 else not_one).append(name)
            continue
        if concept in known:
            same.append((known[concept], place))
        else:
            known[concept] = place
    plural = {"key": "keys", "accessory": "accessories"}[what]
    _say(notes, f"{plural} that no caption holds", absent)
    _say(notes, f"{plural} outside the vocabulary, so their counts are unknown", cut)
    _say(notes, f"{plural} that are not one concept under the profile of the index", not_one)
    ids = np.array(sorted(known), np.int64)
    places = np.array([known[i] for i in sorted(known)], np.int64)
    counts = numbers(index.vocabulary.column("n_captions"))[ids]
    return Concepts([names[i] for i in places], ids, counts, places), same


def _leave(found: Concepts, left: npt.NDArray[np.bool_], why: str, notes: list[str]) -> Concepts:
    """The others; those that are left out are stated."""
    _say(notes, why, [found.names[i] for i in np.flatnonzero(left)])
    return found.take(np.flatnonzero(~left)) if left.any() else found


def _say(notes: list[str], what: str, names: Sequence[str]) -> None:
    if names:
        notes.append(f"Left out {what} ({len(names):,}): {listed(names)}.")


def _stratify(
    index: CaptionIndex, keys: Concepts, others: Concepts, min_expected: float, n_strata: int
) -> Candidates:
    """Count every pair and say its stratum, key by key: there can be tens of millions."""
    n_pair = np.empty((len(keys), len(others)), np.int64)
    for row, key in enumerate(keys.ids):
        n_pair[row] = index.pairs.counts_with(int(key), index.n_concepts)[others.ids]

    def pmi_of(row: int) -> Floats:
        """PMI of a key with each accessory; nan where too little is expected."""
        n_key = keys.counts[row]
        expected = float(n_key) * others.counts / index.n
        value = measures.pmi(index.n, n_key, others.counts, n_pair[row])
        return np.where(expected >= min_expected, value, np.nan)

    rows = [pmi_of(row).astype(np.float32) for row in range(len(keys))]
    seen = np.concatenate([row[np.isfinite(row)] for row in rows])
    low, high = np.quantile(seen, _ENDS) if len(seen) else (0.0, 0.0)
    edges = np.linspace(low, high, n_strata + 1 if high > low else 2, dtype=np.float64)
    stratum = np.empty(n_pair.shape, np.int16)
    for row in range(len(keys)):
        value = pmi_of(row)
        stratum[row] = 1 + np.searchsorted(edges[1:-1], value, "right")
        stratum[row, np.isneginf(value)] = 0
        stratum[row, np.isnan(value)] = -1
    return Candidates(keys, others, index.n, n_pair, stratum, edges)


def _balance(
    found: Candidates, drawn: Drawn, sizes: Ints, wanted: Ints, target: Floats | None
) -> list[dict[str, Any]]:
    """Rows of `BALANCE`; without a target it is the mean of all strata."""
    n_key = found.keys.counts[drawn.row]
    n_accessory = found.accessories.counts[drawn.column]
    expected = n_key / found.n * n_accessory
    logs = np.stack([np.log(n_key), np.log(n_accessory)], 1)
    spread = np.array([spread_of(found.keys), spread_of(found.accessories)])
    inside = [drawn.stratum == stratum for stratum in range(found.n_strata)]
    means = [logs[rows].mean(0) if rows.any() else None for rows in inside]
    center = target
    if center is None:
        center = np.mean([mean / spread for mean in means if mean is not None], axis=0)
    edges = [-np.inf, -np.inf, *found.edges[1:-1], np.inf]
    balance = []
    for stratum, (rows, mean) in enumerate(zip(inside, means, strict=True)):
        row = {
            "stratum": stratum,
            "pmi_low": edges[stratum],
            "pmi_high": edges[stratum + 1] if stratum else -np.inf,
            "n_available": int(sizes[stratum]),
            "n_wanted": int(wanted[stratum]),
            "n_found": int(rows.sum()),
            "n_matched": None if target is None else int(drawn.matched[rows].sum()),
        }
        if mean is not None:
            row |= dict(zip(("ln_n_key", "ln_n_accessory"), mean.tolist(), strict=True))
            away = (mean / spread - center).tolist()
            row |= dict(zip(("d_key", "d_accessory"), away, strict=True))
            row |= {"expected_min": expected[rows].min(), "expected_max": expected[rows].max()}
        balance.append(row)
    return balance


def _shortfalls(balance: list[dict[str, Any]]) -> list[str]:
    """What the balance shows that a reader must know."""
    notes = []
    short = [row for row in balance if row["n_found"] < row["n_wanted"]]
    if short:
        strata = listed([f"{r['stratum']} ({r['n_found']} of {r['n_wanted']})" for r in short])
        notes.append(f"Too few pairs in strata {strata}.")
    for name in ("key", "accessory"):
        far = [row for row in balance if abs(row.get(f"d_{name}", 0)) >= SMALL_DIFFERENCE]
        if far:
            strata = listed([f"{row['stratum']} ({row[f'd_{name}']:+.2f})" for row in far])
            notes.append(
                f"Frequencies of the {name} differ from the target by {SMALL_DIFFERENCE} standard "
                f"deviations or more in strata {strata}. A larger --min-count or --min-expected, "
                "or fewer strata, narrow what has to be matched."
            )
    unseen = balance[0]
    if unseen["n_found"]:
        low, high = unseen["expected_min"], unseen["expected_max"]
        text = f"Pairs that were never seen together: {low:.3g} to {high:.3g} captions expected."
        if low < _CHANCE:
            text += (
                f" Below {_CHANCE:g}, seeing none can be chance; --min-expected leaves such out."
            )
        notes.append(text)
    return notes


def _missing_keys(found: Candidates, drawn: Drawn, balance: list[dict[str, Any]]) -> list[str]:
    """Keys for which others had to stand in."""
    missing: dict[int, list[str]] = {}
    for row in balance:
        if row["n_found"] == row["n_wanted"] >= len(found.keys):
            there = drawn.row[drawn.stratum == row["stratum"]]
            for key in np.setdiff1d(np.arange(len(found.keys)), there):
                missing.setdefault(int(key), []).append(str(row["stratum"]))
    if not missing:
        return []
    most = sorted(missing, key=lambda key: -len(missing[key]))
    keys = [f"{found.keys.names[i]} ({', '.join(missing[i])})" for i in most]
    return [f"Other keys stand in for those without a pair in a stratum: {listed(keys, '; ')}."]


def _probe_table(found: Candidates, drawn: Drawn, *, matched: bool) -> pa.Table:
    """`PROBES` and more, sorted."""
    keys, others, row, column = found.keys, found.accessories, drawn.row, drawn.column
    n_key, n_other, n_pair = keys.counts[row], others.counts[column], found.n_pair[row, column]
    interval = measures.pmi_interval(found.n, n_key, n_other, n_pair)
    key = [keys.names[i] for i in row]
    accessory = [others.names[i] for i in column]
    columns = {
        "probe_id": [probe_id(a, b) for a, b in zip(key, accessory, strict=True)],
        "key": key,
        "accessory": accessory,
        "class_index": keys.places[row].astype(np.int32),
        "n_key": n_key,
        "n_accessory": n_other,
        "n_pair": n_pair,
        "pmi": measures.pmi(found.n, n_key, n_other, n_pair),
        "stratum": drawn.stratum.astype(np.int32),
        "n": np.full(len(row), found.n, np.int64),
        "pmi_low": interval.low,
        "pmi_high": interval.high,
    }
    table = conform(pa.table(columns), PROBES, "probes")
    if matched:
        table = table.append_column("matched", pa.array(drawn.matched))
    return table.sort_by([(name, "ascending") for name in ("stratum", "key", "accessory")])


def probe_id(key: str, accessory: str) -> str:
    """Id of a pair, from its names alone, for ids and names of files: ``dog+frisbee``.

    Where the names do not fit into a file's name a digest of them stands behind.
    """
    slugs = (re.sub("[^a-z0-9]+", "-", name.lower())[:40] for name in (key, accessory))
    slug = "+".join(slugs)
    if slug == f"{key}+{accessory}":
        return slug
    digest = hashlib.blake2b(f"{key}\0{accessory}".encode(), digest_size=6)
    return f"{slug}-{digest.hexdigest()}"
