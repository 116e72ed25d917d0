"""A local server that speaks as much of the hub's HTTP interface as downloading a model or a data set takes."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Fault:
    """What it does wrong where a path matches: hang, status, truncate (a file), short (half as if whole), stall."""

    kind: Literal["hang", "status", "truncate", "short", "stall"]
    match: str = ".*"
    status: int = 500
    code: str | None = None


class HubServer:
    """Serves folders, `models` by (hub id, commit); ``requests`` lists what was asked, ``fault`` makes it misbehave."""

    def __init__(self, models):
        self.models = dict(models)
        self.requests = []
        self.fault = None
        self.gated = frozenset()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._hashes = {}
        server = self

        class Handler(_Handler):
            hub = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False  # a hanging answer must not hold the end of a test
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, pattern):
        """How many requests had a path that matches."""
        return sum(bool(re.search(pattern, path)) for _, path in self.requests)

    def note(self, method, path):
        with self._lock:
            self.requests.append((method, path))

    def commits(self, repo):
        return [commit for name, commit in self.models if name == repo]

    def sha256(self, path):
        key = (path, path.stat().st_mtime_ns)
        if key not in self._hashes:
            self._hashes[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._hashes[key]


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *arguments):
        """The tests read `HubServer.requests` instead."""

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.note(self.command, path)
        fault = self.hub.fault
        if fault is not None and re.search(fault.match, path):
            if fault.kind == "hang":
                self.hub.stopping.wait()
                self.close_connection = True
                return
            if fault.kind == "status":
                self._refuse(fault.status, fault.code)
                return
        try:
            self._route(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up, as it may

    do_HEAD = do_POST = do_GET

    def _route(self, path):
        if path.startswith("/cdn/"):
            self._send_file(Path(path.removeprefix("/cdn")), {})
            return
        api = re.fullmatch(
            r"/api/(?:models|datasets)/(?P<repo>[^/]+(?:/[^/]+)?)"
            r"(?:/(?P<what>revision|tree|paths-info)/(?P<revision>[^/]+)(?P<below>/.+)?)?",
            path,
        )
        file = re.fullmatch(r"/(?:datasets/)?(?P<repo>.+?)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", path)
        found = api or file
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND, None)
            return
        commits = self.hub.commits(found["repo"])
        revision = found["revision"] or "main"
        commit = commits[0] if commits and revision == "main" else revision
        if not commits:
            self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound")
        elif commit not in commits:
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        elif found["repo"] in self.hub.gated:
            self._refuse(HTTPStatus.UNAUTHORIZED, "GatedRepo")
        elif file is not None:
            self._resolve(found["repo"], commit, file["file"])
        elif found["below"]:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
        elif found["what"] == "paths-info":
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["paths"]
            self._send_json([entry for entry in self._tree(found["repo"], commit) if entry["path"] in asked])
        elif found["what"] == "tree":
            self._send_json(self._tree(found["repo"], commit))
        else:
            files = [{"rfilename": entry["path"]} for entry in self._tree(found["repo"], commit)]
            self._send_json(
                {"_id": "0" * 24, "id": found["repo"], "modelId": found["repo"], "sha": commit, "siblings": files}
            )

    def _tree(self, repo, commit):
        folder = self.hub.models[repo, commit]
        entries = []
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = {
                "type": "file",
                "path": path.relative_to(folder).as_posix(),
                "size": path.stat().st_size,
                "oid": self.hub.sha256(path)[:40],
            }
            if path.suffix == ".safetensors":
                entry["lfs"] = {"oid": self.hub.sha256(path), "size": entry["size"], "pointerSize": 134}
            entries.append(entry)
        return entries

    def _resolve(self, repo, commit, file):
        path = self.hub.models[repo, commit] / file
        if not path.is_file():
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        digest = self.hub.sha256(path)
        if path.suffix == ".safetensors":
            # Large files lie on another host: the hub answers with their address, size and digest.
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(path.stat().st_size),
                "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/cdn{path}",
                "Content-Length": "0",
            }
            self._head(HTTPStatus.FOUND, headers)
            return
        self._send_file(path, {"X-Repo-Commit": commit, "ETag": f'"{digest[:40]}"'})

    def _send_file(self, path, headers):
        content = path.read_bytes()
        fault = self.hub.fault
        faulty = fault is not None and re.search(fault.match, str(path)) is not None
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        if faulty and fault.kind == "short":
            content = content[: len(content) // 2]
        if start >= len(content) and start > 0:
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, None)
            return
        part = content[start:]
        headers = {**headers, "Content-Length": str(len(part)), "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK, headers)
        if self.command == "HEAD":
            return
        if faulty and fault.kind in {"truncate", "stall"}:
            half = max(0, len(content) // 2 - start)
            self.wfile.write(part[:half])
            self.wfile.flush()
            if fault.kind == "stall":
                self.hub.stopping.wait()
            self.close_connection = True
            return
        self.wfile.write(part)

    def _send_json(self, value):
        content = json.dumps(value).encode()
        self._head(HTTPStatus.OK, {"Content-Type": "application/json", "Content-Length": str(len(content))})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status, code, headers=None):
        extra = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self._head(status, {**extra, **(headers or {}), "Content-Length": "0"})

    def _head(self, status, headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
