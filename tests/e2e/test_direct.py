"""A private module, whole: from its repository by `gopherwood ingest` to `go mod download` from our serving alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.gitremote import GitRemote
from fakes.site import Site
from gopherwood import toolchain
from gopherwood.catalog import Catalog
from gopherwood.module import ModuleVersion

M = "github.com/acme/m"


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[GitRemote]:
    """Serve a private module with a good version and one whose go.mod is another module's."""
    with GitRemote(tmp_path / "remote") as remote:
        acme = remote.repository(M)
        acme.commit({"go.mod": f"module {M}\n\ngo 1.21\n", "m.go": "package m\n"}, tag="v1.0.0")
        acme.commit({"go.mod": "module github.com/acme/other\n"}, tag="v1.0.1-stray")
        yield remote


@pytest.fixture
def site(tmp_path: Path, remote: GitRemote) -> Iterator[Site]:
    """Serve what is published."""
    site = Site.new(tmp_path / "home")
    site.start()
    yield site
    site.stop()


def gopherwood(site: Site, remote: GitRemote, *arguments: str) -> dict[str, object]:
    """Run a verb where no proxy is asked and acme's modules are private."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "GIT"))}
    environ |= {"GOPHERWOOD_HOME": str(site.settings.home), "GOPHERWOOD_UPSTREAM": "off", "GOPHERWOOD_SUMDB": "off"}
    environ |= {"GOPHERWOOD_PRIVATE": "github.com/acme/*", "GIT_CONFIG_GLOBAL": str(remote.config)}
    command = [sys.executable, "-m", "gopherwood", *arguments, "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_private_module_whole(site: Site, remote: GitRemote, tmp_path: Path) -> None:
    """Ingested as @latest, it is served with its Origin, and `go` downloads it from us when its repository is gone."""
    result = gopherwood(site, remote, "ingest", f"{M}@latest")
    assert (result["published"], result["exit_code"]) == (1, 0), result
    for name in list(remote.served.rglob("*.git")):
        name.rename(tmp_path / "gone")
    assert site.get(f"/{M}/@v/v1.0.0.info").text.count('"VCS":"git"') == 1
    environ = os.environ | {"GOPROXY": f"{site.url},off", "GONOSUMDB": "github.com/acme", "GOFLAGS": "-modcacherw"}
    environ |= {"GOPATH": str(tmp_path / "gopath"), "GOTOOLCHAIN": "local"}
    command = [toolchain.find_go(), "mod", "download", "-json", f"{M}@v1.0.0"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_updates_of_private_modules(site: Site, remote: GitRemote) -> None:
    """A tag made later is found by `discover --source updates`."""
    gopherwood(site, remote, "ingest", f"{M}@v1.0.0")
    found = gopherwood(site, remote, "discover", "--source", "updates")
    assert (found["new"], found["bad"]) == (1, 0)


def test_a_go_mod_of_another_module_is_rejected(site: Site, remote: GitRemote) -> None:
    """What came from version control is judged as all else: rejected, with the rule's row of evidence."""
    stray = ModuleVersion(M, "v1.0.1-stray")
    result = gopherwood(site, remote, "ingest", str(stray))
    assert result["rejected"] == 1, result
    with Catalog.open(site.settings) as catalog:
        evidence = [row for row in catalog.evidence_of(stray) if not row.ok]
    assert ["github.com/acme/other" in row.detail for row in evidence] == [True]
