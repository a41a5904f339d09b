"""GenPairs, edited photographs and fine-tuning: accuracy on pictures against PMI."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

from conceptstats.class_names import ENTRY_GROUP, read_classes
from conceptstats.errors import ParameterError
from conceptstats.wordnet import how_to_get, load_wordnet

from .reckoning import (
    FLUX,
    LLAMA,
    OWL,
    SAM,
    TRAIN_PHOTOS,
    VAL_PHOTOS,
    chat_needs,
    detector_needs,
    finetune_needs,
    interpolate_needs,
    once,
    picture_needs,
    segmenter_needs,
    zeroshot_needs,
)
from .steps import (
    PRECISIONS,
    Given,
    Installed,
    Needs,
    Plan,
    Recipe,
    Setting,
    Step,
    captions_steps,
    line,
)

_MODELS = (
    "ViT-B-32-quickgelu:laion400m_e31,ViT-B-16-plus-240:laion400m_e32,ViT-L-14:laion400m_e32,"
    "EVA01-g-14:laion400m_s11b_b41k"
)
_ALONE = "a {accessory} in the center of a white background"
_WORDNET = Installed(f"NLTK with WordNet: {how_to_get('wordnet')}", load_wordnet)
_TINY_SIDE = 48  # pixels of generated pictures

_CONCEPTS = (
    Setting("captions", "relaion-400m", "a manifest's name, or the path of captions you have", ""),
    Setting("classes", "imagenet", "a list by name, or a file with one class a line", ""),
    Setting("judge", LLAMA, "chat model that says which words can be seen", ""),
    Setting("min_count", "100", "least captions of a word", "10"),
)
_DRAWS = (
    Setting("models", _MODELS, "of open_clip, MODEL:WEIGHTS with commas between, or folders", ""),
    Setting("bins", "20", "of PMI; the paper does not say how many", "5"),
    Setting("bootstrap", "1000", "replicates", "100"),
    Setting("permutations", "1000", "of the test", "100"),
)
IMAGENET = {"photos": "imagenet/val", "training_photos": "imagenet/train"}
_GENERATED = (
    Setting("image_model", FLUX, "text-to-image pipeline of diffusers", ""),
    Setting("size", "512", "pixels a side of generated pictures", str(_TINY_SIDE)),
    Setting("steps", "28", "of denoising", "2"),
    Setting("guidance", "5.0", "scale"),
    Setting("precision", "bf16", "of the models that make pictures", "fp32", PRECISIONS),
)
_PASTED = (
    Setting("photos", IMAGENET["photos"], "photographs: a folder with one subfolder a class", ""),
    Setting("segmenter", SAM, "model that cuts accessories out", ""),
    Setting("n_accessories", "1000", "drawn among the words; the paper gives no number", "10"),
    Setting("per_photo", "3", "versions of a photograph", "2"),
    Setting("area", "0.1", "share of the photograph that an accessory takes"),
)


class Pictures(NamedTuple):
    """Pictures that are classified, and what tells of them."""

    images: Path
    probes: Path
    verified: Path  # images too, with what a detector has found where one has looked
    n: int | None  # None: unknown


def _genpairs(plan: Plan) -> list[Step]:
    steps, plan = _begin(plan, "flux")
    steps += _concept_steps(plan)
    index, probes = plan.at("index"), plan.at("probes.parquet")
    prompts, verified = plan.at("prompts.parquet"), plan.at("verified.parquet")
    pictures = plan.at("pictures")
    n = round(plan.number("strata") + 1) * round(plan.number("per_stratum"))
    per_probe = round(plan.number("per_probe"))
    chosen = ["--keys", plan.at("classes.txt"), "--accessories", plan.at("accessories.parquet")]
    chosen += ["--strata", plan["strata"], "--per-stratum", plan["per_stratum"]]
    steps.append(Step("probes", line("probes", index, *chosen, "-o", probes), probes))
    if plan.tiny and not plan["writer"]:
        writer = plan.at("models", "writer")
        teach = line("synth tiny-model writer --probes", probes, "-o", writer)
        steps.append(Step("writer", teach, writer, sign=writer / "config.json"))
        plan = _with(plan, writer=str(writer))
    ask = ["--classes", plan.at("classes.txt"), "--model", plan["writer"]]
    write = line("synth prompts", probes, *ask, "-o", prompts)
    draw = ["--prompts", prompts, "--per-probe", per_probe]
    look = ["--probes", probes, "--model", plan["detector"], "-o", verified]
    seen = line("synth verify", pictures / "images.parquet", *look)
    steps += [
        Step("prompts", write, prompts, chat_needs(plan, plan["writer"], n, 150, 50, "prompts")),
        _generating("pictures", plan, probes, pictures, n * per_probe, *draw),
        Step("verify", seen, verified, detector_needs(plan, n * per_probe)),
    ]
    images = pictures / "images.parquet"
    told = Pictures(images, probes, verified, n * per_probe)
    return once(steps + _classify(plan, told, "genpairs"))


def _paste(plan: Plan) -> list[Step]:
    steps, plan = _begin(plan, "stable-diffusion")
    steps += _concept_steps(plan)
    steps += _cut_outs(plan, "all")
    steps.append(_pasting(plan, plan.at("cut-outs")))
    return once(steps + _classify(plan, _pasted_pictures(plan), "paste"))


def _finetune(plan: Plan) -> list[Step]:
    steps, plan = _begin(plan, "stable-diffusion")
    steps += _concept_steps(plan)
    for side in ("training", "evaluation"):
        steps += _cut_outs(plan, side)
    steps.append(_pasting(plan, plan.at("cut-outs-evaluation")))
    (model,) = _models(plan, most=1)
    tuned, between = plan.at("models", "finetuned"), plan.at("models", "interpolated")
    schedule = ["--epochs", plan["epochs"], "--batch-size", plan["batch_size"]]
    schedule += ["--learning-rate", plan["learning_rate"], "--warmup", plan["warmup"]]
    schedule += ["--weight-decay", plan["weight_decay"]]
    schedule += ["--edit-probability", plan["edit_probability"], "--area", plan["area"]]
    edits = ["--accessories", plan.at("cut-outs-training"), "--index", plan.at("index")]
    named = ["--classes", plan["classes"]]
    learn = line("eval finetune", plan["training_photos"], *model, *named, *edits, *schedule)
    original = [model[1], tuned, *model[2:], "--alpha", plan["alpha"]]
    mix = line("eval interpolate", *original, "-o", between)
    known = plan["training_photos"] == IMAGENET["training_photos"]
    needs = finetune_needs(plan, model[1], TRAIN_PHOTOS if known else None)
    sign = "open_clip_model.safetensors"
    steps += [
        Step("finetune", (*learn, "-o", str(tuned)), tuned, needs, sign=tuned / sign),
        Step("interpolate", mix, between, interpolate_needs(plan, model[1]), between / sign),
    ]
    judged = {
        "before": model,
        "after": ["--model", str(tuned)],
        "interpolated": ["--model", str(between)],
    }
    pictures = _pasted_pictures(plan)
    for name, which in judged.items():
        steps += _judge(plan, name, which, pictures, model[1])
    changes = {name: f"{name}-before" for name in ("after", "interpolated")}
    for name, change in changes.items():
        result = plan.at("results", f"{change}.json")
        both = plan.at("examples", f"{name}.parquet"), plan.at("examples", "before.parquet")
        compare = line("eval compare", *both, "--slopes", "-o", result)
        steps.append(Step(f"slopes-{name}", compare, result))
    return once(steps + _show(plan, list(judged), pictures.images, "finetune", changes.values()))


def _begin(plan: Plan, image_model: str) -> tuple[list[Step], Plan]:
    """Of a small chain: captions and small models; of a real one nothing."""
    _check_classes(plan["classes"])
    if not plan.tiny:
        return [], plan
    world = plan.at("world")
    size = ["--n", 4000, "--keys", 8, "--accessories", 20, "--pictures", 0]
    steps = [Step("world", line("synth world -o", world, *size), world, sign=world / "world.json")]
    made: dict[str, str] = {
        "captions": str(world / "captions.parquet"),
        "classes": str(world / "keys.txt"),
    }
    wanted = {"judge": "judge", "image_model": image_model, "detector": "owlv2",
              "segmenter": "sam", "models": "clip"}  # fmt: skip
    for setting, kind in wanted.items():
        if plan.settings.get(setting) == "":
            model = plan.at("models", kind)
            group = "eval" if kind == "clip" else "synth"
            make = line(f"{group} tiny-model", kind, "-o", model)
            steps.append(Step(f"tiny-{kind}", make, model, sign=model / "run.json"))
            made[setting] = str(model)
    if plan.settings.get("photos") == "":
        photos = plan.at("photos")
        made["photos"] = str(photos / "images.parquet")
        steps += _small_photos(plan, world, photos)
    if plan.settings.get("training_photos") == "":
        made["training_photos"] = str(plan.at("photos", "images.parquet"))
    return steps, _with(plan, **{k: v for k, v in made.items() if plan.settings.get(k) == ""})


def _check_classes(classes: str) -> None:
    """Raise where there are no such classes, before captions are counted."""
    lists = entry_points(group=ENTRY_GROUP).names
    known = not classes or classes in lists or Path(classes).is_file()
    if not known and len(read_classes(classes)) < 2:
        raise ParameterError(
            f"classes is {classes!r}: no such file, and no list ({', '.join(sorted(lists))})."
        )


def _small_photos(plan: Plan, world: Path, photos: Path) -> list[Step]:
    """Drawings of the small world, in place of photographs."""
    index, shown = plan.at("world-index"), plan.at("shown.parquet")
    pairs = ["--keys", world / "keys.txt", "--accessories", world / "accessories.txt"]
    few = ["--strata", 2, "--per-stratum", 16, "--unseen", 0, "--no-match"]
    build = line("index build", world / "captions.parquet", "-o", index)
    draw = line("synth generate", shown, "--world", world, "--per-probe", 2, "-o", photos)
    return [
        Step("world-index", build, index, sign=index / "index.json"),
        Step("shown", line("probes", index, *pairs, *few, "-o", shown), shown),
        Step("photos", draw, photos, sign=photos / "images.parquet"),
    ]


def _with(plan: Plan, **changes: str) -> Plan:
    return Plan(plan.output, {**plan.settings, **changes}, plan.tiny)


def _concept_steps(plan: Plan) -> list[Step]:
    """From captions to classes, accessories, and the index of both."""
    fetch, captions = captions_steps(plan)
    words, index = plan.at("words"), plan.at("index")
    classes, accessories = plan.at("classes.txt"), plan.at("accessories.parquet")
    listed = plan.at("concepts.txt")
    disk = Needs() if plan.tiny else Needs(disk=None)
    ask = ["--classes", classes, "--min-count", plan["min_count"], "--judge", plan["judge"]]
    judging = chat_needs(plan, plan["judge"], 20_000, 250, 8, "words at most")
    with_words = ["--index", words, "--accessories", accessories, "-o", listed]
    phrases = ["-o", index, "--profile", "concepts", "--concepts", listed]
    return [
        *fetch,
        Step(
            "words",
            line("index build", captions, "-o", words),
            words,
            disk,
            sign=words / "index.json",
        ),
        Step(
            "classes",
            line("concepts", plan["classes"], "--index", words, "-o", classes),
            classes,
        ),
        Step(
            "accessories",
            line("synth accessories", words, *ask, "-o", accessories),
            accessories,
            replace(judging, installed=(_WORDNET,)),
        ),
        Step("concepts", line("concepts", classes, *with_words), listed),
        Step(
            "index",
            line("index build", captions, *phrases),
            index,
            disk,
            sign=index / "index.json",
        ),
    ]


def _generating(
    name: str, plan: Plan, probes: Path, folder: Path, n: int, *options: object
) -> Step:
    """Pictures by a diffusion model."""
    model = ["--backend", "diffusers", "--model", plan["image_model"]]
    model += ["--precision", plan["precision"], "--width", plan["size"], "--height", plan["size"]]
    model += ["--steps", plan["steps"], "--guidance", plan["guidance"]]
    if not plan.tiny and "flux" in plan["image_model"].lower():
        model += ["--max-sequence-length", "512"]
    command = line("synth generate", probes, *model, *options, "-o", folder)
    return Step(name, command, folder, picture_needs(plan, n), sign=folder / "images.parquet")


def _cut_outs(plan: Plan, side: str) -> list[Step]:
    """Accessories alone on white, generated and cut out; those of one side of a split."""
    end = "" if side == "all" else f"-{side}"
    probes, pictures = plan.at(f"portraits{end}.parquet"), plan.at(f"portraits{end}")
    cut = plan.at(f"cut-outs{end}")
    chosen = ["--n", plan["n_accessories"], "--side", side, "-o", probes]
    n = round(plan.number("n_accessories")) // (1 if side == "all" else 2)  # about
    draw = ["--template", _ALONE, "--per-probe", 1]
    segment = ["--model", plan["segmenter"], "-o", cut]
    return [
        Step(
            f"portraits{end}",
            line("synth portraits", plan.at("accessories.parquet"), *chosen),
            probes,
        ),
        _generating(f"pictures{end}", plan, probes, pictures, n, *draw),
        Step(
            f"cut-outs{end}",
            line("synth segment", pictures / "images.parquet", *segment),
            cut,
            segmenter_needs(plan, n),
            sign=cut / "segments.parquet",
        ),
    ]


def _pasting(plan: Plan, cut_outs: Path) -> Step:
    pasted = plan.at("pasted")
    options = ["--photos", plan["photos"], "--accessories", cut_outs, "--index", plan.at("index")]
    options += ["--classes", plan["classes"]]
    options += ["--per-photo", plan["per_photo"], "--area", plan["area"]]
    needs = Needs() if plan.tiny else Needs(disk=None)
    command = line("synth paste", *options, "-o", pasted)
    return Step("paste", command, pasted, needs, sign=pasted / "images.parquet")


def _models(plan: Plan, most: int | None = None) -> list[list[str]]:
    """Options for each model of the setting."""
    given = [part.strip() for part in plan["models"].split(",") if part.strip()]
    if not given or (most is not None and len(given) > most):
        wanted = "one or more" if most is None else "one"
        raise ParameterError(f"models is {plan['models']!r}, expected {wanted}, as MODEL:WEIGHTS.")
    options = []
    for name in given:
        model, _, weights = name.rpartition(":") if ":" in name else (name, "", "")
        options.append(["--model", model, *(["--pretrained", weights] if weights else [])])
    return options


def _pasted_pictures(plan: Plan) -> Pictures:
    folder = plan.at("pasted")
    images, probes = folder / "images.parquet", folder / "probes.parquet"
    known = plan["photos"] == IMAGENET["photos"]
    n = VAL_PHOTOS * round(plan.number("per_photo")) if known else None
    return Pictures(images, probes, images, n)


def _classify(plan: Plan, pictures: Pictures, title: str) -> list[Step]:
    """Zero-shot classification by each model, and its correlation with PMI."""
    steps, names = [], []
    for which in _models(plan):
        names.append(re.sub(r"[^\w.-]+", "-", Path(which[1]).name))
        steps += _judge(plan, names[-1], which, pictures)
    if len(set(names)) < len(names):
        raise ParameterError(f"models is {plan['models']!r}: two would have one name.")
    return steps + _show(plan, names, pictures.images, title)


def _judge(
    plan: Plan, name: str, which: list[str], pictures: Pictures, architecture: str = ""
) -> list[Step]:
    predictions = plan.at("predictions", f"{name}.parquet")
    examples = plan.at("examples", f"{name}.parquet")
    results = plan.at("results", f"{name}.json")
    tables = ["--images", pictures.verified, "--probes", pictures.probes]
    tables += ["--index", plan.at("index")]
    draws = ["--bins", plan["bins"], "--bootstrap", plan["bootstrap"]]
    draws += ["--permutations", plan["permutations"]]
    fetched = "--pretrained" in which
    needs = zeroshot_needs(plan, architecture or which[1], fetched=fetched, n=pictures.n)
    sort = line(
        "eval zeroshot", pictures.images, *which, "--classes", plan["classes"], "-o", predictions
    )
    join = line("eval join", predictions, *tables, "-o", examples)
    correlate = line("eval correlate", examples, *draws, "-o", results)
    return [
        Step(f"zeroshot-{name}", sort, predictions, needs),
        Step(f"join-{name}", join, examples),
        Step(f"correlate-{name}", correlate, results),
    ]


def _show(
    plan: Plan, names: list[str], images: Path, title: str, changes: Iterable[str] = ()
) -> list[Step]:
    labelled = [f"{name}={plan.at('results', f'{name}.json')}" for name in names]
    others = [f"{name}={plan.at('results', f'{name}.json')}" for name in changes]
    figure, report = plan.at("figure.png"), plan.at("report.html")
    files = ["-o", plan.at("figure.pdf"), "-o", figure]
    page = ["--images", images, "--title", f"{title}: accuracy against PMI", "-o", report]
    return [
        Step("figure", line("eval figure", *labelled, *files), figure),
        Step("report", line("eval report", *labelled, *others, *page), report),
    ]


def _photos(plan: Plan) -> list[Given]:
    """Photographs of ImageNet, which nobody may pass on."""
    if plan.tiny:
        return []
    what = (
        "sign up at https://image-net.org/download, accept the terms (research, not commercial), "
        "and unpack ILSVRC2012 into one folder a class, named by its name, number or WordNet id "
        "(ids: all 1,000, or --set classes=FILE with an id in front of each name; the archive of "
        "validation has no folders: its classes are in the development kit); --set {}=DIR says "
        "where"
    )
    names = [name for name in ("photos", "training_photos") if name in plan.settings]
    return [Given(Path(plan[name]), what.format(name)) for name in names]


GENPAIRS = Recipe(
    "genpairs",
    "Zero-shot accuracy on generated pairs against PMI (published: r = 0.97)",
    (
        *_CONCEPTS,
        Setting("writer", LLAMA, "chat model that writes prompts", ""),
        *_GENERATED,
        Setting("strata", "20", "levels of PMI", "3"),
        Setting("per_stratum", "500", "probes of each; the paper's number is not known", "4"),
        Setting("per_probe", "1", "pictures of a probe", "6"),
        Setting("detector", OWL, "looks for what is there", ""),
        *_DRAWS,
    ),
    _genpairs,
)
PASTE = Recipe(
    "paste",
    "Zero-shot accuracy on edited photographs against PMI (published: r = 0.75)",
    (*_CONCEPTS, *_GENERATED, *_PASTED, *_DRAWS),
    _paste,
    _photos,
)
FINETUNE = Recipe(
    "finetune",
    "The slope of accuracy on PMI before and after fine-tuning with edited photographs",
    (
        *_CONCEPTS,
        *_GENERATED,
        *_PASTED,
        Setting("training_photos", IMAGENET["training_photos"], "photographs to train with", ""),
        Setting("epochs", "10", "times that each photograph is seen", "1"),
        Setting("batch_size", "512", "photographs a step", "16"),
        Setting("learning_rate", "3e-5", "the highest"),
        Setting("warmup", "500", "steps to the highest rate", "2"),
        Setting("weight_decay", "0.1", "a step, times the learning rate"),
        Setting("edit_probability", "0.5", "that a photograph is edited"),
        Setting("alpha", "0.5", "where between both models: 0 the original, 1 the new one"),
        Setting("models", "ViT-B-32-quickgelu:laion400m_e31", "the one that is fine-tuned", ""),
        *_DRAWS[1:],
    ),
    _finetune,
    _photos,
)
