"""Origins in the catalog: leased by repository, told once, and never worse off for a look without an answer."""

from datetime import timedelta

import pytest

from gopherwood.catalog import Catalog, Finding, Look, NewOrigin, OriginRow, Outcome
from gopherwood.module import ModuleVersion
from gopherwood.states import State

URL = "https://github.com/acme/m"
A, B = "a" * 40, "b" * 40


def publish(catalog: Catalog, path: str, version: str, **facts: object) -> ModuleVersion:
    mv = ModuleVersion(path, version)
    catalog.enqueue([mv], source="test")
    for kind, state in (("fetch", State.STAGED), ("validate", State.VALID), ("publish", State.PUBLISHED)):
        (job,) = catalog.lease(kind, owner="test", limit=1, seconds=60)
        catalog.finish([Outcome(job=job, state=state, facts=facts if kind == "fetch" else {})])
    return mv


def take_up(catalog: Catalog, repository: str = URL) -> None:
    """Remember an origin for every published version, due now."""
    found = catalog.without_origin()
    new = [NewOrigin(id=each.id, repository=repository, due_at=catalog.clock(), hash=A) for each in found]
    catalog.add_origins(new, found[-1].sequence)


def lease(catalog: Catalog, owner: str = "one", limit: int = 10) -> list[OriginRow]:
    return catalog.lease_origins(owner, limit=limit, seconds=60)


def look(catalog: Catalog, row: OriginRow, finding: Finding, *, found: str = "", renamed_to: str = "") -> Look:
    later = catalog.clock() + timedelta(days=1)
    return Look(row=row, finding=finding, due_at=later, found=found, renamed_to=renamed_to, detail=f"is {finding}")


@pytest.fixture
def three(catalog: Catalog) -> list[ModuleVersion]:
    """Publish three versions of one repository."""
    made = [publish(catalog, "github.com/acme/m", f"v1.{number}.0") for number in range(3)]
    take_up(catalog)
    return made


def test_published_versions_are_taken_up_once(catalog: Catalog) -> None:
    """A cursor follows the sequence numbers; what was taken up is not offered again, what comes later is."""
    publish(catalog, "github.com/acme/m", "v1.0.0", origin={"VCS": "git", "URL": URL})
    (found,) = catalog.without_origin()
    assert found.origin == {"VCS": "git", "URL": URL}
    take_up(catalog)
    assert catalog.without_origin() == []
    later = publish(catalog, "github.com/acme/m", "v1.1.0")
    assert [each.mv for each in catalog.without_origin()] == [later]


def test_two_that_take_up_the_same_do_no_harm(catalog: Catalog, three: list[ModuleVersion]) -> None:
    """The second finds the rows there, and leaves them as they are."""
    (row, *_) = lease(catalog)
    catalog.finish_origins("one", [look(catalog, row, Finding.UNCHANGED, found=A)])
    catalog.add_origins([NewOrigin(id=row.id, repository="else", due_at=catalog.clock())], 3)
    again = catalog.origin_of(row.mv)
    assert again is not None
    assert (again.repository, again.state) == (URL, Finding.UNCHANGED)


def test_one_repository_is_leased_at_a_time(catalog: Catalog, three: list[ModuleVersion]) -> None:
    """A lease holds what is due of one repository, and nobody else gets it before it ends."""
    publish(catalog, "github.com/other/x", "v1.0.0")
    take_up(catalog, "https://github.com/other/x")
    assert [row.mv for row in lease(catalog)] == three
    assert [row.repository for row in lease(catalog, "two")] == ["https://github.com/other/x"]
    assert lease(catalog, "three") == []


def test_lease_of_the_dead_ends(catalog: Catalog, three: list[ModuleVersion], clock) -> None:
    """A worker that died loses nothing: its rows are due again, and what it says later is dropped."""
    rows = lease(catalog)
    clock.pass_(seconds=61)
    assert [row.mv for row in lease(catalog, "two")] == three
    assert catalog.finish_origins("one", [look(catalog, row, Finding.GONE) for row in rows]) == []
    assert catalog.origin_states() == {Finding.NEW: 3}


def test_released_rows_are_due_at_once(catalog: Catalog, three: list[ModuleVersion]) -> None:
    """Told to stop, a worker gives everything back."""
    lease(catalog)
    catalog.release_origins("one")
    assert len(lease(catalog, "two")) == 3


def test_a_change_is_told_once(catalog: Catalog, three: list[ModuleVersion], clock) -> None:
    """A tag that moved is an event the first time, none while it stays there, and one more when it moves on."""
    for found, events in ((B, 1), (B, 1), ("c" * 40, 2)):
        rows = lease(catalog)
        catalog.finish_origins("one", [look(catalog, rows[0], Finding.MOVED, found=found)])
        catalog.release_origins("one")
        clock.pass_(days=2)
        assert len(catalog.events(kind="origin-moved")) == events
    history = catalog.origin_history(three[0])
    assert [check.finding for check in history] == [Finding.MOVED] * 3
    event = catalog.events(kind="origin-moved")[0].event
    assert event.subject == str(three[0])
    assert event.payload["found"] == B


def test_unreachable_changes_no_finding(catalog: Catalog, three: list[ModuleVersion], clock) -> None:
    """A look without answer is history, and counts for the pause; what was known stays, and nobody is told."""
    (row, *_) = lease(catalog, limit=1)
    catalog.finish_origins("one", [look(catalog, row, Finding.UNCHANGED, found=A)])
    clock.pass_(days=2)
    row = next(each for each in lease(catalog) if each.id == row.id)
    catalog.finish_origins("one", [look(catalog, row, Finding.UNREACHABLE)])
    after = catalog.origin_of(row.mv)
    assert after is not None
    assert (after.state, after.found, after.fails, after.problem) == (Finding.UNCHANGED, A, 1, "is unreachable")
    assert [check.finding for check in catalog.origin_history(row.mv)] == [Finding.UNCHANGED, Finding.UNREACHABLE]
    assert [each for each in catalog.events() if each.event.kind.startswith("origin-")] == []


def test_repository_that_is_gone_is_one_event(catalog: Catalog, three: list[ModuleVersion], clock) -> None:
    """All versions of it are looked at as soon as one finds it gone, and one event tells of them."""
    (row,) = lease(catalog, limit=1)
    others = lease(catalog, "two")
    catalog.finish_origins("two", [look(catalog, other, Finding.UNCHANGED, found=A) for other in others])
    catalog.finish_origins("one", [look(catalog, row, Finding.REPOSITORY_GONE)])
    rows = lease(catalog)
    assert {each.mv for each in rows} == {other.mv for other in others}
    catalog.finish_origins("one", [look(catalog, each, Finding.REPOSITORY_GONE) for each in rows])
    (event,) = catalog.events(kind="origin-gone")
    assert event.event.subject == URL
    assert event.event.payload["versions"] == [str(row.mv)]
    assert lease(catalog) == []


def test_baseline_is_dated(catalog: Catalog, three: list[ModuleVersion], clock) -> None:
    """What the first look saw is kept with its date, and later looks leave the date alone."""
    (row, *_) = lease(catalog, limit=1)
    first = Look(row=row, finding=Finding.BASELINE, due_at=clock() + timedelta(days=1), found=B, changes={"hash": B})
    catalog.finish_origins("one", [first])
    seen_at = clock()
    clock.pass_(days=2)
    row = next(each for each in lease(catalog) if each.id == row.id)
    catalog.finish_origins("one", [look(catalog, row, Finding.UNCHANGED, found=B)])
    after = catalog.origin_of(row.mv)
    assert after is not None
    assert (seen_at, clock(), B) == (after.baseline_at, after.checked_at, after.hash)
