"""A catalog that takes no writes for a while: what its clients see when its disk hangs, or somebody locks it.

The lock is a transaction of ours on the catalog of a rehearsal, so it ends with us at the latest; reading goes on. The
end of a database itself is for a cluster: its pod is deleted there, by actions.pods.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gopherwood.catalog import Catalog
from gopherwood.catalog.db import WRITES
from gopherwood.chaos.actions import Facts
from gopherwood.chaos.rehearsal import ENDS, Rehearsal, Work, choose
from gopherwood.chaos.world import World


def locked(seconds: float, versions: int = 20) -> "Locked":
    """Make the rehearsal whose catalog takes no writes for some seconds, in the middle of its work."""
    return Locked(seconds, versions)


@dataclass(frozen=True, slots=True)
class Locked:
    """An ingestion whose catalog is locked."""

    seconds: float
    versions: int

    @property
    def says(self) -> str:
        """What it does."""
        return f"let the catalog of a rehearsal with {self.versions} versions take no writes for {self.seconds:g} s"

    def possible(self, world: World) -> None:
        """Refuse nowhere."""

    def perform(self, world: World) -> Facts:
        """Begin an ingestion, lock its catalog once it works, let it go, and let the ingestion end."""
        work = Work()
        with Rehearsal(world, choose(world, self.versions), work) as rehearsal:
            rehearsal.run("discover", str(rehearsal.list), "--json", fine=ENDS)
            child = rehearsal.fork("work")
            before = rehearsal.catalog.open_count()
            rehearsal.wait_for(lambda: rehearsal.catalog.next_ready() is not None, child, 10)
            with _no_writes(rehearsal.catalog):
                world.wait(self.seconds)
            work.kills = 1
            rehearsal.wait_for(lambda: not rehearsal.catalog.open_count(), child, 60)
            work.notes.append(f"of {before} versions {rehearsal.catalog.open_count()} were left after it")
            child.terminate()
            rehearsal.finish(child)
            rehearsal.look("after the lock")
            rehearsal.drain()
        return work.facts()


@contextmanager
def _no_writes(catalog: Catalog) -> Iterator[None]:
    """Hold the lock of the one writer (BEGIN IMMEDIATE of SQLite) and write nothing."""
    with catalog.engine.connect().execution_options(**WRITES) as connection, connection.begin() as transaction:
        yield
        transaction.rollback()
