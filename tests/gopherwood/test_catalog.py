"""The catalog's queue: what is leased, what a late worker may do, and which state follows which."""

import itertools
import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gopherwood.catalog import TOO_MANY_ATTEMPTS, Catalog, Enqueued, Event, Evidence, Job, Outcome, Selector, Wanted
from gopherwood.errors import IntegrityError, UsageError
from gopherwood.module import ModuleVersion
from gopherwood.states import State

A, B, C = (ModuleVersion("example.com/mod", version) for version in ("v1.0.0", "v1.1.0", "v1.10.0"))


def lease(catalog: Catalog, kind: str = "fetch", owner: str = "me", limit: int = 100) -> list[Job]:
    return catalog.lease(kind, owner=owner, limit=limit, seconds=60)


def advance(catalog: Catalog, mvs: Sequence[ModuleVersion], state: State) -> None:
    """Bring versions to a state the way the verbs do."""
    catalog.enqueue(mvs, source="test")
    for kind, after in (("fetch", State.STAGED), ("validate", State.VALID), ("publish", State.PUBLISHED)):
        catalog.finish([Outcome(job=job, state=after) for job in lease(catalog, kind)])
        if after is state:
            return


def test_enqueue_is_deduplicated(catalog):
    """A version is queued once, however often and in however many batches it is wanted."""
    assert catalog.enqueue([A, A, B], source="seed") == Enqueued(new=2, known=0)
    assert catalog.enqueue([B, C], source="index") == Enqueued(new=1, known=1)
    assert catalog.state_of(B).source == "seed"


def test_cursor_moves_with_the_enqueue(catalog):
    """The cursor of a source is written in the transaction of what it found."""
    assert catalog.cursor("index") is None
    catalog.enqueue([A], source="index", cursor=("index", "2026-01-01T00:00:00Z"))
    catalog.enqueue([], source="index", cursor=("index", "2026-01-02T00:00:00Z"))
    assert catalog.cursor("index") == "2026-01-02T00:00:00Z"


def test_why_is_kept(catalog):
    """What asked for a version is kept with it."""
    catalog.enqueue([Wanted(A, "required by example.com/other@v1.0.0")], source="closure")
    assert catalog.state_of(A).why == "required by example.com/other@v1.0.0"


def test_lease_takes_each_version_once(catalog):
    """Two workers never hold the same version."""
    catalog.enqueue([A, B, C], source="test")
    first, second = lease(catalog, owner="one", limit=2), lease(catalog, owner="two")
    assert ([len(first), len(second)], lease(catalog, owner="three")) == ([2, 1], [])
    assert {job.mv for job in first + second} == {A, B, C}


def test_pipeline(catalog):
    """A version goes through fetch, validate and publish, and its facts with it."""
    catalog.enqueue([A], source="test")
    catalog.finish([Outcome(job=job, state=State.STAGED, facts={"token": "ab/x"}) for job in lease(catalog)])
    (job,) = lease(catalog, "validate")
    facts = {"h1": "h1:x", "zip_size": 7, "origin": {"VCS": "git"}, "time": catalog.clock()}
    catalog.finish([Outcome(job=job, state=State.VALID, facts=facts)])
    (job,) = lease(catalog, "publish")
    assert (job.token, job.facts) == ("ab/x", facts)
    catalog.finish([Outcome(job=job, state=State.PUBLISHED)])
    row = catalog.state_of(A)
    assert (row.state, row.token, row.sequence, row.facts) == (State.PUBLISHED, None, 1, facts)


@pytest.mark.parametrize("kind", ["validate", "publish"])
def test_lost_lease_is_dropped(catalog, clock, kind):
    """The outcome of a worker whose lease ended and was taken over changes nothing, its evidence neither."""
    advance(catalog, [A], State.STAGED if kind == "validate" else State.VALID)
    (late,) = lease(catalog, kind, "late")
    clock.pass_(seconds=61)
    (now,) = lease(catalog, kind, "now")
    after = State.VALID if kind == "validate" else State.PUBLISHED
    assert catalog.finish([Outcome(job=late, state=State.REJECTED, evidence=[Evidence("r", False)])]).lost == [late.id]
    assert catalog.finish([Outcome(job=now, state=after)]).done == 1
    assert (catalog.state_of(A).state, catalog.evidence_of(A)) == (after, [])


def test_same_owner_is_fenced_by_attempt(catalog, clock):
    """Even the same owner cannot finish an attempt that it has given up."""
    catalog.enqueue([A], source="test")
    (old,) = lease(catalog)
    clock.pass_(seconds=61)
    (new,) = lease(catalog)
    assert (old.attempt, new.attempt) == (1, 2)
    assert catalog.finish([Outcome(job=old, state=State.STAGED)]).lost == [old.id]
    assert catalog.finish([Outcome(job=new, state=State.STAGED)]).done == 1


def test_expired_lease_is_logged_and_counted(catalog, clock, caplog):
    """Work of a dead worker returns, and somebody is told."""
    catalog.enqueue([A], source="test")
    lease(catalog, owner="dead")
    clock.pass_(seconds=61)
    with caplog.at_level(logging.WARNING):
        (job,) = lease(catalog)
    assert (job.failures, catalog.counter("expired-leases")) == (1, 1)
    assert "example.com/mod@v1.0.0 by dead expired" in caplog.text


def test_version_that_kills_workers_is_rejected(catalog, clock):
    """A version whose workers never come back does not go round for ever."""
    catalog.enqueue([A], source="test")
    for _ in range(catalog.max_attempts):
        assert len(lease(catalog)) == 1
        clock.pass_(seconds=61)
    assert lease(catalog) == []
    assert (catalog.state_of(A).state, catalog.state_of(A).reason) == (State.REJECTED, TOO_MANY_ATTEMPTS)


def test_renewed_lease_lives(catalog, clock):
    """A lease that is renewed in time is not taken over."""
    catalog.enqueue([A], source="test")
    (job,) = lease(catalog, owner="slow")
    clock.pass_(seconds=50)
    assert catalog.renew("slow", [job.id], 60) == 1
    clock.pass_(seconds=50)
    assert lease(catalog, owner="other") == []
    assert catalog.renew("other", [job.id], 60) == 0


def test_release_does_not_count(catalog):
    """A worker that is told to stop gives its work back, and the attempt costs the version nothing."""
    catalog.enqueue([A, B], source="test")
    (old, _) = lease(catalog)
    assert catalog.release("me") == 2
    assert catalog.counts()[State.QUEUED] == 2
    (new, _) = lease(catalog)
    assert (new.failures, catalog.counter("expired-leases")) == (0, 0)
    assert catalog.finish([Outcome(job=old, state=State.STAGED)]).lost == [old.id]


def test_failure_is_tried_again_later(catalog, clock):
    """A failed version is leased again after its pause, and not before."""
    catalog.enqueue([A], source="test")
    (job,) = lease(catalog)
    catalog.finish([Outcome(job=job, state=State.FAILED, reason="upstream", retry_at=clock() + timedelta(minutes=5))])
    clock.pass_(minutes=4)
    assert lease(catalog) == []
    clock.pass_(minutes=2)
    assert [job.failures for job in lease(catalog)] == [1]


def test_pauses_grow(catalog, clock):
    """Without a word from the upstream the pause doubles with each failure."""
    catalog.enqueue([A], source="test")
    pauses = []
    for _ in range(4):
        (job,) = lease(catalog)
        catalog.finish([Outcome(job=job, state=State.FAILED)])
        pauses.append(catalog.state_of(A).ready_at - clock())
        clock.time = catalog.state_of(A).ready_at
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(pauses))


def test_too_many_failures_reject(catalog, clock):
    """After max_attempts a failing version is rejected, with the last reason in the detail, and an event says so."""
    catalog.enqueue([A], source="test")
    for _ in range(catalog.max_attempts):
        (job,) = lease(catalog)
        done = catalog.finish([Outcome(job=job, state=State.FAILED, reason="upstream", detail="502")])
        clock.pass_(hours=2)
    row = catalog.state_of(A)
    assert (row.state, row.reason, row.detail) == (State.REJECTED, TOO_MANY_ATTEMPTS, "upstream: 502")
    assert done.exhausted == [row.id]
    assert [e.event.kind for e in catalog.events()] == ["rejected"]


def test_put_back(catalog, clock):
    """An outcome with the job's own state puts the job back: staged files need no second fetch."""
    advance(catalog, [A], State.STAGED)
    (job,) = lease(catalog, "validate")
    catalog.finish([Outcome(job=job, state=State.STAGED, reason="upstream")])
    assert lease(catalog, "validate") == []
    clock.pass_(minutes=1)
    assert [job.failures for job in lease(catalog, "validate")] == [1]


@pytest.mark.parametrize("state", [State.PUBLISHED, State.VALID, State.HELD])
def test_forbidden_transition(catalog, state):
    """A state that may not follow is refused, and nothing of the batch is written."""
    catalog.enqueue([A, B], source="test")
    one, two = lease(catalog)
    with pytest.raises(IntegrityError, match=f"leased cannot become {state}"):
        catalog.finish([Outcome(job=one, state=State.STAGED), Outcome(job=two, state=state)])
    assert catalog.counts()[State.LEASED] == 2


def test_evidence_keeps_its_order(catalog):
    """Every rule has a row, in the order in which it was checked, over all attempts."""
    advance(catalog, [A], State.STAGED)
    (job,) = lease(catalog, "validate")
    rules = [Evidence("zip", True), Evidence("go.mod", False, "another path")]
    catalog.finish([Outcome(job=job, state=State.REJECTED, reason="invalid-go-mod", evidence=rules)])
    assert catalog.evidence_of(A) == rules


def test_events_are_written_with_the_transition(catalog):
    """Publishing and rejecting tell the outbox by themselves, beside what the outcome adds."""
    advance(catalog, [A], State.VALID)
    (job,) = lease(catalog, "publish")
    catalog.finish([Outcome(job=job, state=State.PUBLISHED, events=[Event("verdict", "x", {"ok": True})])])
    assert [(e.event.kind, e.event.subject) for e in catalog.events()] == [("verdict", "x"), ("published", str(A))]


def test_rejected_forgets_staging_unless_told(catalog):
    """Staged bytes of a refused version are garbage, unless the outcome keeps them for a person."""
    catalog.enqueue([A, B], source="test")
    catalog.finish([Outcome(job=j, state=State.STAGED, facts={"token": f"aa/{j.id}"}) for j in lease(catalog)])
    one, two = lease(catalog, "validate")
    catalog.finish(
        [Outcome(job=one, state=State.REJECTED), Outcome(job=two, state=State.HELD, keep_staged=True)],
    )
    assert catalog.live_tokens() == {two.token}


def test_gone_is_asked_again_after_an_hour(catalog, clock):
    """A version the upstream did not have yet is tried again when it is wanted later, but not at once."""
    catalog.enqueue([A, B], source="request")
    catalog.finish([Outcome(job=job, state=State.GONE, reason="not-found") for job in lease(catalog)])
    assert catalog.enqueue([A], source="request").revived == 0
    clock.pass_(hours=2)
    assert catalog.enqueue([A], source="request") == Enqueued(new=0, known=1, revived=1)
    assert (catalog.state_of(A).state, catalog.state_of(B).state) == (State.QUEUED, State.GONE)


def test_first_observation_never_changes(catalog, clock):
    """When a version was first seen is a fact about the version, whatever happens to its row."""
    seen = clock()
    catalog.enqueue([A], source="test")
    clock.pass_(days=1)
    catalog.finish([Outcome(job=job, state=State.REJECTED, reason="content") for job in lease(catalog)])
    catalog.requeue(Selector(reason="content"))
    assert catalog.state_of(A).first_observed == seen


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        (Selector(versions=[A]), 1),
        (Selector(reason="content"), 2),
        (Selector(paths="example.com/*"), 3),
        (Selector(paths="example.com/m*", reason="other"), 1),
        (Selector(paths="other.com"), 0),
    ],
)
def test_requeue(catalog, selector, count):
    """Refused versions are queued again by name, path pattern or reason, with a clean slate."""
    catalog.enqueue([A, B, C], source="test")
    for job in lease(catalog):
        reason = "other" if job.mv == C else "content"
        catalog.finish([Outcome(job=job, state=State.REJECTED, reason=reason)])
    assert catalog.requeue(selector) == count
    assert catalog.counts()[State.QUEUED] == count


def test_requeue_needs_a_condition(catalog):
    """An empty selector would queue everything again: refused."""
    with pytest.raises(UsageError):
        catalog.requeue(Selector())


def test_published_is_final(catalog):
    """Nothing queues a published version again."""
    advance(catalog, [A], State.PUBLISHED)
    assert catalog.requeue(Selector(versions=[A])) == 0
    assert catalog.enqueue([A], source="again") == Enqueued(new=0, known=1)
    assert catalog.state_of(A).state is State.PUBLISHED
