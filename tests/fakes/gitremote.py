r"""Git repositories behind a real server on loopback: git's own http-backend, with counters and ways to fail.

with GitRemote(tmp_path) as remote:
    acme = remote.repository("github.com/acme/m")
    first = acme.commit({"go.mod": "module github.com/acme/m\n", "m.go": "package m\n"}, tag="v1.0.0")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(remote.config))  # https://github.com/acme/... now means this server
    acme.commit({"m.go": "package m // other\n"}, tag="v1.0.0")  # the tag moves
    acme.delete()
"""

import base64
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

TIME = "2020-01-02T03:04:05Z"
_ENVIRON = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A U Thor",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "C O Mitter",
    "GIT_COMMITTER_EMAIL": "committer@example.com",
}


@dataclass
class Repository:
    """A repository that is served; its working tree is `tree`."""

    name: str
    """Its place on the server, such as `github.com/acme/m`."""
    tree: Path
    bare: Path
    url: str

    def commit(self, files: Mapping[str, str | bytes | None], *, tag: str = "", time: str = TIME) -> str:
        """Commit these files (None removes one) on the branch at hand, push it, and return the hash."""
        for name, content in files.items():
            path = self.tree / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", tag or "more", time=time)
        self.git("push", "--quiet", "--force", "origin", "HEAD")
        made = self.git("rev-parse", "HEAD")
        if tag:
            self.tag(tag)
        return made

    def tag(self, name: str, at: str = "HEAD") -> None:
        """Let a tag name a commit, whatever it named before: a force push."""
        self.git("tag", "--force", name, at)
        self.git("push", "--quiet", "--force", "origin", f"refs/tags/{name}")

    def delete_tag(self, name: str) -> None:
        """Remove a tag from the server."""
        self.git("push", "--quiet", "origin", f":refs/tags/{name}")

    def rewind(self, commit: str) -> None:
        """Let the branch end at an earlier commit: what came after is reachable no more, unless a tag names it."""
        self.git("reset", "--quiet", "--hard", commit)
        self.git("push", "--quiet", "--force", "origin", "HEAD")

    def prune(self) -> None:
        """Remove from the server what nothing reaches any more."""
        self.git("gc", "--quiet", "--prune=now", folder=self.bare)

    def delete(self) -> None:
        """Take the repository off the server."""
        shutil.rmtree(self.bare)

    def rename(self, name: str) -> None:
        """Serve it under another name alone."""
        there = self.bare.parents[len(Path(self.name).parts) - 1] / f"{name}.git"
        there.parent.mkdir(parents=True, exist_ok=True)
        self.bare = self.bare.rename(there)
        self.name = name

    def git(self, *arguments: str, folder: Path | None = None, time: str = TIME) -> str:
        """Run git in the working tree; return what it says."""
        environ = os.environ | _ENVIRON | {"GIT_AUTHOR_DATE": time, "GIT_COMMITTER_DATE": time}
        command = ["git", "-c", "init.defaultBranch=main", *arguments]
        done = subprocess.run(command, cwd=folder or self.tree, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class GitRemote:
    """A server of repositories below `root`; use it as a context manager. `url` has no slash at its end."""

    root: Path
    requests: Counter[str] = field(default_factory=Counter)
    """How often each repository was asked for, by name."""
    user: tuple[str, str] | None = None
    """User name and password that requests must carry."""
    hanging: set[str] = field(default_factory=set)
    """Repositories that are answered with the beginning of an answer, and then nothing."""
    stopping: threading.Event = field(default_factory=threading.Event)

    def repository(self, name: str) -> Repository:
        """Make an empty repository, served as `url`/`name`."""
        made = Repository(name, self.root / "trees" / name, self.served / f"{name}.git", f"{self.url}/{name}")
        for folder in (made.tree, made.bare):
            folder.mkdir(parents=True)
        made.git("init", "--quiet", "--bare", folder=made.bare)
        made.git("config", "uploadpack.allowFilter", "true", folder=made.bare)
        made.git("init", "--quiet")
        made.git("remote", "add", "origin", str(made.bare))
        return made

    @property
    def served(self) -> Path:
        """The folder of what is served."""
        return self.root / "served"

    @property
    def config(self) -> Path:
        """A GIT_CONFIG_GLOBAL that leads https://github.com/... to this server."""
        path = self.root / "gitconfig"
        path.write_text(f'[url "{self.url}/github.com/"]\n\tinsteadOf = https://github.com/\n')
        return path

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.remote = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    remote: GitRemote
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        remote = self.server.remote
        parts = urlsplit(self.path)
        name, _, _rest = unquote(parts.path).strip("/").partition("/info/refs")
        name = name.removesuffix("/git-upload-pack").removesuffix(".git")
        remote.requests[name] += 1
        if remote.user and self.headers.get("Authorization") != _basic(*remote.user):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
        elif name in remote.hanging:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            self.end_headers()
            remote.stopping.wait()
        elif not (remote.served / f"{name}.git").is_dir():
            self.send_error(404)
        else:
            service = "/info/refs" if "/info/refs" in self.path else "/git-upload-pack"
            self._serve(f"/{name}.git{service}", parts.query)

    do_POST = do_GET  # noqa: N815

    def _serve(self, path: str, query: str) -> None:
        """Let http-backend answer, as a web server does: by CGI."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        environ = os.environ | _ENVIRON
        environ |= {"GIT_PROJECT_ROOT": str(self.server.remote.served), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path}
        environ |= {"REQUEST_METHOD": self.command, "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1"}
        environ |= {"CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body))}
        environ |= {"HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
        environ |= {"GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        done = subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _chunks(self) -> bytes:
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        return body

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
