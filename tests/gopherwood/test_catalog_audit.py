"""What audits keep in the catalog, on both databases: damages that stay open till they are healed; rounds of parts."""

from dataclasses import replace
from datetime import UTC, datetime

from gopherwood.catalog import Catalog
from gopherwood.module import ModuleVersion

MV = ModuleVersion("example.com/m", "v1.0.0")
PARTS = ["00", "01", "02"]
DAY = 24 * 3600


def record(catalog: Catalog, suffix: str = ".zip", **more: str):
    said = {"kind": "changed", "expected": "a", "found": "b"} | more
    return catalog.record_damage(MV.path, MV.version, suffix, **said)


def kinds(catalog: Catalog) -> list[str]:
    return [each.event.kind for each in catalog.events()]


def test_a_damage_is_noted_once_while_it_is_open(catalog):
    """Found again, it is the same row, with the place of new evidence, and no second event."""
    first, new = record(catalog)
    again, second = record(catalog, found="c", evidence=".quarantine/x/y")
    assert (new, second, first.id) == (True, False, again.id)
    assert (again.found, again.evidence) == ("b", ".quarantine/x/y")
    assert kinds(catalog) == ["damage"]


def test_a_healed_damage_is_history_and_the_next_one_is_new(catalog):
    """Nothing is open once it is healed; a file that is damaged again gets a row of its own."""
    damage, _ = record(catalog)
    catalog.healed(damage, "replica")
    catalog.healed(damage, "twice, by a worker that was slow")
    assert catalog.open_damages() == []
    assert record(catalog)[1]
    assert [each.healed_from for each in catalog.damages_of(MV)] == ["replica", ""]
    assert kinds(catalog) == ["damage", "healed", "damage"]


def test_what_cannot_be_healed_pages_once_for_each_reason(catalog):
    """A try that fails as the last one did makes no noise; another reason is news."""
    damage, _ = record(catalog)
    for says in ("no replica", "no replica", "the upstream has other bytes"):
        catalog.not_healed(damage, says)
    assert kinds(catalog) == ["damage", "integrity", "integrity"]
    assert catalog.open_damages([MV.path])[0].says == "the upstream has other bytes"
    assert catalog.open_damages(["example.com/other"]) == []


def test_facts_follow_a_zip_packed_anew(catalog):
    """Healed with other bytes of equal content, the catalog's facts are those of the new zip."""
    catalog.enqueue([MV], source="test")
    damage, _ = record(catalog)
    catalog.healed(damage, "upstream", facts={"zip_sha256": "ff", "zip_size": 7})
    facts = catalog.state_of(MV).facts
    assert (facts["zip_sha256"], facts["zip_size"]) == ("ff", 7)


def test_every_change_is_told_once(catalog):
    """Whoever asks with the last value of the counter misses no change and sees none twice."""
    damage, _ = record(catalog)
    seen = catalog.counter("damages")
    record(catalog, ".mod")
    catalog.healed(damage, "replica")
    assert [each.suffix for each in catalog.damages_since(seen)] == [".mod", ".zip"]
    assert catalog.damages_since(catalog.counter("damages")) == []


def lease(catalog: Catalog, owner: str = "a", **more):
    found = catalog.lease_parts(PARTS, **{"owner": owner, "seconds": 60, "before": catalog.clock()} | more)
    return found[0] if found else None


def test_two_workers_never_have_one_part(catalog):
    """Each gets a part of its own; when all are taken there is nothing."""
    owners = ["a", "b", "c", "d"]
    assert [found.part if (found := lease(catalog, owner)) else None for owner in owners] == [*PARTS, None]


def test_the_part_unseen_for_longest_comes_first(catalog, clock):
    """Parts take turns, and a part is not done again before its time."""
    for _ in range(3):
        clock.pass_(days=1)
        round_ = lease(catalog)
        catalog.checkpoint([round_], seconds=60, finished=[round_.id])
    clock.pass_(days=1)
    assert lease(catalog, before=datetime(2026, 3, 2, tzinfo=UTC)) is None
    again = lease(catalog)
    assert (again.part, again.number) == ("00", 1)


def test_a_round_goes_on_where_its_worker_died(catalog, clock):
    """After the lease has ended another worker takes the round over; the first one's words count no more."""
    dead = lease(catalog)
    assert catalog.checkpoint([replace(dead, position="example.com/k", versions=3)], seconds=60)
    clock.pass_(seconds=61)
    heir = lease(catalog, "b")
    assert (heir.id, heir.position, heir.versions) == (dead.id, "example.com/k", 3)
    assert not catalog.checkpoint([dead], seconds=60, finished=[dead.id])


def test_a_worker_that_stops_gives_its_parts_back(catalog):
    """The next one need not wait for the lease to end."""
    mine = lease(catalog)
    catalog.give_back_parts("a")
    assert lease(catalog, "b").id == mine.id


def test_all_workers_share_the_share(catalog):
    """No more rounds are begun than the share allows, whoever begins them; one left half-done is still taken up."""
    share = (2, catalog.clock())
    assert [lease(catalog, owner, share=share) is not None for owner in "abc"] == [True, True, False]
    catalog.give_back_parts("a")
    assert lease(catalog, "c", share=share) is not None


def test_several_parts_at_once(catalog, clock):
    """They are leased and kept together: what is half-done first, no more than the share; one that is lost is told."""
    left = lease(catalog)
    catalog.give_back_parts("a")
    day = {"seconds": 60, "before": catalog.clock(), "share": (2, catalog.clock()), "limit": 9}
    rounds = catalog.lease_parts(PARTS, owner="b", **day)
    assert ([each.part for each in rounds], rounds[0].id) == ([PARTS[0], PARTS[1]], left.id)
    assert catalog.checkpoint(rounds, seconds=60, finished=[left.id])
    clock.pass_(seconds=61)
    assert [each.part for each in catalog.lease_parts(PARTS, owner="c", **day)] == [PARTS[1]]
    assert not catalog.checkpoint(rounds[1:], seconds=60)
