"""Pipelines of diffusers: what they are called with, what they give, and what goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_diffusers import write_tiny_flux, write_tiny_sd

from conceptstats.errors import ModelError, ParameterError
from conceptstats.models.devices import Launched, find_device, launched, share_of
from conceptstats.shards import Shard
from conceptstats.synth import diffusers_backend, diffusers_loading
from conceptstats.synth.diffusers_backend import (
    PRESETS,
    DiffusersImages,
    load_generator,
    parse_argument,
)
from conceptstats.synth.images import ImageRequest, Refused

PROMPTS = ("a bus with an apple", "a mug", "something long with a hat", "a dog")
REQUESTS = [ImageRequest(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
FEW: dict[str, Any] = {"num_inference_steps": 3}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A FLUX, and Stable Diffusions of several kinds."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "flux": write_tiny_flux(folder / "flux"),
        "sd": write_tiny_sd(folder / "sd"),
        "ancestral": write_tiny_sd(folder / "ancestral", ancestral=True),
        "watchful": write_tiny_sd(folder / "watchful", watchful=True),
    }


@pytest.fixture
def load(models: dict[str, Path]) -> Callable[..., DiffusersImages]:
    """Load one of the models, with few steps, and FLUX small."""

    def load_model(name: str, **options: Any) -> DiffusersImages:
        size = {"width": 64, "height": 64} if name == "flux" else {}
        arguments = {**FEW, **size, **options.pop("arguments", {})}
        return load_generator(models[name], device="cpu", arguments=arguments, **options)

    return load_model


def pixels(pictures: list[Image.Image | Refused]) -> list[bytes]:
    """The bytes of each picture."""
    found = []
    for picture in pictures:
        assert isinstance(picture, Image.Image), picture
        found.append(picture.tobytes())
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["flux", "sd", "ancestral"])
def test_a_picture_depends_on_its_request_alone(
    load: Callable[..., DiffusersImages], name: str, precision: str
) -> None:
    """One at a time, four at once, turned round, with a pipeline loaded anew: the same pixels."""
    generator = load(name, precision=precision)
    together = pixels(generator.generate(REQUESTS))
    assert len(set(together)) == 4
    assert pixels(generator.generate(REQUESTS[::-1])) == together[::-1]
    torch.manual_seed(3)  # of the process, which must not matter
    again = load(name, precision=precision)
    assert [pixels(again.generate([request]))[0] for request in REQUESTS] == together
    assert all(module.dtype == again.pipeline.dtype for module in modules(again))
    assert (
        str(again.pipeline.dtype) == {"fp32": "torch.float32", "bf16": "torch.bfloat16"}[precision]
    )


def modules(generator: DiffusersImages) -> Iterator[Any]:
    for component in generator.pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            yield component


@pytest.mark.parametrize("name", ["flux", "sd"])
def test_prompt_seed_and_arguments_matter(load: Callable[..., DiffusersImages], name: str) -> None:
    """Each by itself changes the picture; the same again does not."""
    generator = load(name)
    request = ImageRequest("a bus", 5)
    (one,) = pixels(generator.generate([request]))
    others = [ImageRequest("a mug", 5), ImageRequest("a bus", 6)]
    assert one not in pixels(generator.generate(others))
    assert pixels(generator.generate([request])) == [one]
    for changes in ({"num_inference_steps": 4}, {"guidance_scale": 1.5}):
        assert pixels(load(name, arguments=changes).generate([request])) != [one]


def test_the_process_keeps_its_random_numbers(load: Callable[..., DiffusersImages]) -> None:
    """Neither loading nor making pictures touches the generator that all share."""
    before = torch.get_rng_state()
    load("sd").generate(REQUESTS[:1])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["flux", "sd"])
def test_a_batch_in_one_call(load: Callable[..., DiffusersImages], name: str) -> None:
    """It gives the same pictures but for the last bits, and the same again."""
    negative = {"negative_prompt": "grey"} | ({"true_cfg_scale": 2.0} if name == "flux" else {})
    alone = load(name, arguments=negative).generate(REQUESTS)
    generator = load(name, arguments=negative, batched=True)
    batch = generator.generate(REQUESTS)
    assert pixels(generator.generate(REQUESTS)) == pixels(batch)
    for one, other in zip(alone, batch, strict=True):
        assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 2


def test_sizes(models: dict[str, Path], load: Callable[..., DiffusersImages]) -> None:
    """Pictures have the size that was asked for, or else that of the pipeline."""
    for changes, size in (({}, (32, 32)), ({"width": 48, "height": 16}, (48, 16))):
        (picture,) = load("sd", arguments=changes).generate(REQUESTS[:1])
        assert isinstance(picture, Image.Image)
        assert (picture.size, picture.mode) == (size, "RGB")


def test_sizes_that_would_not_be_heeded(load: Callable[..., DiffusersImages]) -> None:
    """Stable Diffusion ignores a width without a height; FLUX rounds both, and only warns."""
    with pytest.raises(ParameterError, match="not both given"):
        load("sd", arguments={"width": 48})
    generator = load("flux", arguments={"width": 62})
    with pytest.raises(ParameterError, match="of 60 x 64 pixels where 62 x 64 were asked for"):
        generator.generate(REQUESTS[:1])


def test_settings_hold_all_that_pixels_depend_on(
    models: dict[str, Path], load: Callable[..., DiffusersImages], tmp_path: Path
) -> None:
    """The class, the digest of the files, precision, and arguments with the defaults."""
    settings = load("flux", arguments={"guidance_scale": 5.0}).settings
    assert settings["model"] == str(models["flux"])
    assert (settings["pipeline"], settings["precision"]) == ("FluxPipeline", "fp32")
    assert settings["device"] == "cpu"
    assert settings["arguments"] == {
        **FEW,
        "width": 64,
        "height": 64,
        "guidance_scale": 5.0,
        "true_cfg_scale": 1.0,
        "max_sequence_length": 512,
    }
    assert load("flux").settings["revision"] == settings["revision"]
    other = write_tiny_flux(tmp_path / "other", seed=1)
    found = load_generator(other, device="cpu").settings["revision"]
    assert found.startswith("sha256:")
    assert found != settings["revision"]


def test_arguments_that_there_are_not(load: Callable[..., DiffusersImages]) -> None:
    """The error names the pipeline, what was meant, and what there is."""
    with pytest.raises(ParameterError) as caught:
        load("flux", arguments={"guidance_scal": 3})
    assert "FluxPipeline takes no argument 'guidance_scal'" in caught.value.message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("do you mean guidance_scale?")
    assert "true_cfg_scale" in caught.value.hint
    for name in ("generator", "output_type", "kwargs", "self", "max_sequence_length"):
        with pytest.raises(ParameterError, match=f"StableDiffusionPipeline takes no .*{name}"):
            load("sd", arguments={name: 1})


def test_a_negative_prompt_that_would_not_be_heeded(
    load: Callable[..., DiffusersImages],
) -> None:
    """FLUX ignores it unless true_cfg_scale is above 1; Stable Diffusion takes it."""
    with pytest.raises(ParameterError, match="does not heed a negative prompt"):
        load("flux", arguments={"negative_prompt": "grey"})
    for name, scale in (("flux", {"true_cfg_scale": 3.0}), ("sd", {})):
        with_it = load(name, arguments={"negative_prompt": "grey", **scale})
        without = load(name)
        assert pixels(with_it.generate(REQUESTS[:1])) != pixels(without.generate(REQUESTS[:1]))


def test_numbers_that_are_none(load: Callable[..., DiffusersImages]) -> None:
    """Guidance by NaN would be no guidance, without a word."""
    for scale in (float("nan"), float("inf")):
        with pytest.raises(ParameterError, match=r"guidance_scale is (nan|inf), expected a number"):
            load("sd", arguments={"guidance_scale": scale})


def test_how_arguments_are_written() -> None:
    """JSON where it is some, else text; a name there must be."""
    assert parse_argument("a=1") == ("a", 1)
    assert parse_argument("sigmas=[1, 0.5]") == ("sigmas", [1, 0.5])
    assert parse_argument("clean=false") == ("clean", False)
    assert parse_argument("b=x=y") == ("b", "x=y")
    for text in ("a", "=1", "a b=1"):
        with pytest.raises(ParameterError, match="expected NAME=VALUE"):
            parse_argument(text)


def test_the_paper_s_settings() -> None:
    """FLUX.1-dev, bf16, 512 x 512, guidance 5, 28 steps, 512 tokens; FLUX takes each of them."""
    from inspect import signature

    from diffusers import FluxPipeline

    preset = dict(PRESETS["genpairs"])
    assert preset.pop("model") == "black-forest-labs/FLUX.1-dev"
    assert preset.pop("precision") == "bf16"
    assert preset == {
        "width": 512,
        "height": 512,
        "guidance_scale": 5.0,
        "num_inference_steps": 28,
        "max_sequence_length": 512,
    }
    assert preset.keys() <= signature(FluxPipeline.__call__).parameters.keys()


def test_what_a_safety_checker_has_replaced_is_refused(
    load: Callable[..., DiffusersImages],
) -> None:
    """The checker's own black picture is never passed on."""
    found = load("watchful").generate(REQUESTS[:2])
    assert found == [Refused("the safety checker has replaced it")] * 2


def test_pictures_with_nothing_in_them_are_refused(load: Callable[..., DiffusersImages]) -> None:
    """NaN, as fp16 gives beyond its reach, and one colour all over."""
    generator = load("sd")
    last = generator.pipeline.vae.decoder.conv_out
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(-9.0)
    assert generator.generate(REQUESTS[:1]) == [Refused("it has one colour only")]
    with torch.no_grad():
        last.bias[1] = torch.nan
    (found,) = generator.generate(REQUESTS[:1])
    assert isinstance(found, Refused)
    assert "no numbers" in found.reason


def test_what_a_pipeline_gives_besides_arrays() -> None:
    """A picture of Pillow, and one channel: both come out in RGB."""
    grey = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    for given in (grey, np.arange(6).reshape(2, 3, 1) / 255):
        found = diffusers_backend._judge(given, False)
        assert isinstance(found, Image.Image)
        assert found.mode == "RGB"
        assert np.asarray(found)[..., 2].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("component", "file"),
    [
        ("transformer", "diffusion_pytorch_model.safetensors"),
        ("text_encoder", "model.safetensors"),
    ],
)
def test_a_pipeline_that_lacks_weights_is_refused(
    models: dict[str, Path], tmp_path: Path, component: str, file: str
) -> None:
    """Where diffusers and transformers would draw them at random, and only warn."""
    folder = shutil.copytree(models["flux"], tmp_path / "model")
    weights = load_file(folder / component / file)
    weights.pop([name for name in weights if name.endswith(".weight")][-1])
    save_file(weights, folder / component / file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks weights, which would be drawn"):
        load_generator(folder, device="cpu")


@pytest.mark.parametrize("lost", ["tokenizer", "tokenizer/tokenizer.json"])
def test_a_tokeniser_without_words_is_refused(
    models: dict[str, Path], tmp_path: Path, lost: str
) -> None:
    """Without its files transformers makes one that takes all prompts for the same."""
    folder = shutil.copytree(models["sd"], tmp_path / "model")
    path = folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ModelError, match="vocabulary of its CLIPTokenizer is missing"):
        load_generator(folder, device="cpu")


def test_prompts_that_are_longer_than_a_model_reads(load: Callable[..., DiffusersImages]) -> None:
    """Stable Diffusion reads 75 tokens and two marks; FLUX's T5 as many as it is told to.

    The tokenisers of the small models take a letter for a token; T5 has one more at each end.
    """
    fits, long, longer = ("a" * n for n in (75, 76, 510))
    assert load("sd").read_in_part([fits, long, fits]) == [long]
    assert load("flux").read_in_part([long, longer, longer + "a"]) == [longer + "a"]
    less = load("flux", arguments={"max_sequence_length": 100})
    assert less.read_in_part([long, longer]) == [longer]


def test_places_that_are_no_models(tmp_path: Path) -> None:
    """Neither a folder nor a name of the hub: said before the hub is asked."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    for place in (file, tmp_path / "nowhere", "./nowhere", "a/b/c", "a b"):
        with pytest.raises(ModelError, match="is no folder, and no name of the hub"):
            load_generator(place, device="cpu")


def test_folders_that_are_no_pipelines(models: dict[str, Path], tmp_path: Path) -> None:
    """An empty one, half a file, a component that is not there, and a revision of a folder."""
    (tmp_path / "empty").mkdir()
    half = shutil.copytree(models["sd"], tmp_path / "half")
    file = half / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    less = shutil.copytree(models["sd"], tmp_path / "less")
    shutil.rmtree(less / "vae")
    for folder in (tmp_path / "empty", half, less):
        with pytest.raises(ModelError, match="cannot be loaded"):
            load_generator(folder, device="cpu")
    with pytest.raises(ModelError, match="has no revisions"):
        load_generator(models["sd"], "main", device="cpu")


def test_a_pipeline_for_something_else(tmp_path: Path) -> None:
    """One that takes no prompt; it is loaded by the class that its folder names."""
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    with pytest.raises(ModelError, match="DDPMPipeline takes no prompt"):
        load_generator(tmp_path / "ddpm", device="cpu")


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("GatedRepoError", "hf auth login"),
        ("RepositoryNotFoundError", "ORG/NAME"),
        ("RevisionNotFoundError", "--revision"),
        ("LocalEntryNotFoundError", "without a network"),
    ],
)
def test_what_the_hub_refuses(monkeypatch: pytest.MonkeyPatch, kind: str, hint: str) -> None:
    """Terms that were not accepted, a name or revision that is wrong, no network: each its hint.

    The error is raised as diffusers raises it: an OSError in place of the hub's own.
    """
    import diffusers
    from huggingface_hub import errors

    def refuse(*arguments: Any, **options: Any) -> None:
        error: Any = getattr(errors, kind)
        try:
            raise error.__new__(error, "no")  # without the response that it is made of
        except error:
            raise OSError("org/model does not appear to have a file")  # noqa: B904, as it does

    monkeypatch.setattr("conceptstats.models.loading.check_reachable", lambda: None)
    monkeypatch.setattr(diffusers.AutoPipelineForText2Image, "from_pretrained", refuse)
    with pytest.raises(ModelError, match="org/model cannot be loaded") as caught:
        load_generator("org/model", device="cpu")
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_a_commit_is_read_from_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The name of a model's folder in the cache is the commit that a branch stands for."""
    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "models--org--name"
    (repo / "snapshots" / commit).mkdir(parents=True)
    (repo / "snapshots" / commit / "model_index.json").write_text("{}", encoding="utf-8")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit, encoding="utf-8")
    real = huggingface_hub.try_to_load_from_cache

    def look(*arguments: Any, **options: Any) -> Any:
        return real(*arguments, cache_dir=tmp_path, **options)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", look)
    assert diffusers_loading._commit("org/name", None) == commit
    assert diffusers_loading._commit("org/name", "main") == commit
    assert diffusers_loading._commit("org/other", "v1") == "v1"


def test_precisions_and_devices_that_there_are_not(models: dict[str, Path]) -> None:
    """Said before anything is loaded."""
    wrong: Any = "fp8"
    with pytest.raises(ParameterError, match="precision is 'fp8'"):
        load_generator(models["sd"], precision=wrong)
    with pytest.raises(ParameterError, match="device is 'tpu'"):
        load_generator(models["sd"], device="tpu")
    with pytest.raises(ParameterError, match="offload"):
        load_generator(models["sd"], device="cpu", offload=True)


def test_processes_of_a_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a share of the share, and a GPU of its own; together they take all, once."""
    assert launched() == Launched(0, 1, 0)
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert launched() == Launched(5, 8, 1)
    shares = [
        share_of(Shard(index, 3), Launched(rank, 4, rank))
        for index in range(3)
        for rank in range(4)
    ]
    assert sorted(item for share in shares for item in share.take(range(100))) == [*range(100)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto", 1) == torch.device("cuda", 1)
    with pytest.raises(ParameterError, match="finds no GPU of its own"):
        find_device("cuda", 2)
    assert find_device("cpu", 2) == torch.device("cpu")
