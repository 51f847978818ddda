"""A fake upstream: a GOPROXY server over modules that tests make up, with counters and faults.

with GoProxy() as proxy:
    made = proxy.add("example.com/m", "v1.0.0", {"m.go": "package m"})
    proxy.fail("example.com/m/@v/v1.0.0.zip", truncated, times=1)
    ...
    assert proxy.requests["example.com/m/@v/v1.0.0.zip"] == 2
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fakes.loopback import (
    Answer,
    Loopback,
    chunked,
    chunked_cut,
    cut_in_headers,
    redirect,
    reset,
    slow,
    status,
    truncated,
    unsized,
    wrong_bytes,
)
from gopherwood import module

__all__ = [
    "Answer",
    "GoProxy",
    "Module",
    "chunked",
    "chunked_cut",
    "cut_in_headers",
    "make_module",
    "make_zip",
    "redirect",
    "reset",
    "slow",
    "status",
    "truncated",
    "unsized",
    "wrong_bytes",
]

TIME = "2020-01-02T03:04:05Z"


class Module(NamedTuple):
    """The three files of a module version."""

    info: bytes
    mod: bytes
    zip: bytes


def make_zip(path: str, version: str, files: Mapping[str, str | bytes]) -> bytes:
    """Return a module zip: the same bytes for the same files, whatever the day."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(f"{path}@{version}/{name}"), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def make_module(
    path: str,
    version: str,
    files: Mapping[str, str | bytes] | None = None,
    *,
    time: str = TIME,
    origin: Mapping[str, object] | None = None,
) -> Module:
    """Return a valid module version, deterministically; a go.mod is added unless `files` has one.

    `{"go.mod": ""}` makes a module that has none: its `.mod` is then `module PATH` alone, as upstreams write it.
    """
    files = {"go.mod": f"module {path}\n\ngo 1.21\n", f"{_name(path)}.go": f"package {_name(path)}\n"} | dict(
        files or {}
    )
    go_mod = files["go.mod"]
    if not go_mod:
        del files["go.mod"]
        go_mod = f"module {path}\n"
    said: dict[str, object] = {"Version": version, "Time": time} | ({"Origin": dict(origin)} if origin else {})
    mod = go_mod.encode() if isinstance(go_mod, str) else go_mod
    return Module(json.dumps(said).encode(), mod, make_zip(path, version, files))


def _name(path: str) -> str:
    return "".join(char for char in path.rpartition("/")[2] if char.isalnum()) or "m"


@dataclass
class GoProxy(Loopback):
    """The GOPROXY protocol over `files`, on loopback."""

    files: dict[str, bytes] = field(default_factory=dict)
    """What is served, by path as it is asked for (escaped); tests may change it at will."""
    listed: dict[str, list[str]] = field(default_factory=dict)
    """The versions of `@v/list` by escaped module path."""
    mounts: dict[str, Callable[[str], bytes | None]] = field(default_factory=dict)
    """Who answers below a prefix (`sumdb/sum.example/`), given the rest of the path; None is a 404."""

    def add(
        self,
        path: str,
        version: str,
        files: Mapping[str, str | bytes] | None = None,
        *,
        listed: bool = True,
        time: str = TIME,
        origin: Mapping[str, object] | None = None,
    ) -> Module:
        """Serve a module version that `make_module` makes."""
        made = make_module(path, version, files, time=time, origin=origin)
        self.put(path, version, made, listed=listed)
        return made

    def put(self, path: str, version: str, made: Module, *, listed: bool = True) -> None:
        """Serve these very bytes as a module version."""
        for suffix, data in zip((".info", ".mod", ".zip"), made, strict=True):
            self.files[self.key(path, version, suffix)] = data
        versions = self.listed.setdefault(module.escape_path(path), [])
        if listed and version not in versions:
            versions.append(version)

    @staticmethod
    def key(path: str, version: str, suffix: str) -> str:
        """Return the path that a file is asked for by."""
        return f"{module.escape_path(path)}/@v/{module.escape_version(version)}{suffix}"

    def mount(self, prefix: str, answer: Callable[[str], bytes | None]) -> None:
        """Let somebody else answer below a prefix."""
        self.mounts[prefix.strip("/") + "/"] = answer

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Serve a file, a list, or what is mounted."""
        for prefix, mounted in self.mounts.items():
            if path.startswith(prefix):
                found = mounted(path.removeprefix(prefix))
                return self._missing(path) if found is None else Answer(200, found)
        if path in self.files:
            return Answer(200, self.files[path], (("Content-Type", _content_type(path)),))
        owner, at, rest = path.partition("/@v/")
        if at and rest == "list" and owner in self.listed:
            return Answer(200, "".join(f"{version}\n" for version in self.listed[owner]).encode())
        return self._missing(path)

    @staticmethod
    def _missing(path: str) -> Answer:
        return Answer(404, f"not found: {path}\n".encode(), (("Content-Type", "text/plain; charset=utf-8"),))


def _content_type(path: str) -> str:
    return {"info": "application/json", "zip": "application/zip"}.get(
        path.rpartition(".")[2], "text/plain; charset=utf-8"
    )
