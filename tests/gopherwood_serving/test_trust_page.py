"""docs/trust.md is true: every command on the page runs, as it stands there, against a real server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import logged
from fakes import sumdb as fake
from fakes.gitremote import GitRemote
from fakes.goproxy import GoProxy
from fakes.site import Site
from gopherwood import ingest, toolchain
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trust.md"
TOOLS = ("curl", "openssl", "jq", "unzip", "xxd", "git")
SHOWN = ModuleVersion("example.com/shown", "v1.2.3")
OTHERS = [ModuleVersion("example.com/other", f"v1.{number}.0") for number in range(5)]
pytestmark = [
    pytest.mark.upstream,
    pytest.mark.skipif(
        bool(missing := [tool for tool in TOOLS if shutil.which(tool) is None]), reason=f"no {', '.join(missing)}"
    ),
]


def commands() -> list[str]:
    """Return the shell blocks of the page, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_page_names_a_real_example() -> None:
    """The first block is what a reader sets for himself; the test sets the same names."""
    assert re.findall(r"\b([A-Z])=", commands()[0]) == ["U", "M", "V", "S"]


def test_every_command_of_the_page_runs(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """From `go mod download` to the proofs by hand, with tools that are not ours, in one shell."""
    site, kept = make_site(), tmp_path / "kept"
    with GitRemote(tmp_path / "git") as remote, GoProxy() as proxy:
        repository = remote.repository("shown")
        commit = repository.commit({"m.go": "package m\n"}, tag=SHOWN.version)
        origin = {"VCS": "git", "URL": repository.url, "Hash": commit, "Ref": f"refs/tags/{SHOWN.version}"}
        log = publish(site, proxy, origin, kept, tmp_path)
        site.start()
        done = run(site, log, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in the tree of 6 entries of ledger.example/log" in done.stdout
    assert "the tree of 6 begins with the one of 3" in done.stdout
    assert "Signature Verified Successfully" in done.stdout


def publish(site: Site, proxy: GoProxy, origin: dict[str, object], kept: Path, scratch: Path) -> fake.SumDBLog:
    """Publish in two batches what a loopback checksum database knows; keep the head between them."""
    sums = {}
    for mv in (SHOWN, *OTHERS):
        made = proxy.add(mv.path, mv.version, origin=origin if mv == SHOWN else None)
        (scratch / "zip").write_bytes(made.zip)
        sums[mv] = fake.sums(scratch / "zip", made.mod)
    log = fake.SumDBLog(sums)
    log.grow(300)
    proxy.mount(f"sumdb/{log.name}", log.answer)
    settings = replace(site.settings, upstream=proxy.url, sumdb=log.vkey, ledger_key=logged.SECRET)
    bring(settings, [SHOWN, *OTHERS[:2]])
    head = site.catalog.ledger_head()
    assert head is not None
    kept.write_bytes(head.checkpoint)
    bring(settings, OTHERS[2:])
    return log


def bring(settings: Settings, wanted: Iterable[ModuleVersion]) -> None:
    assert ingest.run(settings, wanted=[str(mv) for mv in wanted], workers=1, style="json").exit_code == 0


def run(site: Site, log: fake.SumDBLog, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the page in one shell."""
    bins = [Path(sys.executable).parent, toolchain.find_go().parent]
    environ = os.environ | {"GOPHERWOOD_HOME": str(site.settings.home)}
    environ["PATH"] = ":".join([*map(str, bins), environ["PATH"]])
    mine = f"U={site.url} M={SHOWN.path} V={SHOWN.version} S={log.vkey}\n"
    script = "set -euo pipefail\n" + mine + "\n".join(commands()[1:])
    return subprocess.run(["bash", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=200)
