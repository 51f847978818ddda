"""The left-pad drill: upstream gone, every repository deleted, every cache empty; what is published still builds."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.gitremote import GitRemote
from fakes.goproxy import GoProxy
from fakes.site import Site
from gopherwood import toolchain

ACME = "github.com/acme"
PROXIED = [f"example.com/lib{n}" for n in range(7)]
TIME = "20210101000000"

pytestmark = pytest.mark.slow


@pytest.fixture
def origins(tmp_path: Path) -> Iterator[GitRemote]:
    """Serve modules of every kind from version control; alpha needs beta, and beta a module that a proxy has."""
    with GitRemote(tmp_path / "remote") as remote:
        beta = f"module {ACME}/beta\n\ngo 1.21\n\nrequire {PROXIED[0]} v1.0.0\n"
        using = f'package beta\n\nimport _ "{PROXIED[0]}"\n'
        remote.repository(f"{ACME}/beta").commit({"go.mod": beta, "beta.go": using}, tag="v1.2.0")
        alpha = f"module {ACME}/alpha\n\ngo 1.21\n\nrequire {ACME}/beta v1.2.0\n"
        using = f'package alpha\n\nimport _ "{ACME}/beta"\n'
        remote.repository(f"{ACME}/alpha").commit({"go.mod": alpha, "alpha.go": using}, tag="v1.0.0")
        gamma = {"go.mod": f"module {ACME}/gamma/v2\n", "gamma.go": "package gamma\n"}
        remote.repository(f"{ACME}/gamma").commit(gamma, tag="v2.0.0")
        remote.repository(f"{ACME}/old").commit({"old.go": "package old\n"}, tag="v3.0.0")
        mono = {"sub/go.mod": f"module {ACME}/mono/sub\n", "sub/sub.go": "package sub\n"}
        remote.repository(f"{ACME}/mono").commit(mono, tag="sub/v0.1.0")
        tip = {"go.mod": f"module {ACME}/Tip\n", "tip.go": "package tip\n"}
        remote.repository(f"{ACME}/Tip").commit(tip, time="2021-01-01T00:00:00Z")
        yield remote


@pytest.fixture
def program(tmp_path: Path, origins: GitRemote) -> Path:
    """Write a program that uses thirteen modules."""
    folder = tmp_path / "program"
    folder.mkdir()
    tip = origins.root / "trees" / ACME / "Tip"
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tip, capture_output=True, text=True, check=True).stdout
    wanted = {f"{ACME}/alpha": "v1.0.0", f"{ACME}/gamma/v2": "v2.0.0", f"{ACME}/old": "v3.0.0+incompatible"}
    wanted |= {f"{ACME}/mono/sub": "v0.1.0", f"{ACME}/Tip": f"v0.0.0-{TIME}-{commit[:12]}"}
    wanted |= dict.fromkeys(PROXIED[1:], "v1.0.0")
    required = "".join(f"\t{path} {version}\n" for path, version in wanted.items())
    imported = "".join(f'import _ "{path}"\n' for path in wanted)
    (folder / "go.mod").write_text(f"module example.com/program\n\ngo 1.21\n\nrequire (\n{required})\n")
    (folder / "main.go").write_text(f'package main\n\n{imported}\nfunc main() {{ println("afloat") }}\n')
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve what is published."""
    site = Site.new(tmp_path / "home")
    site.start()
    yield site
    site.stop()


def go(*arguments: str, folder: Path, **environ: str) -> str:
    """Run the go command with nothing of the user's Go configuration; return what it says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "GIT_CONFIG"))}
    clean |= {"GOENV": "off", "GOSUMDB": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw", **environ}
    command = [toolchain.find_go(), *arguments]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def ingest(site: Site, upstream: str, origins: GitRemote, wanted: Path) -> dict[str, object]:
    """Publish what a go.sum names."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "GIT"))}
    environ |= {"GOPHERWOOD_HOME": str(site.settings.home), "GOPHERWOOD_UPSTREAM": upstream}
    environ |= {"GOPHERWOOD_PRIVATE": ACME, "GOPHERWOOD_SUMDB": "off", "GIT_CONFIG_GLOBAL": str(origins.config)}
    command = [sys.executable, "-m", "gopherwood", "ingest", str(wanted), "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=200)
    assert done.stdout, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_the_left_pad_drill(site: Site, origins: GitRemote, program: Path, tmp_path: Path) -> None:
    """With empty caches `go build` works from us alone, and every byte is what go.sum knew before the flood."""
    with GoProxy() as upstream:
        for path in PROXIED:
            upstream.add(path, "v1.0.0")
        before = {"GOPROXY": upstream.url, "GONOPROXY": ACME, "GOPATH": str(tmp_path / "before")}
        go("mod", "tidy", folder=program, GIT_CONFIG_GLOBAL=str(origins.config), **before)
        go_sum = (program / "go.sum").read_text()
        result = ingest(site, upstream.url, origins, program / "go.sum")
        assert (result["published"], result["left"], result["exit_code"]) == (13, 0, 0), result
    shutil.rmtree(origins.served)
    shutil.rmtree(tmp_path / "before")

    after = {"GOPROXY": f"{site.url},off", "GOPATH": str(tmp_path / "after"), "GOCACHE": str(tmp_path / "cache")}
    go("build", "-o", str(tmp_path / "built"), ".", folder=program, **after)
    built = subprocess.run([tmp_path / "built"], capture_output=True, text=True, check=True)
    assert built.stderr == "afloat\n"
    assert "all modules verified" in go("mod", "verify", folder=program, **after)
    assert (program / "go.sum").read_text() == go_sum
    assert downloaded(program, tmp_path / "again", site) == {
        f"{path}@{version}": h1 for path, version, h1 in map(str.split, go_sum.splitlines()) if "/go.mod" not in version
    }


def downloaded(program: Path, cache: Path, site: Site) -> dict[str, str]:
    """Return the h1 of every module that a program's `go mod download` gets from us, without its go.sum."""
    bare = shutil.copytree(program, cache / "program")
    (bare / "go.sum").unlink()
    said = go("mod", "download", "-json", "all", folder=bare, GOPROXY=f"{site.url},off", GOPATH=str(cache / "gopath"))
    found, decoder = {}, json.JSONDecoder()
    while said := said.lstrip():
        module, end = decoder.raw_decode(said)
        found[f"{module['Path']}@{module['Version']}"] = module["Sum"]
        said = said[end:]
    return found
