"""The command line: what it prints, where, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from conceptstats import CaptionIndex, build_index

CAPTIONS = [
    "A dog catches a frisbee",
    "Two dogs and a frisbee on the grass",
    "a cat on the grass",
    "a dog on the grass",
    "cat and dog",
    "A frisbee",
]


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `conceptstats` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from conceptstats.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text file of captions."""
    path = tmp_path_factory.mktemp("captions") / "captions.txt"
    path.write_text("\n".join(CAPTIONS) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def index(captions: Path) -> Path:
    """An index of them."""
    return build_index([captions], captions.parent / "index")


def test_build_prints_what_was_read_and_names_the_column(captions: Path, tmp_path: Path) -> None:
    """Totals go to standard output, messages to standard error."""
    done = run("index", "build", captions, "-o", tmp_path / "IDX", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["n_captions"] == data["n_rows"] == 6
    assert (data["profile"], data["n_concepts"]) == ("words", 6)
    assert "captions from 'line'" in done.stderr


def test_count_pmi_neighbors_and_find_as_json(index: Path) -> None:
    """Each question gives one JSON document with the keys that scripts rely on."""
    count = json.loads(run("count", index, "Dogs", "frisbee", "--json").stdout)
    assert count == {"concepts": ["dog", "frisbee"], "n_captions": 2}
    pmi = json.loads(run("pmi", index, "dog", "frisbee", "--json").stdout)
    expected = CaptionIndex.open(index).pmi("dog", "frisbee")._asdict()
    assert pmi == pytest.approx(expected)
    near = json.loads(run("neighbors", index, "dog", "--min-count", "1", "--json").stdout)
    assert {row["concept_b"] for row in near["neighbors"]} >= {"frisbee", "grass", "cat"}
    found = json.loads(run("find", index, "grass", "-k", "2", "--json").stdout)
    assert [caption["row"] for caption in found["captions"]] == [1, 2]
    assert found["captions"][0]["caption"] == CAPTIONS[1]


def test_an_unseen_pair_is_null_in_json(index: Path) -> None:
    """Minus infinity has no name in JSON: null, with a finite upper bound."""
    done = run("pmi", index, "cat", "frisbee", "--json")
    data = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert data["pmi"] is None
    assert data["pmi_low"] is None
    assert data["n_ab"] == 0
    assert data["pmi_high"] > 0


def test_readable_output(index: Path) -> None:
    """Without --json, people read sentences and tables."""
    assert run("count", index, "dog").stdout == "4 of 6 captions hold dog\n"
    assert run("pmi", index, "dog", "frisbee").stdout.startswith("concept_a  dog\n")
    lines = run("neighbors", index, "dog", "--min-count", "1").stdout.splitlines()
    assert lines[0].split()[:3] == ["concept_b", "n_b", "n_ab"]
    assert "captions.txt:1" in run("find", index, "dog", "grass").stdout
    assert "n_captions" in run("index", "info", index).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pmi", "INDEX", "dog", "frisbe"], "near matches: frisbee"),
        (["pmi", "INDEX", "dog", "dogs"], "no pair"),
        (["count", "INDEX", "the"], "no concept under profile 'words'"),
        (["count", "nowhere", "dog"], "does not exist"),
        (["index", "build", "nowhere.parquet", "-o", "OUT"], "no such file"),
        (["index", "export", "INDEX", "-o", "pmi.xlsx"], "neither .parquet nor .csv"),
    ],
)
def test_errors_are_one_line_and_a_hint(
    arguments: list[str], message: str, index: Path, tmp_path: Path
) -> None:
    """A clear error: status 1, nothing on standard output, no traceback, nothing left behind."""
    done = run(*[str(index) if a == "INDEX" else a for a in arguments], cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(index: Path) -> None:
    """--debug keeps the message and adds where it comes from."""
    done = run("--debug", "count", index, "the")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["pmi", "x"], ["nothing"], ["index", "build", "x"], ["count", "x", "y", "--n"]]
)
def test_wrong_usage_has_status_2(arguments: list[str]) -> None:
    """Missing arguments and unknown commands are usage errors."""
    assert run(*arguments).returncode == 2


def test_a_bad_size_is_a_usage_error(captions: Path, tmp_path: Path) -> None:
    """--memory takes bytes with a unit, and says so."""
    done = run("index", "build", captions, "-o", tmp_path / "IDX", "--memory", "much")
    assert done.returncode == 2
    assert "4GiB" in done.stderr


def test_export_writes_the_table_of_all_pairs(index: Path, tmp_path: Path) -> None:
    """Parquet and CSV hold the same rows; an existing file is kept unless --overwrite."""
    for name in ("pmi.parquet", "pmi.csv"):
        assert run("index", "export", index, "-o", tmp_path / name).returncode == 0
    table = pq.read_table(tmp_path / "pmi.parquet")
    assert table.num_rows == CaptionIndex.open(index).manifest.totals["n_pairs"]
    assert pa_csv.read_csv(tmp_path / "pmi.csv").select(["n_ab"]).equals(table.select(["n_ab"]))
    refused = run("index", "export", index, "-o", tmp_path / "pmi.csv")
    assert refused.returncode == 1
    assert "exists" in refused.stderr
    assert run("index", "export", index, "-o", tmp_path / "pmi.csv", "--overwrite").returncode == 0


def test_the_paper_formula_has_no_npmi(index: Path, tmp_path: Path) -> None:
    """Formula paper leaves npmi undefined: null in JSON and in the table."""
    data = json.loads(run("pmi", index, "dog", "cat", "--formula", "paper", "--json").stdout)
    assert data["npmi"] is None
    assert data["pmi"] < -13
    target = tmp_path / "pmi.parquet"
    assert run("index", "export", index, "-o", target, "--formula", "paper").returncode == 0
    assert pq.read_table(target).column("npmi").null_count == pq.read_metadata(target).num_rows


def test_verify_and_merge(captions: Path, index: Path, tmp_path: Path) -> None:
    """Merge two indexes, verify the result, and find damage with status 1."""
    more = tmp_path / "more.txt"
    more.write_text(captions.read_text(encoding="utf-8"), encoding="utf-8")
    assert run("index", "build", more, "-o", tmp_path / "B").returncode == 0
    merged = run("index", "merge", index, tmp_path / "B", "-o", tmp_path / "M", "--json")
    assert json.loads(merged.stdout)["n_captions"] == 12
    assert run("index", "verify", tmp_path / "M").returncode == 0
    path = tmp_path / "M" / "pairs.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    damaged = run("index", "verify", tmp_path / "M", "--json")
    assert damaged.returncode == 1
    assert "pairs.arrow" in damaged.stderr
    assert json.loads(damaged.stdout)["damaged"]


def test_concepts_profile_from_the_command_line(captions: Path, tmp_path: Path) -> None:
    """--concepts, --match and --split reach the profile, which is stored in the index."""
    concepts = tmp_path / "concepts.txt"
    concepts.write_text("dog\tdogs\nfrisbee\n", encoding="utf-8")
    options = ["--profile", "concepts", "--concepts", concepts, "--match", "all"]
    done = run("index", "build", captions, "-o", tmp_path / "IDX", *options, "--json")
    assert json.loads(done.stdout)["n_concepts"] == 2
    assert json.loads(run("count", tmp_path / "IDX", "dogs", "--json").stdout)["n_captions"] == 4


def test_help_imports_nothing_heavy() -> None:
    """`--help` and `import conceptstats` do without NumPy, Arrow and numba."""
    code = (
        "import sys, conceptstats.cli; "
        "print([m for m in ('numpy', 'pyarrow', 'numba', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
