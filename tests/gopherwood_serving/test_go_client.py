"""The stock `go` command against our server alone: real modules, an empty cache, checksums verified through us."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.goproxy import GoProxy
from fakes.site import Site
from gopherwood import ingest, toolchain
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion

pytestmark = [pytest.mark.upstream, pytest.mark.xdist_group("go-client")]

MODULES = [
    "github.com/Azure/go-autorest/autorest@v0.11.29",
    "github.com/BurntSushi/toml@v1.3.2",
    "github.com/Masterminds/semver/v3@v3.2.1",
    "github.com/cenkalti/backoff/v4@v4.2.1",
    "github.com/davecgh/go-spew@v1.1.1",
    "github.com/docker/distribution@v2.8.2+incompatible",
    "github.com/golang-jwt/jwt@v3.2.2+incompatible",
    "github.com/google/go-cmp@v0.6.0",
    "github.com/google/uuid@v1.4.0",
    "github.com/hashicorp/golang-lru/v2@v2.0.7",
    "github.com/pkg/errors@v0.9.1",
    "github.com/russross/blackfriday/v2@v2.1.0",
    "github.com/spf13/cobra@v1.8.0",
    "github.com/spf13/pflag@v1.0.5",
    "github.com/stretchr/testify@v1.8.4",
    "go.uber.org/multierr@v1.11.0",
    "go.uber.org/zap@v1.26.0",
    "golang.org/x/crypto@v0.16.0",
    "golang.org/x/exp@v0.0.0-20230522175609-2e198f4a06a1",
    "golang.org/x/mod@v0.14.0",
    "golang.org/x/sync@v0.5.0",
    "golang.org/x/sys@v0.15.0",
    "golang.org/x/term@v0.15.0",
    "golang.org/x/text@v0.14.0",
    "gopkg.in/check.v1@v0.0.0-20161208181325-20d25e280405",
    "gopkg.in/yaml.v2@v2.4.0",
    "gopkg.in/yaml.v3@v3.0.1",
    "k8s.io/klog/v2@v2.110.1",
    "rsc.io/quote/v3@v3.1.0",
    "rsc.io/quote@v1.5.1",
    "rsc.io/quote@v1.5.2",
    "rsc.io/sampler@v1.3.0",
]
"""Upper case, /v2 and above, gopkg.in, +incompatible, no go.mod, pseudo-versions, a nested module, 9 MB of zip."""


@pytest.fixture(scope="session")
def real(make_site: Callable[..., Site]) -> Site:
    """Ingest the modules from the user's own upstream, and serve them."""
    site = make_site()
    found = ingest.run(replace(Settings.from_env(), home=site.settings.home), wanted=MODULES, style="json")
    assert (found.published, found.exit_code) == (len(MODULES), 0), found.text()
    site.start()
    return site


@pytest.fixture
def go(real: Site, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Give the go command as on a new machine: a module of its own, nothing cached, our GOPROXY and nothing else."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": f"{real.url},off", "GOPATH": str(tmp_path / "cache"), "GOTOOLCHAIN": "local"}
    environ |= {"GOFLAGS": "-modcacherw", "GOMODCACHE": str(tmp_path / "cache/mod")}

    def run(*arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        command = [toolchain.find_go(), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environ | changes, capture_output=True, text=True, timeout=120)

    run("mod", "init", "example.com/user")
    return run


Go = Callable[..., "subprocess.CompletedProcess[str]"]


def test_every_kind_of_module_downloads(real: Site, go: Go) -> None:
    """`go mod download` gets all of them, with the hashes that validation found."""
    done = go("mod", "download", "-json", *MODULES)
    assert done.returncode == 0, done.stderr + done.stdout
    found = {f"{each['Path']}@{each['Version']}": each for each in objects(done.stdout)}
    assert sorted(found) == sorted(MODULES)
    for name, each in found.items():
        row = real.catalog.state_of(ModuleVersion(*name.split("@")))
        assert row is not None
        assert (each["Sum"], each["GoModSum"]) == (row.facts["h1"], row.facts["go_mod_h1"])


def objects(text: str) -> list[dict[str, str]]:
    """Return the JSON objects that follow one another in a text."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def test_checksums_are_verified_through_us(real: Site, go: Go, tmp_path: Path) -> None:
    """`go` learns that our /sumdb is supported, and looks the record up and proves it here."""
    done = go("mod", "download", "rsc.io/quote@v1.5.2")
    assert done.returncode == 0, done.stderr
    mirrored = tmp_path / "cache/mod/cache/download/sumdb"
    assert [path.name for path in mirrored.rglob("lookup/*/*")] == ["quote@v1.5.2"]
    assert list(mirrored.rglob("tile/8/0/*"))
    assert 'route="sumdb",outcome="ok"' in real.get("/metrics").text


@pytest.mark.parametrize(
    "package",
    [
        "github.com/google/go-cmp/cmp/cmpopts@v0.6.0",
        "github.com/hashicorp/golang-lru/v2/simplelru@v2",
        "github.com/BurntSushi/toml@latest",
    ],
)
def test_go_get_finds_the_module_of_a_package(go: Go, package: str) -> None:
    """`go get` probes longer and shorter paths at once; each that is no module is 404, so it finds the right one."""
    done = go("get", package)
    assert done.returncode == 0, done.stderr
    assert "go: added github.com/" in done.stderr


def test_go_list_knows_the_versions(go: Go) -> None:
    """`go list -m -versions` is our list."""
    done = go("list", "-m", "-versions", "rsc.io/quote")
    assert done.stdout == "rsc.io/quote v1.5.1 v1.5.2\n", done.stderr


def test_a_refusal_is_printed(real: Site, go: Go) -> None:
    """What we say about a version that is not here reaches the terminal."""
    done = go("mod", "download", "rsc.io/quote@v1.4.0", GOPROXY=real.url)
    assert done.returncode != 0
    assert "rsc.io/quote@v1.4.0 is not in this repository" in done.stderr
    assert "v1.5.2, v1.5.1" in done.stderr


def test_the_next_proxy_is_asked_for_what_we_do_not_have(real: Site, go: Go) -> None:
    """GOPROXY=ours,other works as its users expect, and the miss is noted."""
    with GoProxy() as other:
        other.add("example.com/elsewhere", "v1.0.0")
        done = go("mod", "download", "example.com/elsewhere@v1.0.0", GOPROXY=f"{real.url},{other.url}", GONOSUMDB="*")
    assert done.returncode == 0, done.stderr
    real.wait(lambda: "example.com/elsewhere" in {miss.path for miss in real.catalog.misses(1000)})
