from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from example_tables import QUICK, make_examples
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from conceptstats.cli import cli
from conceptstats.errors import ParameterError, TableError
from conceptstats.eval.frequency.agreement import agreement
from conceptstats.eval.frequency.concept_counts import name_concepts
from conceptstats.eval.frequency.long_tail import long_tail
from conceptstats.eval.frequency.run import frequency
from conceptstats.eval.frequency.settings import Settings
from conceptstats.eval.report.figures import draw_figure
from conceptstats.eval.report.recipes import KINDS, RECIPES
from conceptstats.eval.report.result_kinds import check_result
from conceptstats.eval.report_cli import RECIPES as NAMES
from conceptstats.eval.statistics.correlate import correlate

Result = dict[str, Any]


def counts(seed: int = 0, **columns: str) -> pa.Table:
    """Counts of 200 concepts of four data sets, a few of them 0."""
    rng = np.random.default_rng(seed)
    n = np.exp(np.random.default_rng(9).normal(6, 2.5, 200) + rng.normal(0, 0.5, 200))
    n = np.maximum(n, 1)
    n[:9] = 0
    table = pa.table(
        {
            "dataset": [("cub", "dtd", "food101", "sun397")[k % 4] for k in range(200)],
            "concept": [f"c{k}" for k in range(200)],
            "n_captions": n.astype(np.int64),
        }
    )
    for name, value in columns.items():
        table = table.append_column(name, pa.array([value] * 200))
    return table


def of_frequency(*models: str, recipe: str = "honest") -> Result:
    """A result of `eval frequency`."""
    table = counts(pretraining="laion", search="text")
    n = table["n_captions"].to_numpy()
    rows = [
        {"dataset": table["dataset"][k].as_py(), "concept": table["concept"][k].as_py(),
         "metric": "accuracy", "value": value, "n": 50, "model": model, "pretrained": "laion"}
        for j, model in enumerate(models)
        for k, value in enumerate(
            np.clip(np.random.default_rng(j).normal(0.2 + 0.05 * np.log(n + 1), 0.1), 0, 1)
        )
    ]  # fmt: skip
    settings = Settings(recipe=recipe, n_bins=6 if recipe == "honest" else None, n_bootstrap=30)
    data = frequency(table, pa.Table.from_pylist(rows), settings=settings).to_json()
    return json.loads(json.dumps(data))


def of_long_tail(*searches: str) -> Result:
    """A result of `eval long-tail`."""
    tables = [counts(k, pretraining="laion", search=name) for k, name in enumerate(searches)]
    found = long_tail(pa.concat_tables(tables), n_bootstrap=20).to_json()
    return json.loads(json.dumps(found))


def of_agreement(*labels: str) -> Result:
    """A result of `eval agreement`."""
    sets = {label: name_concepts(counts(k)) for k, label in enumerate(labels)}
    return json.loads(json.dumps(agreement(sets, n_bootstrap=20).to_json()))


@pytest.fixture(scope="module")
def one_of_each() -> dict[str, Result]:
    """A result for each recipe."""
    correlated = correlate(make_examples(), cluster="class", n_bins=8, **QUICK).to_json()
    results = {
        "accuracy-frequency": of_frequency("ViT-B-32", "ViT-L-14"),
        "long-tail": of_long_tail("tags", "text"),
        "agreement": of_agreement("cc3m", "laion"),
    }
    return {name: results.get(name, correlated) for name in RECIPES}


def lines(figure: Figure, panel: int = 0) -> dict[str, Line2D]:
    """Lines and points of a panel by label."""
    return {str(line.get_label()): line for line in figure.axes[panel].get_lines()}


def legend(figure: Figure) -> list[str]:
    """Texts of the legend, each on one line and with plain blanks."""
    texts = figure.legends[0].get_texts()
    return [text.get_text().replace("\n", " ").replace("\u00a0", " ") for text in texts]


def drawn_labels(axis: Axis) -> list[Text]:
    """Labels of the ticks that are in view."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    return [
        tick.label1
        for tick in axis.get_major_ticks()
        if tick.label1.get_visible() and tick.label1.get_text()
        if low - slack <= tick.get_loc() <= high + slack
    ]


def test_the_command_names_every_recipe() -> None:
    """Names that the command offers, without importing matplotlib, are those that there are."""
    assert tuple(RECIPES) == NAMES
    assert set(KINDS.values()) <= set(RECIPES)


@pytest.mark.parametrize("recipe", list(RECIPES))
@pytest.mark.parametrize("width", [3.4, 7.0])
def test_text_is_large_enough_inside_and_apart(
    recipe: str, width: float, one_of_each: dict[str, Result]
) -> None:
    """No text is below 7 points or leaves the figure, and labels of one axis do not touch."""
    figure = draw_figure({"one": one_of_each[recipe]}, recipe, width)
    figure.set_dpi(300)
    figure.draw_without_rendering()
    axes = [one for one in figure.axes if one.axison]
    labels = [drawn_labels(axis) for one in axes for axis in (one.xaxis, one.yaxis)]
    titles = [axis.label for one in axes for axis in (one.xaxis, one.yaxis)]
    written = [text for one in figure.axes for text in one.texts]
    shown = [*figure.legends[0].get_texts(), *titles, *written, *(t for row in labels for t in row)]
    shown = [text for text in shown if text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= 7
    for text in shown:
        box = text.get_window_extent()
        assert -1 <= box.x0 < box.x1 <= figure.bbox.width + 1, text
        assert -1 <= box.y0 < box.y1 <= figure.bbox.height + 1, text
    boxes = [[text.get_window_extent() for text in row] for row in labels]
    assert not any(one.overlaps(next_) for row in boxes for one, next_ in pairwise(row))
    for one, other in combinations(titles, 2):
        if one.get_text() and other.get_text():
            assert not one.get_window_extent().overlaps(other.get_window_extent())


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_results_of_another_kind_are_refused(recipe: str, one_of_each: dict[str, Result]) -> None:
    """The error names the kind, and the recipe that draws it."""
    for other, result in one_of_each.items():
        if set(RECIPES[other].takes) & set(RECIPES[recipe].takes):
            continue
        kind = result.get("kind", "correlate")
        with pytest.raises(
            ParameterError, match=f"one is of eval {kind}, and a figure {recipe}"
        ) as e:
            draw_figure({"one": result}, recipe)
        assert other in str(e.value.hint)


def test_bins_of_frequency_are_points() -> None:
    """Each bin is a point at its centre in percent, hollow where it does not bear on r."""
    result = of_frequency("ViT-B-32", recipe="udandarao")
    figure = draw_figure({"x": result}, "accuracy-frequency")
    rows = [row for row in result["bins"] if row["mean"] is not None]
    for used, label in ((True, "bins x"), (False, "bins not in r x")):
        points = lines(figure)[label]
        wanted = [row for row in rows if row["used"] is used]
        assert wanted
        assert points.get_ydata() == pytest.approx([100 * row["mean"] for row in wanted])
        assert points.get_xdata() == pytest.approx([max(row["center"], 1) for row in wanted])
    assert figure.axes[0].get_xscale() == "log"
    assert len(lines(figure)["concepts x"].get_xdata()) == len(result["points"]) == 200
    assert figure.axes[0].get_xlabel() == "samples with the concept in laion"


def test_the_legend_of_frequency_has_both_rs() -> None:
    """The binned r never stands without the unbinned one, and both with what they are over."""
    result = of_frequency("ViT-B-32", "ViT-L-14")
    figure = draw_figure({"x": result}, "accuracy-frequency")
    for text, model in zip(legend(figure), result["models"], strict=True):
        assert text.startswith(
            f"{model['model']}: r = {model['r']:.3f} over {model['n_bins']} bins"
        )
        assert f"{model['r_unbinned']:.2f} [{model['r_unbinned_low']:.2f}, " in text
        assert f"over {model['n_points']:,} concepts" in text
    single = of_frequency("ViT-B-32")
    assert legend(draw_figure({"x": single}, "accuracy-frequency"))[0].startswith("ViT-B-32: r")
    several = draw_figure({"a": single, "b": single}, "accuracy-frequency")
    assert [text.partition(":")[0] for text in legend(several)] == ["a", "b"]


def test_a_bin_without_mean_is_not_drawn() -> None:
    """Nothing is drawn of it, and the others stand where they are."""
    data = of_frequency("ViT-B-32")
    whole = lines(draw_figure({"x": data}, "accuracy-frequency"))["bins x"].get_ydata()
    data["bins"][0].update(mean=None, mean_low=None, mean_high=None)
    drawn = lines(draw_figure({"x": data}, "accuracy-frequency"))["bins x"].get_ydata()
    assert list(drawn) == list(whole)[1:]


def test_concepts_of_count_zero_stand_apart() -> None:
    """Left out of the figures, they stand behind a line; published as one, at 1."""
    figure = draw_figure({"x": of_frequency("m")}, "accuracy-frequency")
    assert figure.axes[0].get_xticklabels()[0].get_text() == "0"
    assert (lines(figure)["concepts x"].get_xdata() < 1).sum() == 9
    figure = draw_figure({"x": of_frequency("m", recipe="udandarao")}, "accuracy-frequency")
    assert figure.axes[0].get_xticklabels()[0].get_text() == "0, 1"
    assert (lines(figure)["concepts x"].get_xdata() == 1).sum() >= 9


def test_metrics_do_not_mix() -> None:
    """One axis shows one metric; what is no share is drawn as it is."""
    result = of_frequency("m")
    other = {**result, "metric": "clip_score"}
    with pytest.raises(ParameterError, match="accuracy, clip_score"):
        draw_figure({"a": result, "b": other}, "accuracy-frequency")
    figure = draw_figure({"b": other}, "accuracy-frequency")
    assert max(lines(figure)["bins b"].get_ydata()) <= 1
    assert figure.axes[0].get_ylabel().startswith("clip_score")


def test_too_many_models() -> None:
    """More models than can be told apart are refused."""
    result = of_frequency("m")
    many = {"kind": "frequency", "models": [{**result, "model": f"m{k}"} for k in range(8)]}
    with pytest.raises(ParameterError, match="8 models"):
        draw_figure({"x": many}, "accuracy-frequency")


def test_ranks_and_shares_of_the_long_tail() -> None:
    """Pooled counts by rank with the law over its tail, and shares under n below."""
    result = of_long_tail("text")
    figure = draw_figure({"laion": result}, "long-tail")
    pooled = result["tails"][-1]
    assert pooled["dataset"] == "pooled"
    ranks = lines(figure)["ranks laion"]
    assert list(ranks.get_ydata()) == [row["count"] for row in pooled["curve"]]
    law = lines(figure)["law laion"]
    slope = np.diff(np.log(law.get_ydata())) / np.diff(np.log(law.get_xdata()))
    assert slope == pytest.approx(-1 / (pooled["zipf"]["alpha"] - 1))
    assert law.get_ydata()[-1] == pytest.approx(pooled["zipf"]["x_min"])
    shares = lines(figure, 1)["shares laion"]
    assert shares.get_ydata() == pytest.approx([100 * row["share"] for row in pooled["under"]])
    (text,) = legend(figure)
    assert "200 concepts, 9 never seen; Gini 0." in text
    assert f"exponent {pooled['zipf']['alpha']:.2f} [" in text


def test_several_tails_are_told_apart() -> None:
    """Each search is a series of its own, named by what differs; without a law it is said."""
    result = of_long_tail("tags", "text")
    assert [t.partition(":")[0] for t in legend(draw_figure({"x": result}, "long-tail"))] == [
        "tags", "text",
    ]  # fmt: skip
    for tail in result["tails"]:
        tail["zipf"] = None
    figure = draw_figure({"x": result}, "long-tail")
    assert "too few for a power law" in legend(figure)[0]
    assert "law tags" not in lines(figure)
    both = draw_figure({"x": of_long_tail("text"), "y": of_long_tail("text")}, "long-tail")
    assert [t.partition(":")[0] for t in legend(both)] == ["x", "y"]


def test_agreement_of_two() -> None:
    """A dot a joined concept, zeros behind a line, and all figures in the legend."""
    result = of_agreement("cc3m", "laion")
    figure = draw_figure({"x": result}, "agreement")
    (pair,) = result["pairs"]
    dots = lines(figure)["concepts cc3m laion"]
    assert len(dots.get_xdata()) == pair["n_both"] == 200
    seen = np.array([point["n_a"] > 0 for point in pair["points"]])
    assert (dots.get_xdata()[~seen] < min(dots.get_xdata()[seen])).all()
    (text,) = legend(figure)
    assert f"r = {pair['pearson_log']:.2f} [" in text
    assert f"{pair['n_used']:,} concepts seen in both" in text
    assert figure.axes[0].get_xlabel() == "samples in cc3m"


def test_agreement_of_three_is_a_matrix() -> None:
    """Dots below the diagonal, figures above it, names on it."""
    result = of_agreement("one", "two", "three")
    figure = draw_figure({"x": result}, "agreement")
    assert len(figure.axes) == 9
    assert "concepts one three" in lines(figure, 6)
    written = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert written[0] == "one"
    assert f"r {result['pairs'][0]['pearson_log']:.2f}" in written[1]
    with pytest.raises(ParameterError, match="7 data sets"):
        draw_figure({"x": of_agreement(*"abcdefg")}, "agreement")
    with pytest.raises(ParameterError, match="2 results, expected 1"):
        draw_figure({"x": result, "y": result}, "agreement")


def test_questions_have_words_of_their_own(one_of_each: dict[str, Result]) -> None:
    """vqa-pmi is accuracy-pmi with other words."""
    result = one_of_each["vqa-pmi"]
    figure, plain = (draw_figure({"x": result}, name) for name in ("vqa-pmi", "accuracy-pmi"))
    assert figure.axes[0].get_ylabel().startswith("VQA accuracy")
    assert figure.axes[1].get_xlabel() == "mean PMI of question and answer (nats)"
    assert plain.axes[1].get_xlabel() == "PMI (nats)"
    for label in ("bins x", "unseen x"):
        assert list(lines(figure)[label].get_ydata()) == list(lines(plain)[label].get_ydata())


@pytest.mark.parametrize(
    ("recipe", "damage", "message"),
    [
        ("accuracy-frequency", lambda d: d["models"][0].pop("r_unbinned"), "r_unbinned is missing"),
        ("accuracy-frequency", lambda d: d["models"][0].update(points=None), "points"),
        ("accuracy-frequency", lambda d: d["models"].clear(), "models is empty"),
        ("accuracy-frequency", lambda d: d["models"][0]["bins"][0].update(used=1), "used is 1"),
        (
            "accuracy-frequency",
            lambda d: d["models"][0]["points"][0].update(count=1.5),
            "count is 1.5, expected a whole number",
        ),
        (
            "accuracy-frequency",
            lambda d: d["models"][0]["points"][0].update(value=10**400),
            "expected a number",
        ),
        ("accuracy-frequency", lambda d: d["models"][0].update(r=True), "r is True"),
        ("long-tail", lambda d: d["tails"][0].pop("curve"), "curve"),
        ("long-tail", lambda d: d["tails"][0]["curve"][0].update(count=0), "is below 1"),
        ("long-tail", lambda d: d["tails"][0]["under"].clear(), "or missing"),
        ("long-tail", lambda d: d["tails"][-1].pop("zipf"), "zipf is missing"),
        ("long-tail", lambda d: d["tails"][-1]["zipf"].update(alpha=1), "alpha above 1"),
        ("long-tail", lambda d: d["tails"][-1]["zipf"].update(alpha=None), "alpha above 1"),
        ("long-tail", lambda d: d.update(tails=[]), "tails is empty"),
        ("long-tail", lambda d: d["tails"][-1]["zipf"].update(alpha="2"), "alpha is '2'"),
        ("agreement", lambda d: d["pairs"][0].pop("points"), "points"),
        ("agreement", lambda d: d["pairs"][0].update(a="z"), "pairs are not those of the sets"),
    ],
)
def test_damaged_results(
    recipe: str, damage: Any, message: str, one_of_each: dict[str, Result]
) -> None:
    """What is missing or of another type is named, with how such results are made."""
    result = json.loads(json.dumps(one_of_each[recipe]))
    damage(result)
    with pytest.raises(TableError, match=message) as caught:
        check_result(result, "x.json")
    assert f"eval {result['kind']}" in str(caught.value.hint)


def test_command(tmp_path: Path, one_of_each: dict[str, Result]) -> None:
    """`eval figure --recipe` writes the picture; the older --kind still names three of them."""
    for name, recipe in (("a", "agreement"), ("b", "bins")):
        (tmp_path / f"{name}.json").write_text(json.dumps(one_of_each[recipe]))
    a, b = str(tmp_path / "a.json"), str(tmp_path / "b.json")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["eval", "figure", *arguments])

    done = run(a, "--recipe", "agreement", "-o", str(tmp_path / "a.pdf"))
    assert done.exit_code == 0, done.output
    assert b"--recipe agreement a=sha256:" in (tmp_path / "a.pdf").read_bytes()
    for how in (["--kind", "bins"], ["--recipe", "bins"]):
        run(b, *how, "-o", str(tmp_path / f"{how[0]}.svg"))
    old, new = ((tmp_path / f"{how}.svg").read_bytes() for how in ("--kind", "--recipe"))
    assert old == new
    assert run(b, "--kind", "bins", "--recipe", "bins").exit_code == 2
    assert isinstance(run(a).exception, ParameterError)


def test_a_report_on_frequencies(tmp_path: Path, one_of_each: dict[str, Result]) -> None:
    """They stand alone, or in a part of their own beside results of eval correlate."""
    names = ("accuracy-pmi", "accuracy-frequency", "long-tail", "agreement")
    places = [tmp_path / f"{name}.json" for name in names]
    for name, place in zip(names, places, strict=True):
        place.write_text(json.dumps(one_of_each[name]))

    def page(*arguments: object) -> str:
        output = tmp_path / "report.html"
        done = CliRunner().invoke(
            cli, ["eval", "report", *map(str, arguments), "-o", str(output), "--overwrite"]
        )
        if done.exception:
            raise done.exception
        return output.read_text(encoding="utf-8")

    alone = page(*places[1:])
    assert "<title>Frequency of concepts</title>" in alone
    assert alone.count("data:image/svg+xml") == 3
    assert "Best and worst pairs" not in alone
    assert "ViT-L-14 laion" in alone
    assert "cc3m, laion" in alone
    beside = page(*places)
    assert "<title>Accuracy against PMI</title>" in beside
    assert beside.count("data:image/svg+xml") == 6
    with pytest.raises(ParameterError, match="go with a result of eval correlate"):
        page(places[1], "--examples", tmp_path / "x.parquet")
    places[3].write_text(json.dumps(of_agreement(*"abcdefg")))
    assert "There is no figure: 7 data sets" in page(places[3])


def test_published_figures(test_data: Path, tmp_path: Path) -> None:
    """From published counts and results to a figure in two commands."""
    folder = test_data / "data" / "frequency"
    result, figure = tmp_path / "frequency.json", tmp_path / "frequency.png"
    for arguments in (
        ["frequency", "--counts", str(folder / "search_counts"), "--results",
         str(folder / "zero_shot"), "--pretraining", "laion400m", "--search",
         "integrated_tlemmatized_i0.7", "--recipe", "udandarao", "--bootstrap", "20", "--model",
         "backboneViT-B-32_pretrainedlaion400m", "-o", str(result)],
        ["figure", str(result), "--recipe", "accuracy-frequency", "-o", str(figure)],
    ):  # fmt: skip
        done = CliRunner().invoke(cli, ["eval", *arguments])
        assert done.exit_code == 0, done.output
    assert figure.stat().st_size > 20_000
    drawn = draw_figure({"x": json.loads(result.read_text())}, "accuracy-frequency")
    assert legend(drawn)[0].startswith("ViT-B-32: r = 0.986 over 9 bins (filled), 0.29 [")
