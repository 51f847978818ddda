"""`audit --scrub`: damage is found, withheld and healed, on each kind of store and of catalog."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fakes import damage, postgres, s3, valid
from fakes.goproxy import GoProxy
from gopherwood import info, publish, status, store
from gopherwood.audit import scrub
from gopherwood.audit.budget import Budget
from gopherwood.audit.copies import Copies
from gopherwood.audit.scrub import Scrubbed
from gopherwood.catalog import Catalog, Damage, LedgerEntry
from gopherwood.catalog.schema import versions
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_INTEGRITY, EXIT_NOTHING_TO_DO, StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects, open_objects

MV = ModuleVersion("example.com/Mod", "v1.0.0")
OTHER = ModuleVersion("example.com/other/v2", "v2.1.0")


@dataclass
class Place:
    """A platform with something published, and what a test asks of it."""

    settings: Settings
    objects: Objects
    upstream: GoProxy

    def scrub(self, **more) -> Scrubbed:
        return scrub.run(self.settings, **{"everything": True, "stop": threading.Event()} | more)

    def heal(self, **changes) -> Scrubbed:
        return scrub.heal(replace(self.settings, **changes), stop=threading.Event())

    def read(self, suffix: str, mv: ModuleVersion = MV) -> bytes:
        return self.objects.read(store.key(mv, suffix))

    def damages(self) -> list[Damage]:
        with Catalog.open(self.settings) as catalog:
            return catalog.damages_of(MV)

    def events(self) -> list[str]:
        with Catalog.open(self.settings) as catalog:
            return [each.event.kind for each in catalog.events() if each.event.kind != "published"]

    def replica(self, mvs=(MV, OTHER), **made) -> Settings:
        """Make a second copy of the store, and return settings that name it."""
        url = (self.settings.home / "replica").as_uri()
        objects = open_objects(url, settings=self.settings)
        for mv in mvs:
            objects.create_many([(store.key(mv, suffix), data) for suffix, data in valid.files(mv, **made).items()])
        self.settings = replace(self.settings, replica=url)
        return self.settings

    def serve(self, mv: ModuleVersion = MV, **made) -> None:
        """Let the upstream have a version."""
        for suffix, data in valid.files(mv, **made).items():
            self.upstream.files[store.key(mv, suffix)] = data


def make(home: Path, upstream: GoProxy, mvs=(MV, OTHER), **settings: str) -> Place:
    made = Settings(home=home, upstream=upstream.url, **settings)
    valid.make_valid(made, mvs)
    publish.run(made)
    return Place(made, store.open_store(made), upstream)


@pytest.fixture
def upstream():
    with GoProxy() as proxy:
        yield proxy


@pytest.fixture
def place(tmp_path, upstream) -> Place:
    """Two published versions in a folder, by an SQLite catalog; the upstream has nothing yet."""
    return make(tmp_path / "home", upstream)


@pytest.fixture(params=["folder, sqlite", "bucket, postgres"])
def any_place(request, tmp_path, upstream) -> Place:
    """Return the same on each kind of storage."""
    if request.param == "folder, sqlite":
        return make(tmp_path / "home", upstream)
    more = {"store": s3.server().bucket(), "s3_endpoint": s3.server().endpoint, "catalog": postgres.server().url()}
    return make(tmp_path / "home", upstream, **more)


def test_a_sound_store_has_nothing_to_report(any_place):
    """Every version is read, every part is through, and nothing is said."""
    found = any_place.scrub(workers=2)
    assert (found.parts, found.versions, found.exit_code) == (3, 2, EXIT_DONE)
    assert found.bytes == sum(len(data) for mv in (MV, OTHER) for data in valid.files(mv).values())
    assert any_place.events() == []


DAMAGE: dict[str, tuple[str, Callable[[Objects, str], object]]] = {
    "zip middle": (".zip", lambda objects, key: damage.rewrite(objects, key, damage.flip(70))),
    "zip directory": (".zip", lambda objects, key: damage.rewrite(objects, key, damage.flip(-30))),
    "zip cut": (".zip", lambda objects, key: damage.rewrite(objects, key, lambda data: data[:-7])),
    "zip lost": (".zip", damage.remove),
    "mod": (".mod", lambda objects, key: damage.rewrite(objects, key, damage.flip(9))),
    "info": (".info", lambda objects, key: damage.rewrite(objects, key, damage.flip(-5))),
    "info lost": (".info", damage.remove),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_withheld_then_healed_from_the_replica(any_place, name):
    """Found, the file is away and its bytes are kept; with a replica it is there again, byte for byte."""
    suffix, hurt = DAMAGE[name]
    hurt(any_place.objects, store.key(MV, suffix))
    size = any_place.objects.size(store.key(MV, suffix))
    found = any_place.scrub(heal=False)
    assert (found.damaged, found.withheld, found.exit_code) == (1, 1, EXIT_INTEGRITY)
    assert any_place.objects.size(store.key(MV, suffix)) is None
    (known,) = any_place.damages()
    assert any_place.objects.size(known.evidence) == size if size is not None else known.evidence == ""
    any_place.replica()
    healed = any_place.heal()
    assert (healed.healed, healed.withheld, healed.exit_code) == (1, 0, EXIT_DONE)
    assert any_place.read(suffix) == valid.files(MV)[suffix]
    assert any_place.events() == ["damage", "healed"]
    assert any_place.scrub().damaged == 0


def test_a_scrub_heals_what_it_finds_from_the_upstream(any_place):
    """One run finds, withholds, fetches again and is fine: exit code 0, with the finding as row and event."""
    any_place.serve()
    damage.rewrite(any_place.objects, store.key(MV, ".zip"), damage.flip(70))
    found = any_place.scrub()
    assert (found.damaged, found.healed, found.withheld, found.exit_code) == (1, 1, 0, EXIT_DONE)
    assert any_place.read(".zip") == valid.files(MV)[".zip"]
    assert [each.healed_from for each in any_place.damages()] == ["the upstream"]


def test_mod_and_info_are_healed_from_what_is_at_hand(place):
    """A go.mod is in its zip and an `.info` in the catalog's facts: no second copy is needed."""
    for suffix in (".mod", ".info"):
        damage.rewrite(place.objects, store.key(MV, suffix), lambda data: data[:5])
    found = place.scrub()
    assert (found.healed, found.withheld) == (2, 0)
    assert {suffix: place.read(suffix) for suffix in store.SUFFIXES} == valid.files(MV)
    assert {each.healed_from for each in place.damages()} == {"the version's own zip", "the catalog's facts"}
    assert place.upstream.requests == {}


def test_a_time_below_a_microsecond_is_found_again(place):
    """The catalog keeps microseconds; the noted SHA-256 tells which of the thousand times it was."""
    mark = info.canonical(info.parse(b'{"Version":"v1.0.0","Time":"2020-01-02T03:04:05.000000789Z"}', MV))
    with Catalog.open(place.settings) as catalog:
        row = catalog.state_of(MV)
    damage.rewrite(place.objects, store.key(MV, ".info"), lambda _: mark)
    row = replace(row, facts=dict(row.facts) | {"info_sha256": hashlib.sha256(mark).hexdigest()})
    (_, copy), *_ = Copies(place.settings, place.objects).of(".info")
    copy(row, ".info", place.settings.home / "candidate")
    assert (place.settings.home / "candidate").read_bytes() == mark


def test_second_copies_that_are_off_too_heal_nothing(place):
    """Neither a replica nor an upstream with other content gets in; the reasons are told, and somebody is paged."""
    place.replica(body="other")
    place.serve(body="third")
    damage.rewrite(place.objects, store.key(MV, ".zip"), damage.flip(70))
    found = place.scrub()
    assert (found.withheld, found.exit_code) == (1, EXIT_INTEGRITY)
    assert place.objects.size(store.key(MV, ".zip")) is None
    (known,) = place.damages()
    assert "the replica: its zip is h1:" in known.says
    assert "the upstream: its zip is h1:" in known.says
    assert place.events() == ["damage", "integrity"]


def test_a_zip_packed_anew_heals_and_the_facts_follow(place):
    """The upstream's zip has other bytes and the same h1: it is the published content, and the next scrub agrees."""
    place.serve(level=1)
    damage.rewrite(place.objects, store.key(MV, ".zip"), damage.flip(70))
    assert place.scrub().healed == 1
    assert place.read(".zip") == valid.files(MV, level=1)[".zip"] != valid.files(MV)[".zip"]
    assert place.scrub(deep=True).damaged == 0


def test_a_zip_whose_content_is_whole_heals_itself_at_last(place):
    """A bit flipped in a time stamp changes no file in the zip: with no second copy at all it is served again."""
    changed = damage.rewrite(place.objects, store.key(MV, ".zip"), damage.flip(10))
    assert place.scrub().exit_code == EXIT_DONE
    assert place.read(".zip") == changed
    assert [each.healed_from for each in place.damages()] == ["the damaged zip, whose content is whole"]


def test_a_replica_is_copied_not_linked(place):
    """After healing, store and replica do not share a file: the next flipped bit must not hit both."""
    place.replica()
    damage.rewrite(place.objects, store.key(MV, ".zip"), damage.flip(70))
    place.scrub()
    assert place.objects.local_path(store.key(MV, ".zip")).stat().st_nlink == 1


def test_a_file_that_somebody_put_back_is_noticed(place):
    """An open damage is closed when its file is whole again, whoever did it."""
    key = store.key(MV, ".zip")
    damage.rewrite(place.objects, key, damage.flip(70))
    place.scrub(heal=False)
    place.objects.create(key, valid.files(MV)[".zip"])
    assert place.scrub().exit_code == EXIT_DONE
    assert [each.healed_from for each in place.damages()] == ["found whole in the store"]


def test_a_wrong_list_is_written_anew(any_place):
    """A list is derived: one that differs is replaced from the catalog, and told."""
    key = store.list_key(MV.path)
    damage.rewrite(any_place.objects, key, lambda _: b"v1.0.0\nv9.9.9\n")
    found = any_place.scrub()
    assert (found.lists, found.exit_code) == (1, EXIT_DONE)
    assert any_place.objects.read(key) == b"v1.0.0\n"
    assert any_place.events() == ["damage", "healed"]


def test_extra_files_are_told_and_left(any_place):
    """What nobody published makes the run red, for a person; taken away, it is settled."""
    strange = [store.key(ModuleVersion(MV.path, "v1.6.6"), ".zip"), "example.com/planted.txt"]
    any_place.objects.create_many([(key, b"x") for key in strange])
    found = any_place.scrub(young_seconds=-60)
    assert (found.extra, found.exit_code) == (2, EXIT_INTEGRITY)
    assert any_place.objects.read(strange[0]) == b"x"
    for key in strange:
        damage.remove(any_place.objects, key)
    assert any_place.scrub().exit_code == EXIT_DONE
    assert any_place.events() == ["damage", "damage", "healed", "healed"]


def test_a_publish_under_way_is_not_extra(place):
    """Files of a version on the queue, young files and what lies beside the modules are none of its business."""
    young = store.key(ModuleVersion("example.com/young", "v1.0.0"), ".zip")
    place.objects.create_many([(young, b"x"), ("sumdb/sum.example/tile/8/0/000", b"x"), ("ledger/l/checkpoint", b"x")])
    assert place.scrub().extra == 0
    coming = ModuleVersion("example.com/coming", "v1.0.0")
    valid.make_valid(place.settings, [coming])
    place.objects.create(store.key(coming, ".zip"), valid.files(coming)[".zip"])
    damage.remove(place.objects, young)
    assert place.scrub(young_seconds=-60).extra == 0


def test_each_day_has_its_share(tmp_path, upstream):
    """Without flags a run does its share of the store; another run that day does nothing."""
    place = make(tmp_path / "home", upstream, scrub_days=2)
    assert place.scrub(everything=False).parts == 2
    assert place.scrub(everything=False).exit_code == EXIT_NOTHING_TO_DO


def test_partitions_and_budget_bound_a_run(place):
    """So many parts, the oldest first; or till the bytes are spent."""
    assert [place.scrub(everything=False, parts=2).parts for _ in range(2)] == [2, 2]
    with Catalog.open(place.settings) as catalog:
        assert len(catalog.last_scrubbed()) == 3
    assert place.scrub(everything=False, budget=Budget(bytes=1)).versions <= 1


class StopsAt(threading.Event):
    """An event that is set when it is looked at for the so manieth time."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks <= 0


def test_told_to_stop_it_ends_between_versions_and_goes_on_there(tmp_path, upstream):
    """A stop loses nothing: the next run looks at the modules that were left, and at no other."""
    mvs = [ModuleVersion(f"example.com/m{number}", "v1.0.0") for number in range(9)]
    place = make(tmp_path / "home", upstream, mvs, scrub_days=1)
    seen = [place.scrub(everything=False, stop=StopsAt(8)).versions for _ in range(9)]
    assert sum(seen) == 9
    assert max(seen) < 9


def test_many_damaged_files_stop_the_run(place):
    """When too much is damaged it is not a flipped bit: a person looks before more is taken out of service."""
    for mv in (MV, OTHER):
        damage.rewrite(place.objects, store.key(mv, ".zip"), damage.flip(70))
    found = place.scrub(most_damaged=1)
    assert found.damaged == 1
    assert (found.exit_code, found.stopped != "") == (EXIT_INTEGRITY, True)


def test_a_store_that_is_not_mounted_is_not_a_damaged_one(tmp_path, upstream):
    """With nothing of what is published in the store, nothing is touched and the setting is named."""
    place = make(
        tmp_path / "home", upstream, [ModuleVersion(f"example.com/m{number}", "v1.0.0") for number in range(12)]
    )
    elsewhere = replace(place.settings, store=str(tmp_path / "elsewhere"))
    with pytest.raises(StorageError, match="holds none of the 12 versions") as caught:
        scrub.run(elsewhere, everything=True, stop=threading.Event())
    assert "GOPHERWOOD_STORE" in caught.value.hint
    assert place.events() == []


def story(place: Place) -> str:
    return status.stories(place.settings, [MV]).text()


def test_status_tells_of_damage_and_of_the_last_scrub(place):
    """A person who asks for a version learns when it was last read, what was wrong, and what to do."""
    assert "scrubbed" not in story(place)
    place.scrub()
    assert "scrubbed   20" in story(place)
    damage.rewrite(place.objects, store.key(MV, ".zip"), damage.flip(70))
    place.scrub()
    told = story(place)
    assert ".zip changed, found 20" in told
    assert "kept as .quarantine/" in told
    assert "WITHHELD, not healed: the upstream: " in told
    assert "`gopherwood audit --heal`" in told
    place.replica()
    place.heal()
    assert "; healed 20" in story(place)


def change_catalog(place: Place, **columns: str) -> None:
    """Change what the catalog says of MV, as somebody who can write to the database would."""
    with Catalog.open(place.settings) as catalog, catalog.engine.begin() as connection:
        connection.execute(versions.update().where(versions.c.path == MV.path).values(columns))


def log_published(place: Place) -> None:
    with Catalog.open(place.settings) as catalog:
        facts = catalog.state_of(MV).facts
        catalog.ledger_append([LedgerEntry(MV, facts["h1"], facts["go_mod_h1"])])


def test_a_catalog_that_contradicts_the_ledger_is_told_and_the_bytes_are_served(any_place):
    """The ledger counts: the zip has its h1 and stays; the run is red till the catalog says the same again."""
    log_published(any_place)
    with Catalog.open(any_place.settings) as catalog:
        h1 = catalog.state_of(MV).facts["h1"]
    change_catalog(any_place, h1="h1:forged")
    found = any_place.scrub()
    assert (found.contradicted, found.damaged, found.exit_code) == (1, 0, EXIT_INTEGRITY)
    assert "the catalog contradicts the ledger, found 20" in story(any_place)
    assert any_place.heal().exit_code == EXIT_INTEGRITY
    change_catalog(any_place, h1=h1)
    assert any_place.scrub().exit_code == EXIT_DONE
    assert any_place.events() == ["damage", "integrity", "healed"]


def test_a_zip_exchanged_together_with_the_catalog_is_withheld(any_place):
    """Whoever changes zip and catalog alike is found by the ledger; what is healed is what was published first."""
    log_published(any_place)
    other = damage.rewrite(any_place.objects, store.key(MV, ".zip"), lambda _: valid.files(MV, body="other")[".zip"])
    change_catalog(any_place, h1="h1:forged", zip_sha256=hashlib.sha256(other).hexdigest())
    any_place.replica()
    found = any_place.scrub()
    assert (found.contradicted, found.damaged, found.healed) == (1, 1, 1)
    assert any_place.read(".zip") == valid.files(MV)[".zip"]
