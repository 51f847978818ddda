"""Publishing with the ledger: what is published is in it, and a ledger that lost its past publishes nothing."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from fakes import logged, s3, valid
from gopherwood import publish, store
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_INTEGRITY, EXIT_NOTHING_TO_DO, ConfigError, IntegrityError
from gopherwood.ledger import show, verify
from gopherwood.ledger.key import open_checkpoint
from gopherwood.module import ModuleVersion
from gopherwood.states import State

A, B, C = (ModuleVersion("example.com/Mod", version) for version in ("v1.2.0", "v1.10.0", "v1.9.0"))


@pytest.fixture(params=["folder", "bucket"])
def settings(request, tmp_path, catalog_url):
    """Return the settings of an empty platform with a key, on each kind of storage and database."""
    settings = Settings(home=tmp_path, catalog=catalog_url, batch=2, ledger_key=logged.SECRET)
    if request.param == "folder":
        return settings
    server = s3.server()
    return replace(settings, store=server.bucket(), staging=server.bucket(), s3_endpoint=server.endpoint)


@pytest.fixture
def home(tmp_path):
    """Return the settings of an empty platform in a folder, with a key."""
    return Settings(home=tmp_path, batch=2, ledger_key=logged.SECRET)


def logged_versions(settings: Settings) -> list[ModuleVersion]:
    with Catalog.open(settings) as catalog:
        return [entry.mv for entry in catalog.ledger_entries()]


def in_store(settings: Settings) -> bytes:
    return store.open_store(settings).read(store.checkpoint_key(logged.NAME))


def test_what_is_published_is_in_the_ledger(settings):
    """Every published version has its entry; the newest checkpoint is in the store; all of it verifies."""
    valid.make_valid(settings, [A, B, C])
    publish.run(settings)
    with Catalog.open(settings) as catalog:
        assert [head.size for head in catalog.ledger_heads()] == [2, 3]
        assert in_store(settings) == catalog.ledger_head().checkpoint
        facts = catalog.state_of(A).facts
        entry = catalog.ledger_entry(A)
    assert (entry.h1, entry.go_mod_h1) == (facts["h1"], facts["go_mod_h1"])
    found = verify.run(settings)
    assert (found.size, found.entries, found.heads, found.files, found.pending, found.found) == (3, 3, 2, 3, 0, [])


def test_what_was_published_before_is_caught_up(home):
    """A catalog from before the ledger gets it at the next publish, in the order of publishing; then a key signs it."""
    mvs = [ModuleVersion("example.com/m", f"v1.{n}.0") for n in (3, 1, 2, 5, 4)]
    unsigned = replace(home, ledger_key="")
    for mv in mvs:
        valid.make_valid(unsigned, [mv])
        publish.run(unsigned)
    with Catalog.open(home) as catalog, catalog._transaction() as connection:
        for table in ("ledger", "ledger_tiles", "cursors", "counters WHERE name = 'ledger'"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert publish.run(unsigned).exit_code == EXIT_NOTHING_TO_DO
    assert logged_versions(home) == mvs
    assert verify.run(home).found == []
    publish.run(home)
    assert open_checkpoint(in_store(home), logged.KEY).n == 5
    assert verify.run(home).heads == 1


def test_other_hashes_than_the_ledgers_are_a_conflict(home):
    """The store lost the files, the catalog forgot: the ledger still knows, and other bytes never take their place."""
    valid.make_valid(home, [A])
    publish.run(home)
    with Catalog.open(home) as catalog, catalog._transaction() as connection:
        for table in ("versions", "evidence"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    for suffix in store.SUFFIXES:
        (home.home / "store" / store.key(A, suffix)).unlink()
    valid.make_valid(home, [A, B], body="changed")
    result = publish.run(home)
    assert (result.published, result.conflicts, result.exit_code) == (1, 1, EXIT_INTEGRITY)
    assert store.open_store(home).size(store.key(A, ".zip")) is None
    with Catalog.open(home) as catalog:
        row, evidence = catalog.state_of(A), catalog.evidence_of(A)[-1]
        event = catalog.events(kind="conflict")[0].event
    assert (row.state, row.reason, evidence.ok) == (State.HELD, "immutability", False)
    assert "ledger's entry 0 says h1:" in evidence.detail
    assert event.payload["ledger"].startswith("example.com/Mod v1.2.0 h1:")


def test_a_version_in_conflict_is_not_in_the_ledger(home, tmp_path):
    """What the store refuses leaves no entry."""
    valid.make_valid(home, [A])
    publish.run(home)
    again = replace(home, catalog=f"sqlite:///{tmp_path / 'second.db'}", ledger_key="")
    valid.make_valid(again, [A, B], body="changed")
    assert publish.run(again).conflicts == 1
    assert logged_versions(again) == [B]


def test_a_catalog_from_an_old_backup_publishes_nothing(home):
    """The store has seen a larger ledger: exit code 3, both heads are kept as evidence, and nothing becomes visible."""
    valid.make_valid(home, [A])
    publish.run(home)
    shutil.copy(home.home / "catalog.db", home.home / "backup.db")
    valid.make_valid(home, [B])
    publish.run(home)
    shutil.copy(home.home / "backup.db", home.home / "catalog.db")
    valid.make_valid(home, [C])
    with pytest.raises(IntegrityError, match="has seen a ledger of 2 entries, ours has 1") as error:
        publish.run(home)
    assert (error.value.exit_code, "docs/ledger.md" in error.value.hint) == (EXIT_INTEGRITY, True)
    with Catalog.open(home) as catalog:
        event = catalog.events(kind="integrity")[0].event
        assert catalog.state_of(C).state is State.VALID
    assert (event.payload["store"], logged_versions(home)) == (in_store(home).decode(), [A])
    assert event.payload["catalog"].splitlines()[1] == "1"
    assert store.open_store(home).size(store.key(C, ".info")) is None


def test_two_catalogs_on_one_store_are_a_fork(home, tmp_path):
    """A second catalog that publishes other things into the same store under the same key is noticed as well."""
    valid.make_valid(home, [A])
    publish.run(home)
    second = replace(home, catalog=f"sqlite:///{tmp_path / 'second.db'}")
    valid.make_valid(second, [B])
    with pytest.raises(IntegrityError, match="has seen a ledger of 1 entries, ours has 0"):
        publish.run(second)
    third = replace(home, catalog=f"sqlite:///{tmp_path / 'third.db'}")
    valid.make_valid(third, [B])
    publish.run(replace(third, ledger_key=""))  # a catalog that never had the key cannot know
    with pytest.raises(IntegrityError, match="has seen another ledger of 1 entries"):
        publish.run(third)


def test_a_publisher_without_the_key_keeps_watch(home):
    """The public key is enough to notice that the store remembers more."""
    valid.make_valid(home, [A])
    publish.run(home)
    shutil.copy(home.home / "catalog.db", home.home / "backup.db")
    valid.make_valid(home, [B])
    publish.run(home)
    shutil.copy(home.home / "backup.db", home.home / "catalog.db")
    valid.make_valid(home, [C])
    with pytest.raises(IntegrityError):
        publish.run(replace(home, ledger_key=""))


def test_a_damaged_checkpoint_stops_publishing(home):
    """A checkpoint in the store that nobody signed is no past of ours."""
    valid.make_valid(home, [A])
    publish.run(home)
    store.open_store(home).replace(store.checkpoint_key(logged.NAME), in_store(home).replace(b"\n1\n", b"\n0\n"))
    valid.make_valid(home, [B])
    with pytest.raises(IntegrityError, match="none of ours: invalid signature"):
        publish.run(home)


def test_another_key_publishes_nothing(home):
    """A key that is not the ledger's is found before anything is leased."""
    valid.make_valid(home, [A])
    publish.run(home)
    valid.make_valid(home, [B])
    with pytest.raises(ConfigError, match="signed with the key"):
        publish.run(replace(home, ledger_key=logged.OTHER_SECRET))
    with Catalog.open(home) as catalog:
        assert (catalog.state_of(B).state, catalog.state_of(B).owner) == (State.VALID, None)


def test_a_key_made_later_signs_what_is_there(home):
    """`ledger key` on a platform that has published: the ledger is signed at once, and a version is provable."""
    unsigned = replace(home, ledger_key="")
    valid.make_valid(unsigned, [A, B, C])
    publish.run(unsigned)
    assert show.head(unsigned).note == ""
    made = show.key(unsigned, "ledger.example")
    assert show.head(unsigned).signed == 3
    assert show.proof(unsigned, B).key == made.key


def test_a_new_ledger_as_the_handbook_has_it(home):
    """The steps of docs/ledger.md: tables emptied, a new name; everything published is in the new one, and signed."""
    keyed = replace(home, ledger_key="")
    show.key(keyed, "old.example")
    valid.make_valid(keyed, [A, B, C])
    publish.run(keyed)
    statements = [f"DELETE FROM {table}" for table in ("ledger", "ledger_tiles", "ledger_heads")]
    statements += ["DELETE FROM counters WHERE name = 'ledger'"]
    statements += ["DELETE FROM cursors WHERE name IN ('ledger-key', 'ledger-sequence')"]
    with Catalog.open(keyed) as catalog, catalog._transaction() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    keyed.ledger_key_path.rename(keyed.home / "old.key")
    assert show.key(keyed, "new.example").made
    assert verify.run(keyed).text() == "ledger verify: 3 of 3 entries, 1 heads, 3 versions in the store: all is well"


PUBLISHER = """
import sys
from gopherwood import publish
from gopherwood.config import Settings
sys.exit(publish.run(Settings.from_env()).exit_code % 99)
"""


def test_publishers_at_once_make_one_ledger(tmp_path, catalog_url):
    """Three publishers share the work: one log, each version once, every head of it, the last one in the store."""
    settings = Settings(home=tmp_path, catalog=catalog_url, ledger_key=logged.SECRET)
    mvs = [ModuleVersion(f"example.com/m{number % 4}", f"v1.{number}.0") for number in range(40)]
    valid.make_valid(settings, mvs)
    environ = {"GOPHERWOOD_HOME": str(tmp_path), "GOPHERWOOD_CATALOG": catalog_url, "GOPHERWOOD_BATCH": "3"}
    environ |= {"GOPHERWOOD_LEDGER_KEY": logged.SECRET}
    processes = [subprocess.Popen([sys.executable, "-c", PUBLISHER], env=environ) for _ in range(3)]
    assert [process.wait(100) for process in processes] == [0, 0, 0]
    found = verify.run(settings)
    assert (found.size, found.files, found.found) == (40, 40, [])
    assert found.heads >= 40 // 3
    with Catalog.open(settings) as catalog:
        assert in_store(settings) == catalog.ledger_head(40).checkpoint
