"""Two sides of an air gap: one that was filled from a fake upstream, and an empty one that reaches nobody.

with Gap(tmp_path) as gap:
    gap.add("example.com/m", "v1.0.0")
    gap.fill()
    export.run(gap.here, tmp_path / "b.tar", key=gap.key_file)
    importing.run(gap.there, tmp_path / "b.tar", keys=[gap.vkey])
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fakes import catalogs
from fakes import sumdb as fake
from fakes.goproxy import GoProxy, Module
from gopherwood import discover, fetch, module, note, publish, toolchain, validate
from gopherwood.catalog import Catalog, VersionRow
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.store import open_store

SIGNER = "curated.example"


@dataclass
class Gap:
    """An upstream with a checksum database, a store filled from it, and a store beyond."""

    folder: Path
    catalogs: tuple[str, str] = ("", "")
    """URLs of the two catalogs; default: SQLite."""
    proxy: GoProxy = field(default_factory=GoProxy)

    def __enter__(self) -> Self:
        self.proxy.__enter__()
        self.log = fake.SumDBLog(self._sums)
        self.proxy.mount(f"sumdb/{self.log.name}", self.log.answer)
        skey, self.vkey = note.generate_key(SIGNER, seed=b"airgap".ljust(32, b"\0"))
        self.folder.mkdir(exist_ok=True)
        self.key_file = self.folder / "signer"
        self.key_file.write_text(f"{skey}\n")
        here, there = self.catalogs
        common = {"sumdb": self.log.vkey}
        self.here = Settings(home=self.folder / "here", catalog=here, upstream=self.proxy.url, **common)
        self.there = Settings(home=self.folder / "there", catalog=there, upstream="off", **common)
        return self

    def __exit__(self, *error: object) -> None:
        self.proxy.__exit__(*error)

    def _sums(self, mv: ModuleVersion) -> fake.Sums | None:
        zipped = self.proxy.files.get(self.proxy.key(mv.path, mv.version, ".zip"))
        if zipped is None:
            return None
        file = self.folder / "summed.zip"
        file.write_bytes(zipped)
        return fake.sums(file, self.proxy.files[self.proxy.key(mv.path, mv.version, ".mod")])

    def add(self, path: str, version: str, files: Mapping[str, str | bytes] | None = None) -> Module:
        """Serve a version."""
        return self.proxy.add(path, version, files)

    def fill(self, settings: Settings | None = None) -> int:
        """Bring in everything that is served; return how many versions are new."""
        settings = settings or self.here
        keys = [name.removesuffix(".zip").partition("/@v/") for name in self.proxy.files if name.endswith(".zip")]
        wanted = [f"{module.unescape_path(path)}@{module.unescape_version(v)}" for path, _, v in keys]
        catalogs.make(settings.catalog_url)
        discover.run(settings, "seed", wanted=wanted)
        fetch.run(settings)
        validate.run(settings)
        return publish.run(settings).published

    def row(self, settings: Settings, name: str) -> VersionRow | None:
        """Return what a catalog knows of MODULE@VERSION."""
        with Catalog.open(settings) as catalog:
            return catalog.state_of(ModuleVersion(*name.split("@")))


def contents(settings: Settings) -> dict[str, bytes]:
    """Return every published file of a store, and what is mirrored."""
    objects = open_store(settings)
    return {key: objects.read(key) for key in objects.keys("")}


def modules(settings: Settings) -> dict[str, bytes]:
    """Return the files of the modules in a store."""
    return {key: data for key, data in contents(settings).items() if "/@v/" in key and not key.startswith("sumdb/")}


def records(settings: Settings) -> dict[str, bytes]:
    """Return the mirrored records of a store."""
    return {key: data for key, data in contents(settings).items() if "/lookup/" in key}


def go(folder: Path, proxy: str, sumdb: str, *names: str) -> "subprocess.CompletedProcess[str]":
    """Run `go mod download` as on a new machine."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": f"{proxy},off", "GOSUMDB": sumdb, "GOPATH": str(folder), "GOTOOLCHAIN": "local"}
    environ |= {"GOFLAGS": "-modcacherw", "GOMODCACHE": str(folder / "mod")}
    command = [toolchain.find_go(), "mod", "download", "-json", *names]
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/user\n\ngo 1.21\n")
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
