"""The main job, whole: real modules from the user's own upstream, and a real `go build` through our GOPROXY alone."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gopherwood import ingest, toolchain
from gopherwood.config import Settings

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hello"

pytestmark = [pytest.mark.upstream, pytest.mark.xdist_group("example")]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Ingest the default seed list."""
    made = replace(Settings.from_env(), home=tmp_path_factory.mktemp("home"))
    result = ingest.run(made, seeds=["default"], style="json")
    assert (result.left, result.refused, result.exit_code) == (0, [], 0)
    return made


@pytest.fixture(scope="module")
def ours(settings: Settings) -> Iterator[str]:
    """Serve what was ingested, with no way to any upstream."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = os.environ | {"GOPHERWOOD_HOME": str(settings.home), "GOPHERWOOD_UPSTREAM": "off"}
    program = Path(sys.executable).with_name("gopherwood-serving")
    process = subprocess.Popen([program, "--host", "127.0.0.1", "--port", str(port)], env=environ)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def go(*arguments: str, folder: Path, proxy: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the go command as on a new machine: nothing cached, no tree head seen, our GOPROXY and nothing else."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": f"{proxy},off", "GOPATH": str(cache), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}
    return subprocess.run([toolchain.find_go(), *arguments], cwd=folder, env=environ, capture_output=True, text=True)


def test_the_example_builds_from_us_alone(ours: str, tmp_path: Path) -> None:
    """`go build` of a program of more than forty modules, with GOPROXY=ours,off and an empty module cache."""
    source = shutil.copytree(EXAMPLE, tmp_path / "hello")
    built = go("build", "-o", str(tmp_path / "program"), ".", folder=source, proxy=ours, cache=tmp_path / "cache")
    assert built.returncode == 0, built.stderr
    assert built.stderr.count("go: downloading") >= 40
    said = subprocess.run([tmp_path / "program", "greet", "Gopher"], capture_output=True, text=True, check=True)
    assert said.stdout == "Hello, Gopher!\n"


def test_the_checksum_database_is_verified_through_us(ours: str, tmp_path: Path) -> None:
    """Without a go.sum, `go` asks our /sumdb for every hash, and arrives at the very go.sum of the example."""
    source = shutil.copytree(EXAMPLE, tmp_path / "hello")
    (source / "go.sum").unlink()
    done = go("mod", "tidy", folder=source, proxy=ours, cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert (source / "go.sum").read_text() == (EXAMPLE / "go.sum").read_text()
    assert list((tmp_path / "cache/pkg/mod/cache/download/sumdb").rglob("tile/8/0/*"))


def test_nothing_is_fetched_twice(settings: Settings) -> None:
    """The same seed again: nothing to do, without a word to the upstream."""
    again = ingest.run(replace(settings, upstream="off"), seeds=["default"], style="json")
    assert (again.new, again.published, again.exit_code) == (0, 0, 99)
