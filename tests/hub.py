"""A small stand-in for the hub, on this machine: serves folders as repositories, in the hub's own words of HTTP.

What the real one answers is from the source of its client: which paths it asks, which headers it reads.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

INFO = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/revision/([^/?]+)")
TREE = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/tree/([^/?]+)")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/?]+)/(.+)")


@dataclass
class Hub:
    """Repositories by id, each a folder and its commits.

    Attributes:
        folders: folder of each repository.
        commits: what each revision of a repository stands for.
        gated: repositories that want a token, which is `hf_right`.
        cut: names of files whose download breaks off in the middle, this many times more.
        asked: every request, as ``GET /path``.
    """

    folders: dict[str, Path] = field(default_factory=dict)
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def add(self, repository: str, folder: Path, revision: str) -> str:
        """Serve a folder at a revision; the commit is the revision where that is a hash, else one of its own."""
        is_hash = re.fullmatch(r"[0-9a-f]{40}", revision)
        commit = revision if is_hash else hashlib.sha1(repository.encode()).hexdigest()
        self.folders[repository] = folder
        self.commits.setdefault(repository, {}).update({revision: commit, commit: commit})
        return commit


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve it on a free port for as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def run_molmix() -> None:
    """The command `molmix`, whose hub client tries as often as it does, without its pauses of up to 23 seconds."""
    from molmix.cli import run

    time.sleep = lambda seconds: None
    run()


class _Answers(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        if (found := INFO.match(self.path) or TREE.match(self.path)) or (found := FILE.match(self.path)):
            repository, revision = found[2], found[3]
        else:
            self._send(404, b"{}")
            return
        if repository not in self.hub.folders:
            # The hub does not tell the missing from the private.
            self._send(401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif revision not in self.hub.commits[repository]:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        elif INFO.match(self.path):
            facts = {"id": repository, "sha": self.hub.commits[repository][revision], "siblings": [], "tags": []}
            self._send(200, json.dumps(facts).encode(), {"Content-Type": "application/json"})
        elif TREE.match(self.path):
            self._send(200, json.dumps(self._tree(repository)).encode(), {"Content-Type": "application/json"})
        elif repository in self.hub.gated and self.headers.get("Authorization") != "Bearer hf_right":
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        else:
            self._file(self.hub.folders[repository] / found[4].split("?")[0], self.hub.commits[repository][revision])

    def _tree(self, repository: str) -> list[dict]:
        folder = self.hub.folders[repository]
        return [
            {
                "type": "file",
                "path": str(path.relative_to(folder)),
                "size": path.stat().st_size,
                "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]

    def _file(self, path: Path, commit: str) -> None:
        if not path.is_file():
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        content = path.read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        begin = int(found[1]) if (found := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        status, rest = (206, content[begin:]) if begin else (200, content)
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        if self.command == "GET" and self.hub.cut.get(path.name, 0) > 0:
            self.hub.cut[path.name] -= 1
            self._send(status, rest, headers, cut=True)
            return
        self._send(status, rest, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True
