"""Where a model is looked for, before libraries are asked for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from file_server import serving

from conceptstats.errors import ModelError
from conceptstats.models.loading import loading


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub that cannot be reached."""
    with serving({}) as gone:
        pass
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", gone.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hub"


@pytest.mark.parametrize("model", ["WRITER", "models/writer"])
def test_a_name_that_is_nowhere(model: str) -> None:
    """Said at once: libraries alone would try for most of a minute."""
    began = time.monotonic()
    with (
        pytest.raises(ModelError, match="no folder of that name, it is not in the cache, and the"),
        loading(model, quiet=True),
    ):
        pytest.fail("no library may be asked")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("model", ["./WRITER", "/WRITER", "a/b/c", "a b", "file.bin"])
def test_what_is_no_name_of_the_hub(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is not asked."""
    monkeypatch.setattr("conceptstats.models.loading.check_reachable", pytest.fail)
    Path("file.bin").write_bytes(b"x")
    with (
        pytest.raises(ModelError, match="it is no folder, and no name of the hub"),
        loading(model, quiet=True),
    ):
        pytest.fail("no library may be asked")


def test_a_model_that_may_be_had(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, one in the cache, or any where the hub answers: libraries see to the rest."""
    Path("WRITER").mkdir()
    (cache / "models--gpt2").mkdir(parents=True)
    (cache / "models--org--name").mkdir()
    for model in ("WRITER", "./WRITER", "gpt2", "org/name"):
        with loading(model, quiet=True):
            pass
    with serving({}) as hub:  # which answers that it has no such page
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        with loading("gpt3", quiet=True):
            pass
