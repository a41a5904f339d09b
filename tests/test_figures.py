from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from example_tables import QUICK, make_examples
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.eval.report.figures import draw_figure, save_figure, wrap
from conceptstats.eval.report.result_files import load_result, parse_labels
from conceptstats.eval.statistics.correlate import correlate, correlate_file
from conceptstats.eval.statistics.shuffle import shuffle


@pytest.fixture(scope="module")
def main() -> dict[str, Any]:
    """A result with pairs that were never seen."""
    return correlate(make_examples(), cluster="class", n_bins=8, **QUICK).to_json()


@pytest.fixture(scope="module")
def other() -> dict[str, Any]:
    """A result of other data."""
    return correlate(make_examples(seed=1), cluster="class", n_bins=8, **QUICK).to_json()


def shuffled() -> dict[str, Any]:
    """Figures of shuffled data, as `eval shuffle` writes them."""
    return shuffle(make_examples(), n_bins=5, n_shuffles=2).to_json()


def comparison() -> dict[str, Any]:
    """A comparison of two worlds, as `eval compare` writes it."""
    bins = [
        {"low": x, "high": x + 0.9, "mean_predictor": x + 0.5, "n": 20, "mean_outcome": x / 10,
         "outcome_low": x / 10 - 0.05, "outcome_high": x / 10 + 0.05}
        for x in (-2.0, -1.0, 0.0, 1.0)
    ]  # fmt: skip
    figures = {"r_delta_binned": 0.97, "r_delta_unbinned": 0.61}
    ends = {f"{name}_{end}": value for name, value in figures.items() for end in ("low", "high")}
    return {"kind": "compare", "predictor": "pmi", "n_pairs": 80, "n_bins": 4, "bin_table": bins,
            "permutation_p": 0.01, "notes": ["A note."], "run": {}, **figures, **ends}  # fmt: skip


def lines(figure: Figure) -> dict[str, Line2D]:
    """Lines and points of the first panel by label."""
    return {str(line.get_label()): line for line in figure.axes[0].get_lines()}


def legend(figure: Figure) -> list[str]:
    """Texts of the legend, each on one line and with plain blanks."""
    texts = figure.legends[0].get_texts()
    return [text.get_text().replace("\n", " ").replace("\u00a0", " ") for text in texts]


def tick_labels(axes: Axes) -> list[str]:
    """Labels of the lower axis."""
    return [label.get_text() for label in axes.get_xticklabels()]


def test_points_are_the_bins(main: dict[str, Any]) -> None:
    """Each bin is a point at its mean predictor and accuracy, with its interval."""
    figure = draw_figure({"main": main})
    points = lines(figure)["bins main"]
    table = main["bin_table"]
    assert len(table) == 8
    assert list(points.get_xdata()) == [row["mean_predictor"] for row in table]
    assert points.get_ydata() == pytest.approx([100 * row["accuracy"] for row in table])
    segments = figure.axes[0].collections[0].get_segments()
    ends = [[row["accuracy_low"] * 100, row["accuracy_high"] * 100] for row in table]
    assert [list(segment[:, 1]) for segment in segments] == [pytest.approx(pair) for pair in ends]
    assert figure.axes[1].get_xlabel() == "PMI (nats)"


def test_the_strip_below_shows_the_examples_of_each_bin(main: dict[str, Any]) -> None:
    """The lower panel has one bar a bin, as high as its examples, and its axis says how many."""
    strip = draw_figure({"main": main}).axes[1]
    heights = [patch.get_height() for patch in strip.patches]
    assert heights == [row["n"] for row in main["bin_table"]]
    most = int(max(*heights, main["unseen"]["n"]))
    assert [label.get_text() for label in strip.get_yticklabels()] == ["0", f"{most:,}"]


def test_a_bin_of_one_value_is_to_be_seen(main: dict[str, Any]) -> None:
    """Its bar has a width, though low and high are one."""
    table = [{**row} for row in main["bin_table"]]
    table[3]["high"] = table[3]["low"]
    strip = draw_figure({"main": {**main, "bin_table": table}}).axes[1]
    assert min(patch.get_width() for patch in strip.patches) > 0


def test_what_was_never_seen_stands_apart(main: dict[str, Any]) -> None:
    """Examples with PMI of minus infinity are one point left of all bins, behind a broken axis."""
    figure = draw_figure({"main": main})
    point = lines(figure)["unseen main"]
    (x,), (y,) = point.get_xdata(), point.get_ydata()
    assert x < main["bin_table"][0]["low"]
    assert y == pytest.approx(100 * main["unseen"]["accuracy"])
    assert tick_labels(figure.axes[1])[0] == "never seen\ntogether"
    figure = draw_figure({"main": {**main, "unseen": None}})
    assert "unseen main" not in lines(figure)
    assert "never seen\ntogether" not in tick_labels(figure.axes[1])


def test_the_line_is_the_least_squares_line_of_the_bins(main: dict[str, Any]) -> None:
    """Each bin counts alike, as in their r."""
    (line,) = (line for line in draw_figure({"main": main}).axes[0].get_lines() if line.get_alpha())
    x = np.array([row["mean_predictor"] for row in main["bin_table"]])
    y = np.array([100 * row["accuracy"] for row in main["bin_table"]])
    slope = np.cov(x, y)[0, 1] / np.var(x, ddof=1)
    drawn = np.diff(line.get_ydata()) / np.diff(line.get_xdata())
    assert drawn == pytest.approx(slope)


def test_the_legend_says_the_figures(main: dict[str, Any]) -> None:
    """Beside the picture stand both r's, the gap, the number of bins, n and clusters."""
    (text,) = legend(draw_figure({"main": main}))
    assert f"r = {main['r_binned']:.2f} [" in text
    assert "over 8 quantile bins" in text
    assert f"{main['r_unbinned']:.2f} [{main['r_unbinned_low']:.2f}, " in text
    assert f"{100 * main['gap_5pct']:.1f} [" in text
    assert f"n = {main['n_used']:,}, 12 clusters (class)" in text
    assert f"{main['unseen']['n']} never seen together" in text


def test_several_results_differ_in_more_than_colour(
    main: dict[str, Any], other: dict[str, Any]
) -> None:
    """Markers and lines tell results apart in grey; the legend names them."""
    figure = draw_figure({"one": main, "two": other, "three": main})
    points = [lines(figure)[f"bins {label}"] for label in ("one", "two", "three")]
    assert len({point.get_marker() for point in points}) == 3
    assert len({point.get_color() for point in points}) == 3
    assert [text.partition(":")[0] for text in legend(figure)] == ["one", "two", "three"]


@pytest.mark.parametrize("kind", ["accuracy", "bins", "predictors"])
@pytest.mark.parametrize("width", [3.4, 7.0])
def test_text_is_large_enough_and_inside(
    kind: Any, width: float, main: dict[str, Any], other: dict[str, Any]
) -> None:
    """No text is below 7 points, and the legend does not leave the figure, whatever its labels."""
    figure = draw_figure({"W" * 120: main, "$x_$ _b": other}, kind, width)
    figure.set_dpi(300)
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in shown) >= 7
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert list(figure.get_size_inches())[:1] == [width]


def test_long_words_are_cut() -> None:
    """A line that is too wide for a word ends within it; nothing is lost."""
    text = f"a {'W' * 40} b"
    parts = wrap(text, 1.0, 7)
    assert len(parts) > 3
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_r_against_the_number_of_bins(main: dict[str, Any]) -> None:
    """Kind bins has a point for each number of bins, and the unbinned r as a level line."""
    figure = draw_figure({"main": main}, "bins")
    points = lines(figure)["bins main"]
    assert list(points.get_xdata()) == [row["n_bins"] for row in main["r_by_bins"]]
    assert list(points.get_ydata()) == [row["r"] for row in main["r_by_bins"]]
    assert set(lines(figure)["unbinned main"].get_ydata()) == {main["r_unbinned"]}


def test_predictors_side_by_side(main: dict[str, Any]) -> None:
    """Kind predictors has a row for each, with slope and r in panels of their own."""
    figure = draw_figure({"main": main}, "predictors")
    left, right = figure.axes
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names[:2] == ["PMI", "captions with both"]
    assert len(names) == len(main["predictors"])
    for axes, key in ((left, "slope_per_sd"), (right, "r_unbinned")):
        (points,) = (line for line in axes.get_lines() if line.get_label() == f"{key} main")
        assert list(points.get_xdata()) == [row[key] for row in main["predictors"]]


def test_a_comparison_of_worlds() -> None:
    """Differences are drawn in points against the difference of PMI."""
    figure = draw_figure({"two worlds": comparison()})
    points = lines(figure)["bins two worlds"]
    assert list(points.get_xdata()) == [-1.5, -0.5, 0.5, 1.5]
    assert list(points.get_ydata()) == [-20, -10, 0, 10]
    assert figure.axes[1].get_xlabel() == "difference of PMI (nats)"
    assert figure.axes[0].get_ylabel().startswith("difference of accuracy")
    assert "over 80 pairs unbinned" in legend(figure)[0]


def test_pairs_behind_the_bins(main: dict[str, Any]) -> None:
    """With the examples, each pair is a dot, those never seen at the place of their mean."""
    figure = draw_figure({"main": main}, examples=make_examples())
    dots = lines(figure)["pairs"]
    assert len(dots.get_xdata()) == 144
    assert np.isfinite(dots.get_xdata()).all()
    with pytest.raises(TableError, match="'pair'"):
        draw_figure({"main": main}, examples=make_examples().drop_columns("pair"))


def test_probabilities_have_an_axis_of_their_own(main: dict[str, Any]) -> None:
    """It says mean outcome, and reaches as far as bins and pairs do, not from 0 to 100%."""
    examples = make_examples()
    chance = np.linspace(0.02, 0.03, 576)[np.random.default_rng(0).permutation(576)]
    examples = examples.set_column(1, "outcome", [chance])
    result = correlate(examples, cluster="class", n_bins=8, **QUICK).to_json()
    for table in (None, examples):
        axes = draw_figure({"x": result}, examples=table).axes[0]
        assert axes.get_ylabel() == "mean outcome,\n95% interval (%)"
        assert 1 < axes.get_ylim()[0] < axes.get_ylim()[1] < 4
    assert draw_figure({"x": main}).axes[0].get_ylabel() == "accuracy, 95% interval (%)"
    differences = draw_figure({"x": comparison() | {"is_graded": True}}).axes[0]
    assert differences.get_ylabel().startswith("difference of mean outcome,")
    for panel in (axes, differences):
        figure = panel.get_figure()
        figure.draw_without_rendering()
        box = panel.yaxis.label.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_results_of_earlier_versions_are_read(main: dict[str, Any], tmp_path: Path) -> None:
    """They do not say whether outcomes are graded; what says nonsense is refused."""
    old = {name: value for name, value in main.items() if name != "is_graded"}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old), encoding="utf-8")
    assert load_result(path) == old
    for result in (main, comparison()):
        path.write_text(json.dumps({**result, "is_graded": "a bit"}), encoding="utf-8")
        with pytest.raises(TableError, match="is_graded is 'a bit', expected true or false"):
            load_result(path)


def test_what_is_not_given_is_not_drawn(main: dict[str, Any]) -> None:
    """Results without intervals are drawn without them, and the legend does not make them up."""
    result = json.loads(json.dumps(main))
    rows = [result, *result["bin_table"], *result["r_by_bins"], *result["predictors"]]
    for row in [*rows, result["unseen"]]:
        for key in row:
            if key.endswith(("_low", "_high")) or (key in ("low", "high") and "r" in row):
                row[key] = None
    result["r_binned"] = None
    for kind in ("accuracy", "bins", "predictors"):
        draw_figure({"main": result}, kind).draw_without_rendering()
    assert "r = not given over" in legend(draw_figure({"main": result}))[0]


@pytest.mark.parametrize("ending", [".pdf", ".png", ".svg"])
def test_equal_results_make_equal_files(ending: str, main: dict[str, Any], tmp_path: Path) -> None:
    """No time and no chance is in a file; pixels are 300 to the inch; fonts are embedded whole."""
    for name in ("a", "b"):
        save_figure(draw_figure({"main": main}), tmp_path / f"{name}{ending}", description="of x")
    content = (tmp_path / f"a{ending}").read_bytes()
    assert content == (tmp_path / f"b{ending}").read_bytes()
    assert b"CreationDate" not in content
    if ending == ".pdf":
        assert b"/Type0" in content
        assert b"/Type3" not in content
    if ending == ".png":
        with Image.open(tmp_path / "a.png") as image:
            assert image.width == 3.4 * 300


def test_files_are_not_overwritten(main: dict[str, Any], tmp_path: Path) -> None:
    """An existing file is kept, unless that is asked for; other endings are refused."""
    figure = draw_figure({"main": main})
    save_figure(figure, tmp_path / "a.png")
    with pytest.raises(OutputExistsError):
        save_figure(figure, tmp_path / "a.png")
    save_figure(figure, tmp_path / "a.png", overwrite=True)
    with pytest.raises(ParameterError, match=r"\.pdf or \.png"):
        save_figure(figure, tmp_path / "a.jpeg")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda main: draw_figure({}), "0 results"),
        (lambda main: draw_figure({str(k): main for k in range(8)}), "8 results"),
        (lambda main: draw_figure({"a": main}, "pie"), "recipe is 'pie'"),
        (lambda main: draw_figure({"a": main}, width=34), "34 inches"),
        (lambda main: draw_figure({"a": main, "b": comparison()}), "b is of eval compare"),
        (lambda main: draw_figure({"b": comparison()}, "bins"), "b is of eval compare"),
        (lambda main: draw_figure({"a": main, "b": shuffled()}), "b is of eval shuffle"),
        (
            lambda main: draw_figure({"a": main, "b": {**main, "predictor": "length"}}),
            "length, pmi",
        ),
        (lambda main: draw_figure({"a": main, "b": main}, examples=make_examples()), "one result"),
    ],
)
def test_what_does_not_go_together(
    draw: Callable[[dict[str, Any]], Figure], message: str, main: dict[str, Any]
) -> None:
    """Errors say what does not go into one picture."""
    with pytest.raises(ParameterError, match=message):
        draw(main)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: [1, 2], "no result of eval"),
        (lambda data: {**data, "kind": "pie"}, "no result of eval"),
        (lambda data: {"kind": "compare"}, "predictor is missing"),
        (lambda data: {**data, "r_binned": "<b>"}, "r_binned is '<b>', expected a number"),
        (lambda data: {**data, "r_unbinned": float("nan")}, "r_unbinned is nan"),
        (lambda data: {**data, "bin_table": 3}, "bin_table"),
        (lambda data: {**data, "bin_table": []}, "bin_table is empty"),
        (lambda data: {**data, "bin_table": [{"low": 1}]}, "bin_table: high is missing"),
        (lambda data: {**data, "notes": [1]}, "notes is"),
        (lambda data: {**data, "model": None}, "model"),
        (lambda data: {**data, "run": []}, "run"),
    ],
)
def test_files_of_another_kind(
    change: Callable[[dict[str, Any]], Any], message: str, main: dict[str, Any], tmp_path: Path
) -> None:
    """What is no result is refused by name of what is wrong, with a hint how results are made."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(change(main)), encoding="utf-8")
    with pytest.raises(TableError, match=message) as caught:
        load_result(path)
    assert "eval correlate" in str(caught.value.hint)


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    """A file that is not there or is no JSON is a clear error."""
    with pytest.raises(TableError, match="missing or damaged"):
        load_result(tmp_path / "none.json")
    (tmp_path / "bad.json").write_bytes(b"\xff{")
    with pytest.raises(TableError, match="missing or damaged"):
        load_result(tmp_path / "bad.json")


def test_labels(tmp_path: Path) -> None:
    """A label stands before the first =, unless the whole is a file; without one, the stem."""
    odd = tmp_path / "a=b.json"
    odd.touch()
    found = parse_labels(["x=y=z.json", str(odd), "plain.json"])
    assert found == {"x": Path("y=z.json"), "a=b": odd, "plain": Path("plain.json")}
    with pytest.raises(ParameterError, match="'plain'"):
        parse_labels(["plain.json", "other/plain.json"])
    with pytest.raises(ParameterError, match="empty label"):
        parse_labels(["=x.json"])


def test_command(tmp_path: Path) -> None:
    """`eval figure` draws files under labels and writes each output once."""
    examples, result = tmp_path / "examples.parquet", tmp_path / "main.json"
    pq.write_table(make_examples(), examples)
    correlate_file(examples, result, cluster="class", n_bins=8, **QUICK)
    outputs = [tmp_path / "a.pdf", tmp_path / "a.png"]
    arguments = ["eval", "figure", f"M={result}", "--examples", str(examples), "--json"]
    arguments += [text for output in outputs for text in ("-o", str(output))]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"outputs": [str(output) for output in outputs]}
    assert b"M=sha256:" in outputs[0].read_bytes()
    assert isinstance(CliRunner().invoke(cli, arguments).exception, OutputExistsError)
