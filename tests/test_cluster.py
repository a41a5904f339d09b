"""Reading on a dask cluster gives the same index as reading here."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptstats import build_index
from conceptstats.errors import ClusterError, SourceError
from conceptstats.index import cluster

pytestmark = pytest.mark.filterwarnings("default")  # dask's own, of its event loop


def test_a_local_cluster_makes_the_same_bytes(tmp_path: Path) -> None:
    """Every file of the index is the same, whoever read the sources."""
    sources = []
    for number in range(3):
        sources.append(tmp_path / f"{number}.txt")
        lines = [f"a dog and {number} cats on mat{i % 7}" for i in range(200)]
        sources[-1].write_text("\n".join(lines), encoding="utf-8")
    here = build_index(sources, tmp_path / "here", workers=2)
    there = build_index(sources, tmp_path / "there", workers=2, dask="local")
    files = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    assert all((here / file).read_bytes() == (there / file).read_bytes() for file in files)


def test_an_error_on_a_worker_keeps_its_hint(tmp_path: Path) -> None:
    """What goes wrong on the cluster reads as if it went wrong here."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a dog"}\n{"text": oops}\n', encoding="utf-8")
    with pytest.raises(SourceError, match=r"bad\.jsonl, line 2") as caught:
        build_index([bad], tmp_path / "IDX", workers=1, dask="local")
    assert caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl"]


def test_no_scheduler_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nobody answers."""
    monkeypatch.setattr(cluster, "_TIMEOUT", 0.5)
    (tmp_path / "a.txt").write_text("a dog\n", encoding="utf-8")
    with pytest.raises(ClusterError, match="no dask scheduler"):
        build_index([tmp_path / "a.txt"], tmp_path / "IDX", dask="tcp://127.0.0.1:9")
