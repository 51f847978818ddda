"""How many workers a queue is worth: the rule, and the same rule as a question to PostgreSQL."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fakes import postgres
from gopherwood import scaling
from gopherwood.catalog import Catalog, schema
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.scaling import Backlog, Rule, steady, workers
from gopherwood.states import State

RULE = Rule(per_worker=100, step=timedelta(minutes=10), most=8)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("backlog", "expected"),
    [
        (Backlog(0), 0),
        (Backlog(1), 1),
        (Backlog(100), 1),
        (Backlog(101), 2),
        (Backlog(50, held=51), 2),
        (Backlog(100_000), 8),
        (Backlog(90, oldest=timedelta(minutes=10)), 1),
        (Backlog(90, oldest=timedelta(minutes=10, microseconds=1)), 2),
        (Backlog(90, oldest=timedelta(days=2)), 8),
        (Backlog(3, oldest=timedelta(days=2)), 3),
    ],
)
def test_workers_for_depth_and_for_age(backlog: Backlog, expected: int) -> None:
    """The larger of both, as many as the pool takes, and never more than there are versions."""
    assert workers(backlog, RULE) == expected


def test_some_may_always_be_there() -> None:
    """A floor holds for an empty queue, too."""
    assert workers(Backlog(0), Rule(least=2)) == 2


def test_more_at_once_and_fewer_late() -> None:
    """What was wanted within the calm time still counts; what is older does not."""
    asked = [(NOW - timedelta(minutes=age), count) for age, count in ((10, 8), (9, 3), (4, 5), (0, 1))]
    assert steady(asked, NOW, timedelta(minutes=10)) == 5
    assert steady(asked, NOW, timedelta(minutes=3)) == 1
    assert steady([(NOW, 7)], NOW, timedelta(minutes=3)) == 7
    assert steady([], NOW, timedelta(minutes=3)) == 0


@pytest.fixture(scope="module")
def catalog() -> Any:
    """Return a catalog in PostgreSQL whose clock stands still."""
    with Catalog.open(postgres.server().url(), clock=lambda: NOW) as catalog:
        yield catalog


def fill(catalog: Catalog, dice: random.Random) -> None:
    """Put a queue of any size into it: rows in every state, due for days or in days, held or not."""
    size, spread = dice.choice((0, 1, 7, 60)), dice.choice((10, 3_000, 10**6, 10**11))
    now = schema.to_micros(NOW)
    rows = [
        {
            "path": "example.com/m",
            "version": f"v1.{n}.0",
            "state": dice.choice(list(State)).value,
            "source": "test",
            "ready_at": now + dice.choice((0, dice.randint(-spread, spread))),
            "owner": dice.choice((None, "somebody")),
            "changed_at": now,
            "first_observed": now,
        }
        for n in range(size)
    ]
    with catalog.engine.begin() as connection:
        connection.execute(sa.delete(schema.versions))
        if rows:
            connection.execute(schema.versions.insert(), rows)


def test_the_query_gives_the_answer_of_the_function(catalog: Catalog) -> None:
    """PostgreSQL and the rule agree on hundreds of queues, each under several rules."""
    dice, seen = random.Random(7), set()
    for _ in range(150):
        fill(catalog, dice)
        backlog = catalog.backlog()
        for _ in range(4):
            step = timedelta(microseconds=dice.choice((1, 999, 10**6, 10**9)))
            rule = Rule(per_worker=dice.randint(1, 20), step=step, least=dice.randint(0, 2), most=dice.randint(2, 40))
            question = scaling.query(rule, now=f"{schema.to_micros(NOW)}::bigint")
            with catalog.engine.connect() as connection:
                answer = connection.exec_driver_sql(question).scalar_one()
            assert answer == workers(backlog, rule), (backlog, rule)
            seen.add(answer)
    assert len(seen) > 20


def test_the_query_reads_the_clock_as_the_catalog_does(catalog: Catalog) -> None:
    """By the time of day of the database: an hour old is an hour old."""
    old = Catalog(catalog.engine, Settings(), lambda: datetime.now(UTC) - timedelta(minutes=55))
    with catalog.engine.begin() as connection:
        connection.execute(sa.delete(schema.versions))
    old.enqueue([ModuleVersion("example.com/m", f"v1.{n}.0") for n in range(9)], source="test")
    with catalog.engine.connect() as connection:
        assert connection.exec_driver_sql(scaling.query(RULE)).scalar_one() == 6


def test_the_chart_has_the_query() -> None:
    """The file that the tasks' chart asks with is written by the rule (`make golden` writes it anew)."""
    file = Path(__file__).parents[2] / "tasks" / "chart" / "files" / "workers.sql"
    assert file.read_text() == scaling.chart_query()
