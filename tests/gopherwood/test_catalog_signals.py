"""What the catalog says to whoever watches, on both databases: counted bit by bit as if counted anew."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog import Catalog, Delays, Event, Outcome, Tally, schema
from gopherwood.module import ModuleVersion
from gopherwood.states import State

BOUNDS = (60.0, 3600.0)


def bring(catalog: Catalog, clock: Any, version: str, **took: float) -> None:
    """Publish a version so long after it was first observed."""
    mv = ModuleVersion("example.com/m", version)
    catalog.enqueue([mv], source="test")
    clock.pass_(**took)
    for kind, state in (("fetch", State.STAGED), ("validate", State.VALID), ("publish", State.PUBLISHED)):
        (job,) = catalog.lease(kind, owner="me", limit=1, seconds=60)
        catalog.finish([Outcome(job=job, state=state, facts={"token": "t"} if kind == "fetch" else {})])


def test_delays_go_on_where_they_ended(catalog: Catalog, clock: Any) -> None:
    """From the first observation to the publish, in cumulative buckets; in two steps as in one."""
    bring(catalog, clock, "v1.0.0", seconds=30)
    first = catalog.delays(Delays(), BOUNDS)
    assert catalog.delays(first, BOUNDS) == first
    bring(catalog, clock, "v1.1.0", minutes=30)
    bring(catalog, clock, "v1.2.0", hours=2)
    second = catalog.delays(first, BOUNDS)
    assert (first.counts, second.counts) == ((1, 1, 1), (1, 2, 3))
    assert second == catalog.delays(Delays(), BOUNDS)
    assert abs(second.seconds - (30 + 1800 + 7200)) < 1


def test_events_that_appear_late_are_counted(catalog: Catalog, clock: Any) -> None:
    """On PostgreSQL a lower number may be committed after a higher: it is counted none the less, and none twice."""
    catalog.emit(*[Event("conflict", "a")] * 2)
    before, counts = catalog.tally(Tally())
    assert counts == {"conflict": 2}
    with catalog.engine.begin() as connection:  # numbers 3 to 5 are under way; 6 is there
        late = {"at": schema.to_micros(clock()), "subject": "b", "payload": "{}"}
        connection.execute(sa.insert(schema.outbox).values(id=6, kind="integrity", **late))
    clock.pass_(seconds=30)
    before, counts = catalog.tally(before)
    assert counts == {"conflict": 2, "integrity": 1}
    with catalog.engine.begin() as connection:
        connection.execute(sa.insert(schema.outbox).values(id=4, kind="conflict", **late))
    before, counts = catalog.tally(before)
    assert counts == {"conflict": 3, "integrity": 1}
    clock.pass_(minutes=5)
    for _ in range(2):
        before, counts = catalog.tally(before)
    assert (before.position, counts) == (6, {"conflict": 3, "integrity": 1})


def test_ages_are_by_state(catalog: Catalog, clock: Any) -> None:
    """How long the oldest has been in a state, not how long it has been wanted."""
    catalog.enqueue([ModuleVersion("example.com/m", f"v1.{n}.0") for n in range(2)], source="test")
    clock.pass_(hours=1)
    (job,) = catalog.lease("fetch", owner="me", limit=1, seconds=6000)
    clock.pass_(minutes=5)
    assert job.mv.version == "v1.0.0"
    assert catalog.oldest_by_state([State.QUEUED, State.LEASED, State.VALID]) == {
        State.QUEUED: timedelta(minutes=65),
        State.LEASED: timedelta(minutes=5),
        State.VALID: timedelta(),
    }


def test_a_sink_s_lag_is_what_it_was_not_told(catalog: Catalog, clock: Any) -> None:
    """How much, and since when; nothing for one that knows everything."""
    catalog.take_sink("ops", "me", 1)
    catalog.emit(Event("conflict", "a"), Event("conflict", "b"))
    clock.pass_(minutes=3)
    catalog.take_sink("new", "me", 1)
    lags = {lag.name: (lag.waiting, lag.oldest) for lag in catalog.sink_lags()}
    assert lags == {"ops": (2, timedelta(minutes=3)), "new": (0, timedelta())}
