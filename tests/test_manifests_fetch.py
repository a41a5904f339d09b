"""Fetching: downloads go on where they stopped, and only what was published gets its name."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Host, serving

from conceptstats.errors import DownloadError, OutputExistsError, ParameterError, RefusedError
from conceptstats.manifests.download import download
from conceptstats.manifests.fetch import fetch
from conceptstats.manifests.manifest import Manifest, load_manifest, parse_manifest
from conceptstats.progress import Silent

BODY = bytes(range(256)) * 20_000  # 5 MB
SHA256 = hashlib.sha256(BODY).hexdigest()
HEAD = """name = "m"
title = "m"
kind = "captions"
homepage = "https://example.org"
licence = "unknown"
access = "{access}"
terms = "accept the licence on the homepage."
citation = "unknown"
"""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host of two files that honours ranges."""
    with serving({"a.bin": BODY, "deep/b.txt": b"text"}) as host:
        yield host


def manifest_text(host: Host, facts: str = f'sha256 = "{SHA256}"', access: str = "open") -> str:
    """A manifest of the host's files; ``facts`` are those of the first."""
    return HEAD.format(access=access) + (
        f'[[files]]\npath = "a.bin"\nurl = "{host.url}/a.bin"\n{facts}\n'
        f'[[files]]\npath = "deep/b.txt"\nurl = "{host.url}/deep/b.txt"\n'
    )


def manifest(host: Host, facts: str = f'sha256 = "{SHA256}"', access: str = "open") -> Manifest:
    """The same, parsed."""
    return parse_manifest(manifest_text(host, facts, access), "m.toml")


def names(folder: Path) -> set[str]:
    """All files below a folder."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_files_are_fetched_once_and_recorded(host: Host, tmp_path: Path) -> None:
    """A second call keeps what is there and asks nothing; the record has hash and address."""
    done = fetch(manifest(host), tmp_path)
    assert [(row.path, row.action, row.bytes) for row in done] == [
        ("a.bin", "fetched", len(BODY)), ("deep/b.txt", "fetched", 4)
    ]  # fmt: skip
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert names(tmp_path) == {"a.bin", "deep/b.txt", "m.run.json"}
    record = json.loads((tmp_path / "m.run.json").read_text())
    assert record["inputs"][f"{host.url}/a.bin"] == f"sha256:{SHA256}"
    text = hashlib.sha256(b"text").hexdigest()
    assert record["inputs"][f"{host.url}/deep/b.txt"] == f"sha256:{text}"
    host.asked.clear()
    assert {row.action for row in fetch(manifest(host), tmp_path)} == {"kept"}
    assert host.asked == []


def test_a_broken_connection_is_taken_up_again(host: Host, tmp_path: Path) -> None:
    """Each answer breaks off after 2 MB: three ranges bring the 5 MB."""
    host.break_after = 2_000_000
    fetch(manifest(host), tmp_path, pattern="a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert host.ranges_asked("a.bin") == [None, "bytes=2000000-", "bytes=4000000-"]


def test_a_host_without_ranges_sends_all_again(host: Host, tmp_path: Path) -> None:
    """What came before is dropped, not doubled."""
    host.ranges, host.break_after = False, 2_000_000
    with pytest.raises(DownloadError, match="breaks off after 2,000,000 bytes"):
        fetch(manifest(host), tmp_path, pattern="a.bin")
    assert names(tmp_path) == {
        ".partial/begun/a.bin", ".partial/begun/a.bin.said", ".partial/lock"
    }  # fmt: skip
    host.break_after = None
    fetch(manifest(host), tmp_path, pattern="a.bin")
    assert host.ranges_asked("a.bin")[-1] == "bytes=2000000-"
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert names(tmp_path) == {"a.bin", "m.run.json"}


def test_a_file_that_has_changed_since_is_fetched_anew(host: Host, tmp_path: Path) -> None:
    """If-Range: the halves of two editions never make one file, though no hash is published."""
    partial = tmp_path / "a.bin"
    host.ranges, host.break_after = False, 2_000_000
    with pytest.raises(DownloadError):
        download(f"{host.url}/a.bin", partial, Silent())
    assert partial.stat().st_size == 2_000_000
    host.ranges, host.break_after = True, None
    host.files["a.bin"] = BODY[::-1]
    download(f"{host.url}/a.bin", partial, Silent())
    assert partial.read_bytes() == BODY[::-1]


def test_without_an_etag_nothing_is_put_together(host: Host, tmp_path: Path) -> None:
    """A host that cannot say whether the file is the same is asked for all of it."""
    host.etag, host.break_after = False, 2_000_000
    with pytest.raises(DownloadError):
        download(f"{host.url}/a.bin", tmp_path / "a.bin", Silent())
    host.break_after = None
    download(f"{host.url}/a.bin", tmp_path / "a.bin", Silent())
    assert set(host.ranges_asked("a.bin")) == {None}
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_complete_partial_file_is_not_asked_for_again(host: Host, tmp_path: Path) -> None:
    """Killed between the last byte and the name: status 416 says that nothing is missing."""
    download(f"{host.url}/a.bin", tmp_path / "a.bin", Silent())
    download(f"{host.url}/a.bin", tmp_path / "a.bin", Silent())
    assert host.asked[-1] == ("GET", "a.bin", f"bytes={len(BODY)}-", 416)
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "facts",
    [
        f'sha256 = "{"0" * 64}"',
        f'md5 = "{"0" * 32}"',
        'sha256_prefix = "00000000"',
        "bytes = 5",
    ],
)
def test_what_was_not_published_is_not_kept(host: Host, tmp_path: Path, facts: str) -> None:
    """Neither under its name nor as a partial file, whatever of its hash or size is known."""
    with pytest.raises(DownloadError, match=r"a\.bin .* is not what was published"):
        fetch(manifest(host, facts), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_first_digits_of_a_hash_are_enough(host: Host, tmp_path: Path) -> None:
    """As open_clip publishes them in the names of its files."""
    fetch(manifest(host, f'sha256_prefix = "{SHA256[:8]}"'), tmp_path, pattern="a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_file_that_differs_is_not_overwritten_unasked(host: Host, tmp_path: Path) -> None:
    """It stays until the new one is complete."""
    (tmp_path / "a.bin").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="is there and differs"):
        fetch(manifest(host), tmp_path)
    assert names(tmp_path) == {"a.bin"}
    host.status["a.bin"] = 404
    with pytest.raises(DownloadError, match="status 404"):
        fetch(manifest(host), tmp_path, overwrite=True)
    assert (tmp_path / "a.bin").read_bytes() == b"mine"
    host.status.clear()
    fetch(manifest(host), tmp_path, overwrite=True)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_refusals_say_what_to_do(host: Host, tmp_path: Path) -> None:
    """A licence, a withdrawal or a status 403 is an instruction, before or after asking."""
    for access in ("licence", "withdrawn"):
        with pytest.raises(RefusedError, match="accept the licence on the homepage"):
            fetch(manifest(host, access=access), tmp_path)
    assert host.asked == []
    host.status["a.bin"] = 403
    with pytest.raises(RefusedError, match=r"status 403.* accept the licence on the homepage"):
        fetch(manifest(host), tmp_path)


def test_a_dry_run_asks_nothing_and_writes_nothing(host: Host, tmp_path: Path) -> None:
    """It says what is missing, also of what is withdrawn."""
    (tmp_path / "a.bin").write_bytes(BODY)
    done = fetch(manifest(host, access="withdrawn"), tmp_path, dry_run=True)
    assert [row.action for row in done] == ["kept", "to fetch"]
    assert host.asked == []
    assert names(tmp_path) == {"a.bin"}


def test_a_pattern_that_matches_nothing_lists_the_files(host: Host, tmp_path: Path) -> None:
    """So that the next one does."""
    with pytest.raises(ParameterError, match=r"matches '\*\.json' \(files: a\.bin, deep/b\.txt\)"):
        fetch(manifest(host), tmp_path, pattern="*.json")


def test_without_network_there_is_an_error_at_once(tmp_path: Path) -> None:
    """A host that nobody is: within seconds, with a hint, and with nothing left behind."""
    with serving({}) as gone:
        url = gone.url
    text = manifest_text(Host({}, url=url))
    began = time.monotonic()
    with pytest.raises(DownloadError, match="cannot be reached") as raised:
        fetch(parse_manifest(text, "m.toml"), tmp_path / "out")
    assert time.monotonic() - began < 5
    assert "check the network" in str(raised.value.hint)
    assert not (tmp_path / "out").exists()


def command(path: Path, folder: Path, **environment: str) -> list[str]:
    """The command line that fetches a manifest, with an environment."""
    code = f"import os; os.environ.update({environment!r}); "
    code += "from conceptstats.cli import main; main()"
    return [sys.executable, "-c", code, "data", "fetch", str(path), "-o", str(folder), "--quiet"]


def kill_when(arguments: list[str], begun: Path, pattern: str) -> int:
    """Start a process and kill it when a file is there and grows no more; the bytes of it."""
    process = subprocess.Popen(arguments)
    size, deadline = -1, time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.5)
        found = sum(path.stat().st_size for path in begun.rglob(pattern))
        if found and found == size:
            break
        size = found
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert size > 0
    return size


def test_a_killed_download_goes_on_where_it_stopped(host: Host, tmp_path: Path) -> None:
    """SIGKILL halfway: no file under its name; the next command asks only for the rest."""
    path, out = tmp_path / "m.toml", tmp_path / "out"
    path.write_text(manifest_text(host))
    host.hang_after = 3_000_000
    received = kill_when(command(path, out), out, "begun/a.bin")
    assert not (out / "a.bin").exists()
    host.hang_after = None
    done = subprocess.run(command(path, out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert host.ranges_asked("a.bin") == [None, f"bytes={received}-"]
    assert (out / "a.bin").read_bytes() == BODY
    assert names(out) == {"a.bin", "deep/b.txt", "m.run.json"}


def test_two_fetches_do_not_write_into_one_file(host: Host, tmp_path: Path) -> None:
    """The second is told so."""
    path, out = tmp_path / "m.toml", tmp_path / "out"
    path.write_text(manifest_text(host))
    host.hang_after = 3_000_000
    process = subprocess.Popen(command(path, out))
    try:
        while not (out / ".partial" / "begun" / "a.bin").exists():
            assert process.poll() is None
            time.sleep(0.05)
        with pytest.raises(DownloadError, match="another process fetches into"):
            fetch(manifest(host), out)
    finally:
        process.kill()
        process.wait()


HUB = 'path = "*.bin"\nhub = "datasets/owner/name"\n'


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Host, Path, dict[str, str]]]:
    """A host that plays the hub, a manifest of it, and the environment that leads there."""
    path = tmp_path / "hub.toml"
    path.write_text(HEAD.format(access="open") + f"[[files]]\n{HUB}")
    with serving({"big.bin": BODY, "deep/b.bin": b"b" * 1000, "README.md": b"r"}) as host:
        yield (
            host,
            path,
            {
                "HF_ENDPOINT": host.url,
                "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_DISABLE_XET": "1",
            },
        )


def test_a_repository_is_fetched_by_pattern(
    hub: tuple[Host, Path, dict[str, str]], tmp_path: Path
) -> None:
    """The hub lists its files with size and hash, by which they are checked and kept."""
    host, path, environment = hub
    for action in ("fetched", "kept"):
        done = subprocess.run(
            [*command(path, tmp_path / "out", **environment), "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = json.loads(done.stdout)["files"]
        assert [(row["path"], row["action"]) for row in files] == [
            ("big.bin", action), ("deep/b.bin", action)
        ]  # fmt: skip
        assert files[0]["hash"] == f"sha256:{SHA256}"
    assert names(tmp_path / "out") == {"big.bin", "deep/b.bin", "m.run.json"}
    assert len(host.ranges_asked("big.bin")) == 1


def test_a_repository_is_listed_once(
    hub: tuple[Host, Path, dict[str, str]], tmp_path: Path
) -> None:
    """However many files of it a manifest names."""
    host, path, environment = hub
    entries = "".join(
        f"[[files]]\n{HUB.replace('*.bin', name)}" for name in ("big.bin", "deep/b.bin")
    )
    path.write_text(HEAD.format(access="open") + entries)
    done = subprocess.run(
        command(path, tmp_path / "out", **environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert host.listings == 1


def test_a_killed_download_from_the_hub_goes_on(
    hub: tuple[Host, Path, dict[str, str]], tmp_path: Path
) -> None:
    """Also there the next command asks only for the rest."""
    host, path, environment = hub
    out = tmp_path / "out"
    host.hang_after = 3_000_000
    received = kill_when(command(path, out, **environment), out, "begun/big.bin")
    assert not (out / "big.bin").exists()
    host.hang_after = None
    done = subprocess.run(
        command(path, out, **environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert host.ranges_asked("big.bin") == [None, f"bytes={received}-"]
    assert (out / "big.bin").read_bytes() == BODY
    assert names(out) == {"big.bin", "deep/b.bin", "m.run.json"}


def test_the_token_is_for_the_hub_alone(
    hub: tuple[Host, Path, dict[str, str]], tmp_path: Path
) -> None:
    """The hub says where files are to those with a token; the host that has them sees none."""
    host, path, environment = hub
    out = tmp_path / "out"
    environment["HF_TOKEN"] = "accepted"
    with serving({"big.bin": BODY, "deep/b.bin": b"b" * 1000}) as store:
        host.gated, host.elsewhere = True, store.url
        store.ranges, store.break_after = False, 3_000_000
        done = subprocess.run(
            command(path, out, **environment), capture_output=True, text=True, check=False
        )
        assert (done.returncode, "breaks off" in done.stderr) == (1, True)
        store.ranges, store.break_after = True, None
        done = subprocess.run(
            command(path, out, **environment), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert store.ranges_asked("big.bin")[-1] == "bytes=3000000-"
        assert set(store.tokens) == {None}
    assert (out / "big.bin").read_bytes() == BODY


def test_a_gated_repository_says_what_to_do(
    hub: tuple[Host, Path, dict[str, str]], tmp_path: Path
) -> None:
    """Without an accepted login there is an instruction, with it the files."""
    host, path, environment = hub
    host.gated = True
    for token in ({}, {"HF_TOKEN": "other"}):
        done = subprocess.run(
            command(path, tmp_path / "out", **environment, **token),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "accept the licence on the homepage" in done.stderr
        assert "set HF_TOKEN" in done.stderr
        assert "Traceback" not in done.stderr
    done = subprocess.run(
        command(path, tmp_path / "out", **environment, HF_TOKEN="accepted"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_the_hub_has_and_the_manifest_does_not_know_is_an_error(
    hub: tuple[Host, Path, dict[str, str]], tmp_path: Path
) -> None:
    """A published hash that the hub's file does not have: nothing is kept."""
    _, path, environment = hub
    entry = HUB.replace("*.bin", "deep/b.bin") + f'sha256 = "{"0" * 64}"'
    path.write_text(HEAD.format(access="open") + f"[[files]]\n{entry}\n")
    out = tmp_path / "out"
    done = subprocess.run(
        command(path, out, **environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is not what was published" in done.stderr
    assert not (out / "deep").exists()
    path.write_text(HEAD.format(access="open") + f"[[files]]\n{HUB.replace('*.bin', 'c.bin')}\n")
    done = subprocess.run(
        command(path, out, **environment), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "has no file c.bin" in done.stderr) == (1, True)


def test_without_the_hub_there_is_an_error_at_once(
    hub: tuple[Host, Path, dict[str, str]], tmp_path: Path
) -> None:
    """huggingface_hub alone would try for half a minute."""
    _, path, environment = hub
    with serving({}) as gone:
        environment = {**environment, "HF_ENDPOINT": gone.url}
    began = time.monotonic()
    done = subprocess.run(
        command(path, tmp_path / "out", **environment), capture_output=True, text=True, check=False
    )
    assert time.monotonic() - began < 10
    assert (done.returncode, "cannot be reached" in done.stderr) == (1, True)


def test_a_shipped_gated_set_wants_a_login_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No host is asked before the user has a token."""
    monkeypatch.setattr("conceptstats.manifests.hub.has_token", lambda: False)
    with pytest.raises(RefusedError, match=r"huggingface\.co/datasets/laion/relaion400m"):
        fetch(load_manifest("relaion-400m"), tmp_path)
