from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from index_files import names_in, pairs_of, vocabulary_of

from conceptstats.index import CaptionIndex
from conceptstats.index.build import build_index
from conceptstats.index.layout import PartCounts

GOLDEN = {
    "laion10k": "laion_sample_10k.parquet",
    "cc3mval": "cc3m_validation.tsv",
    "coco2017": "coco_captions_val2017.json",
}
REASONS = [
    name for name in PartCounts.__slots__ if name not in ("n_rows", "n_captions", "n_tokens")
]


@pytest.fixture
def nltk_data(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NLTK's stop words and WordNet, from the test data."""
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(test_data / "data" / "text" / "nltk_data")])


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.usefixtures("nltk_data")
def test_counts_of_the_published_method(name: str, test_data: Path, tmp_path: Path) -> None:
    """Profile `paper` over real captions: every concept and every pair, exactly."""
    source = test_data / "data" / "captions" / GOLDEN[name]
    index = build_index([source], tmp_path / "index", profile="paper", max_concepts=1_000_000)
    concepts = pq.read_table(test_data / "golden" / f"{name}_concepts.parquet")
    names = concepts["concept"].to_pylist()
    counts = zip(concepts["n_captions"].to_pylist(), concepts["n_occurrences"].to_pylist(),
                 strict=True)  # fmt: skip
    assert vocabulary_of(index) == dict(zip(names, counts, strict=True))
    pairs = pq.read_table(test_data / "golden" / f"{name}_pairs.parquet")
    found = {frozenset(pair): n for pair, n in pairs_of(index).items()}
    assert found == unordered(pairs)


def unordered(pairs: pa.Table) -> dict[frozenset[str], int]:
    """Counts by pair, whichever concept comes first in the table."""
    columns = (pairs[name].to_pylist() for name in ("a", "b", "n_captions"))
    counts = {frozenset((a, b)): n for a, b, n in zip(*columns, strict=True)}
    assert len(counts) == pairs.num_rows
    return counts


def test_one_index_over_real_captions_of_five_layouts(test_data: Path, tmp_path: Path) -> None:
    """Every row of the five files counts, or is left out for a reason; dogs go with frisbees."""
    folder = test_data / "data" / "captions"
    path = build_index([folder / name for name in names_in(folder)], tmp_path / "index")
    index = CaptionIndex.open(path)
    totals = index.manifest.totals
    assert len(index.manifest.sources) == 5
    assert totals["n_rows"] == 121_314
    assert totals["n_captions"] + sum(totals[reason] for reason in REASONS) == 121_314
    assert index.manifest.skipped == ()
    dogs = index.pmi("dog", "frisbees")
    assert dogs.n == totals["n_captions"]
    assert dogs.pmi_low > 1
    assert dogs.n_ab == index.count("frisbee", "Dogs") > 50
    found = index.find("dog", "frisbee", k=5)
    assert len(found) == 5
    assert all("frisbee" in each.caption.lower() for each in found)
