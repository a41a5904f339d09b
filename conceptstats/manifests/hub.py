"""The Hugging Face hub: what a repository holds and where its files are, by huggingface_hub.

The transfer is ours: since its version 1, huggingface_hub begins anew after a process was killed.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from conceptstats.errors import DownloadError, RefusedError
from conceptstats.manifests.download import TIMEOUT, download, no_network
from conceptstats.progress import Progress


class HubFile(NamedTuple):
    """A file of a repository."""

    path: str
    bytes: int
    sha256: str | None  # the hub says it of large files


def split_repository(repository: str) -> tuple[str, str]:
    """Kind and name of a repository: ``datasets/OWNER/NAME`` is ``("dataset", "OWNER/NAME")``."""
    if repository.startswith("datasets/"):
        return "dataset", repository.removeprefix("datasets/")
    return "model", repository


def page_of(repository: str) -> str:
    """Web page of a repository, where its conditions can be accepted."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{repository}"


def has_token() -> bool:
    """Whether a login to the hub is known: ``HF_TOKEN``, or ``hf auth login``."""
    from huggingface_hub import get_token

    return get_token() is not None


def list_files(repository: str, revision: str) -> list[HubFile]:
    """All files of a repository.

    Raises
    ------
    DownloadError
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    kind, name = split_repository(repository)
    check_reachable()
    with _hub_errors(repository):
        entries = HfApi().list_repo_tree(name, recursive=True, revision=revision, repo_type=kind)
        return [
            HubFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None)
            for entry in entries
            if isinstance(entry, RepoFile)
        ]


def download_file(
    repository: str, revision: str, path: str, partial: Path, progress: Progress
) -> None:
    """Download one file, and go on where an earlier attempt stopped.

    Raises
    ------
    DownloadError
    """
    from huggingface_hub import constants, get_hf_file_metadata, get_token, hf_hub_url

    kind, name = split_repository(repository)
    with _hub_errors(repository):
        page = hf_hub_url(name, path, repo_type=kind, revision=revision)
        found = get_hf_file_metadata(page, token=get_token(), timeout=TIMEOUT)
    ours = found.location.startswith(f"{constants.ENDPOINT}/")
    try:
        download(
            found.location,  # signed for an hour or so, and another each time
            partial,
            progress,
            edition=f"{page} {found.etag}",
            token=get_token() if ours else None,
        )
    except RefusedError as error:
        if ours:
            raise
        raise DownloadError(
            f"{page}: the address of the download has expired.",
            "the same command goes on where it stopped",
        ) from error


def check_reachable() -> None:
    """Fail within seconds where there is no network: huggingface_hub tries for half a minute.

    Raises
    ------
    DownloadError
    """
    from huggingface_hub import constants

    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        error.close()  # it answers
    except OSError as error:
        raise no_network(constants.ENDPOINT, getattr(error, "reason", error)) from error


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turn errors of huggingface_hub into ours."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    again = "the same command goes on where it stopped"
    try:
        yield
    except GatedRepoError as error:
        raise RefusedError(f"{page_of(repository)} wants its conditions accepted.") from error
    except RepositoryNotFoundError as error:
        raise DownloadError(
            f"{page_of(repository)} is not there, or only for those who are logged in.",
            "if it is private, set HF_TOKEN or run `hf auth login`",
        ) from error
    except RevisionNotFoundError as error:
        raise DownloadError(f"{page_of(repository)} has no such revision: {error}.") from error
    except LocalEntryNotFoundError as error:
        raise DownloadError(f"the connection to {page_of(repository)} broke off.", again) from error
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise RefusedError(f"{page_of(repository)} refuses access.") from error
        raise DownloadError(f"{str(error).splitlines()[0]}.", again) from error
    except OSError as error:
        if error.errno is not None:  # of the disk
            raise
        raise DownloadError(f"{page_of(repository)} breaks off: {error}.", again) from error
    except Exception as error:
        if not type(error).__module__.startswith("httpx"):  # its errors of the network
            raise
        raise DownloadError(f"{page_of(repository)} breaks off: {error}.", again) from error
