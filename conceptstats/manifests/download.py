"""Downloads from plain URLs that go on where they stopped, by HTTP ranges (RFC 9110, 14)."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from conceptstats.errors import DownloadError, RefusedError
from conceptstats.progress import Progress

SAID = ".said"  # ending of what a host said of a partial file
TIMEOUT = 10.0  # seconds, to connect and between two blocks
_ATTEMPTS = 5  # in a row that bring nothing
_BLOCK = 1 << 20
_AGENT = "conceptstats (data fetch)"  # some hosts refuse Python's own


def no_network(url: str, reason: object) -> DownloadError:
    """The error where a host cannot be reached."""
    host = url.partition("://")[2].partition("/")[0]
    return DownloadError(
        f"{host} cannot be reached: {reason}.",
        "check the network and its proxy; the same command goes on where it stopped",
    )


def download(
    url: str,
    partial: Path,
    progress: Progress,
    *,
    edition: str | None = None,
    token: str | None = None,
) -> None:
    """Download to a file, and go on where an earlier attempt stopped.

    What is there already is kept if the host says that the file is the same (``If-Range`` with its
    ETag or date); a host that knows no ranges sends all of it again. A connection that breaks is
    taken up again, up to five times in a row without a byte.

    Parameters
    ----------
    url : str
    partial : Path
        Written to; complete when this returns. Beside it, ``NAME.said`` keeps what the host said.
    progress : Progress
    edition : str, optional
        Tells one edition of the file from another, whatever its URL; then the host is not asked.
    token : str, optional
        Sent to this host, and not to those it redirects to.

    Raises
    ------
    DownloadError
        The partial file stays, so that a later call goes on.
    """
    partial.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = _size(partial)
        try:
            if _receive(url, partial, progress, edition, token):
                return
            reason: object = "the connection was closed too early"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500:
                raise _refusal(url, error.code) from error
            reason = f"status {error.code}"
        except (OSError, http.client.HTTPException) as error:
            if not _is_network(error):
                raise
            reason = getattr(error, "reason", error)
            if before == 0 and _size(partial) == 0:
                raise no_network(url, reason) from error
        failures = 0 if _size(partial) > before else failures + 1
        if failures >= _ATTEMPTS:
            raise DownloadError(
                f"{url} breaks off after {_size(partial):,} bytes: {reason}.",
                "the same command goes on where it stopped",
            )


def _receive(
    url: str, partial: Path, progress: Progress, edition: str | None, token: str | None
) -> bool:
    """Receive what is missing; whether the file is complete."""
    start, said = _size(partial), _read_said(partial)
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT})
    request.add_header("Accept-Encoding", "identity")
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    if start and said.get("edition") == (edition or url):
        if edition or said.get("validator"):
            request.add_header("Range", f"bytes={start}-")
        if not edition and said.get("validator"):
            request.add_header("If-Range", said["validator"])
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing, or the file has become shorter
            error.close()
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return True
            partial.unlink()
            return False
        raise
    with response:
        start, total = _extent(response, start)
        _write_said(partial, edition or url, response)
        with partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            while block := response.read(_BLOCK):
                file.write(block)
                start += len(block)
                progress.advance(len(block), start / total if total else 0.0)
    return total is None or start == total


def _extent(response: Any, start: int) -> tuple[int, int | None]:
    """At which byte the answer begins, and how many the whole file has."""
    if response.status == 206:
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers["Content-Range"] or "")
        if given and int(given[1]) == start:
            return start, None if given[2] == "*" else int(given[2])
        raise http.client.HTTPException("the host sent another range than was asked for")
    length = response.headers["Content-Length"]
    return 0, int(length) if length else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _said_path(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}{SAID}")


def _read_said(partial: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        said = json.loads(_said_path(partial).read_text(encoding="utf-8"))
        if isinstance(said, dict):
            return said
    return {}


def _write_said(partial: Path, edition: str, response: Any) -> None:
    """Keep what tells later whether the file is still the same: a strong ETag, or its date."""
    etag = response.headers["ETag"] or ""
    validator = etag if etag.startswith('"') else response.headers["Last-Modified"]
    said = {"edition": edition, "validator": validator}
    _said_path(partial).write_text(json.dumps(said), encoding="utf-8")


def _is_network(error: Exception) -> bool:
    """Whether an error is of the network, and not of the disk."""
    network = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)
    return isinstance(error, (*network, http.client.HTTPException))


def _refusal(url: str, status: int) -> DownloadError:
    if status in (401, 403, 407):
        return RefusedError(f"{url} refuses access (status {status}).")
    if status in (404, 410):
        return DownloadError(
            f"{url} is not there (status {status}).",
            "it has moved or was withdrawn; the homepage in `conceptstats data show` may know",
        )
    return DownloadError(f"{url} answers with status {status}.", "try again later")
