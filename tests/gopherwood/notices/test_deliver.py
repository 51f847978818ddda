"""How notices are delivered: at least once and in order, each sink at its own pace, on both kinds of database."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from fakes.loopback import status
from gopherwood.catalog import Catalog, Event, schema
from gopherwood.notices import deliver

HOOK = '[sinks.hook]\nkind = "webhook"\nurl = "env:HOOK_URL"\nsecret = "env:HOOK_SECRET"\n'
ALL = '[[routes]]\nevents = ["*"]\nto = ["hook"]\n'


def subjects(hook):
    return [each["subject"] for each in hook.taken]


def test_what_happened_is_told_once_and_in_order(desk, hook):
    """A new sink hears what happens from then on; a second run repeats nothing; the key of each is its own."""
    desk.catalog.emit(Event("published", "example.com/old@v1.0.0"))
    desk.routes(HOOK + ALL)
    delivery = desk.delivery("hook")
    desk.catalog.emit(*(Event("rejected", f"example.com/m@v1.0.{n}", {"reason": "r", "detail": "d"}) for n in range(3)))
    assert delivery.step() > 0
    desk.delivery("hook", "another").step()
    assert subjects(hook) == [f"example.com/m@v1.0.{n}" for n in range(3)]
    assert len({each["key"] for each in hook.taken}) == 3
    assert desk.catalog.sinks()[0].delivered == 3


def test_a_sink_that_asks_to_wait_is_given_time(desk, hook, clock):
    """Retry-After is obeyed, what follows waits behind it, and nothing is lost."""
    desk.routes(HOOK + ALL)
    delivery = desk.delivery("hook")
    desk.catalog.emit(Event("published", "example.com/a@v1.0.0"), Event("published", "example.com/b@v1.0.0"))
    hook.fail("in", status(429, retry_after="90"), times=1)
    hook.taken.clear()
    assert delivery.step() == pytest.approx(90, abs=1)
    assert "429" in delivery.told.problem
    hook.taken.clear()  # it was refused, whatever the server has read
    clock.pass_(seconds=89)
    delivery.step()
    assert subjects(hook) == []
    clock.pass_(seconds=2)
    delivery.step()
    assert (subjects(hook), delivery.told.problem) == (["example.com/a@v1.0.0", "example.com/b@v1.0.0"], "")


def test_a_dead_sink_loses_what_is_old_and_counts_it(desk, hook, clock):
    """After six hours without a break what is older than that is dropped; what is younger arrives when it lives."""
    desk.routes(HOOK + ALL)
    delivery = desk.delivery("hook")
    desk.catalog.emit(Event("published", "example.com/old@v1.0.0"), Event("published", "example.com/old@v1.0.1"))
    hook.fail("in", status(503))
    for _ in range(7):
        delivery.step()
        clock.pass_(hours=1)
    desk.catalog.emit(Event("published", "example.com/young@v1.0.0"))
    delivery.step()
    hook.heal()
    hook.taken.clear()
    clock.pass_(hours=1)
    delivery.step()
    assert subjects(hook) == ["example.com/young@v1.0.0"]
    assert desk.catalog.sinks()[0].dropped == 2


def test_what_a_sink_will_never_take_is_dropped(desk, hook):
    """A 400 about one notice does not stop those behind it."""
    desk.routes(HOOK + ALL)
    delivery = desk.delivery("hook")
    desk.catalog.emit(Event("published", "example.com/a@v1.0.0"), Event("published", "example.com/b@v1.0.0"))
    hook.fail("in", status(400), times=1)
    delivery.step()
    assert (delivery.told.delivered, delivery.told.dropped) == (1, 1)
    assert subjects(hook)[-1] == "example.com/b@v1.0.0"


def test_two_notifiers_do_not_tell_twice(desk, hook, clock):
    """The second leaves a sink alone that the first has leased; a dead one's is taken over when its lease ends."""
    desk.routes(HOOK + ALL)
    one, two = desk.delivery("hook", "one"), desk.delivery("hook", "two")
    one.step()
    desk.catalog.emit(Event("published", "example.com/m@v1.0.0"))
    two.step()
    assert (two.told.busy, hook.taken) == (True, [])
    clock.pass_(seconds=deliver.LEASE + 1)
    two.step()
    one.step()
    assert (one.told.busy, subjects(hook)) == (True, ["example.com/m@v1.0.0"])


@pytest.mark.parametrize("catalog_url", ["sqlite"], indirect=True)
def test_kill_9_within_a_delivery_repeats_that_one(desk, hook):
    """What was told and not settled comes again, by the next notifier, with the same key; nothing else does."""
    desk.routes(HOOK + ALL)
    desk.delivery("hook")
    desk.catalog.emit(*(Event("published", f"example.com/m@v1.0.{n}") for n in range(3)))
    reached = threading.Event()

    def first_only(handler, answer):
        if len(hook.taken) == 1:
            handler.send(answer)
        else:
            reached.set()
            hook.stopping.wait(20)

    hook.fail("in", first_only)
    command = [sys.executable, "-m", "gopherwood", "notify", "--follow", "--home", str(desk.settings.home)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as notifier:
        assert reached.wait(60)
        notifier.kill()
    hook.heal()
    later = timedelta(seconds=deliver.LEASE + 1)
    with Catalog.open(desk.settings, clock=lambda: datetime.now(UTC) + later) as catalog:
        deliver.Delivery(catalog, desk.plan(), "hook", "next").step()
    assert subjects(hook) == [f"example.com/m@v1.0.{n}" for n in (0, 1, 1, 2)]
    assert hook.taken[1]["key"] == hook.taken[2]["key"]


def test_a_number_that_may_yet_appear_is_waited_for(desk, hook, clock):
    """A transaction that commits late is not passed over; one that was rolled back holds up nobody for long."""
    desk.routes(HOOK + ALL)
    delivery = desk.delivery("hook")
    desk.catalog.emit(*(Event("published", f"example.com/m@v1.0.{n}") for n in range(3)))
    with desk.catalog.engine.begin() as connection:
        connection.execute(schema.outbox.delete().where(schema.outbox.c.subject == "example.com/m@v1.0.1"))
    delivery.step()
    assert subjects(hook) == ["example.com/m@v1.0.0"]
    clock.pass_(seconds=61)
    delivery.step()
    assert subjects(hook) == ["example.com/m@v1.0.0", "example.com/m@v1.0.2"]


def test_quiet_hours_hold_what_can_wait(desk, hook, clock):
    """At night only pages get through, and take along what is held of their subject; the rest comes in the morning."""
    desk.routes(HOOK + ALL + 'quiet = "22:00-07:00"\ntimezone = "Europe/Berlin"\n')
    delivery = desk.delivery("hook")
    clock.pass_(hours=11)  # midnight in Berlin
    desk.catalog.emit(
        Event("published", "example.com/a@v1.0.0"),
        Event("damage", "example.com/b@v1.0.0 .zip", {"kind": "hash"}),
        Event("integrity", "example.com/b@v1.0.0 .zip", {"detail": "no copy"}),
    )
    delivery.step()
    assert [each["type"] for each in hook.taken] == ["damage", "integrity"]
    clock.pass_(hours=7)
    delivery.step()
    assert subjects(hook)[2:] == ["example.com/a@v1.0.0"]
    with desk.catalog.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.notices_held)).scalar() == 0
