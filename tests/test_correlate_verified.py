"""Figures with and without the pictures in which a detector missed key or accessory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from example_tables import QUICK, make_examples, with_column
from pair_tables import make_images, make_predictions, make_probes

from conceptstats.cli import cli
from conceptstats.errors import TableError
from conceptstats.eval.join import join_examples
from conceptstats.eval.report.report import write_report
from conceptstats.eval.statistics.correlate import correlate, correlate_file
from conceptstats.table_files import save_table
from conceptstats.tables import EXAMPLES

SETTINGS = {"cluster": "class", "n_bins": 8, **QUICK}


def with_found(key: list[bool | None], accessory: list[bool | None]) -> pa.Table:
    """Examples whose pictures were looked at."""
    examples = make_examples()
    for name, values in (("key_found", key), ("accessory_found", accessory)):
        examples = with_column(examples, name, pa.array(values, pa.bool_()))
    return examples


@pytest.fixture(scope="module")
def examples() -> pa.Table:
    """Both are found in about half of 576; 12 were not looked at."""
    rng = np.random.default_rng(3)
    key, accessory = (list(map(bool, rng.uniform(size=576) < 0.7)) for _ in range(2))
    return with_found([None] * 12 + key[12:], [None] * 12 + accessory[12:])


def test_verified_figures_are_those_of_the_verified_examples(examples: pa.Table) -> None:
    """They are what is found in a table of these alone, under the same settings."""
    found = correlate(examples, **SETTINGS)
    both = np.array(
        [
            bool(key and accessory)
            for key, accessory in zip(
                examples["key_found"].to_pylist(),
                examples["accessory_found"].to_pylist(),
                strict=True,
            )
        ]
    )
    alone = correlate(examples.filter(pa.array(both)), **SETTINGS)
    assert found.verified
    for name in ("outcome", "r_binned", "r_unbinned", "spearman", "gap_5pct", "slope",
                 "slope_alone", "n_used", "n_bins", "n_clusters"):  # fmt: skip
        assert getattr(found.verified, name) == getattr(alone, name), name
        if name not in ("n_bins", "n_clusters"):
            assert getattr(found.verified, name) != getattr(found, name), name
    n = int(both.sum())
    assert (found.verified.n, found.verified.n_not_looked_at) == (n, 12)
    assert found.verified.n_missed == 576 - 12 - n
    assert any(f"{n} of 576 examples show both" in note for note in found.notes)
    assert any("12 were not looked at" in note for note in found.notes)


def test_figures_of_all_are_untouched(examples: pa.Table) -> None:
    """What a detector found changes nothing beside the verified figures and their notes."""
    plain = correlate(make_examples(), **SETTINGS)
    found = correlate(examples, **SETTINGS)
    for name in found.__slots__:
        if name not in ("verified", "notes"):
            assert getattr(found, name) == getattr(plain, name), name
    assert plain.verified is None
    assert set(plain.notes) < set(found.notes)


def test_without_a_look_there_are_no_verified_figures() -> None:
    """Columns of nulls, as images have that nobody verified, say nothing."""
    found = correlate(with_found([None] * 576, [None] * 576), **SETTINGS)
    assert found.verified is None
    assert not any("detector" in note for note in found.notes)


def test_too_few_verified_examples_are_told() -> None:
    """The figures of all stand, and a note says why those of the verified do not."""
    flags: list[bool | None] = [True] * 10 + [False] * 566
    found = correlate(with_found(flags, flags), **SETTINGS)
    assert found.verified is None
    assert found.r_unbinned.value is not None
    assert any(
        "10 of 576 examples show both" in note and "are not given" in note for note in found.notes
    )


def test_flags_of_another_type_are_refused() -> None:
    """A score is no flag."""
    examples = with_column(make_examples(), "key_found", ["perhaps"] * 576)
    examples = with_column(examples, "accessory_found", ["perhaps"] * 576)
    with pytest.raises(TableError, match="'key_found' is string, expected true or false"):
        correlate(examples, **SETTINGS)


def test_join_carries_what_was_found() -> None:
    """Examples have flags and scores of their image, in the order of the predictions."""
    images = make_images({"i1": "bus-sun", "i2": "bus-hat", "i3": "bus-sun"})
    probes = make_probes({"bus-sun": ("bus", "sun"), "bus-hat": ("bus", "hat")}, pmi=[0.5, 0.25])
    answers = {name: {"bus": 0.75, "car": 0.25} for name in ("i3", "i1", "i2")}
    predictions = make_predictions(answers, ["bus"] * 3)
    plain = join_examples(predictions, images, probes).table
    assert not {"key_found", "key_score"} & set(plain.column_names)
    images = with_column(images, "key_found", [True, False, None])
    images = with_column(images, "accessory_found", [True, True, None])
    images = with_column(images, "key_score", [0.75, 0.125, None])
    images = with_column(images, "key_box", [[0.0, 0.0, 1.0, 1.0], None, None])
    joined = join_examples(predictions, images, probes).table
    assert joined["image"].to_pylist() == ["i3", "i1", "i2"]
    assert joined["key_found"].to_pylist() == [None, True, False]
    assert joined["accessory_found"].to_pylist() == [None, True, True]
    assert joined["key_score"].to_pylist() == [None, 0.75, 0.125]
    assert "key_box" not in joined.column_names
    assert joined.select(plain.column_names).equals(plain)


def test_command_and_report_show_both(examples: pa.Table, tmp_path: Path) -> None:
    """`eval correlate` prints both kinds of figures, and the report shows them."""
    place, result = tmp_path / "examples.parquet", tmp_path / "result.json"
    save_table(place, examples, EXAMPLES)
    verified = correlate_file(place, result, **SETTINGS).verified
    assert verified
    data = json.loads(result.read_text())
    assert data["verified"]["n"] == verified.n
    assert data["verified"]["r_unbinned_low"] == verified.r_unbinned.low
    given = ["eval", "correlate", str(place), "--cluster", "class", "--bins", "8", "--bootstrap",
             "40", "--permutations", "20"]  # fmt: skip
    shown = CliRunner().invoke(cli, given).stdout
    assert re.search(
        rf"^key and accessory found +{verified.n} of 576 examples", shown, re.MULTILINE
    )
    assert re.search(rf"^ +r over examples +{re.escape(str(verified.r_unbinned))}$", shown, re.M)
    page = tmp_path / "report.html"
    write_report({"all": result}, page)
    text = page.read_text(encoding="utf-8")
    assert "key and accessory found: examples" in text
    assert f"{verified.n_missed} lack one of them, 12 not looked at" in text
