"""TextVQA and VQAv2: an LMM's answers against the PMI of the words of question and answer."""

from __future__ import annotations

from pathlib import Path

from conceptstats.text import load_profile
from conceptstats.wordnet import how_to_get

from .steps import (
    PRECISIONS,
    Installed,
    Needs,
    Plan,
    Recipe,
    Setting,
    Step,
    billions,
    captions_steps,
    fetching,
    line,
    operations,
    writing_hours,
)

_IMAGE_TOKENS = 576  # of LLaVA-1.5, a picture
_TEXT_TOKENS = 64  # of a prompt and its answer, about
_WRITTEN = 5  # tokens of an answer, about
_PAPER = Installed(
    f"NLTK with its data: {how_to_get('stopwords', 'wordnet')}", lambda: load_profile("paper")
)

_SHARED = (
    Setting(
        "captions", "relaion-400m", "a manifest's name, or the path of captions that you have", ""
    ),
    Setting("model", "llava-hf/llava-1.5-13b-hf", "what is asked: id on the hub, or a folder", ""),
    Setting("parameters", "13.4e9", "of the model, to reckon what it needs"),
    Setting("precision", "bf16", "of the model", "fp32", PRECISIONS),
    Setting("batch_size", "8", "questions that are asked together"),
    Setting("profile", "paper", "of the index; paper needs NLTK", "words", ("words", "paper")),
    Setting("max_concepts", "20000", "of the index"),
    Setting("formula", "paper", "of PMI", choices=("paper", "document")),
    Setting("answer", "gold", "whose answer belongs to the text", choices=("gold", "predicted")),
    Setting("bins", "20", "of PMI; the paper does not say how many", "10"),
    Setting("bootstrap", "1000", "replicates", "100"),
    Setting("permutations", "1000", "of the test", "100"),
)


def _textvqa(plan: Plan) -> list[Step]:
    if plan.tiny:
        return _tiny(plan, "textvqa")
    folder = plan.at("textvqa")
    questions, archive = "TextVQA_0.5.1_val.json", "train_val_images.zip"
    fetched = fetching("images", "textvqa", folder, archive)
    steps = [
        fetching("questions", "textvqa", folder, questions),
        fetched,
        _unpack(fetched, plan.at("images")),
    ]
    pictures = plan.at("images", "train_images")
    return steps + _chain(plan, "textvqa", folder / questions, [], pictures, 5000)


def _vqav2(plan: Plan) -> list[Step]:
    if plan.tiny:
        return _tiny(plan, "vqav2")
    folder = plan.at("vqav2")
    archives = {
        "questions": "v2_Questions_Val_mscoco.zip",
        "annotations": "v2_Annotations_Val_mscoco.zip",
    }
    unpacked = {name: plan.at(name) for name in archives}
    steps = []
    for name, archive in archives.items():
        fetched = fetching(name, "vqav2", folder, archive)
        steps += [fetched, _unpack(fetched, unpacked[name])]
    fetched = fetching("images", "coco", plan.at("coco"), "val2014.zip")
    steps += [fetched, _unpack(fetched, plan.at("images"))]
    questions = unpacked["questions"] / "v2_OpenEnded_mscoco_val2014_questions.json"
    annotations = unpacked["annotations"] / "v2_mscoco_val2014_annotations.json"
    pictures = plan.at("images", "val2014")
    return steps + _chain(plan, "vqav2", questions, [annotations], pictures, 214_354)


def _unpack(fetched: Step, folder: Path) -> Step:
    """Unpack an archive; all of both benchmarks are zip, which Python's own module reads."""
    command = ("-m", "zipfile", "-e", str(fetched.makes), str(folder))
    how = ("disk: as the archive, for JPEG does not shrink in it",) if fetched.needs.disk else ()
    needs = Needs(disk=fetched.needs.disk, how=how)
    name = f"unpack-{fetched.name}"
    return Step(name, command, folder, needs, program="python", goes_on=True)


def _tiny(plan: Plan, form: str) -> list[Step]:
    """Captions and pictures of a small world, questions about them, and a small LLaVA."""
    world, asked = plan.at("world"), plan.at("questions")
    sizes = ["--n", 4000, "--keys", 8, "--accessories", 12, "--pictures", 0]
    pairs = ["--keys", world / "keys.txt", "--accessories", world / "accessories.txt"]
    index, probes = plan.at("world-index"), plan.at("probes.parquet")
    images = plan.at("pictures", "images.parquet")
    drawn = ["--world", world, "--per-probe", 2]
    spread = ["--strata", 4, "--per-stratum", 16]
    model = plan.at("models", "llava")
    steps = [
        Step("world", line("synth world -o", world, *sizes), world, sign=world / "world.json"),
        Step(
            "world-index",
            line("index build", world / "captions.parquet", "-o", index),
            index,
            sign=index / "index.json",
        ),
        Step("probes", line("probes", index, *pairs, *spread, "-o", probes), probes),
        Step(
            "pictures",
            line("synth generate", probes, *drawn, "-o", images.parent),
            images.parent,
            sign=images,
        ),
        Step(
            "questions",
            line("synth questions", images, "--probes", probes, "--form", form, "-o", asked),
            asked,
            sign=asked / "questions.json",
        ),
        Step(
            "model",
            line("eval tiny-model llava --words", asked / "questions.json", "-o", model),
            model,
            sign=model / "config.json",
        ),
    ]
    annotations = [asked / "annotations.json"] if form == "vqav2" else []
    plan = Plan(
        plan.output,
        {
            **plan.settings,
            "captions": plan["captions"] or str(world / "captions.parquet"),
            "model": plan["model"] or str(model),
        },
        True,
    )
    return steps + _chain(plan, form, asked / "questions.json", annotations, asked / "images", 256)


def _chain(
    plan: Plan, metric: str, questions: Path, annotations: list[Path], images: Path, n: int
) -> list[Step]:
    """From questions, pictures and captions to the figure."""
    fetch, captions = captions_steps(plan)
    index, answers = plan.at("index"), plan.at("answers.parquet")
    scored, examples = plan.at("scored.parquet"), plan.at("examples.parquet")
    results = plan.at("results.json")
    ask = ["--questions", questions, "--images", images, "--model", plan["model"]]
    ask += ["--precision", plan["precision"], "--batch-size", plan["batch_size"]]
    judged = ["--metric", metric, "--questions", questions]
    judged += [part for path in annotations for part in ("--annotations", path)]
    judged += ["--predictions", answers]
    text = ["--answer", plan["answer"], "--formula", plan["formula"]]
    draws = ["--bins", plan["bins"], "--bootstrap", plan["bootstrap"]]
    draws += ["--permutations", plan["permutations"]]
    kept = ["--profile", plan["profile"], "--max-concepts", plan["max_concepts"]]
    words = (_PAPER,) if plan["profile"] == "paper" else ()
    page = ["--examples", examples, "--title", f"{metric}: accuracy against PMI"]
    return [
        *fetch,
        Step(
            "index",
            line("index build", captions, "-o", index, *kept),
            index,
            Needs(disk=0 if plan.tiny else None, installed=words),
            sign=index / "index.json",
        ),
        Step("answers", line("eval vqa run", *ask, "-o", answers), answers, _asking(plan, n)),
        Step("score", line("eval vqa score", *judged, "-o", scored), scored),
        Step(
            "examples", line("eval vqa examples", index, *judged, *text, "-o", examples), examples
        ),
        Step("correlate", line("eval correlate", examples, *draws, "-o", results), results),
        Step(
            "figure",
            line(
                "eval figure",
                results,
                "--recipe",
                "vqa-pmi",
                "-o",
                plan.at("figure.pdf"),
                "-o",
                plan.at("figure.png"),
            ),
            plan.at("figure.png"),
        ),
        Step(
            "report",
            line("eval report", results, *page, "-o", plan.at("report.html")),
            plan.at("report.html"),
        ),
    ]


def _asking(plan: Plan, n: int) -> Needs:
    """What an LMM's answers to ``n`` questions take."""
    if plan.tiny:
        return Needs()
    parameters = plan.number("parameters")
    weights = round(2 * parameters)
    read = _IMAGE_TOKENS + _TEXT_TOKENS
    batches = n / max(plan.number("batch_size"), 1)
    hours = operations(parameters, read, n, plan["precision"])
    return Needs(
        download=weights,
        disk=weights,
        gpu_hours=hours + writing_hours(weights, _WRITTEN, batches),
        how=(
            f"weights: {billions(parameters)} parameters x 2 bytes",
            f"{n:,} questions of {_IMAGE_TOKENS} tokens of the picture and about {_TEXT_TOKENS} of "
            f"text, with answers of about {_WRITTEN}, in {plan['precision']}; what is asked again "
            "comes besides",
        ),
    )


TEXTVQA = Recipe("textvqa", "TextVQA against PMI (published: r = 0.70)", _SHARED, _textvqa)
VQAV2 = Recipe("vqav2", "VQAv2 against PMI (published: r = 0.62)", _SHARED, _vqav2)
