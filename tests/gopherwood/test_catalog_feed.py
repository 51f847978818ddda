"""What the catalog tells the world: index feed, version lists, counts; monotonic whatever the clock and the rivals."""

import itertools
import subprocess
import sys
from datetime import timedelta

import pytest

from gopherwood.catalog import Catalog, Outcome
from gopherwood.module import ModuleVersion
from gopherwood.scaling import Backlog
from gopherwood.states import State

MVS = [ModuleVersion("example.com/m", f"v1.{number}.0") for number in range(10, 22)]


def publish(catalog: Catalog, limit: int = 1000, owner: str = "me") -> int:
    """Bring up to `limit` queued versions to `published`."""
    for kind, state in (("fetch", State.STAGED), ("validate", State.VALID), ("publish", State.PUBLISHED)):
        jobs = catalog.lease(kind, owner=owner, limit=limit, seconds=60)
        catalog.finish([Outcome(job=job, state=state) for job in jobs])
    return len(jobs)


def test_feed_pages_without_loss(catalog):
    """Asking again with the last timestamp seen yields everything once, in order, with one entry repeated a page."""
    catalog.enqueue(MVS, source="test")
    publish(catalog)
    pages = [catalog.published_since(None, 5)]
    while len(page := catalog.published_since(pages[-1][-1].timestamp, 5)) > 1:
        pages.append(page)
    assert all(earlier[-1] == later[0] for earlier, later in itertools.pairwise(pages))
    assert [entry.version for page in pages for entry in page[page is not pages[0] :]] == [mv.version for mv in MVS]


@pytest.mark.parametrize("hours", [0, -24, 1])
def test_timestamps_grow_whatever_the_clock(catalog, clock, hours):
    """A clock that stands still or goes back never dates a publication before an earlier one."""
    catalog.enqueue(MVS, source="test")
    publish(catalog, limit=6)
    clock.pass_(hours=hours)
    catalog.enqueue(MVS, source="test")
    while publish(catalog, limit=1) or catalog.open_count():
        clock.pass_(hours=24 if hours < 0 else 0)
        if hours < 0:
            clock.pass_(hours=-23)
    stamps = [entry.timestamp for entry in catalog.published_since()]
    assert (len(stamps), stamps) == (12, sorted(set(stamps)))


WORKER = """
import sys
from gopherwood.catalog import Catalog, Outcome
from gopherwood.states import State
url, owner = sys.argv[1:]
with Catalog.open(url) as catalog:
    while catalog.open_count():
        for kind, state in (("fetch", State.STAGED), ("validate", State.VALID), ("publish", State.PUBLISHED)):
            jobs = catalog.lease(kind, owner=owner, limit=3, seconds=60)
            catalog.finish([Outcome(job=job, state=state) for job in jobs])
"""


def test_readers_never_miss_a_late_commit(catalog_url):
    """A reader who follows the feed while publishers race sees every version, none before one it has already seen."""
    mvs = [ModuleVersion("example.com/m", f"v1.{number}.0") for number in range(90)]
    with Catalog.open(catalog_url) as catalog:
        catalog.enqueue(mvs, source="test")
        workers = [subprocess.Popen([sys.executable, "-c", WORKER, catalog_url, str(number)]) for number in range(3)]
        seen = {}
        while len(seen) < len(mvs):
            last = max((entry.timestamp for entry in seen.values()), default=None)
            seen |= {entry.version: entry for entry in catalog.published_since(last, 10)}
            assert all(worker.poll() in (None, 0) for worker in workers)
        assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert sorted(seen) == sorted(mv.version for mv in mvs)


def test_after_skips_sequence_numbers(catalog):
    """A mirror of ours can go on by number."""
    catalog.enqueue(MVS, source="test")
    publish(catalog)
    assert [entry.version for entry in catalog.published_since(after=10)] == ["v1.20.0", "v1.21.0"]


def test_versions_are_sorted_as_go_sorts(catalog):
    """The versions of a module come lowest first by semantic version, and other modules' stay out."""
    names = ["v1.10.0", "v1.2.0", "v1.2.0-rc.1", "v2.0.0+incompatible"]
    catalog.enqueue([ModuleVersion("example.com/m", name) for name in names], source="test")
    catalog.enqueue([ModuleVersion("example.com/m-other", "v1.5.0")], source="test")
    publish(catalog)
    found = [version.version for version in catalog.versions("example.com/m")]
    assert found == ["v1.2.0-rc.1", "v1.2.0", "v1.10.0", "v2.0.0+incompatible"]
    assert catalog.paths() == ["example.com/m", "example.com/m-other"]


def test_unpublished_versions_are_nowhere(catalog):
    """Nothing that is only wanted appears in the feed, in lists, or among the modules."""
    catalog.enqueue(MVS, source="test")
    assert (catalog.published_since(), catalog.versions("example.com/m"), catalog.paths()) == ([], [], [])


def test_counts_and_age(catalog, clock):
    """Counts name every state; the age is that of the oldest version with work left."""
    assert (catalog.oldest_open_age(), catalog.next_ready()) == (None, None)
    catalog.enqueue(MVS, source="test")
    clock.pass_(minutes=5)
    publish(catalog, limit=2)
    assert catalog.counts() == dict.fromkeys(State, 0) | {State.QUEUED: 10, State.PUBLISHED: 2}
    assert (catalog.open_count(), catalog.oldest_open_age()) == (10, timedelta(minutes=5))


def test_backlog_is_what_is_due_and_what_is_held(catalog, clock):
    """A lease, a pause after a failure and a lease that ended: each counts where workers are wanted for it, or not."""
    assert catalog.backlog() == Backlog(0)
    catalog.enqueue(MVS, source="test")
    clock.pass_(minutes=5)
    assert catalog.backlog() == Backlog(12, 0, timedelta(minutes=5))
    jobs = catalog.lease("fetch", owner="me", limit=3, seconds=60)
    assert catalog.backlog() == Backlog(9, 3, timedelta(minutes=5))
    catalog.finish([Outcome(job=jobs[0], state=State.FAILED, reason="upstream")])
    assert catalog.backlog() == Backlog(9, 2, timedelta(minutes=5))
    clock.pass_(minutes=2)
    assert catalog.backlog() == Backlog(12, 0, timedelta(minutes=7))
    assert catalog.backlog([State.FAILED]).due == 1


def test_recent_and_reasons(catalog, clock):
    """What changed last comes first, and refusals are counted by reason."""
    catalog.enqueue(MVS[:3], source="test")
    for job in catalog.lease("fetch", owner="me", limit=3, seconds=60):
        clock.pass_(seconds=1)
        catalog.finish([Outcome(job=job, state=State.REJECTED, reason="content" if job.mv != MVS[0] else "other")])
    assert [row.mv for row in catalog.recent([State.REJECTED], limit=2)] == [MVS[2], MVS[1]]
    assert catalog.reasons() == {"content": 2, "other": 1}


def test_stale_lists_are_kept_till_written(catalog):
    """A list that was rewritten before a later publication of the same module stays due."""
    catalog.enqueue(MVS, source="test")
    publish(catalog, limit=2)
    before = catalog.stale_lists()
    publish(catalog, limit=2)
    catalog.lists_written(before)
    assert (before, catalog.stale_lists()) == ({"example.com/m": 2}, {"example.com/m": 4})
    catalog.lists_written(catalog.stale_lists())
    assert catalog.stale_lists() == {}
