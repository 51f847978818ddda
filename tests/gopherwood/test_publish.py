"""Publishing: what becomes visible and when, what a second publish may do, and what is left behind."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from fakes import s3, valid
from gopherwood import publish, store
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_INTEGRITY, EXIT_NOTHING_TO_DO, StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.staging import Staging
from gopherwood.states import State

A, B, C = (ModuleVersion("example.com/Mod", version) for version in ("v1.2.0", "v1.10.0", "v1.9.0"))
PSEUDO = ModuleVersion("example.com/Mod", "v0.0.0-20200102030405-abcdefabcdef")


@pytest.fixture(params=["folder", "bucket"])
def settings(request, tmp_path, catalog_url):
    """Return the settings of an empty platform, on each kind of storage and database."""
    settings = Settings(home=tmp_path, catalog=catalog_url, batch=2)
    if request.param == "folder":
        return settings
    server = s3.server()
    return replace(settings, store=server.bucket(), staging=server.bucket(), s3_endpoint=server.endpoint)


@pytest.fixture
def home(tmp_path):
    """Return the settings of an empty platform in a folder, for what does not depend on the storage."""
    return Settings(home=tmp_path, batch=2)


def contents(settings: Settings) -> dict[str, bytes]:
    objects = store.open_store(settings)
    return {key: objects.read(key) for key in objects.keys("")}


def expected(*mvs: ModuleVersion) -> dict[str, bytes]:
    return {store.key(mv, suffix): data for mv in mvs for suffix, data in valid.files(mv).items()}


def row(settings: Settings, mv: ModuleVersion):
    with Catalog.open(settings) as catalog:
        return catalog.state_of(mv)


def test_publish(settings):
    """Valid versions become a GOPROXY tree, rows with a number each, and events; staging is empty afterwards."""
    valid.make_valid(settings, [A, B, C, PSEUDO])
    result = publish.run(settings)
    assert (result.published, result.already, result.exit_code) == (4, 0, EXIT_DONE)
    assert contents(settings) == expected(A, B, C, PSEUDO) | {store.list_key(A.path): b"v1.2.0\nv1.9.0\nv1.10.0\n"}
    with Catalog.open(settings) as catalog:
        assert {event.event.kind for event in catalog.events()} == {"published"}
        assert sorted(version.sequence for version in catalog.versions(A.path)) == [1, 2, 3, 4]
        assert (catalog.live_tokens(), catalog.stale_lists()) == (set(), {})
    assert list(open_objects(settings.staging_url, settings=settings).keys()) == []


def test_nothing_to_do(settings):
    """With nothing valid there is nothing to do, and the exit code says so."""
    assert publish.run(settings).exit_code == EXIT_NOTHING_TO_DO


def test_second_publish_of_equal_bytes(settings, tmp_path):
    """When the catalog was lost, publishing the same bytes again finds them done."""
    valid.make_valid(settings, [A, B])
    publish.run(settings)
    before = contents(settings)
    again = replace(settings, catalog=f"sqlite:///{tmp_path / 'second.db'}")
    valid.make_valid(again, [A, B])
    assert (publish.run(again).already, contents(again)) == (2, before)


def test_second_publish_of_other_bytes(settings, tmp_path):
    """Other bytes under a published name never get in: held with evidence and staged bytes, an event, exit code 3."""
    valid.make_valid(settings, [A])
    publish.run(settings)
    before = contents(settings)
    again = replace(settings, catalog=f"sqlite:///{tmp_path / 'second.db'}")
    valid.make_valid(again, [A, B], body="changed")
    result = publish.run(again)
    assert (result.published, result.conflicts, result.exit_code) == (1, 1, EXIT_INTEGRITY)
    assert {key: contents(again)[key] for key in expected(A)} == {key: before[key] for key in expected(A)}
    with Catalog.open(again) as catalog:
        held = catalog.state_of(A)
        assert (held.state, held.reason, catalog.evidence_of(A)[-1].ok) == (State.HELD, "immutability", False)
        assert [event.event.subject for event in catalog.events(kind="conflict")] == [str(A)]
    staging = Staging(open_objects(again.staging_url, mutable=True, settings=again))
    assert staging.files(held.token)[".zip"].read_bytes() == valid.files(A, body="changed")[".zip"]


def test_repacked_zip_is_no_conflict(home, tmp_path):
    """A zip packed in another way holds the same files: the store keeps its bytes, and the facts are of those."""
    store.open_store(home).create(store.key(A, ".zip"), valid.files(A, level=9)[".zip"])
    valid.make_valid(home, [A], level=0)
    assert publish.run(home).published == 1
    assert contents(home)[store.key(A, ".zip")] == valid.files(A, level=9)[".zip"]
    assert row(home, A).facts["zip_size"] == len(valid.files(A, level=9)[".zip"])


@pytest.mark.parametrize("damaged", [b"", b"no zip", valid.files(A)[".zip"][:-30]])
def test_damaged_zip_in_the_store_is_one_conflict(home, damaged):
    """A zip that nobody can read any more holds back its own version, for a person to look at, and no other."""
    store.open_store(home).create(store.key(A, ".zip"), damaged)
    valid.make_valid(home, [A, B])
    result = publish.run(home)
    assert (result.published, result.conflicts, result.exit_code) == (1, 1, EXIT_INTEGRITY)
    assert (row(home, A).state, row(home, B).state) == (State.HELD, State.PUBLISHED)


BREAKS = {
    "version-canonical": "UPDATE versions SET version = 'v1.2' WHERE version = 'v1.2.0'",
    "h1-present": "UPDATE versions SET h1 = '' WHERE version = 'v1.2.0'",
    "files-recorded": "UPDATE versions SET zip_size = 0 WHERE version = 'v1.2.0'",
    "evidence-present": "DELETE FROM evidence WHERE version_id = 1",
    "evidence-passed": "INSERT INTO evidence VALUES (1, (SELECT attempt FROM versions WHERE id = 1), 9, 'x', 0, '', 0)",
    "one-name-an-h1": "UPDATE versions SET h1 = (SELECT h1 FROM versions WHERE id = 2) WHERE id = 1",
}


@pytest.mark.parametrize("rule", BREAKS)
def test_what_breaks_a_stop_rule_is_held_and_the_rest_published(home, rule):
    """Data quality holds a version with the rule as evidence, an event and its staged bytes; exit code 3."""
    valid.make_valid(home, [A, B, C])
    with Catalog.open(home) as catalog, catalog._transaction() as connection:
        connection.exec_driver_sql(BREAKS[rule])
    result = publish.run(home)
    both = rule == "one-name-an-h1"  # nobody can tell which of the two is what it says
    assert (result.published, result.held, result.conflicts) == ((1, 2, 0) if both else (2, 1, 0))
    assert result.exit_code == EXIT_INTEGRITY
    with Catalog.open(home) as catalog:
        held = catalog.recent([State.HELD])
        assert {row.reason for row in held} == {"quality"}
        assert rule in held[0].detail
        assert all(row.token for row in held)
        assert len(catalog.events(kind="quality-held")) == result.held
        assert rule in [e.rule.removeprefix("quality/") for e in catalog.evidence_of(held[0].mv) if not e.ok]
    assert publish.run(home).exit_code == EXIT_NOTHING_TO_DO


def test_staged_bytes_are_checked(home):
    """Staged bytes that are not the validated ones are never published: the version is fetched again."""
    valid.make_valid(home, [A, B])
    staging = Staging(open_objects(home.staging_url, mutable=True, settings=home))
    path = staging.files(row(home, A).token)[".zip"]
    path.chmod(0o644)
    path.write_bytes(valid.files(A, body="evil")[".zip"][: path.stat().st_size].ljust(path.stat().st_size, b"\0"))
    result = publish.run(home)
    assert (result.published, result.failed, row(home, A).state) == (1, 1, State.FAILED)
    assert store.is_complete(store.open_store(home), A) is False


def test_lost_staging_of_a_published_version(home):
    """A version that is complete in the store needs no staged files to be finished."""
    valid.make_valid(home, [A])
    store.open_store(home).create_many(list(expected(A).items()))
    Staging(open_objects(home.staging_url, mutable=True, settings=home)).drop([row(home, A).token])
    assert (publish.run(home).already, row(home, A).state) == (1, State.PUBLISHED)


def test_name_too_long(home):
    """A name that no file system can hold is rejected, and does not hold up the others."""
    long = ModuleVersion("example.com/" + "a" * 300, "v1.0.0")
    valid.make_valid(home, [long, A])
    assert (publish.run(home).published, row(home, long).reason) == (1, "name-too-long")


def test_limit(home):
    """A limit is obeyed across batches."""
    valid.make_valid(home, [A, B, C, PSEUDO])
    assert publish.run(home, limit=3).published == 3


def test_list_left_behind_is_written_by_the_next(home):
    """A publisher that died between the commit and the lists leaves a note, and any later run rewrites them."""
    valid.make_valid(home, [A])
    publish.run(home)
    valid.make_valid(home, [B])
    with publish.Publisher.open(home) as dying:
        dying.write_lists = lambda: None
        dying.batch(10)
    assert contents(home)[store.list_key(A.path)] == b"v1.2.0\n"
    assert publish.run(home).lists == 1
    assert contents(home)[store.list_key(A.path)] == b"v1.2.0\nv1.10.0\n"


def test_failing_store_gives_leases_back(home):
    """When the store fails the leases are given back, uncounted, and the next run publishes."""
    valid.make_valid(home, [A])
    (home.home / "store").write_bytes(b"in the way")
    with pytest.raises(StorageError):
        publish.run(home)
    assert (row(home, A).state, row(home, A).owner, row(home, A).failures) == (State.VALID, None, 0)
    (home.home / "store").unlink()
    assert publish.run(home).published == 1


def test_old_garbage_is_swept(home):
    """A run removes what others left behind long ago, and leaves alone what is fresh."""
    temporaries = home.home / "store" / ".tmp"
    temporaries.mkdir(parents=True)
    old, fresh = temporaries / "old", temporaries / "fresh"
    old.touch()
    fresh.touch()
    os.utime(old, (0, 0))
    valid.make_valid(home, [A])
    publish.run(home)
    assert (old.exists(), fresh.exists()) == (False, True)


PUBLISHER = """
import sys
from gopherwood import publish
from gopherwood.config import Settings
result = publish.run(Settings.from_env())
sys.exit(result.conflicts or result.failed)
"""


def test_publishers_never_conflict(tmp_path, catalog_url):
    """Several publishers at once share the work: no conflict, no loss, numbers without a gap, complete lists."""
    settings = Settings(home=tmp_path, catalog=catalog_url, batch=3)
    mvs = [ModuleVersion(f"example.com/m{number % 4}", f"v1.{number}.0") for number in range(40)]
    valid.make_valid(settings, mvs)
    environ = {"GOPHERWOOD_HOME": str(tmp_path), "GOPHERWOOD_CATALOG": catalog_url, "GOPHERWOOD_BATCH": "3"}
    processes = [subprocess.Popen([sys.executable, "-c", PUBLISHER], env=environ) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    with Catalog.open(settings) as catalog:
        assert (catalog.counts()[State.PUBLISHED], catalog.counter("published")) == (40, 40)
        stamps = [entry.timestamp for entry in catalog.published_since()]
    assert stamps == sorted(set(stamps))
    lists = [data.decode().splitlines() for key, data in contents(settings).items() if key.endswith("/list")]
    assert [len(versions) for versions in lists] == [10, 10, 10, 10]
