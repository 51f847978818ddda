"""What the catalog keeps beside versions: misses, tree heads, events; and how it is opened, migrated and locked."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fakes import postgres
from gopherwood.catalog import Catalog, Event, schema
from gopherwood.catalog import notes as catalog_notes
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, ProofError, StorageError
from gopherwood.module import ModuleVersion

HEAD = b"go.sum database tree\n%d\n%s\n\n\xe2\x80\x94 sum.example.com c2ln%s=\n"


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request, tmp_path):
    """Return the URL of a database that was never migrated."""
    return postgres.server().url(migrated=False) if request.param == "postgres" else f"sqlite:///{tmp_path}/new.db"


def test_misses_are_deduplicated(catalog):
    """However often something is asked for, it is one request, with a count."""
    asked = [("example.com/m", "v1.0.0"), ("example.com/m", "latest"), ("example.com/m", "v1.0.0")]
    assert catalog.record_misses(asked) == 2
    assert catalog.record_misses([("example.com/m", "v1.0.0")]) == 0
    assert {(miss.query, miss.count) for miss in catalog.misses()} == {("v1.0.0", 3), ("latest", 1)}


def test_settled_misses_stay_settled_for_a_day(catalog, clock):
    """What was dealt with is no request again within a day, and is one after that."""
    catalog.record_misses([("example.com/m", "v1.0.0")])
    catalog.settle_misses([("example.com/m", "v1.0.0")])
    clock.pass_(hours=23)
    catalog.record_misses([("example.com/m", "v1.0.0")])
    assert catalog.misses() == []
    clock.pass_(hours=2)
    catalog.record_misses([("example.com/m", "v1.0.0")])
    assert [miss.count for miss in catalog.misses()] == [3]


def test_misses_are_bounded(catalog, monkeypatch):
    """A flood of nonsense pushes out nothing that people asked for, and takes no more than its room."""
    monkeypatch.setattr(catalog_notes, "MOST_MISSES", 3)
    catalog.record_misses([("a", "v1.0.0"), ("b", "v1.0.0")])
    catalog.settle_misses([("a", "v1.0.0")])
    assert catalog.record_misses([(f"flood{number}", "latest") for number in range(10)]) == 2
    assert [miss.path for miss in catalog.misses()] == ["b", "flood0", "flood1"]


def test_a_flood_of_tiles_leaves_room_for_modules(catalog, monkeypatch):
    """Tiles of checksum databases have a bound of their own; settled ones make room for new ones there, too."""
    monkeypatch.setattr(catalog_notes, "MOST_TILE_MISSES", 2)
    flood = [("sumdb/sum.example", f"tile/8/0/{number:03}") for number in range(10)]
    assert catalog.record_misses([*flood, ("sumdbx", "latest"), ("a", "v1.0.0")]) == 4
    assert [(miss.database, miss.path) for miss in catalog.misses()] == [
        ("", "a"), *[("sum.example", "sumdb/sum.example")] * 2, ("", "sumdbx"),
    ]  # fmt: skip
    catalog.settle_misses(flood[:1])
    assert catalog.record_misses([flood[7], ("b", "v1.0.0")]) == 2
    assert [miss.query for miss in catalog.misses() if miss.database] == ["tile/8/0/001", "tile/8/0/007"]


def test_overlong_misses_are_dropped(catalog):
    """What no module path can be is not recorded."""
    assert catalog.record_misses([("a" * 5000, "latest"), ("a", "v" * 5000)]) == 0


def test_tree_head_never_moves_back(catalog):
    """The last trusted tree head only grows, per database."""
    assert catalog.tree_head("sum") is None
    assert catalog.set_tree_head("sum", 10, HEAD % (10, b"a", b"1")) is True
    assert catalog.set_tree_head("sum", 20, HEAD % (20, b"b", b"1")) is True
    assert catalog.set_tree_head("sum", 10, HEAD % (10, b"a", b"1")) is False
    assert (catalog.tree_head("sum"), catalog.tree_head("other")) == (HEAD % (20, b"b", b"1"), None)


def test_two_trees_of_one_size_are_a_fork(catalog):
    """A second tree of the same size is proof of a fork; the same tree signed again is not."""
    catalog.set_tree_head("sum", 10, HEAD % (10, b"a", b"1"))
    assert catalog.set_tree_head("sum", 10, HEAD % (10, b"a", b"2")) is False
    with pytest.raises(ProofError, match="two different trees of 10"):
        catalog.set_tree_head("sum", 10, HEAD % (10, b"b", b"1"))


def test_events_are_read_in_order(catalog, clock):
    """Events come back in the order they were written, from where a reader left."""
    catalog.emit(Event("deployed", "serving", {"to": "canary"}), Event("verdict", "load"))
    first, second = catalog.events()
    assert (first.event.payload, first.at) == ({"to": "canary"}, clock())
    assert catalog.events(after=first.id) == [second]
    assert [each.id for each in catalog.events(kind="verdict")] == [second.id]


def test_migrations_make_the_schema(empty_url):
    """The tables that the migrations make are the tables that the code believes in."""
    with Catalog.open(empty_url) as catalog:
        catalog.migrate()
        with catalog.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, schema.metadata) == []


def test_revision_is_the_newest():
    """The constant that makes `migrate` cheap names the newest migration."""
    folder = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert folder.get_heads() == [schema.REVISION]


MIGRATE = "import sys; from gopherwood.catalog import Catalog; Catalog.open(sys.argv[1]).migrate()"


def test_many_may_migrate_at_once(empty_url):
    """Pods that start together all migrate, and one does it."""
    processes = [subprocess.Popen([sys.executable, "-c", MIGRATE, empty_url]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]


def test_unmigrated_catalog_says_so(empty_url):
    """A catalog without tables is a clear error, not a stack trace."""
    with Catalog.open(empty_url) as catalog, pytest.raises(StorageError) as caught:
        catalog.counts()
    assert "must be migrated" in caught.value.hint


def test_catalog_of_a_later_release(catalog):
    """An older release does not touch the catalog of a newer one."""
    with catalog.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="another release"):
        catalog.migrate()


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url):
    """A URL of a database that we do not run on is a configuration error."""
    with pytest.raises(ConfigError):
        Catalog.open(url)


def test_plain_postgresql_means_our_driver():
    """The driver is written out whatever the library's default is."""
    with Catalog.open("postgresql://user@host/db") as catalog:
        assert catalog.engine.url.drivername == "postgresql+psycopg"


def test_errors_hide_the_password():
    """A database that cannot be reached is a storage error without its password."""
    with Catalog.open("postgresql://me:secret@127.0.0.1:1/db") as catalog, pytest.raises(StorageError) as caught:
        catalog.counts()
    assert "secret" not in str(caught.value)


def test_default_catalog_is_a_file_below_home(tmp_path):
    """Without a setting the catalog is a SQLite file in HOME, durable at each commit."""
    with Catalog.open(Settings(home=tmp_path / "new")) as catalog:
        catalog.migrate()
        with catalog.engine.connect() as connection:
            pragmas = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
            ]
    assert pragmas == ["wal", 2]
    assert (tmp_path / "new" / "catalog.db").exists()


def test_lock_is_held_by_one(catalog):
    """Of two who want a lock one waits, and it is free afterwards."""
    order = []
    with catalog.lock("lists"):
        other = threading.Thread(target=lambda: _hold(catalog, order))
        other.start()
        other.join(0.2)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]


def _hold(catalog: Catalog, order: list[str]) -> None:
    with catalog.lock("lists"):
        order.append("second")


def test_concurrent_enqueues_never_deadlock(catalog_url):
    """Many sources that find the same versions in different orders queue each once."""
    mvs = [ModuleVersion(f"example.com/m{number}", "v1.0.0") for number in range(300)]
    totals = []

    def enqueue(wanted) -> None:
        with Catalog.open(catalog_url) as catalog:
            totals.append(catalog.enqueue(wanted, source="test").new)

    threads = [threading.Thread(target=enqueue, args=(mvs[::step],)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(totals) == 300
