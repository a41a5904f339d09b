"""Concept frequency against a metric by concept: from tables or files to results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, TableError
from conceptstats.index import CaptionIndex
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import ENDINGS, conform, load_table
from conceptstats.tables import ACCURACIES, COUNTS, writing

from ..importers.udandarao import read_results
from .caveats import LeftOut, caveats
from .concept_counts import check_one, is_index, read_concept_counts
from .fits import fit_shapes
from .index_counts import count_in_index
from .input_files import fingerprints
from .join import ALIASES, JoinedPoints, Unknown, join_points, level_name
from .metrics import is_share
from .recipes import Recipe, Zeros, choose_recipe
from .results import Frequencies, Frequency
from .settings import Settings
from .trend import estimate_trend, read_points

_PACKAGES = ("statsmodels",)  # whose versions the record names
_SHOWN = 8  # names that a message shows


class _Model(NamedTuple):
    """One model of the results."""

    model: str
    pretrained: str | None

    @property
    def names(self) -> set[str]:
        """What it answers to."""
        if self.pretrained is None:
            return {self.model}
        published = f"backbone{self.model}_pretrained{self.pretrained}"
        return {self.model, published, f"{self.model}/{self.pretrained}"}


def frequency_files(
    results: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    counts: Sequence[str | Path] = (),
    index: str | Path | None = None,
    pretraining: str | None = None,
    search: str | None = None,
    models: Sequence[str] = (),
    overwrite: bool = False,
    **options: Any,
) -> Frequencies:
    """`frequency` of files, written as JSON with its run record.

    Parameters
    ----------
    results : sequence of path
        Tables of accuracies (.parquet, .csv, .arrow), or files and folders as
        `conceptstats.eval.importers.udandarao` reads them.
    output : path, optional
        Checked first, so that no long computation is in vain.
    counts : sequence of path
        Tables of counts, or published counts.
    index : path, optional
        Take counts from this caption index instead.
    pretraining, search : str, optional
        Which of the counts; of an index, what it is called in the result.
    models : sequence of str
        Such as ``ViT-B-32``, ``ViT-B-32/laion400m`` or
        ``backboneViT-B-32_pretrainedlaion400m``; empty: all.
    overwrite : bool
    **options
        Fields of `Settings`.

    Raises
    ------
    ParameterError
        Unless either counts or an index is given, and no index among the counts.
    OutputExistsError, OutputError
        And what `frequency` and the readers raise.
    """
    if bool(counts) == (index is not None):
        raise ParameterError("expected either counts or an index.", "--counts DIR or --index INDEX")
    for path in counts:
        if is_index(Path(path)):
            raise ParameterError(f"{path} is an index, not counts.", f"--index {path}")
    if output is None:
        return _compute(results, counts, index, pretraining, search, models, Settings(**options))
    with writing(Path(output), overwrite=overwrite) as unfinished:
        found = _compute(results, counts, index, pretraining, search, models, Settings(**options))
        inputs = [Path(p) for p in (*counts, *([index] if index else []), *results)]
        arguments = {
            "pretraining": pretraining, "search": search, "models": list(models), **options
        }  # fmt: skip
        record = run_record(
            "eval frequency", arguments, fingerprints(inputs), found.seed, packages=_PACKAGES
        )
        dump_json(unfinished, {**found.to_json(), "run": record})
    return found


def _compute(
    results: Sequence[str | Path],
    counts: Sequence[str | Path],
    index: str | Path | None,
    pretraining: str | None,
    search: str | None,
    models: Sequence[str],
    settings: Settings,
) -> Frequencies:
    table = read_accuracies(results, prompts=settings.prompts)
    if index is not None:
        opened = CaptionIndex.open(index)
        name = pretraining or opened.path.resolve().name
        counted, unknown = count_in_index(opened, table, pretraining=name, search=search)
        return frequency(counted, table, models=models, unknown=unknown, settings=settings)
    parts = [read_concept_counts(path, pretraining=pretraining, search=search) for path in counts]
    return frequency(pa.concat_tables(parts), table, models=models, settings=settings)


def read_accuracies(paths: Sequence[str | Path], *, prompts: str | None = None) -> pa.Table:
    """Results of tables and of published files, one below the other, with a column ``prompts``.

    Raises
    ------
    TableError
        When one is missing or damaged, or none has values with these prompts.
    """
    parts = []
    for path in map(Path, paths):
        table = load_table(path, ACCURACIES) if path.suffix in ENDINGS else read_results(path)
        if "prompts" not in table.column_names:
            table = table.append_column("prompts", pa.nulls(table.num_rows, pa.string()))
        parts.append(table.select([*ACCURACIES.names, "prompts"]))
    if not parts:
        raise TableError("no results are given.", "--results DIR")
    table = pa.concat_tables(parts)
    if prompts is None:
        return table
    fitting = pc.equal(pc.utf8_lower(table["prompts"]), prompts.lower())
    found = table.filter(fitting)
    if not found.num_rows:
        raise TableError(
            f"no results have prompts {prompts!r}.", f"there are: {_listed(table, 'prompts')}"
        )
    return found


def frequency(
    counts: pa.Table,
    results: pa.Table,
    *,
    models: Sequence[str] = (),
    unknown: Unknown | None = None,
    settings: Settings | None = None,
) -> Frequencies:
    """Set a metric by concept against the frequency of concepts, for each model.

    Parameters
    ----------
    counts : Table
        `conceptstats.tables.COUNTS`, of one pretraining and search.
    results : Table
        `conceptstats.tables.ACCURACIES`. Values of accuracy and the like are shares from 0 to 1,
        those of other metrics of any scale.
    models : sequence of str
        Empty: all.
    unknown : mapping, optional
        Why concepts have no count, where that is known; see `join.join_points`.
    settings : Settings, optional
        recipe: "honest" or "udandarao", see `recipes`; metric: needed where the results have
        several; datasets: only these; n_bins: of recipe honest; weights: "auto" weighs a point by
        the examples that it is over, where that is known of all; min_n: concepts whose value is
        over fewer examples are left out; aliases, max_unmatched: see `join.join_points`, added to
        its own; n_bootstrap, seed, level: of the bootstrap over data sets.

    Returns
    -------
    Frequencies

    Raises
    ------
    TableError, ParameterError
        When counts or results are of several kinds, there is no such model or metric, or a value is
        not finite or no share.
    StatisticsError
        When fewer than 20 concepts have a count above 0, or nothing varies.
    """
    settings = settings or Settings()
    counts, results = conform(counts, COUNTS, "counts"), conform(results, ACCURACIES, "results")
    check_one(counts, ["pretraining", "search"], "counts")
    if not results.num_rows:
        raise TableError("the results are empty.")
    results = results.filter(pc.is_valid(results["concept"]))
    if not results.num_rows:
        raise TableError("the results have no concept: only values of whole data sets.")
    metric = settings.metric or _only_metric(results)
    of_metric = results.filter(pc.equal(results["metric"], metric))
    if not of_metric.num_rows:
        raise TableError(
            f"no results by concept are of metric {metric!r}.",
            f"there are: {_listed(results, 'metric')}",
        )
    _check_values(of_metric, metric)
    pretraining, search = _first(counts, "pretraining"), _first(counts, "search")
    recipe = choose_recipe(
        settings.recipe, metric=metric, pretraining=pretraining, n_bins=settings.n_bins
    )
    found = []
    for model in _choose_models(of_metric, models):
        rows = of_metric.filter(
            pc.and_(
                pc.equal(of_metric["model"], model.model),
                pc.equal(of_metric["pretrained"].fill_null(""), model.pretrained or ""),
            )
        )
        rows, left = _choose_rows(rows, recipe, settings)
        joined = join_points(
            counts,
            rows,
            aliases=ALIASES | dict(settings.aliases or {}),
            unknown=unknown,
            max_unmatched=settings.max_unmatched,
        )
        found.append(_analyse(joined, model, metric, (pretraining, search), recipe, settings, left))
    return Frequencies(tuple(found))


def _check_values(rows: pa.Table, metric: str) -> None:
    """Raise unless values are finite, and shares where the metric is one."""
    least, most = (0.0, 1.0) if is_share(metric) else (-np.finfo(float).max, np.finfo(float).max)
    fitting = pc.and_(pc.greater_equal(rows["value"], least), pc.less_equal(rows["value"], most))
    wrong = rows.filter(pc.invert(fitting))  # nan fits nothing
    if wrong.num_rows:
        row = wrong.slice(0, 1).to_pylist()[0]
        raise TableError(
            f"results: {wrong.num_rows:,} values of {metric}, such as {row['value']:g} of "
            f"{row['concept']!r} in {row['dataset']!r}, are no "
            f"{'shares from 0 to 1' if is_share(metric) else 'finite numbers'}.",
            "percent is 100 times a share" if is_share(metric) else None,
        )


def _listed(table: pa.Table, name: str) -> str:
    values = sorted({value for value in table[name].unique().to_pylist() if value})
    more = ", ..." if len(values) > _SHOWN else ""
    return (", ".join(values[:_SHOWN]) or "none") + more


def _first(table: pa.Table, name: str) -> str | None:
    value: str | None = table[name][0].as_py() if table.num_rows else None
    return value


def _only_metric(results: pa.Table) -> str:
    metrics = results["metric"].unique().to_pylist()
    if len(metrics) > 1:
        raise ParameterError(
            f"the results are of {len(metrics)} metrics: {_listed(results, 'metric')}.",
            "--metric NAME",
        )
    return str(metrics[0])


def _choose_models(results: pa.Table, names: Sequence[str]) -> list[_Model]:
    pairs = zip(results["model"].to_pylist(), results["pretrained"].to_pylist(), strict=True)
    models = [_Model(*pair) for pair in dict.fromkeys(pairs)]
    if not names:
        return models
    chosen = []
    for name in names:
        fitting = [model for model in models if name in model.names]
        if not fitting:
            there = sorted("/".join(filter(None, model)) for model in models)
            raise TableError(
                f"the results have no model {name!r}.",
                f"there are: {', '.join(there[:_SHOWN])}{', ...' if len(there) > _SHOWN else ''}",
            )
        chosen += [model for model in fitting if model not in chosen]
    return chosen


def _choose_rows(rows: pa.Table, recipe: Recipe, settings: Settings) -> tuple[pa.Table, LeftOut]:
    """Rows of the data sets asked for, or of those that the recipe has."""
    present = {level_name(name): name for name in rows["dataset"].unique().to_pylist()}
    asked = [level_name(name) for name in settings.datasets]
    if strange := [name for name in settings.datasets if level_name(name) not in present]:
        raise TableError(
            f"the results have no data set {', '.join(map(repr, strange))}.",
            f"there are: {_listed(rows, 'dataset')}",
        )
    published = [level_name(name) for name in recipe.datasets]
    if not asked and any(name in present for name in published):
        asked = published
    left_out = tuple(name for key, name in present.items() if asked and key not in asked)
    missing = () if settings.datasets else tuple(n for n in published if n not in present)
    kept = rows.filter(pc.invert(pc.is_in(rows["dataset"], pa.array(left_out, pa.string()))))
    min_n = max(settings.min_n, recipe.least_n)
    enough = kept.filter(pc.fill_null(pc.greater_equal(kept["n"], min_n), fill_value=True))
    if not enough.num_rows:
        raise TableError(f"all {kept.num_rows:,} results are over fewer than {min_n:,} examples.")
    return enough, LeftOut(left_out, missing, kept.num_rows - enough.num_rows, min_n)


def _analyse(
    joined: JoinedPoints,
    model: _Model,
    metric: str,
    counted: tuple[str | None, str | None],
    recipe: Recipe,
    settings: Settings,
    left: LeftOut,
) -> Frequency:
    """All figures of one model."""
    data = read_points(joined.points, weighted=recipe.weighted and settings.weights == "auto")
    estimate = partial(
        estimate_trend,
        data,
        recipe,
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
        level=settings.level,
    )
    main = estimate(recipe.zeros)
    n_zero = int((data.count == 0).sum())
    mean = float(np.average(data.value, weights=data.weight))
    others: Zeros = "left out" if recipe.zeros == "as one" else "as one"
    other = estimate(others).as_other(others) if n_zero else None
    found = Frequency(
        recipe=recipe.name,
        model=model.model,
        pretrained=model.pretrained,
        metric=metric,
        pretraining=counted[0],
        search=counted[1],
        zeros=recipe.zeros,
        r=main.r,
        n_points=main.n_points,
        n_bins=main.n_bins,
        r_unbinned=main.r_unbinned,
        spearman=main.spearman,
        slope_per_decade=main.slope_per_decade,
        n_zero=n_zero,
        zero_mean=main.zero_mean,
        other=other,
        bins=main.bins,
        r_by_bins=main.r_by_bins,
        fits=fit_shapes(data, recipe.zeros, main, settings.level),
        mean=mean,
        sd=float(np.sqrt(np.average((data.value - mean) ** 2, weights=data.weight))),
        weights=data.weights,
        cluster=data.clusters,
        n_clusters=data.n_clusters,
        level=settings.level,
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
        joined=joined.datasets,
        points=joined.points,
        notes=(),
    )
    return found.with_notes(caveats(found, left))
