"""Which pairs are chosen to probe, how even they are, and what is said of the rest."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from index_files import letters

from conceptstats import CaptionIndex, build_index
from conceptstats.errors import ParameterError
from conceptstats.probes import BALANCE, Probes, probe_id, select_probes
from conceptstats.table_files import load_table
from conceptstats.tables import PROBES

KEYS = [letters(i) for i in range(6)]
OTHERS = [letters(i) for i in range(100, 300)]


def write_corpus(path: Path) -> Path:
    """Captions of two words, in which rare accessories go with their keys more strongly."""
    rng = np.random.default_rng(7)
    n = 300_000
    n_key = np.linspace(20_000, 10_000, len(KEYS)).astype(int)
    n_other = (3000 / np.arange(1, len(OTHERS) + 1) ** 0.7).astype(int)
    tilt = 0.4 * (np.log(n_other).mean() - np.log(n_other))
    pmi = rng.normal(tilt, 0.6, (len(KEYS), len(OTHERS)))
    n_pair = rng.poisson(np.outer(n_key, n_other) / n * np.exp(pmi))
    n_pair[rng.random(n_pair.shape) < 0.15] = 0
    lines: list[str] = []
    for i, key in enumerate(KEYS):
        for j, other in enumerate(OTHERS):
            lines += [f"{key} {other}"] * n_pair[i, j]
        lines += [key] * (n_key[i] - n_pair[i].sum())
    for j, other in enumerate(OTHERS):
        lines += [other] * (n_other[j] - n_pair[:, j].sum())
    lines += [letters(9000)] * (n - len(lines))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """An index over that corpus."""
    folder = tmp_path_factory.mktemp("probes")
    return CaptionIndex.open(build_index([write_corpus(folder / "captions.txt")], folder / "IDX"))


def index_of(folder: Path, captions: Sequence[str], **options: Any) -> CaptionIndex:
    path = folder / "few.txt"
    path.write_text("\n".join(captions) + "\n", encoding="utf-8")
    return CaptionIndex.open(build_index([path], folder / "few", **options))


def pairs_in(probes: Probes) -> list[tuple[str, str]]:
    columns = probes.table.select(["key", "accessory"]).to_pydict()
    return list(zip(columns["key"], columns["accessory"], strict=True))


def imbalance(probes: Probes, name: str) -> float:
    """Mean absolute standardised difference over strata."""
    return float(np.abs(probes.balance.column(name).to_numpy()).mean())


def test_the_table_has_its_schema_and_order(index: CaptionIndex) -> None:
    """The columns of PROBES, unique ids, sorted by stratum, key and accessory."""
    table = select_probes(index, KEYS).table
    assert table.schema.names[: len(PROBES)] == PROBES.names
    assert all(table.schema.field(f.name).type == f.type for f in PROBES)
    assert len(set(table.column("probe_id").to_pylist())) == table.num_rows > 400
    order = list(zip(*(table.column(c).to_pylist() for c in ("stratum", "key", "accessory")),
                     strict=True))  # fmt: skip
    assert order == sorted(order)


def test_statistics_are_those_of_the_index(index: CaptionIndex) -> None:
    """Counts, PMI and its interval of every probe equal what the index answers."""
    for row in select_probes(index, KEYS, per_stratum=6).table.to_pylist():
        expected = index.pmi(row["key"], row["accessory"])
        assert (row["n"], row["n_key"], row["n_accessory"], row["n_pair"]) == expected[3:7]
        for name in ("pmi", "pmi_low", "pmi_high"):
            assert row[name] == pytest.approx(getattr(expected, name))
        assert KEYS[row["class_index"]] == row["key"]


def test_strata_are_equally_wide_and_hold_their_pairs(index: CaptionIndex) -> None:
    """Inner edges are equally far apart, the outer strata open; each PMI is between its edges."""
    probes = select_probes(index, KEYS, n_strata=8)
    balance = probes.balance.to_pylist()
    assert probes.balance.schema == BALANCE
    assert [row["stratum"] for row in balance] == list(range(9))
    assert balance[1]["pmi_low"] == -math.inf
    assert balance[-1]["pmi_high"] == math.inf
    widths = [row["pmi_high"] - row["pmi_low"] for row in balance[2:-1]]
    assert widths == pytest.approx([widths[0]] * 6)
    for row in probes.table.to_pylist():
        edges = balance[row["stratum"]]
        if row["stratum"]:
            assert edges["pmi_low"] <= row["pmi"] < edges["pmi_high"]
        else:
            assert (row["pmi"], row["n_pair"]) == (-math.inf, 0)


def test_pairs_that_were_never_seen_are_included(index: CaptionIndex) -> None:
    """Stratum 0 has as many probes as the others, or as many as were asked for."""
    for asked, expected in ((None, 12), (30, 30), (5, 5), (0, 0)):
        probes = select_probes(index, KEYS, per_stratum=12, n_unseen=asked)
        assert probes.table.column("n_pair").to_pylist().count(0) == expected
        assert any("never seen together" in note for note in probes.notes) == bool(expected)


def test_matching_makes_frequencies_alike(index: CaptionIndex) -> None:
    """Frequencies differ between strata of random pairs, and hardly between matched ones."""
    matched = select_probes(index, KEYS, n_strata=6)
    at_random = select_probes(index, KEYS, n_strata=6, match=False)
    assert imbalance(at_random, "d_accessory") > 0.3
    assert imbalance(matched, "d_accessory") < imbalance(at_random, "d_accessory") / 4
    assert imbalance(matched, "d_key") < 0.01 < imbalance(at_random, "d_key")
    assert "matched" not in at_random.table.column_names
    assert at_random.balance.column("n_matched").null_count == at_random.balance.num_rows


def test_matched_probes_lie_in_the_same_cells(index: CaptionIndex) -> None:
    """Probes are marked as matched, and strata of nothing else have the frequencies aimed at."""
    probes = select_probes(index, KEYS, n_strata=6)
    matched = Counter(row["stratum"] for row in probes.table.to_pylist() if row["matched"])
    assert [matched[i] for i in range(7)] == probes.balance.column("n_matched").to_pylist()
    full = [i for i in range(7) if matched[i] == 24]
    assert len(full) >= 2
    rows = probes.balance.take(full).to_pylist()
    assert all(abs(row["d_accessory"]) < 0.1 and abs(row["d_key"]) < 1e-9 for row in rows)


def test_each_key_is_as_frequent_in_every_stratum(index: CaptionIndex) -> None:
    """Where pairs suffice, 24 probes of 6 keys are 4 of each."""
    probes = select_probes(index, KEYS, n_strata=5)
    for stratum in range(6):
        rows = [row["key"] for row in probes.table.to_pylist() if row["stratum"] == stratum]
        assert set(Counter(rows).values()) == {4}, stratum


def test_accessories_are_repeated_little(index: CaptionIndex) -> None:
    """No accessory is used in a stratum three times, and most are used."""
    probes = select_probes(index, KEYS, n_strata=6)
    used = Counter((r["stratum"], r["accessory"]) for r in probes.table.to_pylist())
    assert max(used.values()) <= 2
    assert len(set(probes.table.column("accessory").to_pylist())) > 60


def test_more_keys_than_probes_are_matched_in_groups(index: CaptionIndex) -> None:
    """With more keys than probes in a stratum keys of like frequency take turns."""
    probes = select_probes(index, OTHERS[:60], KEYS + OTHERS[60:], per_stratum=12, n_strata=3)
    assert abs(probes.balance.column("d_key")[0].as_py()) < 0.1
    keys = Counter(r["key"] for r in probes.table.to_pylist() if r["stratum"] == 0)
    assert set(keys.values()) == {1}


def test_same_seed_same_table_and_ids_that_no_run_changes(index: CaptionIndex) -> None:
    """A seed decides the draw; a pair has one id in every run."""
    one, again, other = (select_probes(index, KEYS, seed=s) for s in (1, 1, 2))
    assert one.table.equals(again.table)
    assert one.notes == again.notes
    assert set(pairs_in(one)) != set(pairs_in(other))
    for probes in (one, other):
        ids = probes.table.column("probe_id").to_pylist()
        assert ids == [probe_id(*pair) for pair in pairs_in(probes)]


def test_ids_are_names_of_files_and_differ() -> None:
    """Plain names are kept; others are made plain and told apart by a digest."""
    assert probe_id("dog", "frisbee") == "dog+frisbee"
    names = ["fire truck", "fire-truck", "Fire Truck", "fire/truck", "犬", "猫", "a+b", "é" * 200]
    ids = [probe_id(name, "hat") for name in names] + [probe_id("hat", name) for name in names]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z0-9+-]{3,100}", i) for i in ids)


def test_every_pair_without_selection(index: CaptionIndex) -> None:
    """Without a number of probes the table holds every candidate once, with its stratum."""
    probes = select_probes(index, KEYS[:2], OTHERS, per_stratum=None, n_strata=5)
    assert sorted(pairs_in(probes)) == sorted((k, o) for k in KEYS[:2] for o in OTHERS)
    assert not any("Too few" in note for note in probes.notes)
    some = select_probes(index, KEYS[:2], OTHERS, n_strata=5)
    stratum = dict(zip(pairs_in(probes), probes.table.column("stratum").to_pylist(), strict=True))
    drawn = zip(pairs_in(some), some.table.column("stratum").to_pylist(), strict=True)
    assert all(stratum[pair] == s for pair, s in drawn)


def test_by_default_accessories_are_all_that_are_no_keys(index: CaptionIndex) -> None:
    """Every other concept of the vocabulary is a candidate, keys with few captions excepted."""
    probes = select_probes(index, KEYS[:1], per_stratum=None)
    expected = set(index.vocabulary.column("concept").to_pylist()) - {KEYS[0]}
    assert {accessory for _, accessory in pairs_in(probes)} == expected
    few = select_probes(index, [KEYS[0], OTHERS[-1]], per_stratum=None, min_count=100)
    assert OTHERS[-1] not in {name for pair in pairs_in(few) for name in pair}
    assert any(OTHERS[-1] in note and "fewer than 100" in note for note in few.notes)


def test_least_counts_hold(index: CaptionIndex) -> None:
    """Each single concept has min_count captions, each pair min_expected by chance."""
    probes = select_probes(index, KEYS, min_count=20, min_expected=3.0)
    for row in probes.table.to_pylist():
        assert min(row["n_key"], row["n_accessory"]) >= 20
        assert row["n_key"] * row["n_accessory"] / row["n"] >= 3.0
    low = min(r["expected_min"] for r in probes.balance.to_pylist())
    assert 3.0 <= low < 6.0
    some = select_probes(index, KEYS, OTHERS, min_expected=120)
    assert any(KEYS[-1] in note and "120 expected" in note for note in some.notes)


def test_what_is_short_is_said(index: CaptionIndex) -> None:
    """A stratum with too few pairs gives all it has, and a note."""
    probes = select_probes(index, KEYS[:2], OTHERS[:40], per_stratum=30)
    short = [r for r in probes.balance.to_pylist() if r["n_found"] < r["n_wanted"]]
    assert short
    assert all(row["n_found"] == row["n_available"] for row in short)
    note = next(note for note in probes.notes if note.startswith("Too few"))
    assert f"{short[0]['stratum']} ({short[0]['n_found']} of 30)" in note
    pairs = pairs_in(probes)
    assert len(set(pairs)) == len(pairs) == sum(r["n_found"] for r in probes.balance.to_pylist())


def test_what_could_not_be_matched_is_said(tmp_path: Path) -> None:
    """Strata whose frequencies cannot be alike, and keys that have no pair there, are named."""
    captions = ["cat rareone"] * 4 + ["cat raretwo"] * 4 + ["cat common", "dog common"] * 20
    captions += ["dog usual"] * 3 + ["usual"] * 100 + ["common"] * 300
    probes = select_probes(index_of(tmp_path, captions), ["cat", "dog"], n_strata=2, per_stratum=2)
    notes = " ".join(probes.notes)
    assert "Frequencies of the accessory differ" in notes
    assert "Other keys stand in for those without a pair in a stratum: dog (2)" in notes


def test_names_that_are_not_known_are_left_out_and_said(tmp_path: Path) -> None:
    """Absent, cut and compound names; the others keep their place in the list of classes."""
    captions = ["cat hat", "dog hat", "dog sofa", "cat sofa", "a bird"]
    full = index_of(tmp_path, captions)
    probes = select_probes(full, ["fire truck", "cat", "zebu", "Dogs"], ["hat", "sofas"])
    assert probes.notes[:2] == [
        "Left out keys that no caption holds (1): zebu.",
        "Left out keys that are not one concept under the profile of the index (1): fire truck.",
    ]
    found = {(r["key"], r["class_index"]) for r in probes.table.to_pylist()}
    assert found == {("cat", 1), ("Dogs", 3)}
    (tmp_path / "cut").mkdir()
    cut = index_of(tmp_path / "cut", captions, max_concepts=4)
    probes = select_probes(cut, ["cat", "bird"], ["hat", "sofa"])
    assert probes.notes[0].startswith("Left out keys outside the vocabulary")


def test_accessories_that_are_keys_or_repeated_are_left_out(tmp_path: Path) -> None:
    """A concept is key or accessory, once."""
    index = index_of(tmp_path, ["cat hat", "dog hat", "dog sofa", "cat sofa"])
    probes = select_probes(index, ["cat", "dog"], ["hat", "Cats", "sofa", "hats"])
    assert set(probes.table.column("accessory").to_pylist()) == {"hat", "sofa"}
    assert "Left out accessories that are keys (1): Cats." in probes.notes
    assert "Left out accessories that are one concept with an earlier one (1): hats." in (
        probes.notes
    )


def test_keys_can_be_phrases(tmp_path: Path) -> None:
    """Under profile concepts a class name of several words, or a synonym of it, is a key."""
    listed = tmp_path / "concepts.txt"
    listed.write_text("fire truck\tfire engine\nhat\nladder\n", encoding="utf-8")
    captions = ["a fire truck with a ladder", "fire engine", "a hat", "hat on a ladder"]
    index = index_of(tmp_path, captions, profile="concepts", profile_options={"concepts": listed})
    table = select_probes(index, ["fire engine"]).table
    assert table.column("n_key").to_pylist() == [2, 2]
    assert dict(zip(table.column("accessory").to_pylist(), table.column("n_pair").to_pylist(),
                    strict=True)) == {"ladder": 1, "hat": 0}  # fmt: skip


def test_two_keys_that_are_one_concept_are_an_error(index: CaptionIndex) -> None:
    """Captions must tell two classes apart; an empty name keeps the place of one."""
    with pytest.raises(ParameterError, match="one concept"):
        select_probes(index, [KEYS[0], KEYS[1], KEYS[0].upper()])
    places = select_probes(index, [KEYS[0], "", KEYS[1]], n_strata=3).table.column("class_index")
    assert set(places.to_pylist()) == {0, 2}


def test_no_key_left_is_an_error(index: CaptionIndex) -> None:
    """The error says why the names were left out."""
    with pytest.raises(ParameterError, match=r"0 keys and .*no caption holds.*nowhere"):
        select_probes(index, ["nowhere"])
    with pytest.raises(ParameterError, match="6 keys and 0 accessories"):
        select_probes(index, KEYS, KEYS)


@pytest.mark.parametrize(
    "option",
    [{"n_strata": 0}, {"n_strata": 20_000}, {"per_stratum": 0}, {"n_unseen": -1}, {"min_count": 0},
     {"min_expected": -1.0}, {"min_expected": math.nan}, {"seed": -1}],
)  # fmt: skip
def test_numbers_out_of_range_are_errors(index: CaptionIndex, option: dict[str, Any]) -> None:
    """The error names the parameter."""
    with pytest.raises(ParameterError, match=next(iter(option))):
        select_probes(index, KEYS, **option)


def test_one_value_of_pmi_is_one_stratum(tmp_path: Path) -> None:
    """Nothing is spread where nothing differs; and with no pair seen there is only stratum 0."""
    same = index_of(tmp_path, ["cat hat", "cat sofa", "dog hat", "dog sofa"])
    probes = select_probes(same, ["cat", "dog"], per_stratum=4)
    assert [r["n_found"] for r in probes.balance.to_pylist()] == [0, 4]
    (tmp_path / "apart").mkdir()
    apart = index_of(tmp_path / "apart", ["cat", "hat", "dog"])
    probes = select_probes(apart, ["cat", "dog"], per_stratum=2)
    assert [r["n_found"] for r in probes.balance.to_pylist()] == [2, 0]
    with pytest.raises(ParameterError, match="n_unseen is 0"):
        select_probes(apart, ["cat", "dog"], n_unseen=0)


class ManyPairs:
    """What `select_probes` asks of an index, with counts that are made up when asked for."""

    n, n_concepts = 5_000_000, 20_000

    def __init__(self) -> None:
        counts = (1.5e6 / np.arange(1, self.n_concepts + 1)).astype(np.int64)
        names = pa.array([letters(i) for i in range(self.n_concepts)], pa.large_string())
        self.vocabulary = pa.table({"concept": names, "n_captions": counts})
        self.ids = {name: i for i, name in enumerate(names.to_pylist())}
        self.counts = counts
        self.pairs = self

    def concept_id(self, text: str) -> int:
        """Id of a name."""
        return self.ids[text]

    def counts_with(self, concept: int, n_concepts: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Counts of one concept with each."""
        rng = np.random.default_rng(concept)
        expected = self.counts[concept] * self.counts / self.n
        n = rng.poisson(expected * np.exp(rng.normal(-0.5, 1, n_concepts)))
        return np.minimum(n, np.minimum(self.counts, self.counts[concept]))


def test_millions_of_candidates_take_seconds() -> None:
    """A hundred keys among 20,000 concepts."""
    index: Any = ManyPairs()
    keys = [letters(i) for i in range(0, 20_000, 200)]
    began = time.perf_counter()
    probes = select_probes(index, keys, min_expected=1.0, n_strata=10)
    assert time.perf_counter() - began < 20
    assert probes.table.num_rows == 11 * 24


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `conceptstats probes` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from conceptstats.cli import main; main()", "probes",
         *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_command_writes_the_table_and_its_record(
    index: CaptionIndex, tmp_path: Path, ending: str
) -> None:
    """The file holds what the function gives; the record what made it; nothing is overwritten."""
    names, output = tmp_path / "keys.txt", tmp_path / f"probes.{ending}"
    names.write_text("\n".join(KEYS) + "\n\n", encoding="utf-8")
    arguments = (index.path, "--keys", names, "--strata", 5, "--seed", 3, "-o", output, "--json")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    expected = select_probes(index, KEYS, n_strata=5, seed=3)
    assert (
        load_table(output, PROBES).select(PROBES.names).equals(expected.table.select(PROBES.names))
    )
    data = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert (data["output"], data["n_probes"]) == (str(output), 6 * 24)
    assert data["notes"] == expected.notes
    assert [row["n_found"] for row in data["balance"]] == [24] * 6
    record = json.loads((tmp_path / f"probes.{ending}.run.json").read_text(encoding="utf-8"))
    assert (record["command"], record["seed"]) == ("probes", 3)
    assert record["arguments"]["keys"] == [*KEYS, ""]
    assert list(record["inputs"]) == [str(index.path)]
    again = run(*arguments)
    assert (again.returncode, again.stdout) == (1, "")
    assert "exists" in again.stderr


def test_the_command_prints_the_balance_and_notes(index: CaptionIndex, tmp_path: Path) -> None:
    """The balance goes to standard output, notes to standard error."""
    keys = ("--keys", f"{KEYS[0]}, {KEYS[1]},nowhere")
    done = run(index.path, *keys, "--all", "-o", tmp_path / "all.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == BALANCE.names
    assert "nowhere" in done.stderr
    quiet = run(index.path, *keys, "--no-match", "-o", tmp_path / "some.csv", "--quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keys", "missing.txt", "-o", "x.csv"), "missing.txt cannot be read"),
        (("--keys", KEYS[0], "-o", "x.json"), "does not end in .parquet or .csv"),
    ],
)
def test_the_command_says_what_is_wrong(
    index: CaptionIndex, arguments: tuple[str, ...], message: str
) -> None:
    """Status 1, one line, no traceback."""
    done = run(index.path, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
