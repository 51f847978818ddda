"""export and import: what leaves one store arrives in another, proved, and nothing that is off gets in."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import postgres
from fakes.airgap import Gap, contents, go, modules, records
from fakes.site import Site
from gopherwood import cli, export, importing, toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import BundleError, IntegrityError, UsageError
from gopherwood.module import ModuleVersion
from gopherwood.states import State

VERSIONS = [f"example.com/Mod{n % 3}@v1.{n}.0" for n in range(9)] + ["example.com/other/v2@v2.0.0"]


@pytest.fixture
def gap(tmp_path: Path) -> Iterator[Gap]:
    """Give a store of ten versions, and an empty one beyond the gap."""
    with Gap(tmp_path / "gap") as made:
        for name in VERSIONS:
            made.add(*name.split("@"))
        assert made.fill() == len(VERSIONS)
        yield made


def carry(gap: Gap, to: Path, *, settings: Settings | None = None, **options: object) -> importing.Result:
    """Export all, and import it on the other side, with the upstream gone."""
    export.run(gap.here, to, key=gap.key_file, **options)
    return importing.run(settings or gap.there, to, keys=[gap.vkey])


@pytest.mark.parametrize("name", ["bundle.tar", "bundle"])
def test_what_leaves_arrives(gap: Gap, tmp_path: Path, name: str) -> None:
    """Every file of every version is the same on both sides, as a tar and as a folder; a second import has nothing."""
    result = carry(gap, tmp_path / name)
    assert (result.imported, result.refused, result.exit_code) == (len(VERSIONS), 0, 0)
    assert modules(gap.there) == modules(gap.here)
    again = importing.run(gap.there, tmp_path / name, keys=[gap.vkey])
    assert (again.already, again.exit_code) == (len(VERSIONS), 99)


def test_records_are_proved_with_the_key_alone(gap: Gap, tmp_path: Path) -> None:
    """The other side mirrors each record, with evidence that the checksum database proved it, and asked nobody."""
    carry(gap, tmp_path / "b.tar")
    asked = sum(gap.proxy.requests.values())
    assert records(gap.there) == records(gap.here)
    with Catalog.open(gap.there) as catalog:
        rules = {each.rule: each for each in catalog.evidence_of(ModuleVersion(*VERSIONS[0].split("@")))}
        assert catalog.tree_head(gap.log.name) == gap.log.latest()
    assert rules["checksum-database"].detail.startswith("record ")
    assert "b.tar, manifest sha256:" in rules["bundle"].detail
    assert rules["bundle"].detail.endswith(f"signed by {'+'.join(gap.vkey.split('+')[:2])}")
    assert sum(gap.proxy.requests.values()) == asked


def test_where_it_came_from_is_visible(gap: Gap, tmp_path: Path) -> None:
    """An imported version names its bundle; the outbox tells of the import and of each version."""
    carry(gap, tmp_path / "b.tar")
    row = gap.row(gap.there, VERSIONS[0])
    assert row is not None
    assert (row.source, row.why.partition(" sha256")[0]) == ("import", "b.tar, manifest")
    with Catalog.open(gap.there) as catalog:
        assert len(catalog.events(kind="published")) == len(VERSIONS)
        assert [event.event.payload["imported"] for event in catalog.events(kind="imported")] == [len(VERSIONS)]


def test_go_verifies_through_the_other_side(gap: Gap, tmp_path: Path) -> None:
    """Stock `go` downloads all from the serving app beyond the gap, checksums proved through its /sumdb, no network."""
    carry(gap, tmp_path / "b.tar")
    gap.proxy.__exit__(None, None, None)
    site = Site.new(gap.there.home)
    try:
        site.start()
        done = go(tmp_path / "go", site.url, gap.log.vkey, *VERSIONS)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        site.stop()


def test_a_folder_is_a_proxy_for_go(gap: Gap, tmp_path: Path) -> None:
    """GOPROXY=file://bundle serves stock `go`: lists, files, and the checksum database that proves them."""
    export.run(gap.here, tmp_path / "bundle")
    done = go(
        tmp_path / "go", (tmp_path / "bundle").as_uri(), gap.log.vkey, *VERSIONS[:9], "example.com/other/v2@latest"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_next_bundle_holds_what_came_since(gap: Gap, tmp_path: Path) -> None:
    """--since the number that the last export said: only what is new, and its tree follows from the last one's."""
    first = export.run(gap.here, tmp_path / "1.tar", key=gap.key_file)
    importing.run(gap.there, tmp_path / "1.tar", keys=[gap.vkey])
    gap.log.grow(700)
    gap.add("example.com/new", "v1.0.0")
    gap.fill()
    second = export.run(gap.here, tmp_path / "2.tar", since=str(first.through), key=gap.key_file)
    result = importing.run(gap.there, tmp_path / "2.tar", keys=[gap.vkey])
    assert (second.exported, result.imported, result.exit_code) == (1, 1, 0)
    assert export.run(gap.here, tmp_path / "3.tar", since=str(second.through)).exit_code == 99
    assert not (tmp_path / "3.tar").exists()


def test_bundles_may_arrive_in_another_order(gap: Gap, tmp_path: Path) -> None:
    """An older bundle is proved in the newer tree that arrived before it."""
    export.run(gap.here, tmp_path / "1.tar", key=gap.key_file)
    gap.log.grow(700)
    gap.add("example.com/new", "v1.0.0")
    gap.fill()
    export.run(gap.here, tmp_path / "2.tar", since="10", key=gap.key_file)
    results = [importing.run(gap.there, tmp_path / name, keys=[gap.vkey]) for name in ("2.tar", "1.tar")]
    assert [result.imported for result in results] == [1, 10]
    assert modules(gap.there) == modules(gap.here)


def test_two_exports_of_one_state_are_the_same_bytes(gap: Gap, tmp_path: Path) -> None:
    """A bundle depends on what is published, and on nothing else."""
    for name in ("1.tar", "2.tar"):
        export.run(gap.here, tmp_path / name, key=gap.key_file)
    one, two = ((tmp_path / name).read_bytes() for name in ("1.tar", "2.tar"))
    assert one == two


def test_since_a_time(gap: Gap, tmp_path: Path) -> None:
    """--since takes a time: what was published at it or later."""
    row = gap.row(gap.here, VERSIONS[4])
    assert row is not None
    assert row.published_at is not None
    result = export.run(gap.here, tmp_path / "b", since=row.published_at.isoformat())
    assert result.exported == len(VERSIONS) - (row.sequence or 0) + 1
    with pytest.raises(UsageError):
        export.run(gap.here, tmp_path / "b", since="yesterday")


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Gap]:
    """Give a store of modules that need each other: a needs b, b needs c and an older d."""
    with Gap(tmp_path / "graph") as made:
        made.add("example.com/d", "v1.0.0")
        made.add("example.com/d", "v1.1.0")
        made.add("example.com/unrelated", "v1.0.0")
        made.add("example.com/c", "v1.0.0")
        needs = "require (\n\texample.com/c v1.0.0\n\texample.com/d v1.0.0\n)\n"
        made.add("example.com/b", "v1.0.0", {"go.mod": f"module example.com/b\n\ngo 1.21\n\n{needs}"})
        made.fill()
        yield made


def go_mod(tmp_path: Path, *needs: str) -> Path:
    path = tmp_path / "go.mod"
    path.write_text("module example.com/main\n\ngo 1.21\n\n" + "".join(f"require {need}\n" for need in needs))
    return path


def exported(result: export.Result) -> set[str]:
    lines = (Path(result.to) / "bundle/manifest.jsonl").read_text().splitlines()
    return {f"{said['module']}@{said['version']}" for said in map(json.loads, lines) if "module" in said}


def test_modules_of_a_go_mod(graph: Gap, tmp_path: Path) -> None:
    """--modules go.mod takes what building it needs, and nothing else: `go` lists and downloads all from the bundle."""
    path = go_mod(tmp_path, "example.com/b v1.0.0", "example.com/d v1.1.0")
    result = export.run(graph.here, tmp_path / "b", modules=[str(path)])
    assert exported(result) == {f"example.com/{name}" for name in ("b@v1.0.0", "c@v1.0.0", "d@v1.1.0")}
    environ = os.environ | {"GOPROXY": f"{Path(result.to).as_uri()},off", "GOSUMDB": graph.log.vkey}
    environ |= {"GOPATH": str(tmp_path / "gopath"), "GOFLAGS": "-modcacherw -mod=mod", "GOTOOLCHAIN": "local"}
    for arguments in (["list", "-m", "all"], ["mod", "download"]):
        subprocess.run([toolchain.find_go(), *arguments], cwd=tmp_path, env=environ, check=True, timeout=60)


def test_modules_that_are_missing(graph: Gap, tmp_path: Path) -> None:
    """What is needed and not held is an error that lists it, unless --allow-missing."""
    path = go_mod(tmp_path, "example.com/c v1.0.0", "example.com/nosuch v1.0.0")
    with pytest.raises(UsageError) as caught:
        export.run(graph.here, tmp_path / "b", modules=[str(path)])
    assert "example.com/nosuch@v1.0.0" in caught.value.hint
    result = export.run(graph.here, tmp_path / "b", modules=[str(path)], allow_missing=True)
    assert (result.exported, len(result.missing)) == (1, 1)


def test_modules_of_a_go_sum_and_by_name(graph: Gap, tmp_path: Path) -> None:
    """--modules go.sum takes what it lists; a MODULE@VERSION brings what building it needs."""
    (tmp_path / "go.sum").write_text("example.com/c v1.0.0 h1:x=\nexample.com/d v1.1.0/go.mod h1:x=\n")
    result = export.run(graph.here, tmp_path / "1", modules=[str(tmp_path / "go.sum")])
    assert exported(result) == {"example.com/c@v1.0.0", "example.com/d@v1.1.0"}
    result = export.run(graph.here, tmp_path / "2", modules=["example.com/b@v1.0.0"])
    assert exported(result) == {f"example.com/{name}" for name in ("b@v1.0.0", "c@v1.0.0", "d@v1.0.0")}


def test_on_postgresql(tmp_path: Path) -> None:
    """Both sides on PostgreSQL."""
    urls = (postgres.server().url(), postgres.server().url())
    with Gap(tmp_path / "gap", urls) as gap:
        for name in VERSIONS:
            gap.add(*name.split("@"))
        gap.fill()
        assert carry(gap, tmp_path / "b.tar").imported == len(VERSIONS)
        assert modules(gap.there) == modules(gap.here)


# --- who signed it


def test_unsigned_is_refused(gap: Gap, tmp_path: Path) -> None:
    """Without a signature nothing is imported, unless that is asked for; the proofs count all the same."""
    export.run(gap.here, tmp_path / "b.tar")
    with pytest.raises(BundleError) as caught:
        importing.run(gap.there, tmp_path / "b.tar", keys=[gap.vkey])
    assert caught.value.exit_code == 3
    result = importing.run(gap.there, tmp_path / "b.tar", unsigned=True)
    assert (result.imported, result.signed_by) == (len(VERSIONS), "")


def test_unknown_key_is_refused(gap: Gap, tmp_path: Path) -> None:
    """A signature by a key that nobody named is worth nothing; one that the settings name is enough."""
    export.run(gap.here, tmp_path / "b.tar", key=gap.key_file)
    with pytest.raises(BundleError):
        importing.run(gap.there, tmp_path / "b.tar")
    assert contents(gap.there) == {}
    trusting = replace(gap.there, import_keys=gap.vkey)
    assert importing.run(trusting, tmp_path / "b.tar").imported == len(VERSIONS)


def test_another_manifest_than_the_signed_one(gap: Gap, tmp_path: Path) -> None:
    """A changed manifest under an old signature is refused, even with --unsigned."""
    export.run(gap.here, tmp_path / "b", key=gap.key_file)
    path = tmp_path / "b/bundle/manifest.jsonl"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"sequence":1,', b'"sequence":9,'))
    for unsigned in (False, True):
        with pytest.raises(BundleError):
            importing.run(gap.there, tmp_path / "b", keys=[gap.vkey], unsigned=unsigned)


# --- bytes that are off


def spoil(path: Path, at: int = -30) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".zip", ".mod", ".info"])
def test_a_flipped_bit_is_one_refusal(gap: Gap, tmp_path: Path, suffix: str) -> None:
    """One bad file refuses its version, with reason and evidence, exit code 3; a whole copy is taken later."""
    bundle = tmp_path / "b"
    export.run(gap.here, bundle, key=gap.key_file)
    bad = bundle / f"example.com/other/v2/@v/v2.0.0{suffix}"
    good = bad.read_bytes()
    spoil(bad, -3)
    result = importing.run(gap.there, bundle, keys=[gap.vkey])
    assert (result.imported, dict(result.reasons), result.exit_code) == (9, {"damaged": 1}, 3)
    with Catalog.open(gap.there) as catalog:
        (evidence,) = catalog.evidence_of(ModuleVersion("example.com/other/v2", "v2.0.0"))
        assert (evidence.rule, evidence.ok) == ("bundle", False)
        assert len(catalog.events(kind="integrity")) == 1
    bad.write_bytes(good)
    assert importing.run(gap.there, bundle, keys=[gap.vkey]).imported == 1


def test_a_damaged_proof(gap: Gap, tmp_path: Path) -> None:
    """A tile that is not as it was proves nothing: exit code 3, nothing is published, nothing is trusted."""
    bundle = tmp_path / "b"
    export.run(gap.here, bundle, key=gap.key_file)
    for tile in (bundle / f"sumdb/{gap.log.name}/tile").rglob("*"):
        if tile.is_file():
            spoil(tile, 5)
    with pytest.raises(IntegrityError):
        importing.run(gap.there, bundle, keys=[gap.vkey])
    with Catalog.open(gap.there) as catalog:
        assert catalog.tree_head(gap.log.name) is None
        assert [event.event.subject for event in catalog.events(kind="integrity")] == ["b"]


def test_content_that_the_database_does_not_know(gap: Gap, tmp_path: Path) -> None:
    """Even a signed bundle cannot bring other content than the checksum database has: refused, exit code 3."""
    evil = replace(gap.here, home=tmp_path / "evil", sumdb="off")
    gap.proxy.add(VERSIONS[0].split("@")[0], "v1.0.0", {"m.go": "package backdoor"})
    gap.fill(evil)
    export.run(gap.here, tmp_path / "good", key=gap.key_file)
    export.run(evil, tmp_path / "evil.tar", key=gap.key_file)
    importing.run(gap.there, tmp_path / "good", keys=[gap.vkey])
    fresh = replace(gap.there, home=tmp_path / "fresh")
    result = importing.run(replace(fresh, upstream=gap.proxy.url), tmp_path / "evil.tar", keys=[gap.vkey])
    assert dict(result.reasons) == {"checksum-mismatch": 1}
    assert (result.imported, result.exit_code) == (9, 3)
    assert gap.row(fresh, VERSIONS[0]).state is State.REJECTED  # type: ignore[union-attr]


def test_other_bytes_under_a_published_name(gap: Gap, tmp_path: Path) -> None:
    """A published version is never replaced: the conflict is an event and exit code 3, the first bytes stay."""
    carry(gap, tmp_path / "b.tar")
    before = modules(gap.there)
    evil = replace(gap.here, home=tmp_path / "evil", sumdb="off")
    gap.proxy.add(VERSIONS[0].split("@")[0], "v1.0.0", {"m.go": "package backdoor"})
    gap.fill(evil)
    export.run(evil, tmp_path / "evil.tar", key=gap.key_file)
    result = importing.run(gap.there, tmp_path / "evil.tar", keys=[gap.vkey])
    assert (result.already, dict(result.reasons), result.exit_code) == (9, {"immutability": 1}, 3)
    assert modules(gap.there) == before
    with Catalog.open(gap.there) as catalog:
        assert [event.event.subject for event in catalog.events(kind="conflict")] == [VERSIONS[0]]


def test_a_forked_database(gap: Gap, tmp_path: Path) -> None:
    """A bundle whose checksum database rewrote its history is refused as a whole, with both heads kept."""
    carry(gap, tmp_path / "b.tar")
    gap.log.fork()
    gap.log.grow(3)
    evil = replace(gap.here, home=tmp_path / "evil")
    gap.add("example.com/new", "v1.0.0")
    gap.fill(evil)
    export.run(evil, tmp_path / "evil.tar", key=gap.key_file)
    with pytest.raises(IntegrityError):
        importing.run(gap.there, tmp_path / "evil.tar", keys=[gap.vkey])
    assert gap.row(gap.there, "example.com/new@v1.0.0") is None


def test_without_proofs(gap: Gap, tmp_path: Path) -> None:
    """What the database was not asked about is refused, signed or not, unless a person says --unverified."""
    export.run(replace(gap.here, sumdb="off"), tmp_path / "b.tar", key=gap.key_file)
    result = importing.run(gap.there, tmp_path / "b.tar", keys=[gap.vkey])
    assert (result.imported, dict(result.reasons), result.exit_code) == (0, {"unverified": len(VERSIONS)}, 1)
    result = importing.run(gap.there, tmp_path / "b.tar", keys=[gap.vkey], unverified=True)
    assert (result.imported, result.exit_code) == (len(VERSIONS), 0)
    with Catalog.open(gap.there) as catalog:
        said = catalog.evidence_of(ModuleVersion(*VERSIONS[0].split("@")))
    assert any(each.rule == "checksum-database" and each.detail.startswith("not verified:") for each in said)


def test_private_modules_need_a_word(gap: Gap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What GONOSUMDB names is taken on the bundle's signature, or on --unverified, and on nobody's word not at all."""
    monkeypatch.setenv("GONOSUMDB", "example.com/*")
    export.run(gap.here, tmp_path / "signed", key=gap.key_file)
    export.run(gap.here, tmp_path / "unsigned")
    result = importing.run(gap.there, tmp_path / "unsigned", unsigned=True)
    assert dict(result.reasons) == {"unverified": len(VERSIONS)}
    assert importing.run(gap.there, tmp_path / "signed", keys=[gap.vkey]).imported == len(VERSIONS)


def test_a_damaged_store_hands_nothing_on(gap: Gap, tmp_path: Path) -> None:
    """A store whose bytes changed is noticed by an export, which leaves nothing that looks whole."""
    spoil(gap.here.home / "store/example.com/other/v2/@v/v2.0.0.zip")
    for name in ("b.tar", "b"):
        with pytest.raises(IntegrityError):
            export.run(gap.here, tmp_path / name)
        assert not (tmp_path / "b.tar").exists()
    assert not (tmp_path / "b/bundle/manifest.jsonl").exists()


# --- as commands


def test_as_commands(gap: Gap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`gopherwood export` and `import` say what they did as JSON, what to do if they refuse, exit as they should."""
    bundle = str(tmp_path / "b.tar")

    def command(settings: Settings, *arguments: str) -> tuple[int, str]:
        own = ["--home", str(settings.home), "--sumdb", settings.sumdb, "--upstream", settings.upstream]
        code = cli.main([*arguments, *own])
        said = capsys.readouterr()
        return code, said.out or said.err

    code, out = command(gap.here, "export", "--to", bundle, "--key", str(gap.key_file), "--json")
    assert (code, json.loads(out)["exported"], json.loads(out)["through"]) == (0, len(VERSIONS), len(VERSIONS))
    code, out = command(gap.there, "import", bundle)
    assert (code, "--unsigned" in out) == (3, True)
    code, out = command(gap.there, "import", bundle, "--key", gap.vkey, "--json")
    assert (code, json.loads(out)["imported"]) == (0, len(VERSIONS))
    assert command(gap.there, "import", bundle, "--key", gap.vkey)[0] == 99
    assert command(gap.there, "import", str(tmp_path / "nothing"))[0] == 2
    assert command(gap.there, "import", bundle, "--key", "no key")[0] == 2
    assert command(gap.here, "export", "--to", bundle, "--since", str(len(VERSIONS)))[0] == 99
