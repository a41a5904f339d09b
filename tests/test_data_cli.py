"""The commands `conceptstats data ...`: what they print, where, and their exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conceptstats.manifests.manifest import shipped_names


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `conceptstats data` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from conceptstats.cli import main; main()", "data"]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one caption file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "captions.tsv").write_text("a dog\thttps://x/1\na cat\thttps://x/2\n")
    return tmp_path / "data"


def test_list_prints_one_row_a_manifest() -> None:
    """With size, licence and access; as JSON, what is not known is null."""
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["name", "kind", "size", "licence", "access"]
    assert [line.split()[0] for line in lines[1:]] == shipped_names()
    rows = json.loads(run("list", "--json").stdout)["manifests"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["cc12m"]["bytes"] == 2_707_204_412
    assert by_name["laion-400m"]["access"] == "withdrawn"
    assert by_name["genpairs"]["bytes"] is None


def test_show_prints_files_columns_and_sources() -> None:
    """And the word unknown where that is so."""
    done = run("show", "cc3m")
    assert done.returncode == 0, done.stderr
    for part in ("564,607,502", "sha256:eab84e5e", "alt-text", "Source of addresses"):
        assert part in done.stdout
    assert "unknown" in run("show", "yfcc15m").stdout
    data = json.loads(run("show", "textvqa", "--json").stdout)
    assert (data["n_files"], data["rows"], len(data["files"])) == (5, 45_336, 5)
    assert data["sources"][0]["url"].startswith("https://")


def test_an_unknown_name_is_a_clear_error() -> None:
    """One line, a hint, status 1."""
    done = run("show", "imagenet21k")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: no manifest is called 'imagenet21k'")
    assert "Hint:" in done.stderr


def test_describe_then_verify_with_a_path(folder: Path, tmp_path: Path) -> None:
    """A manifest of one's own is named by its path; a changed file gives status 1."""
    mine = tmp_path / "mine.toml"
    done = run("describe", folder, "-o", mine, "--kind", "captions", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"output": str(mine), "n_files": 1, "bytes": 36, "rows": 2}
    assert json.loads(run("show", mine, "--json").stdout)["kind"] == "captions"
    done = run("verify", mine, folder, "--json")
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in json.loads(done.stdout)["files"]] == ["ok"]
    (folder / "captions.tsv").write_text("another\thttps://x/1\n")
    done = run("verify", mine, folder, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
    assert "1 of 1 files" in done.stderr
    assert "different" in run("verify", mine, folder).stdout


def test_verify_reports_missing_files(folder: Path) -> None:
    """Of a shipped manifest, with the command that would bring them."""
    done = run("verify", "cc12m", folder)
    assert done.returncode == 1
    assert "missing" in done.stdout
    assert f"Hint: conceptstats data fetch cc12m -o {folder}" in done.stderr


def test_verify_takes_some_files(folder: Path, tmp_path: Path) -> None:
    """As fetch does: what was not asked for is not missing."""
    mine = tmp_path / "mine.toml"
    assert run("describe", folder, "-o", mine).returncode == 0
    with mine.open("a") as file:
        file.write('[[files]]\npath = "images.zip"\n')
    assert run("verify", mine, folder).returncode == 1
    assert run("verify", mine, folder, "--files", "*.tsv").returncode == 0


def test_fetch_dry_run_is_a_plan() -> None:
    """One JSON document; the folder is named as the data set."""
    done = run("fetch", "textvqa", "--files", "*.json", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["folder"], data["dry_run"]) == ("textvqa", True)
    assert [row["action"] for row in data["files"]] == ["to fetch"] * 3


def test_fetch_of_what_is_withdrawn_names_what_replaces_it(tmp_path: Path) -> None:
    """And leaves nothing."""
    done = run("fetch", "laion-400m", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "was withdrawn" in done.stderr
    assert "Hint: conceptstats data fetch relaion-400m" in done.stderr
    assert not (tmp_path / "out").exists()


def test_fetch_without_its_extra_says_how_to_install_it(tmp_path: Path) -> None:
    """Where pooch is not installed."""
    code = "import sys; sys.modules['pooch'] = None\nfrom conceptstats.cli import main; main()"
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'name = "m"\ntitle = "m"\nkind = "captions"\nhomepage = "unknown"\nlicence = "unknown"\n'
        'access = "open"\ncitation = "unknown"\n'
        '[[files]]\npath = "a"\nurl = "http://127.0.0.1:1/a"\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "fetch", str(mine), "-o", str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'conceptstats[data]'" in done.stderr


def test_help_imports_no_library_of_the_extra() -> None:
    """Neither pooch nor huggingface_hub, nor Arrow, before a command needs them."""
    code = (
        "import sys\nfrom conceptstats.cli import cli\n"
        "cli.main(['data', '--help'], standalone_mode=False)\n"
        "print([n for n in ('pooch', 'huggingface_hub', 'pyarrow') if n in sys.modules], "
        "file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
