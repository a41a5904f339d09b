from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from example_tables import make_examples, with_column
from PIL import Image
from report_pages import Page, write_run

from conceptstats.cli import cli
from conceptstats.errors import ParameterError, TableError
from conceptstats.eval.report import chart as report_chart
from conceptstats.eval.report.by_pair import column, pairs_of
from conceptstats.eval.report.chart import chart_of
from conceptstats.eval.report.figures import draw_files
from conceptstats.eval.report.pairs import worth
from conceptstats.eval.report.records import models_of
from conceptstats.eval.report.report import read_intro, write_report
from conceptstats.eval.report.words import difference, slope_change
from conceptstats.eval.statistics.shuffle import shuffle_file
from conceptstats.eval.statistics.slopes import compare_slopes_files
from conceptstats.runs import run_record
from conceptstats.table_files import save_table
from conceptstats.tables import EXAMPLES, IMAGES

HOSTILE = """</script><!--<script>alert("1")</script><img src=x onerror=alert(2)>&amp;'{{7*7}}"""


def write_images(folder: Path, examples: pa.Table) -> Path:
    """A small image of each example."""
    ids = examples.column("example_id").to_pylist()
    rows = [{"image_id": name, "path": f"images/{k}.png"} for k, name in enumerate(ids)]
    (folder / "images").mkdir()
    for k, row in enumerate(rows):
        Image.new("RGB", (240, 120), (k % 256, 80, 80)).save(folder / str(row["path"]))
    save_table(folder / "images.parquet", pa.Table.from_pylist(rows), IMAGES)
    return folder / "images.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results and images of two data sets."""
    folder = tmp_path_factory.mktemp("report")
    for seed in (0, 1):
        write_run(folder, seed=seed)
    write_images(folder, make_examples())
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Path]:
    """The files of the results by label."""
    return {"main": folder / "result0.json", "control": folder / "result1.json"}


@pytest.fixture(scope="module")
def main(results: dict[str, Path]) -> dict[str, Any]:
    """The main result."""
    found: dict[str, Any] = json.loads(results["main"].read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def page(folder: Path, results: dict[str, Path]) -> Page:
    """A report with everything."""
    output = folder / "report.html"
    left_out = write_report(
        results, output, images=folder / "images.parquet", intro="First.\n\nSecond <b>.\n"
    )
    assert left_out == {}
    return Page(output.read_text(encoding="utf-8"))


def test_nothing_comes_from_elsewhere(page: Page) -> None:
    """No element, style or policy lets the page load anything; links stay within it."""
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/")), (tag, name)
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"@import|url\(|https?:", "".join(page.styles))
    policy = page.named("meta")[1]["content"] or ""
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "http" not in policy


def test_scripts_are_those_that_the_policy_names(page: Page) -> None:
    """Two scripts run, by their digests; the library stands there once; data do not run."""
    data, library, start = page.scripts
    assert [attributes.get("type") for attributes in page.named("script")] == [
        "application/json", None, None
    ]  # fmt: skip
    policy = page.named("meta")[1]["content"] or ""
    for script in (library, start):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe-eval" not in policy
    assert len(re.findall("window.vegaEmbed=", page.html)) == 1
    assert "http" not in data


def test_the_page_is_well_made(page: Page) -> None:
    """Language, title, one heading of level 1, alternatives of images, headers of tables."""
    assert page.open == []
    assert page.html.startswith("<!DOCTYPE html>\n")
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == len(page.named("title")) == 1
    assert all(image["alt"] for image in page.named("img"))
    assert len(page.named("caption")) == len(page.named("table")) == 6
    assert all(header["scope"] in ("row", "col") for header in page.named("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {str(link["href"]).removeprefix("#") for link in page.named("a")} <= set(ids)


def test_the_headline_has_every_figure(page: Page, main: dict[str, Any]) -> None:
    """Each number of each result stands there with its interval."""
    for key in ("r_binned", "r_unbinned", "spearman", "slope"):
        assert f"{main[key]:.2f}[{main[f'{key}_low']:.2f}, {main[f'{key}_high']:.2f}]" in page.text
    gap = [100 * main[f"gap_5pct{end}"] for end in ("", "_low", "_high")]
    assert "{:.1f}[{:.1f}, {:.1f}]".format(*gap) in page.text
    assert f"{main['n_used']}of {main['n']}" in page.text
    assert "8 quantile bins" in page.text
    assert f"{main['permutation_p']:.4f}20 permutations of pair" in page.text
    assert "First.Second <b>." in page.text.replace("\n", "")


def test_notes_model_and_dropped_controls(page: Page, main: dict[str, Any]) -> None:
    """Notes are as they were; each term and each control that was dropped is there."""
    for note in main["notes"]:
        assert note in page.text
    assert main["model"]["dropped"]
    for control in main["model"]["dropped"]:
        assert f"{control['name']}: {control['reason']}" in page.text
    for term in main["model"]["terms"]:
        assert f"{term['name']}\n{term['coefficient']:.3f}[{term['low']:.3f}, " in page.text


def test_figures_are_inside(page: Page) -> None:
    """Three figures stand in the page as pictures."""
    pictures = [str(image["src"]) for image in page.named("img")]
    figures = [src for src in pictures if src.startswith("data:image/svg+xml;base64,")]
    assert len(figures) == 3
    for src in figures:
        assert b"<svg" in base64.b64decode(src.partition(",")[2])


def test_every_pair_is_a_dot(page: Page) -> None:
    """The chart has the pairs of the examples, those never seen left of the others."""
    pairs = pairs_of(make_examples(), "pmi").to_pylist()
    assert [dot["pair"] for dot in page.dots] == [pair["pair"] for pair in pairs]
    seen = [dot["x"] for dot, pair in zip(page.dots, pairs, strict=True) if pair["n"] and
            np.isfinite(pair["predictor"])]  # fmt: skip
    unseen = {dot["x"] for dot in page.dots} - set(seen)
    assert len(unseen) == 1
    assert max(unseen) < min(seen)
    first = pairs[0]
    assert page.dots[0]["y"] == 100 * first["accuracy"]
    assert page.dots[0]["accuracy"] == f"{100 * first['accuracy']:.1f}% of 4"


def test_too_many_pairs_are_drawn_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of dots some are chosen, the same ones each time."""
    pairs = pairs_of(make_examples(), "pmi")
    assert chart_of(pairs, "pmi").n_shown == 144
    monkeypatch.setattr(report_chart, "MOST", 10)
    charts = [chart_of(pairs, "pmi") for _ in range(2)]
    assert charts[0] == charts[1]
    assert (charts[0].n_shown, charts[0].n_pairs) == (10, 144)


def test_pairs_are_added_up() -> None:
    """A pair has the mean of its outcomes and predictors; unknown predictors are left out."""
    rows = [
        ("a", 1.0, 2.0),
        ("a", 0.0, 4.0),
        ("b", 1.0, -np.inf),
        ("c", 1.0, None),
        ("d", 1, np.nan),
    ]
    pair, outcome, pmi = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({"example_id": list("12345"), "outcome": outcome, "pmi": pmi, "pair": pair,
                      "pmi_low": [1.0, 1.0, None, None, None]})  # fmt: skip
    found = pairs_of(table, "pmi")
    assert found.column("pair").to_pylist() == ["a", "b"]
    assert found.column("n").to_pylist() == [2, 1]
    assert found.column("accuracy").to_pylist() == [0.5, 1.0]
    assert found.column("predictor").to_pylist() == [3.0, -np.inf]
    assert found.column("predictor_low").to_pylist() == [1.0, None]
    assert found.column("key").to_pylist() == [None, None]
    with pytest.raises(TableError, match="no example has both"):
        pairs_of(table.slice(3), "pmi")


def test_the_best_and_the_worst_pairs_are_shown(page: Page) -> None:
    """Six pairs at each end with four images each, their accuracy and PMI, small enough."""
    images = [image for image in page.named("img") if "image/png" in str(image["src"])]
    assert len(images) == 2 * 6 * 4
    assert {(image["width"], image["height"]) for image in images} == {("112", "56")}
    best, _, worst = page.words.partition("Least often right")
    assert "100.0% of 4 right" in best
    assert "100.0% of 4 right" not in worst
    assert "0.0% of 4 rightPMI " in worst
    assert re.search(r"class \d+ with accessory \d+, example e\d+: right", str(images[0]["alt"]))


def test_images_that_cannot_be_read(folder: Path, results: dict[str, Path], tmp_path: Path) -> None:
    """A damaged or missing image leaves its place and words; a table of others is an error."""
    ids = make_examples().column("example_id").to_pylist()
    (tmp_path / "bad.png").write_bytes(b"no image")
    rows = [{"image_id": name, "path": "bad.png" if k % 2 else "none.png"}
            for k, name in enumerate(ids)]  # fmt: skip
    save_table(tmp_path / "images.parquet", pa.Table.from_pylist(rows), IMAGES)
    write_report(results, tmp_path / "a.html", images=tmp_path / "images.parquet")
    found = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert found.words.count("cannot be read") == 48
    others = pa.table({"image_id": ["x"], "path": ["y"]})
    save_table(tmp_path / "others.parquet", others, IMAGES)
    with pytest.raises(TableError, match="no image_id"):
        write_report(results, tmp_path / "b.html", images=tmp_path / "others.parquet")


def test_names_cannot_break_out(tmp_path: Path) -> None:
    """Markup in names, labels, notes, titles and records stays text, in the page and in data."""
    table = make_examples()
    hostile = [f"{HOSTILE}{i % 12}" for i in range(table.num_rows)]
    for name in ("class", "accessory"):
        table = with_column(table, name, [f"{HOSTILE}{v}" for v in table.column(name).to_pylist()])
    table = with_column(table, "pair", [f"{v}{HOSTILE}" for v in table.column("pair").to_pylist()])
    table = with_column(table, "example_id", [f"{k}{v}" for k, v in enumerate(hostile)])
    result = write_run(tmp_path, table)
    data = json.loads(result.read_text(encoding="utf-8"))
    data["notes"] = [HOSTILE]
    data["model"]["dropped"] = [{"name": HOSTILE, "reason": HOSTILE}]
    data["model"]["terms"][2]["name"] = HOSTILE
    data["predictors"][1]["name"] = HOSTILE
    data["run"]["arguments"][HOSTILE] = HOSTILE
    data["permutation_unit"] = HOSTILE
    result.write_text(json.dumps(data), encoding="utf-8")
    images = write_images(tmp_path, table)
    write_report({HOSTILE: result}, tmp_path / "a.html", images=images, title=HOSTILE,
                 intro=HOSTILE)  # fmt: skip
    found = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert found.open == []
    assert len(found.scripts) == 3
    assert not [attributes for _, attributes in found.tags if "onerror" in attributes]
    assert "alert" not in "".join(found.scripts[1:])
    assert found.dots[0]["pair"] == f"pair 0{HOSTILE}"
    assert "<" not in found.scripts[0]
    assert found.text.count(HOSTILE) > 20
    assert "49" not in found.text.partition("What was found")[0]


def test_equal_inputs_make_equal_pages(
    folder: Path, results: dict[str, Path], page: Page, tmp_path: Path
) -> None:
    """Nothing of time or chance is in a page."""
    images = folder / "images.parquet"
    write_report(results, tmp_path / "a.html", images=images, intro="First.\n\nSecond <b>.\n")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == page.html


def test_what_is_missing_is_said(folder: Path, results: dict[str, Path], tmp_path: Path) -> None:
    """Without images, or without pairs, the rest is there, and a sentence says why."""
    left_out = write_report(results, tmp_path / "a.html")
    assert left_out == {"images of pairs": "no table of images was given (--images)"}
    result = write_run(tmp_path, make_examples().drop_columns("pair"))
    images = folder / "images.parquet"
    left_out = write_report({"x": result}, tmp_path / "b.html", images=images)
    assert left_out == dict.fromkeys(
        ["chart of pairs", "images of pairs"], "the examples have no column 'pair'"
    )
    found = Page((tmp_path / "b.html").read_text(encoding="utf-8"))
    assert found.scripts == []
    assert "There is no chart of pairs: the examples have no column 'pair'." in found.words
    assert "script-src 'none'" in str(found.named("meta")[1]["content"])


def test_examples_are_found_by_the_record(tmp_path: Path) -> None:
    """Examples that moved with their result are found; others than those it was made of are not."""
    (tmp_path / "here").mkdir()
    write_run(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    result, examples = tmp_path / "there/result0.json", tmp_path / "there/examples0.parquet"
    assert list(write_report({"x": result}, tmp_path / "a.html")) == ["images of pairs"]
    save_table(examples, make_examples(1), EXAMPLES, overwrite=True)
    left_out = write_report({"x": result}, tmp_path / "b.html")
    assert "has changed since" in left_out["chart of pairs"]
    left_out = write_report({"x": result}, tmp_path / "c.html", examples=examples)
    assert list(left_out) == ["images of pairs"]
    examples.unlink()
    left_out = write_report({"x": result}, tmp_path / "d.html")
    assert "was not found" in left_out["chart of pairs"]
    save_table(examples, make_examples().slice(0, 100), EXAMPLES)
    with pytest.raises(TableError, match="has 100 examples, but the main result was made of 576"):
        write_report({"x": result}, tmp_path / "e.html", examples=examples)


def test_records_are_followed_to_their_beginning(tmp_path: Path) -> None:
    """Records beside the examples, and beside the inputs which these name, stand in the page."""
    result = write_run(tmp_path)
    record = run_record("eval zeroshot", {"model": "a model"}, {"examples0.parquet": "a circle"})
    (tmp_path / "predictions.parquet.run.json").write_text(json.dumps(record), encoding="utf-8")
    write_report({"x": result}, tmp_path / "a.html")
    found = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    for command in ("eval correlate", "eval join", "eval zeroshot", "eval report"):
        assert found.words.count(f'"command": "{command}"') == 1
    (tmp_path / "predictions.parquet.run.json").write_text("{", encoding="utf-8")
    write_report({"x": result}, tmp_path / "b.html")
    assert "predictions.parquet.run.json cannot be read" in (tmp_path / "b.html").read_text("utf-8")


def test_a_comparison_has_its_own_section(results: dict[str, Path], tmp_path: Path) -> None:
    """A comparison of worlds among the results is told, drawn, and not in the headline."""
    ends = {f"r_delta_{how}{end}": 0.5 for how in ("binned", "unbinned")
            for end in ("", "_low", "_high")}  # fmt: skip
    row = {"low": 0.0, "high": 1.0, "mean_predictor": 0.5, "n": 20, "mean_outcome": 0.1,
           "outcome_low": None, "outcome_high": None}  # fmt: skip
    data = {"kind": "compare", "predictor": "pmi", "n_pairs": 80, "n_bins": 1, "bin_table": [row],
            "permutation_p": None, "notes": ["Of two worlds."], **ends}  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(data), encoding="utf-8")
    write_report({"two worlds": tmp_path / "c.json", **results}, tmp_path / "a.html")
    found = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert f"two worlds: {difference(data)}" in found.words
    assert "Difference of two worlds: two worlds" in found.words
    assert "Of two worlds." in found.words
    assert "predictor PMI PMI r over bins" in found.words
    with pytest.raises(ParameterError, match="as its main one"):
        write_report({"c": tmp_path / "c.json"}, tmp_path / "b.html")


def test_slopes_of_two_models_are_told(
    folder: Path, results: dict[str, Path], tmp_path: Path
) -> None:
    """The result of `eval compare --slopes` stands beside, with its table, notes and record."""
    examples = make_examples()
    after = with_column(examples, "outcome", examples["outcome"].to_pylist()[::-1])
    save_table(tmp_path / "after.parquet", after, EXAMPLES)
    files = tmp_path / "after.parquet", folder / "examples0.parquet"
    found = compare_slopes_files(*files, tmp_path / "slopes.json")
    write_report({**results, "tuned": tmp_path / "slopes.json"}, tmp_path / "a.html")
    page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    data = json.loads((tmp_path / "slopes.json").read_text(encoding="utf-8"))
    assert f"tuned: {slope_change(data)}" in page.words
    assert "Two models on the same images" in page.words
    models = "A (after.parquet)", "B (examples0.parquet)"
    assert f"tuned: {models[0]} tuned: {models[1]} tuned: A - B" in page.words
    assert f"in {models[0]} and by" in page.words
    assert "clusters 12class 12class 12class" in page.words.replace("12 class", "12class")
    for value in (found.alone.a.value, found.controlled.difference.value):
        assert f"{value:.2f}" in page.words
    assert found.notes[0] in page.words
    assert '"command": "eval compare --slopes"' in page.words
    with pytest.raises(ParameterError, match="as its main one"):
        write_report({"tuned": tmp_path / "slopes.json"}, tmp_path / "b.html")
    with pytest.raises(
        ParameterError, match=r"eval compare --slopes, and .*or compare without --sl"
    ):
        draw_files({"tuned": tmp_path / "slopes.json"}, [tmp_path / "a.png"])
    data["alone"]["difference"] = "steep"
    (tmp_path / "slopes.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(TableError, match="alone: difference is 'steep', expected a number or null"):
        write_report({**results, "tuned": tmp_path / "slopes.json"}, tmp_path / "b.html")


def test_models_are_told_apart() -> None:
    """By the names of their files; where these are the same, by their paths."""
    for inputs, expected in (
        (["x/a.parquet", "x/b.parquet"], ("A (a.parquet)", "B (b.parquet)")),
        (["x/e.parquet", "y/e.parquet"], ("A (x/e.parquet)", "B (y/e.parquet)")),
        (["x/e.parquet"], ("A", "B")),
    ):
        assert models_of({"run": {"inputs": dict.fromkeys(inputs, "sha256:0")}}) == expected
    assert models_of({}) == models_of({"run": {"inputs": 3}}) == ("A", "B")


def test_probabilities_are_no_shares(tmp_path: Path) -> None:
    """A report on them says mean outcome throughout, and its axes reach as far as they do."""
    examples = make_examples()
    chance = 0.001 * np.exp(0.3 * np.maximum(examples["pmi"].to_numpy(), -2))
    chance *= np.random.default_rng(0).uniform(0.5, 1.5, len(chance))
    examples = with_column(examples, "outcome", chance)
    images = write_images(tmp_path, examples)
    write_report({"x": write_run(tmp_path, examples)}, tmp_path / "a.html", images=images)
    page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert not re.search(r"accuracy|\bright\b", page.words.partition("How it was made")[0], re.I)
    for text in ("Mean outcome against PMI", "mean outcome (%)", "the mean outcome is 0.1%",
                 "odds of the mean outcome", "highest and of lowest mean outcome"):  # fmt: skip
        assert text in page.words
    assert page.spec["layer"][0]["encoding"]["y"]["title"] == "mean outcome (%)"
    assert page.spec["layer"][0]["encoding"]["y"]["scale"]["domain"][1] < 0.5


def test_probabilities_rank_pairs_by_what_they_differ_in() -> None:
    """An example is worth 1 answer where it is right or wrong, more where outcomes are alike.

    Two pairs of outcomes .2, .4: m(1 - m) = .21 and s^2 = .01, so 21 answers.
    """
    table = pa.table({"example_id": list("1234"), "pair": list("aabb"), "pmi": [1.0, 1, 2, 2],
                      "outcome": [0.2, 0.4, 0.2, 0.4]})  # fmt: skip
    for outcomes, expected in (([0.2, 0.4] * 2, 21), ([0.0, 1.0] * 2, 1), ([1.0] * 4, 1)):
        pairs = pairs_of(with_column(table, "outcome", outcomes), "pmi")
        columns = (column(pairs, name) for name in ("accuracy", "n", "between"))
        assert worth(*columns) == pytest.approx(expected)


def test_shuffled_data_are_told(folder: Path, results: dict[str, Path], tmp_path: Path) -> None:
    """Mean and range of the shuffles stand in a table of their own, with a sentence."""
    shuffled = tmp_path / "shuffled.json"
    found = shuffle_file(folder / "examples0.parquet", shuffled, n_bins=8, n_shuffles=20)
    write_report({**results, "shuffled": shuffled}, tmp_path / "a.html")
    page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert "What the same statistics make of nothing" in page.words
    spread = f"[{found.r_binned.low:.2f}, {found.r_binned.high:.2f}]"
    assert (
        "shuffled: With PMI shuffled among 144 pairs there is nothing to find, and yet r over 8 "
        f"bins lies anywhere in {spread} in 95% of 20 shuffles."
    ) in page.words
    assert f"{found.r_binned.value:.2f}{spread}, 8 bins" in page.text
    gap = [100 * value for value in (found.gap_5pct.low, found.gap_5pct.high) if value is not None]
    assert "[{:.1f}, {:.1f}]".format(*gap) in page.text
    assert "Mean over shuffles; in brackets, the range of 95% of them." in page.words
    assert len(page.named("caption")) == len(page.named("table")) == 7
    assert '"command": "eval shuffle"' in page.words
    with pytest.raises(ParameterError, match="as its main one"):
        write_report({"shuffled": shuffled}, tmp_path / "b.html")
    data = json.loads(shuffled.read_text(encoding="utf-8"))
    data |= {"r_binned": None, "r_binned_low": None, "r_binned_high": None}
    shuffled.write_text(json.dumps(data), encoding="utf-8")
    write_report({**results, "shuffled": shuffled}, tmp_path / "c.html")
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "yet r over 8 bins cannot be had of every shuffle." in Page(text).words
    shuffled.write_text(json.dumps({**data, "n_pairs": "many"}), encoding="utf-8")
    with pytest.raises(TableError, match="n_pairs is 'many', expected a number"):
        write_report({**results, "shuffled": shuffled}, tmp_path / "d.html")


def test_command(folder: Path, results: dict[str, Path], tmp_path: Path) -> None:
    """`eval report` writes the page and says what it left out."""
    output = tmp_path / "report.html"
    (tmp_path / "intro.txt").write_text("Some words.\n", encoding="utf-8")
    arguments = ["eval", "report", *(f"{k}={path}" for k, path in results.items()), "--json"]
    arguments += ["-o", str(output), "--intro", str(tmp_path / "intro.txt"), "--title", "A title"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["left_out"]) == ["images of pairs"]
    found = Page(output.read_text(encoding="utf-8"))
    assert found.words.startswith("A title A title Some words.")


def test_errors(results: dict[str, Path], tmp_path: Path) -> None:
    """An intro that cannot be read and another ending are clear errors; nothing is left behind."""
    with pytest.raises(ParameterError, match="cannot be read"):
        read_intro(tmp_path / "none.txt")
    with pytest.raises(ParameterError, match=r"\.html"):
        write_report(results, tmp_path / "a.pdf")
    with pytest.raises(TableError, match="missing or damaged"):
        write_report({"x": tmp_path / "none.json"}, tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []
