"""validate: what keeps every rule becomes valid, what breaks one is rejected, and nobody is refused for less."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import catalogs
from fakes import sumdb as fake
from fakes.goproxy import GoProxy, Module, make_module, make_zip
from gopherwood import dirhash, fetch, validate
from gopherwood.catalog import Catalog, VersionRow
from gopherwood.config import Settings
from gopherwood.errors import EXIT_FAILED, EXIT_INTEGRITY, EXIT_NOTHING_TO_DO
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.staging import Staging
from gopherwood.states import State
from gopherwood.store import open_store
from gopherwood.validate.checksums import RULE as CHECKSUMS
from gopherwood.validate.rules import RULES

MV = ModuleVersion("example.com/m", "v1.0.0")


@pytest.fixture
def proxy() -> Iterator[GoProxy]:
    with GoProxy() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, proxy: GoProxy) -> Settings:
    made = Settings(home=tmp_path / "home", upstream=proxy.url, sumdb="off", timeout=5)
    catalogs.make(made.catalog_url)
    return made


def stage(settings: Settings, *versions: ModuleVersion) -> None:
    """Fetch versions into staging."""
    with Catalog.open(settings) as catalog:
        catalog.enqueue(versions or [MV], source="test")
    assert fetch.run(settings).staged == len(versions or [MV])


def row(settings: Settings, mv: ModuleVersion = MV) -> VersionRow:
    with Catalog.open(settings) as catalog:
        found = catalog.state_of(mv)
    assert found is not None
    return found


def evidence(settings: Settings, mv: ModuleVersion = MV) -> dict[str, tuple[bool, str]]:
    with Catalog.open(settings) as catalog:
        return {item.rule: (item.ok, item.detail) for item in catalog.evidence_of(mv)}


def staged_files(settings: Settings, mv: ModuleVersion = MV) -> dict[str, Path]:
    staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
    return staging.files(row(settings, mv).token or "")


# --- what is accepted


def test_a_good_version_becomes_valid_with_a_row_of_evidence_for_each_rule(settings: Settings, proxy: GoProxy) -> None:
    """Every rule is on record, and so are the facts that pages and proofs need."""
    made = proxy.add(MV.path, MV.version, origin={"VCS": "git", "Hash": "abc"})
    stage(settings)
    result = validate.run(settings)
    assert (result.valid, result.exit_code) == (1, 0)
    assert row(settings).state is State.VALID
    assert evidence(settings).keys() == {name for name, _ in RULES} | {CHECKSUMS}
    facts = row(settings).facts
    assert facts["h1"] == dirhash.hash_zip(staged_files(settings)[".zip"])
    assert facts["go_mod_h1"] == dirhash.hash_go_mod(made.mod)
    assert (facts["zip_size"], facts["mod_size"]) == (len(made.zip), len(made.mod))
    assert facts["origin"] == {"VCS": "git", "Hash": "abc"}


def test_the_info_is_made_canonical(settings: Settings, proxy: GoProxy) -> None:
    """Whatever form an upstream sends, one is stored; keys that nobody knows are dropped."""
    made = make_module(MV.path, MV.version)
    said = {"Extra": 1, "Time": "2020-01-02T03:04:05Z", "Version": MV.version}
    proxy.put(MV.path, MV.version, made._replace(info=json.dumps(said, indent=2).encode()))
    stage(settings)
    validate.run(settings)
    assert staged_files(settings)[".info"].read_bytes() == b'{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}'


@pytest.mark.parametrize(
    ("path", "version", "files"),
    [
        ("example.com/m", "v1.0.0", {"go.mod": ""}),
        ("example.com/Upper/m/v2", "v2.1.0", {}),
        ("gopkg.in/yaml.v3", "v3.0.1", {}),
        ("example.com/old", "v3.2.1+incompatible", {"go.mod": ""}),
        ("example.com/m", "v0.0.0-20200102030405-0123456789ab", {}),
        ("example.com/m", "v0.0.0-20190102030405-0123456789ab", {}),
        ("example.com/m", "v1.0.0", {"go.mod": "module example.com/m\n\nreplace example.com/x => ../x\n"}),
        ("example.com/m", "v1.0.0", {"go.mod": "module example.com/m\n\nrequire example.com/x v0.0.0-0\n"}),
        ("example.com/m", "v1.0.0", {"go.mod": "// Deprecated: use m2.\nmodule example.com/m\n\nretract v1.0.0\n"}),
        ("example.com/m", "v1.0.0", {"go.mod": "module example.com/m\n\nfuture (\n\tdirective\n)\n"}),
    ],
)
def test_nobody_is_refused_for_being_odd(
    settings: Settings, proxy: GoProxy, path: str, version: str, files: dict[str, str]
) -> None:
    """No go.mod, a replace, odd requirements, a deprecation, a wrong time: served, with a finding at most."""
    proxy.add(path, version, files)
    stage(settings, ModuleVersion(path, version))
    result = validate.run(settings)
    assert (result.valid, result.rejected) == (1, 0), evidence(settings, ModuleVersion(path, version))


def test_oddities_are_findings(settings: Settings, proxy: GoProxy) -> None:
    """What is odd is on record: the rule is kept, and says what it saw."""
    mv = ModuleVersion(MV.path, "v0.0.0-20190102030405-0123456789ab")
    proxy.add(mv.path, mv.version, {"go.mod": "// Deprecated: use m2.\nmodule example.com/m\n"})
    stage(settings, mv)
    validate.run(settings)
    said = evidence(settings, mv)
    assert said["go-mod-parses"] == (True, "deprecated: use m2.")
    assert said["pseudo-version-time"][0]
    assert "2019-01-02T03:04:05Z" in said["pseudo-version-time"][1]


# --- what is rejected

GOOD = make_module(MV.path, MV.version)
OTHER_MOD = b"module example.com/other\n"


@pytest.mark.parametrize(
    ("made", "rule", "reason"),
    [
        (GOOD._replace(info=b"<html>"), "info-canonical", "invalid-info"),
        (GOOD._replace(info=b'{"Version":"v1.0.1"}'), "info-canonical", "invalid-info"),
        (GOOD._replace(mod=OTHER_MOD), "go-mod-path", "invalid-go-mod"),
        (GOOD._replace(mod=b"go 1.21\n"), "go-mod-path", "invalid-go-mod"),
        (GOOD._replace(mod=GOOD.mod + b"\n"), "mod-equals-zip", "invalid-go-mod"),
        (
            Module(GOOD.info, GOOD.mod, make_zip(MV.path, MV.version, {"m.go": "package m"})),
            "mod-equals-zip",
            "invalid-go-mod",
        ),
        (GOOD._replace(zip=b"PK, or not"), "zip-rules", "invalid-zip"),
        (GOOD._replace(zip=make_zip(MV.path, "v1.0.1", {"go.mod": GOOD.mod})), "zip-rules", "invalid-zip"),
        (GOOD._replace(zip=make_zip(MV.path, MV.version, {"A": "", "a": ""})), "zip-rules", "invalid-zip"),
    ],
)
def test_what_breaks_integrity_or_identity_is_rejected(
    settings: Settings, proxy: GoProxy, made: Module, rule: str, reason: str
) -> None:
    """The rule that said no is the last one on record, its reason is the version's, and its files are dropped."""
    proxy.put(MV.path, MV.version, made)
    stage(settings)
    result = validate.run(settings)
    assert (result.rejected, result.exit_code) == (1, 0)
    found = row(settings)
    assert (found.state, found.reason, found.token) == (State.REJECTED, reason, None)
    said = evidence(settings)
    assert [name for name, (ok, _) in said.items() if not ok] == [rule]
    assert not list(Path(settings.home / "staging").rglob("*.zip"))


def test_one_bad_version_does_not_hold_up_the_others(settings: Settings, proxy: GoProxy) -> None:
    """A poison version costs itself, not its batch."""
    proxy.put(MV.path, MV.version, GOOD._replace(zip=b"poison"))
    proxy.add("example.com/good", "v1.0.0")
    stage(settings, MV, ModuleVersion("example.com/good", "v1.0.0"))
    result = validate.run(settings)
    assert (result.valid, result.rejected, result.reasons) == (1, 1, {"invalid-zip": 1})


# --- staging that is not as it was


def test_missing_staged_files_are_fetched_again(settings: Settings, proxy: GoProxy) -> None:
    """What a power failure took from staging costs another fetch, never a verdict."""
    proxy.add(MV.path, MV.version)
    stage(settings)
    staged_files(settings)[".zip"].unlink()
    assert validate.run(settings).requeued == 1
    assert row(settings).state is State.QUEUED
    assert fetch.run(settings).staged == 1
    assert validate.run(settings).valid == 1


def test_nothing_staged_is_nothing_to_do(settings: Settings) -> None:
    """An empty batch is exit code 99: Airflow shows it as skipped."""
    assert validate.run(settings).exit_code == EXIT_NOTHING_TO_DO


def test_a_stop_gives_leases_back(settings: Settings, proxy: GoProxy) -> None:
    """Whoever is told to stop begins nothing new, and the next run finds all of it."""
    proxy.add(MV.path, MV.version)
    stage(settings)
    stop = threading.Event()
    with validate.Validator.open(settings) as validator:
        stop.set()
        validator.batch(10, stop)
    assert row(settings).owner is None
    assert validate.run(settings).valid == 1


def test_a_limit_is_kept(settings: Settings, proxy: GoProxy) -> None:
    """--limit bounds what one run checks."""
    versions = [ModuleVersion(MV.path, f"v1.0.{n}") for n in range(5)]
    for mv in versions:
        proxy.add(mv.path, mv.version)
    stage(settings, *versions)
    assert validate.run(settings, limit=3).checked == 3
    assert validate.run(settings).checked == 2


# --- the checksum database


@pytest.fixture
def log(proxy: GoProxy, tmp_path: Path) -> fake.SumDBLog:
    """Put a checksum database that knows what the upstream serves behind the upstream."""

    def find(mv: ModuleVersion) -> fake.Sums | None:
        data = proxy.files.get(proxy.key(mv.path, mv.version, ".zip"))
        if data is None:
            return None
        file = tmp_path / "summed.zip"
        file.write_bytes(data)
        return fake.sums(file, proxy.files[proxy.key(mv.path, mv.version, ".mod")])

    made = fake.SumDBLog(find)
    proxy.mount(f"sumdb/{made.name}", made.answer)
    return made


@pytest.fixture
def checked(settings: Settings, log: fake.SumDBLog) -> Settings:
    return replace(settings, sumdb=log.vkey)


def test_hashes_are_compared_with_the_checksum_database(checked: Settings, proxy: GoProxy) -> None:
    """The record's number is the evidence."""
    proxy.add(MV.path, MV.version)
    stage(checked)
    assert validate.run(checked).valid == 1
    assert evidence(checked)[CHECKSUMS] == (True, f"record 0 of {fake.NAME}")


def test_a_mismatch_is_an_integrity_failure(checked: Settings, proxy: GoProxy, log: fake.SumDBLog) -> None:
    """Rejected, told about, exit code 3; the bytes stay in staging for a person to look at."""
    proxy.add(MV.path, MV.version)
    log.add(MV)
    proxy.add(MV.path, MV.version, {"m.go": "package backdoor"})
    stage(checked)
    result = validate.run(checked)
    assert (result.integrity, result.exit_code) == (1, EXIT_INTEGRITY)
    assert (row(checked).state, row(checked).reason) == (State.REJECTED, "checksum-mismatch")
    assert staged_files(checked)[".zip"].is_file()
    with Catalog.open(checked) as catalog:
        assert [event.event.kind for event in catalog.events()].count("integrity") == 1


def test_what_the_database_does_not_know_is_rejected(checked: Settings, proxy: GoProxy, log: fake.SumDBLog) -> None:
    """Nobody could verify it, so it is not served; that is no integrity failure."""
    proxy.add(MV.path, MV.version)
    log.withhold("lookup/")
    stage(checked)
    assert validate.run(checked).exit_code == 0
    assert row(checked).reason == "unverifiable"


def test_a_database_that_does_not_answer_is_asked_again(checked: Settings, proxy: GoProxy) -> None:
    """Nothing is decided: the version stays staged, waits, and needs no second fetch."""
    from fakes.goproxy import status

    proxy.add(MV.path, MV.version)
    proxy.fail(f"sumdb/{fake.NAME}/lookup/{MV}", status(500))
    stage(checked)
    result = validate.run(checked)
    assert (result.waiting, result.exit_code) == (1, EXIT_FAILED)
    assert (row(checked).state, row(checked).failures) == (State.STAGED, 1)


def test_private_modules_are_not_asked_about(
    checked: Settings, proxy: GoProxy, log: fake.SumDBLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GONOSUMDB keeps names from the database, as `go` does; the evidence says so."""
    monkeypatch.setenv("GONOSUMDB", "example.com")
    proxy.add(MV.path, MV.version)
    stage(checked)
    assert validate.run(checked).valid == 1
    assert evidence(checked)[CHECKSUMS] == (True, "not checked: GONOSUMDB or GOPHERWOOD_PRIVATE names it")
    assert log.records == []


@pytest.mark.parametrize("how", ["a bad signature", "a forged record"])
def test_a_database_that_contradicts_itself_stops_everything(
    checked: Settings, proxy: GoProxy, log: fake.SumDBLog, how: str
) -> None:
    """That is nothing against the version: it stays staged, and somebody is paged."""
    proxy.add(MV.path, MV.version)
    if how == "a forged record":
        log.forge(MV, "h1:" + "A" * 43 + "=")
    else:
        log.spoil("lookup/", fake.bad_signature)
    stage(checked)
    result = validate.run(checked)
    assert (result.proofs, result.exit_code) == (1, EXIT_INTEGRITY)
    assert row(checked).state is State.STAGED
    with Catalog.open(checked) as catalog:
        (told,) = catalog.events(kind="integrity")
    kept = open_store(checked).read(str(told.event.payload["kept"])).decode()
    assert str(told.event.payload["shown"]) in kept
    assert "go.sum database tree" in kept
    assert str(told.event.payload["kept"]) in evidence(checked)[CHECKSUMS][1]
