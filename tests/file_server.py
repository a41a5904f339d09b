"""A host of files for tests: it honours ranges or not, breaks off, refuses, or plays the hub."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

COMMIT = "0" * 39 + "1"


@dataclass
class Host:
    """What the server holds, how it behaves, and what it was asked."""

    files: dict[str, bytes]  # by path, without the first slash
    ranges: bool = True
    etag: bool = True
    break_after: int | None = None  # bytes of an answer, before the connection is closed
    hang_after: int | None = None  # bytes of an answer, before nothing comes any more
    status: dict[str, int] = field(default_factory=dict)  # by path
    gated: bool = False  # as a repository of the hub
    elsewhere: str | None = None  # where the hub's files really are
    url: str = ""
    listings: int = 0  # of repositories
    asked: list[tuple[str, str, str | None, int]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)  # of all GETs

    def ranges_asked(self, path: str) -> list[str | None]:
        """The Range headers of all GETs of a file."""
        return [given for method, p, given, _ in self.asked if (method, p) == ("GET", path)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def host(self) -> Host:
        return self.server.host  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_GET(self) -> None:
        self._answer("GET")

    def _answer(self, method: str) -> None:
        path = unquote(urlparse(self.path).path).lstrip("/")
        if re.fullmatch(r"api/(datasets|models)/[^/]+/[^/]+/tree/[^/]+/?", path):
            self.host.listings += 1
            self._list()
            return
        hub = re.fullmatch(r"(?:datasets/)?[^/]+/[^/]+/resolve/[^/]+/(.+)", path)
        name = hub[1] if hub else path
        if method == "GET":
            self.host.tokens.append(self.headers["Authorization"])
        if hub and self.host.gated and self.headers["Authorization"] != "Bearer accepted":
            self._refuse(403, method, name, {"X-Error-Code": "GatedRepo"})
        elif name in self.host.status:
            self._refuse(self.host.status[name], method, name, {})
        elif name not in self.host.files:
            self._refuse(404, method, name, {"X-Error-Code": "EntryNotFound"} if hub else {})
        elif hub and self.host.elsewhere:
            body = self.host.files[name]
            headers = {"X-Linked-Size": str(len(body)), "X-Repo-Commit": COMMIT}
            headers |= {"X-Linked-Etag": f'"{hashlib.sha256(body).hexdigest()}"'}
            signed = f"{self.host.elsewhere}/{name}?signature={len(self.host.asked)}"
            self._refuse(302, method, name, headers | {"Location": signed})
        else:
            self._send(method, name, self.host.files[name], on_hub=bool(hub))

    def _list(self) -> None:
        entries = [
            {
                "type": "file", "path": name, "size": len(body), "oid": "0" * 40,
                "lfs": {"oid": hashlib.sha256(body).hexdigest(), "size": len(body),
                        "pointerSize": 130},
            }
            for name, body in self.host.files.items()
        ]  # fmt: skip
        body = json.dumps(entries).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, method: str, name: str, headers: dict[str, str]) -> None:
        self.host.asked.append((method, name, self.headers["Range"], status))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def _send(self, method: str, name: str, body: bytes, *, on_hub: bool) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        start = self._start(body, etag)
        status = 200 if start is None else 206 if start < len(body) else 416
        self.host.asked.append((method, name, self.headers["Range"], status))
        rest = body[start or 0 :]
        self.send_response(status)
        if start is not None:
            extent = f"{start}-{len(body) - 1}" if status == 206 else "*"
            self.send_header("Content-Range", f"bytes {extent}/{len(body)}")
        self.send_header("Content-Length", str(len(rest)))
        if self.host.etag:
            self.send_header("ETag", etag)
        if on_hub:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if method == "GET":
            self._write(rest)

    def _start(self, body: bytes, etag: str) -> int | None:
        """Where a range begins, if one was asked for and applies."""
        given = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if not given or not self.host.ranges:
            return None
        if self.headers["If-Range"] not in (None, etag):
            return None
        return int(given[1])

    def _write(self, rest: bytes) -> None:
        stop = self.host.break_after if self.host.hang_after is None else self.host.hang_after
        try:
            self.wfile.write(rest[:stop])
            self.wfile.flush()
            if stop is not None and stop < len(rest):
                if self.host.hang_after is not None:
                    time.sleep(60)
                self.close_connection = True
                self.connection.close()
        except OSError:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


@contextmanager
def serving(files: dict[str, bytes], **behaviour: Any) -> Iterator[Host]:
    """Serve files on this machine."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    host = Host(files, url=f"http://127.0.0.1:{server.server_port}", **behaviour)
    server.host = host  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.block_on_close = False
        server.server_close()
        thread.join()
