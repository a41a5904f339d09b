"""`eval frequency`: from files to the published numbers, and to honest ones beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from conceptstats import build_index
from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.eval.frequency.run import frequency, frequency_files, read_accuracies
from conceptstats.eval.frequency.settings import Settings
from conceptstats.table_files import save_table
from conceptstats.tables import ACCURACIES, COUNTS

DATASETS = ("birds", "cars", "foods", "rooms")
SEARCH = "integrated_tlemmatized_i0.7"


def counts(**columns: str) -> pa.Table:
    """Four data sets of 12 concepts, each four times as frequent as the one before."""
    rows = [
        (d, f"{d} {k}", 4**k, columns.get("pretraining", "web"), columns.get("search", "text"))
        for d in DATASETS
        for k in range(12)
    ]
    return pa.table(list(map(list, zip(*rows, strict=True))), schema=COUNTS)


def results(
    model: str = "m", pretrained: str | None = None, metric: str = "accuracy", scale: float = 1.0
) -> pa.Table:
    """Values that rise with frequency, with a level a data set, and one for each data set."""
    rows: list[tuple[Any, ...]] = []
    for i, d in enumerate(DATASETS):
        rows.append((d, None, metric, 0.5 * scale, 600, model, pretrained))
        for k in range(12):
            value = 0.2 + 0.1 * i + 0.03 * k + 0.02 * (7 * k % 5)
            rows.append((d, f"{d} {k}", metric, value * scale, 50, model, pretrained))
    return pa.table(list(map(list, zip(*rows, strict=True))), schema=ACCURACIES)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["eval", "frequency", *map(str, arguments)])


def document(*arguments: object) -> Mapping[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """counts.parquet and results.csv."""
    folder = tmp_path_factory.mktemp("frequency")
    save_table(folder / "counts.parquet", counts(), COUNTS)
    save_table(folder / "results.csv", results(), ACCURACIES)
    return folder


@pytest.fixture
def published(test_data: Path) -> Path:
    return test_data / "data" / "frequency"


@pytest.mark.parametrize(
    ("model", "r", "unbinned"),
    [("ViT-B-32", 0.9858, 0.2899), ("ViT-B-16", 0.9760, 0.2911), ("ViT-L-14", 0.9441, 0.2620)],
)
def test_published_trend_is_reproduced(
    published: Path, model: str, r: float, unbinned: float
) -> None:
    """R over bins as Udandarao et al. have it for LAION-400M, and the r over points beside it."""
    found = document(
        "--counts", published / "search_counts", "--results", published / "zero_shot",
        "--pretraining", "laion400m", "--search", SEARCH, "--recipe", "udandarao",
        "--model", f"backbone{model}_pretrainedlaion400m", "--bootstrap", 50,
    )  # fmt: skip
    assert found["r"] == pytest.approx(r, abs=1e-4)
    assert (found["n_points"], found["n_bins"]) == (4469, 9)
    assert found["r_unbinned"] == pytest.approx(unbinned, abs=1e-4)
    assert found["n_zero"] == 1740
    assert found["other"]["n_points"] == 4469 - 1740
    # The bins that bear on the published r hold no zeros.
    assert found["other"]["r"] == pytest.approx(found["r"])
    datasets = {row["dataset"]: row for row in found["joined"]}
    assert datasets["cifar10"]["n_by_alias"] == 1
    assert all(row["n_without_count"] == 0 for row in datasets.values())
    assert (datasets["coco"]["n_matched"], datasets["coco"]["n_without_result"]) == (0, 712)
    assert any("left out: imagenet-r" in note for note in found["notes"])


def test_honest_figures_of_published_data(published: Path) -> None:
    """One folder for both; the slope within data sets is above 0, and the r over points is low."""
    found = document(
        "--counts", published, "--results", published, "--pretraining", "laion400m",
        "--search", SEARCH, "--model", "ViT-B-32", "--bootstrap", 200,
    )  # fmt: skip
    assert (found["recipe"], found["zeros"], found["n_points"]) == ("honest", "left out", 2922)
    assert found["r_low"] < found["r"] < 1
    assert 0 < found["r_unbinned_low"] < found["r_unbinned"] < 0.35
    within = found["fits"]["within"]
    assert 0 < within["slope_per_decade_low"] < within["slope_per_decade"] < 0.06
    mixed = found["fits"]["mixed"]
    assert mixed["converged"]
    assert mixed["problem"] is None
    assert {row["n_bins"]: row["r"] for row in found["r_by_bins"]}[5] > found["r_unbinned"]
    level = found["fits"]["compared"]["linear_minus_isotonic"]
    assert abs(level) < 0.01


def test_one_model_is_flat_and_several_are_listed(files: Path, tmp_path: Path) -> None:
    """The document of a model is the same, alone or among others."""
    other = tmp_path / "other.parquet"
    save_table(other, results("big", "web"), ACCURACIES)
    arguments = ["--counts", files / "counts.parquet", "--results", files / "results.csv",
                 "--bootstrap", 0]  # fmt: skip
    alone = document(*arguments)
    both = document(*arguments, "--results", other)
    assert [model["model"] for model in both["models"]] == ["m", "big"]
    assert both["models"][0] == alone
    chosen = document(*arguments, "--results", other, "--model", "big/web", "--model", "m")
    assert [model["model"] for model in chosen["models"]] == ["big", "m"]
    done = run(*arguments, "--results", other)
    assert "big/web" in done.stdout


def test_notes_stand_below_several_models_too(files: Path, tmp_path: Path) -> None:
    """Each once: those on all models as they are, those on some with their names before."""
    lost = results("big", "cc3m").slice(0, 2).to_pylist()[1] | {"concept": "phoenix"}
    table = pa.concat_tables(
        [results("big", "cc3m"), pa.Table.from_pylist([lost], schema=ACCURACIES)]
    )
    save_table(tmp_path / "other.parquet", table, ACCURACIES)
    done = run("--counts", files / "counts.parquet", "--results", files / "results.csv",
               "--results", tmp_path / "other.parquet", "--max-unmatched", 0.1,
               "--bootstrap", 0)  # fmt: skip
    assert done.exit_code == 0, done.output
    notes = [line for line in done.stdout.splitlines() if line.startswith("- ")]
    assert any(note.startswith("- big/cc3m: 1 results have no count") for note in notes)
    assert any(note.startswith("- big/cc3m: The model was trained on cc3m") for note in notes)
    assert len([note for note in notes if "grows with the size of the bins" in note]) == 1
    assert not any(note.startswith("- m: A binned r") for note in notes)


def test_a_result_is_enough_to_draw_from(files: Path, tmp_path: Path) -> None:
    """The file holds points, bins and fits, and the run that made it."""
    output = tmp_path / "result.json"
    done = run("--counts", files / "counts.parquet", "--results", files / "results.csv",
               "--bootstrap", 50, "-o", output)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"written: {output}" in done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["kind"] == "frequency"
    assert len(found["points"]) == 48
    assert found["points"][1] == {
        "dataset": "birds", "concept": "birds 1", "count": 4, "value": pytest.approx(0.27), "n": 50,
    }  # fmt: skip
    assert sum(b["n"] for b in found["bins"]) == 48
    assert set(found["bins"][0]) == {
        "low", "high", "center", "mean", "mean_low", "mean_high", "n", "used"
    }  # fmt: skip
    linear = found["fits"]["linear"]
    assert linear["intercept"] + linear["slope_per_decade"] * 3 == pytest.approx(0.52, abs=0.05)
    knots = found["fits"]["isotonic"]
    assert knots[0]["count"] == 1
    assert knots[-1]["count"] == 4**11
    run_of = found["run"]
    assert run_of["command"] == "eval frequency"
    assert set(run_of["inputs"]) == {str(files / "counts.parquet"), str(files / "results.csv")}
    assert "statsmodels" in run_of["versions"]
    with pytest.raises(OutputExistsError):
        frequency_files([files / "results.csv"], output, counts=[files / "counts.parquet"])


def test_readable_output_says_what_was_done(files: Path) -> None:
    """Figures, bins and notes; nothing of it on standard error."""
    done = run("--counts", files / "counts.parquet", "--results", files / "results.csv",
               "--bootstrap", 50)  # fmt: skip
    assert done.exit_code == 0, done.output
    for text in ("r over 12 bins", "r over points", "within data sets", "isotonic", "in r", "- "):
        assert text in done.stdout
    assert not done.stderr


def test_scores_of_any_scale(tmp_path: Path) -> None:
    """A metric that is no share keeps its unit; only r does not depend on it."""
    share, score = (
        frequency(counts(), results(metric=name, scale=scale),
                  settings=Settings(metric=name, n_bootstrap=0)).models[0]
        for name, scale in (("accuracy", 1.0), ("aesthetics", 10.0))
    )  # fmt: skip
    assert score.r.value == pytest.approx(share.r.value)
    assert score.slope_per_decade.value == pytest.approx(10 * (share.slope_per_decade.value or 0))
    assert (score.mean, score.sd) == (pytest.approx(10 * share.mean), pytest.approx(10 * share.sd))


def test_a_metric_must_be_named_where_there_are_several() -> None:
    """Recall at 1 and at 5 are not put together."""
    both = pa.concat_tables([results(metric="i2t_recall@1"), results(metric="i2t_recall@5")])
    with pytest.raises(ParameterError, match="2 metrics: i2t_recall@1, i2t_recall@5"):
        frequency(counts(), both)
    with pytest.raises(TableError, match="of metric 'accuracy'"):
        frequency(counts(), both, settings=Settings(metric="accuracy"))
    settings = Settings(metric="i2t_recall@5", recipe="udandarao", n_bootstrap=0)
    found = frequency(counts(), both, settings=settings).models[0]
    assert len(found.bins) == 7
    assert any("7 points" in note for note in found.notes)


def test_the_published_recipe_of_generation() -> None:
    """Concepts with five scores or fewer are left out, and r is over the last four of 7 points.

    The words of the published code: x[-4:] against means[-4:].
    """
    table = results(metric="human_align", scale=5.0)
    n = [5 if (concept or "").endswith(" 0") else 6 for concept in table["concept"].to_pylist()]
    table = table.set_column(4, ACCURACIES.field("n"), pa.array(n, pa.int64()))
    settings = Settings(recipe="udandarao", n_bootstrap=0)
    found = frequency(counts(), table, settings=settings).models[0]
    assert (found.n_points, found.n_bins) == (44, 4)
    x = np.log([float(n) for n in found.points["count"].to_pylist()])
    y = np.array(found.points["value"].to_pylist())
    marks = np.linspace(x.min(), x.max(), 7)
    bins = np.digitize(x, marks, right=True)
    means = [y[bins == k].mean() for k in range(7)]
    assert found.r.value == pytest.approx(np.corrcoef(marks[-4:], means[-4:])[0, 1])
    assert any("4 results are over fewer than 6 examples" in note for note in found.notes)
    assert any("leaves out the first three" in note for note in found.notes)


@pytest.mark.parametrize(
    ("metric", "value", "message"),
    [
        ("accuracy", 65.0, "48 values of accuracy, such as .* are no shares from 0 to 1"),
        ("i2t_recall@5", -0.1, "no shares from 0 to 1"),
        ("human_align", float("inf"), "no finite numbers"),
        ("human_align", float("nan"), "such as nan of 'birds 0' in 'birds', are no finite"),
    ],
)
def test_values_outside_their_range_are_refused(metric: str, value: float, message: str) -> None:
    """Percent for shares, infinities and NaN are named, and never drawn or left out."""
    table = results(metric=metric)
    table = table.set_column(3, ACCURACIES.field("value"), pa.array([value] * table.num_rows))
    with pytest.raises(TableError, match=message):
        frequency(counts(), table)


def test_no_results_are_said_for_what_they_are() -> None:
    """An empty table, only values of whole data sets, only concepts over too few examples."""
    with pytest.raises(TableError, match="the results are empty"):
        frequency(counts(), results().slice(0, 0))
    with pytest.raises(TableError, match="only values of whole data sets"):
        frequency(counts(), results().slice(0, 1))
    for n, min_n in ((0, 1), (50, 51)):
        column = pa.array([n] * results().num_rows, pa.int64())
        table = results().set_column(4, ACCURACIES.field("n"), column)
        with pytest.raises(TableError, match=f"all 48 results are over fewer than {min_n} exam"):
            frequency(counts(), table, settings=Settings(min_n=min_n))


def test_a_binned_r_that_is_not_there_is_said() -> None:
    """Of two counts there are two bins, whose r would be 1 or -1 whatever they hold."""
    table = counts()
    n = [1 if (n or 0) < 1000 else 1000 for n in table["n_captions"].to_pylist()]
    table = table.set_column(2, COUNTS.field("n_captions"), pa.array(n, pa.int64()))
    found = frequency(table, results(), settings=Settings(n_bootstrap=0)).models[0]
    assert found.r.value is None
    assert found.r_unbinned.value is not None
    assert any("The binned r is not given: it is over 2 bins" in note for note in found.notes)


def test_too_few_replicates_are_said() -> None:
    """One replicate is no interval."""
    found = frequency(counts(), results(), settings=Settings(n_bootstrap=1)).models[0]
    assert found.r_unbinned.value is not None
    assert found.r_unbinned.low is None
    assert any("1 bootstrap replicates are too few" in note for note in found.notes)


def test_counts_must_be_of_one_kind(tmp_path: Path) -> None:
    """Counts by text and by tags are chosen from, never added up."""
    both = pa.concat_tables([counts(), counts(search="tags")])
    with pytest.raises(ParameterError, match="2 values of search"):
        frequency(both, results())
    save_table(tmp_path / "counts.csv", both, COUNTS)
    save_table(tmp_path / "results.parquet", results(), ACCURACIES)
    found = document("--counts", tmp_path / "counts.csv", "--results", tmp_path / "results.parquet",
                     "--search", "tags", "--bootstrap", 0)  # fmt: skip
    assert found["search"] == "tags"


def test_data_sets_and_small_concepts_can_be_left_out() -> None:
    """Only those asked for; concepts over few examples are counted and said."""
    table = results()
    n = [
        5 if concept and concept.endswith(" 3") else 50 for concept in table["concept"].to_pylist()
    ]
    table = table.set_column(4, ACCURACIES.field("n"), pa.array(n, pa.int64()))
    settings = Settings(datasets=("birds", "Cars", "rooms"), min_n=20, n_bootstrap=0)
    found = frequency(counts(), table, settings=settings).models[0]
    assert found.n_points == 33
    assert found.weights == "n"
    assert any("left out: foods" in note for note in found.notes)
    assert any("3 results are over fewer than 20" in note for note in found.notes)
    with pytest.raises(TableError, match="no data set 'boats'"):
        frequency(counts(), table, settings=Settings(datasets=("boats",)))


def test_another_pretraining_is_said() -> None:
    """Counts of one set of captions say little of a model that was trained on another."""
    settings = Settings(n_bootstrap=0)
    other, same = (
        frequency(counts(pretraining="cc3m"), results("m", name), settings=settings).models[0]
        for name in ("laion400m", "cc3m_e10")
    )
    assert any("was trained on laion400m" in note for note in other.notes)
    assert not any("was trained on" in note for note in same.notes)


def test_lost_rows_are_shown_or_refused(files: Path, tmp_path: Path) -> None:
    """A results table with a concept that was not counted."""
    extra = results().slice(0, 2).to_pylist()[1] | {"concept": "phoenix"}
    table = pa.concat_tables([results(), pa.Table.from_pylist([extra], schema=ACCURACIES)])
    save_table(tmp_path / "results.parquet", table, ACCURACIES)
    arguments = ["--counts", files / "counts.parquet", "--results", tmp_path / "results.parquet",
                 "--bootstrap", 0]  # fmt: skip
    done = run(*arguments)
    assert done.exit_code == 1
    assert "1 of 49 results have no count, such as 'phoenix' of 'birds'" in str(done.exception)
    found = document(*arguments, "--max-unmatched", 0.05)
    assert any("birds 1 (no count under these names" in note for note in found["notes"])
    found = document(*arguments, "--alias", "phoenix=birds 0")
    assert found["joined"][0]["n_by_alias"] == 1
    assert run(*arguments, "--alias", "phoenix").exit_code == 2


def test_counts_come_from_an_index(tmp_path: Path) -> None:
    """Concepts of the results are looked up; the index gives its name to the counts."""
    words = [f"q{'bcdfghjklmnprstv'[k]}o" for k in range(12)]
    lines = [f"{word} a{d}o" for k, word in enumerate(words) for d in "bcd" for _ in range(2**k)]
    (tmp_path / "captions.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    build_index(tmp_path / "captions.txt", tmp_path / "small")
    rows = [
        (d, word, "accuracy", 0.1 + 0.05 * k + 0.01 * (k % 3), None, "m", None)
        for d in DATASETS
        for k, word in enumerate([*words[:11], f"{words[0]} {words[1]}"])
    ]
    table = pa.table(list(map(list, zip(*rows, strict=True))), schema=ACCURACIES)
    save_table(tmp_path / "results.parquet", table, ACCURACIES)
    arguments = ["--index", tmp_path / "small", "--results", tmp_path / "results.parquet",
                 "--bootstrap", 0]  # fmt: skip
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "4 of several words under profile 'words'" in str(refused.exception)
    assert "--profile concepts" in str(refused.exception)
    found = document(*arguments, "--max-unmatched", 0.1, "--search", "text")
    assert (found["pretraining"], found["search"], found["n_points"]) == ("small", "text", 44)
    assert found["spearman"] > 0.9
    assert sum(row["n_without_count"] for row in found["joined"]) == 4


def test_either_counts_or_an_index(files: Path) -> None:
    """Both, or neither, is an error; so is an index as counts, or a model that is not there."""
    index = files / "index"
    index.mkdir(exist_ok=True)
    (index / "index.json").touch()
    done = run("--results", files / "results.csv", "--counts", index)
    assert done.exit_code == 1
    assert f"{index} is an index, not counts. Hint: --index {index}" in str(done.exception)
    for arguments in ([], ["--counts", files / "counts.parquet", "--index", files]):
        done = run("--results", files / "results.csv", *arguments)
        assert done.exit_code == 1
        assert "expected either counts or an index" in str(done.exception)
    done = run("--counts", files / "counts.parquet", "--results", files / "results.csv",
               "--model", "ViT-Z")  # fmt: skip
    assert done.exit_code == 1
    assert "no model 'ViT-Z'" in str(done.exception)
    assert "there are: m" in str(done.exception)


@pytest.mark.parametrize(
    "wrong", [{"weights": "n"}, {"n_bootstrap": -1}, {"min_n": 0}, {"level": 1.0}]
)
def test_settings_have_ranges(wrong: dict[str, Any]) -> None:
    """A setting outside its range is an error before anything is read."""
    with pytest.raises(ParameterError):
        Settings(**wrong)


def test_prompts_of_published_results(tmp_path: Path) -> None:
    """Results with two sets of prompts are two values of a concept, until one set is chosen."""
    for name, value in (("ensemble", 60.0), ("simple", 50.0)):
        data = {"backboneM_pretrainedweb": {"full": value, "classwise": {"cat": value}}}
        path = tmp_path / f"pets_{name}_results.json"
        path.write_text(json.dumps(data), encoding="utf-8")
    for prompts in ("simple", "Simple"):
        table = read_accuracies([tmp_path], prompts=prompts)
        assert table["value"].to_pylist() == [0.5, 0.5]
    pets = pa.table([["pets"], ["cat"], [3], ["web"], ["text"]], schema=COUNTS)
    with pytest.raises(TableError, match="1 concepts have several values") as caught:
        frequency(pets, read_accuracies([tmp_path]))
    assert "--prompts NAME" in str(caught.value.hint)
    with pytest.raises(TableError, match="there are: ensemble, simple"):
        read_accuracies([tmp_path], prompts="class")
