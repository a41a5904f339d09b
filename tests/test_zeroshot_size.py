"""Zero-shot at size: shares of the images, several models, compiled models, many classes."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from messages import Messages
from PIL import Image
from tiny_clip import write_tiny_clip

from conceptstats.cli import cli
from conceptstats.concat import concat
from conceptstats.errors import ModelError, OutputExistsError, ParameterError, SourceError
from conceptstats.eval.models import load_model
from conceptstats.eval.zeroshot.ranks import top_classes
from conceptstats.eval.zeroshot.run import zeroshot
from conceptstats.eval.zeroshot.suite import SUITES, read_suite, zeroshot_suite
from conceptstats.shards import Shard

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 100 noisy pictures: three whole blocks of a model and four images."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(100):
        name = list(COLOURS)[number % 3]
        pixels = np.clip(rng.normal(COLOURS[name], 80, (40, 40, 3)), 0, 255).astype(np.uint8)
        path = folder / name / f"{number:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of two small models."""
    root = tmp_path_factory.mktemp("suite")
    vit, resnet = write_tiny_clip(root / "vit"), write_tiny_clip(root / "rn", resnet=True,
                                                                 image_size=64)  # fmt: skip
    weights = root / "epoch_3.safetensors"
    weights.write_bytes((vit / "open_clip_model.safetensors").read_bytes())
    path = root / "suite.csv"
    path.write_text(f"# small\n{resnet}\n\n{vit},{weights}\n")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


@pytest.mark.parametrize("n", [2, 3])
def test_shards_make_up_the_whole(tmp_path: Path, images: Path, suite: Path, n: int) -> None:
    """Bit for bit: blocks stay together, so each image is in the slot that it has in the whole."""
    model = read_suite(suite)[0].model
    zeroshot(images, tmp_path / "whole.parquet", model=model, templates="{}")
    shares = [tmp_path / f"{index}.parquet" for index in range(n)]
    for index, output in enumerate(shares):
        zeroshot(images, output, model=model, templates="{}", shard=Shard(index, n), batch_size=7)
        record = json.loads((tmp_path / f"{index}.parquet.run.json").read_text())
        assert record["arguments"]["shard"] == f"{index}/{n}"
    made = concat(shares[::-1], tmp_path / "all.parquet")
    assert (made.n, made.order) == (100, "place")
    assert rows_of(made.output) == rows_of(tmp_path / "whole.parquet")


def test_a_share_without_images_is_refused(tmp_path: Path, images: Path, suite: Path) -> None:
    """Four blocks are no five shares."""
    with pytest.raises(ParameterError, match="shard 4/5 is empty: 100 images make 4 blocks of 32"):
        zeroshot(images, tmp_path / "p.parquet", model=read_suite(suite)[0].model,
                 shard=Shard(4, 5))  # fmt: skip


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 60), st.integers(2, 8))
def test_top_classes_are_those_of_a_stable_sort(seed: int, k: int, more: int, values: int) -> None:
    """Also where many classes tie: the first of them come first."""
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, values, (5, k + more)).astype(np.float32)
    expected = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    assert top_classes(probabilities, k).tolist() == expected.tolist()


def test_the_papers_models_are_known_to_open_clip() -> None:
    """Each with its weights, and with the activation that these were trained with."""
    members = read_suite("laion400m")
    assert len(members) == len({member.stem for member in members}) == 4
    assert members[0].stem == "ViT-B-32-quickgelu_laion400m_e31"
    for model, weights in SUITES["laion400m"]:
        assert weights is not None
        assert open_clip.is_pretrained_cfg(model, weights)
        quick = open_clip.get_pretrained_cfg(model, weights).get("quick_gelu", False)
        assert open_clip.get_model_config(model).get("quick_gelu", False) == quick


def test_a_suite_is_each_of_its_models(tmp_path: Path, images: Path, suite: Path) -> None:
    """One table a model, as `zeroshot` makes it."""
    found = zeroshot_suite(images, tmp_path / "s", suite=suite, templates="{}", top_k=2)
    assert found.done_before == (False, False)
    assert [path.name for path in sorted((tmp_path / "s").glob("*.parquet"))] == [
        "rn.parquet", "vit_epoch_3.parquet",
    ]  # fmt: skip
    for member, summary in zip(read_suite(suite), found.models, strict=True):
        alone = tmp_path / "alone.parquet"
        expected = zeroshot(images, alone, model=member.model, pretrained=member.pretrained,
                            templates="{}", top_k=2, overwrite=True)  # fmt: skip
        assert alone.read_bytes() == summary.output.read_bytes()
        assert summary.accuracy == expected.accuracy
        assert (summary.pretrained is None) == (member.pretrained is None)


def test_a_suite_goes_on_where_it_stopped(
    tmp_path: Path, images: Path, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is told and summed up, not run again."""
    options: dict[str, Any] = {"suite": suite, "templates": "{}"}

    def stop(*_: Any, **__: Any) -> None:
        raise ModelError("no weights")

    with monkeypatch.context() as patch:
        real, calls = load_model, []

        def load(*arguments: Any, **more: Any) -> Any:
            calls.append(arguments)
            return real(*arguments, **more) if len(calls) == 1 else stop()

        patch.setattr("conceptstats.eval.models.load_model", load)
        with pytest.raises(ModelError, match="no weights"):
            zeroshot_suite(images, tmp_path / "s", **options)
    first = zeroshot_suite(images, tmp_path / "s", **options)
    assert first.done_before == (True, False)
    said = Messages()
    monkeypatch.setattr("conceptstats.eval.models.load_model", stop)
    again = zeroshot_suite(images, tmp_path / "s", progress=said, **options)
    assert again.models == first.models
    assert said.said == ["rn: is done", "vit_epoch_3: is done"]


def test_tables_of_other_settings_are_not_taken_for_done(
    tmp_path: Path, images: Path, suite: Path
) -> None:
    """Nor overwritten, nor anything run, unless that is asked for."""
    folder = tmp_path / "s"
    zeroshot_suite(images, folder, suite=suite, templates="{}")
    for options, name in (({"top_k": 2}, "top_k"), ({"precision": "bf16"}, "precision"),
                          ({"shard": Shard(0, 2)}, "shard"), ({"compiled": True}, "compiled"),
                          ({"device": "cuda"}, "device")):  # fmt: skip
        with pytest.raises(OutputExistsError, match=f"with another {name}"):
            zeroshot_suite(images, folder, suite=suite, templates="{}", **options)
    with pytest.raises(OutputExistsError, match="with another images"):
        zeroshot_suite(tmp_path, folder, suite=suite, templates="{}")
    found = zeroshot_suite(images, folder, suite=suite, templates="{}", top_k=2, overwrite=True)
    assert found.done_before == (False, False)
    with pytest.raises(OutputExistsError, match="with another top_k"):  # not the default's
        zeroshot_suite(images, folder, suite=suite, templates="{}")
    (folder / "rn.parquet.run.json").unlink()
    with pytest.raises(OutputExistsError, match="nothing says how"):
        zeroshot_suite(images, folder, suite=suite, templates="{}", top_k=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "names no model"), ("a,x\n#\nb/a , x\n", "names a_x more than once")],
)
def test_suites_without_or_with_double_models_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    """Before anything is run."""
    (tmp_path / "suite").write_text(text)
    with pytest.raises(ParameterError, match=message):
        read_suite(tmp_path / "suite")
    with pytest.raises(ParameterError, match="is no suite"):
        read_suite("laion5b")


# Python warns of the fork by which torch starts its workers, from 3.12 on.
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_process_that_is_killed_is_told(tmp_path: Path, images: Path, suite: Path) -> None:
    """As happens in containers, where 64 MB of shared memory are less than a block on a GPU."""
    loaded = load_model(read_suite(suite)[1].model)

    def die(_: Image.Image) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    killed = replace(loaded, preprocess=die)
    with pytest.raises(SourceError, match=r"reads images died: DataLoader worker.*shm-size"):
        zeroshot(images, tmp_path / "p.parquet", model=killed, templates="{}", workers=1)


def test_the_name_of_a_table_is_no_folder(tmp_path: Path, images: Path, suite: Path) -> None:
    """Several tables do not go into one, nor into a file that is there."""
    (tmp_path / "notes").touch()
    for name in ("p.parquet", "notes"):
        with pytest.raises(ParameterError, match=f"{name} is the name of one table.*name a folder"):
            zeroshot_suite(images, tmp_path / name, suite=suite)


def test_a_compiled_model_comes_close(
    tmp_path: Path, images: Path, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced as a whole, it gives the same up to rounding; the record says that it was compiled.

    Torch's own last step, which writes C++ and takes most of a minute, is left out here.
    """
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    model = read_suite(suite)[1].model
    tables = []
    for compiled in (False, True):
        output = tmp_path / f"{compiled}.parquet"
        zeroshot(images, output, model=model, templates="{}", compiled=compiled)
        tables.append(pq.read_table(output)["target_probability"].to_numpy())
        record = json.loads(output.with_name(f"{output.name}.run.json").read_text())
        assert record["arguments"]["compiled"] is compiled
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-4)


def test_the_command_runs_a_suite(tmp_path: Path, images: Path, suite: Path) -> None:
    """With one JSON document for all models, or facts of each."""
    arguments = ["eval", "zeroshot", str(images), "-o", str(tmp_path / "s"), "--templates", "{}",
                 "--quiet"]  # fmt: skip
    done = CliRunner().invoke(
        cli, [*arguments, "--suite", str(suite), "--json"], catch_exceptions=False
    )
    found = json.loads(done.stdout)
    assert [row["done_before"] for row in found["models"]] == [False, False]
    assert all(row["n"] == 100 for row in found["models"])
    done = CliRunner().invoke(cli, [*arguments, "--suite", str(suite)], catch_exceptions=False)
    assert done.stdout.count("accuracy") == 2
    for wrong in ([], ["--model", "x", "--suite", "y"], ["--suite", "y", "--pretrained", "z"]):
        assert CliRunner().invoke(cli, [*arguments, *wrong]).exit_code == 2
