"""`audit --invariants`: all eight hold on a sound platform, and each that was broken on purpose is seen to be."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import damage, logged, postgres, s3, valid
from gopherwood import publish, store
from gopherwood.audit import invariants
from gopherwood.audit.invariants import Checked
from gopherwood.audit.invariants.found import (
    ACKNOWLEDGED,
    AGREE,
    CLEAN,
    CONSERVED,
    GROW,
    HALF,
    SENTENCES,
    TIDY,
    UNCHANGED,
)
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion

MV = ModuleVersion("example.com/Mod", "v1.0.0")
NEXT = ModuleVersion("example.com/Mod", "v1.1.0")
OTHER = ModuleVersion("example.com/other/v2", "v2.1.0")
QUEUED = ModuleVersion("example.com/Mod", "v1.2.0")


def make(home: Path, **more: str) -> Settings:
    """Publish three versions under a signed ledger, and queue one more."""
    settings = Settings(home=home, ledger_key=logged.SECRET, **more)
    valid.make_valid(settings, [MV, NEXT, OTHER])
    publish.run(settings)
    with Catalog.open(settings) as catalog:
        catalog.enqueue([QUEUED], source="test")
    return settings


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("sound") / "home"
    make(home)
    return home


@pytest.fixture
def settings(sound: Path, tmp_path: Path) -> Settings:
    """Return a copy of the sound platform, to be broken."""
    return Settings(home=shutil.copytree(sound, tmp_path / "home"), ledger_key=logged.SECRET)


def check(settings: Settings, **more) -> Checked:
    return invariants.run(settings, stop=threading.Event(), **more)


@pytest.mark.parametrize("kind", ["folder, sqlite", "bucket, postgres"])
def test_all_hold_on_a_sound_platform(tmp_path, kind):
    """Everything published is looked at, on each kind of storage, and nothing is said."""
    more = {}
    if kind == "bucket, postgres":
        more = {"store": s3.server().bucket(), "s3_endpoint": s3.server().endpoint, "catalog": postgres.server().url()}
    settings = make(tmp_path / "home", **more)
    for quick in (False, True):
        found = check(settings, quick=quick)
        assert (found.broken, found.exit_code) == ([], 0), found.text()
        assert [each.name for each in found.invariants] == list(SENTENCES)
        looked = {each.name: each.checked for each in found.invariants}
        assert (looked[ACKNOWLEDGED], looked[HALF], looked[CONSERVED]) == (3, 5, 4)


def sql(*statements: str) -> Callable[[Settings], None]:
    def run(settings: Settings) -> None:
        with Catalog.open(settings) as catalog, catalog._transaction() as connection:
            for statement in statements:
                assert connection.exec_driver_sql(statement).rowcount, statement

    return run


def flipped(suffix: str, where: int) -> Callable[[Settings], None]:
    return lambda settings: (
        damage.rewrite(store.open_store(settings), store.key(MV, suffix), damage.flip(where)) and None
    )


def lost(settings: Settings) -> None:
    damage.remove(store.open_store(settings), store.key(MV, ".zip"))


def listed(*versions: str) -> Callable[[Settings], None]:
    def run(settings: Settings) -> None:
        store.open_store(settings).replace(store.list_key(MV.path), "".join(f"{v}\n" for v in versions).encode())

    return run


def visible(settings: Settings) -> None:
    """Let a version on the queue be seen in the store, and in no ledger."""
    store.open_store(settings).create_many([(store.key(QUEUED, s), data) for s, data in valid.files(QUEUED).items()])


def old(name: str) -> Callable[[Settings], None]:
    def run(settings: Settings) -> None:
        path = settings.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 9_000,) * 2)

    return run


NAMED = f"path = '{MV.path}' AND version = '{MV.version}'"
BROKEN = {
    "a bit of a zip": (flipped(".zip", 100), {ACKNOWLEDGED}),
    "a bit of a go.mod": (flipped(".mod", 8), {ACKNOWLEDGED}),
    "a lost zip": (lost, {ACKNOWLEDGED, HALF}),
    "a list with a name too many": (listed("v1.0.0", "v1.1.0", "v9.9.9"), {HALF}),
    "a catalog with another digest": (sql(f"UPDATE versions SET h1 = 'h1:x' WHERE {NAMED}"), {UNCHANGED}),
    "a ledger with another digest": (sql(f"UPDATE ledger SET h1 = 'h1:x' WHERE {NAMED}"), {ACKNOWLEDGED, UNCHANGED}),
    "a list that shrank": (listed("v1.1.0"), {GROW}),
    "a version that is seen too early": (visible, {CLEAN}),
    "an old temporary": (old("store/.tmp/1-2-3"), {TIDY}),
    "old staging": (old("staging/ab/cd-1-ef.zip"), {TIDY}),
    "a stray file": (old("store/example.com/stray/@v/v1.0.0.zip"), {AGREE}),
    "no entry": (sql(f"DELETE FROM ledger WHERE {NAMED}"), {AGREE, UNCHANGED}),
    "a lease of nobody": (sql("UPDATE versions SET state = 'leased' WHERE version = 'v1.2.0'"), {CONSERVED}),
    "a state that there is not": (sql("UPDATE versions SET state = 'lost' WHERE version = 'v1.2.0'"), {CONSERVED}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_is_seen_to_be_broken(settings, name):
    """What was broken on purpose is named with its evidence, the exit code is 3, and the others hold."""
    breaks, names = BROKEN[name]
    breaks(settings)
    found = check(settings)
    assert (set(found.broken), found.exit_code) == (names, 3), found.text()
    assert all(each.evidence for each in found.invariants if not each.holds)


def test_quick_look_finds_a_zip_of_another_size(settings):
    """Without reading zips one that was cut is found, and one with a flipped bit is not."""
    flipped(".zip", 100)(settings)
    assert check(settings, quick=True).broken == []
    damage.rewrite(store.open_store(settings), store.key(MV, ".zip"), lambda data: data[:-1])
    assert check(settings, quick=True).broken == [ACKNOWLEDGED]


def test_witness_proves_that_nothing_was_lost_since(settings, tmp_path):
    """A platform that was restored from an older backup contradicts the witness of what it had acknowledged."""
    backup = shutil.copytree(settings.home, tmp_path / "backup")
    valid.make_valid(settings, [ModuleVersion("example.com/late", "v1.0.0")])
    publish.run(settings)
    file = tmp_path / "before.json"
    file.write_text(json.dumps({"witness": check_witness(settings)}))
    assert check(settings, after=file).broken == []
    shutil.rmtree(settings.home)
    shutil.copytree(backup, settings.home)
    assert check(settings).broken == []
    assert set(check(settings, after=file).broken) == {UNCHANGED, CONSERVED}


def check_witness(settings: Settings) -> dict[str, object]:
    witness = check(settings).witness
    return {name: getattr(witness, name) for name in witness.__slots__}


def test_a_publish_under_way_breaks_nothing(settings):
    """Between the ledger and the catalog versions are complete, marked and logged, and all eight hold."""
    late = ModuleVersion("example.com/late", "v1.0.0")
    valid.make_valid(settings, [late])
    with publish.Publisher.open(settings) as publisher:
        publisher._finish = lambda *_: None
        assert publisher.batch(10)
    assert store.is_complete(store.open_store(settings), late)
    found = check(settings)
    assert found.broken == [], found.text()
    assert {each.name: each.checked for each in found.invariants}[CLEAN] == 2
