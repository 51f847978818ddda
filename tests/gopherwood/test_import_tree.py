"""A plain tree is importable: a module cache that the real `go` made, and any GOPROXY=file:// folder."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.airgap import Gap, modules
from gopherwood import importing, toolchain
from gopherwood.catalog import Catalog, Outcome
from gopherwood.module import ModuleVersion
from gopherwood.states import State

NAMES = [f"example.com/Mod{n % 3}@v1.{n}.0" for n in range(6)] + [
    "example.com/pseudo@v0.0.0-20200102030405-0123456789ab",
    "example.com/old@v2.0.0+incompatible",
]


@pytest.fixture
def gap(tmp_path: Path) -> Iterator[Gap]:
    """Give an upstream with a checksum database, and an empty store that reaches neither."""
    with Gap(tmp_path / "gap") as made:
        for name in NAMES[:-1]:
            made.add(*name.split("@"))
        made.add(*NAMES[-1].split("@"), {"go.mod": ""})
        made.log.grow(300)
        yield made


def go(gap: Gap, *arguments: str, sumdb: str = "", **environ: str) -> Path:
    """Run the real `go` with an empty module cache; return the download folder of that cache."""
    folder = gap.folder / "user"
    folder.mkdir(exist_ok=True)
    if not (folder / "go.mod").exists():
        (folder / "go.mod").write_text("module example.com/user\n\ngo 1.21\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    kept |= {"GOPROXY": f"{gap.proxy.url},off", "GOSUMDB": sumdb or gap.log.vkey, "GOTOOLCHAIN": "local"}
    kept |= {"GOPATH": str(folder / "gopath"), "GOFLAGS": "-modcacherw", **environ}
    command = [toolchain.find_go(), *arguments]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "gopath/pkg/mod/cache/download"


def test_a_cache_proves_itself(gap: Gap) -> None:
    """What `go` downloaded and verified is imported offline: the records and tiles in the cache prove all of it."""
    cache = go(gap, "mod", "download", *NAMES)
    asked = sum(gap.proxy.requests.values())
    result = importing.run(gap.there, cache)
    assert (result.imported, result.exit_code) == (len(NAMES), 0), result.text()
    assert sum(gap.proxy.requests.values()) == asked
    with Catalog.open(gap.there) as catalog:
        evidence = catalog.evidence_of(ModuleVersion(*NAMES[0].split("@")))
    assert next(each.detail for each in evidence if each.rule == "checksum-database").startswith("record ")
    gap.fill()
    zips = {key: data for key, data in modules(gap.here).items() if key.endswith((".zip", ".mod"))}
    assert zips.items() <= modules(gap.there).items()
    again = importing.run(gap.there, cache)
    assert (again.already, again.exit_code) == (len(NAMES), 99)


def test_versions_without_an_info(gap: Gap) -> None:
    """A cache may lack an .info: such a version is imported with the time that is known, a pseudo-version's own."""
    go(gap, "get", NAMES[0], NAMES[6])
    user = gap.folder / "user"
    subprocess.run(["rm", "-rf", user / "gopath"], check=True)
    cache = go(gap, "mod", "download")
    for info in cache.rglob("*.info"):
        info.unlink()
    assert importing.run(replace(gap.there, upstream=gap.proxy.url), cache).imported == 2
    row = gap.row(gap.there, NAMES[6])
    assert row is not None
    assert str(row.facts["time"]) == "2020-01-02 03:04:05+00:00"


def test_what_nobody_verified_is_refused(gap: Gap) -> None:
    """A cache made with GOSUMDB=off proves nothing: refused, or marked unverified when a person says so."""
    cache = go(gap, "mod", "download", *NAMES, sumdb="off")
    result = importing.run(gap.there, cache)
    assert (result.imported, dict(result.reasons), result.exit_code) == (0, {"unverified": len(NAMES)}, 1)
    assert "--unverified" in result.text()
    assert importing.run(gap.there, cache, unverified=True).imported == len(NAMES)
    with Catalog.open(gap.there) as catalog:
        evidence = catalog.evidence_of(ModuleVersion(*NAMES[0].split("@")))
    assert [each.detail for each in evidence if each.rule == "checksum-database"][-1].startswith("not verified: ")


def test_the_database_is_asked_where_there_is_one(gap: Gap) -> None:
    """On a machine with a network the checksum database is asked about what the cache does not prove."""
    cache = go(gap, "mod", "download", *NAMES, sumdb="off")
    result = importing.run(replace(gap.there, upstream=gap.proxy.url), cache)
    assert (result.imported, result.exit_code) == (len(NAMES), 0)


def test_an_upstream_that_is_gone_is_asked_once(gap: Gap) -> None:
    """When nobody answers, the import does not ask again for each version."""
    cache = go(gap, "mod", "download", *NAMES, sumdb="off")
    gone = gap.proxy.url
    gap.proxy.__exit__(None, None, None)
    try:
        result = importing.run(replace(gap.there, upstream=gone), cache, unverified=True)
        assert result.imported == len(NAMES)
    finally:
        gap.proxy = type(gap.proxy)().__enter__()


def test_a_poisoned_cache(gap: Gap) -> None:
    """Other content than the checksum database has is refused with exit code 3, whatever its .ziphash says."""
    cache = go(gap, "mod", "download", *NAMES)
    zips = sorted(cache.rglob("*.zip"))
    gap.proxy.add("example.com/Mod0", "v1.0.0", {"m.go": "package backdoor"})
    poisoned = next(path for path in zips if path.as_posix().endswith("!mod0/@v/v1.0.0.zip"))
    poisoned.write_bytes(gap.proxy.files[gap.proxy.key("example.com/Mod0", "v1.0.0", ".zip")])
    result = importing.run(gap.there, cache, unverified=True)
    assert (result.imported, dict(result.reasons), result.exit_code) == (len(NAMES) - 1, {"checksum-mismatch": 1}, 3)


def test_a_forged_record_in_a_cache(gap: Gap) -> None:
    """A record that was changed to fit other content is not in the log: refused, even with --unverified."""
    cache = go(gap, "mod", "download", *NAMES)
    record = cache / f"sumdb/{gap.log.name}/lookup/example.com/!mod0@v1.0.0"
    text = record.read_text()
    assert "h1:" in text
    record.write_text(text.replace("h1:", "h1:A", 1))
    result = importing.run(gap.there, cache, unverified=True)
    assert (result.imported, dict(result.reasons), result.exit_code) == (len(NAMES) - 1, {"bad-proof": 1}, 3)


def test_a_published_version_against_a_cache(gap: Gap) -> None:
    """A cache that holds other content of a published version is a conflict, with and without a noted hash."""
    cache = go(gap, "mod", "download", *NAMES)
    importing.run(gap.there, cache)
    gap.proxy.add("example.com/Mod0", "v1.0.0", {"m.go": "package backdoor"})
    poisoned = cache / "example.com/!mod0/@v/v1.0.0.zip"
    poisoned.write_bytes(gap.proxy.files[gap.proxy.key("example.com/Mod0", "v1.0.0", ".zip")])
    for name in ("v1.0.0.ziphash", "v1.3.0.ziphash"):
        (cache / "example.com/!mod0/@v" / name).unlink()
    result = importing.run(gap.there, cache)
    assert (result.already, dict(result.reasons), result.exit_code) == (len(NAMES) - 1, {"immutability": 1}, 3)


def test_versions_without_a_zip_are_counted(gap: Gap) -> None:
    """What `go` only read the go.mod of is no version to import: skipped, and said so."""
    cache = go(gap, "mod", "download", *NAMES)
    (cache / "example.com/!mod0/@v/v1.0.0.zip").unlink()
    result = importing.run(gap.there, cache)
    assert (result.imported, result.skipped, result.exit_code) == (len(NAMES) - 1, 1, 0)
    assert "1 skipped: no zip" in result.text()


def test_private_modules_are_not_taken_on_nobodys_word(gap: Gap, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache says nothing of what GONOSUMDB names: only --unverified takes it."""
    cache = go(gap, "mod", "download", *NAMES, GONOSUMDB="example.com/*")
    monkeypatch.setenv("GONOSUMDB", "example.com/*")
    assert dict(importing.run(gap.there, cache).reasons) == {"unverified": len(NAMES)}
    assert importing.run(gap.there, cache, unverified=True).imported == len(NAMES)


def test_another_store_is_a_tree(gap: Gap) -> None:
    """The store of another Gopherwood, as a folder, is imported with the proofs that it mirrors."""
    gap.fill()
    result = importing.run(replace(gap.there, upstream=gap.proxy.url), gap.here.home / "store")
    assert (result.imported, result.exit_code) == (len(NAMES), 0)


def test_what_was_given_up_elsewhere_is_taken(gap: Gap) -> None:
    """A version that requests brought and no upstream had is imported when somebody brings it."""
    cache = go(gap, "mod", "download", *NAMES)
    with Catalog.ready(gap.there) as catalog:
        wanted = [ModuleVersion(*name.split("@")) for name in NAMES]
        catalog.enqueue(wanted, source="requests")
        states = [State.GONE, State.REJECTED, State.FAILED]
        jobs = catalog.lease("fetch", owner="x", limit=3, seconds=60)
        outcomes = [Outcome(job=job, state=state, reason="r") for job, state in zip(jobs, states, strict=True)]
        catalog.finish(outcomes)
    assert importing.run(gap.there, cache).imported == len(NAMES)
