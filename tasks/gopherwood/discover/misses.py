"""Source `requests`: what clients asked serving for in vain.

A miss names a version, a query (`v1`, `latest`, a branch) or the version list of a module; the last two mean its
latest version. A miss is settled when its versions are queued or the upstream does not know it either; when the
upstream could not answer, it is asked again next time. Missed tiles of checksum databases come last (tiles.py), for a
database that lies ends the run.
"""

from collections.abc import Iterator

from gopherwood import queries
from gopherwood.catalog import Miss, Wanted
from gopherwood.discover import tiles
from gopherwood.discover.source import Ask, Bad, Batch, concurrently, resolve
from gopherwood.module import ModuleVersion

PAGE = 200
"""Misses resolved and settled together."""
LIST = "list"


def find(ask: Ask) -> Iterator[Batch]:
    """Yield the versions that recorded misses ask for."""

    def versions(miss: Miss) -> Batch:
        return resolve(ask.upstream, miss.path, queries.LATEST if miss.query == LIST else miss.query)

    noted = ask.catalog.misses(ask.limit)
    recorded = [miss for miss in noted if not miss.database]
    for start in range(0, len(recorded), PAGE):
        wanted: list[ModuleVersion | Wanted] = []
        bad: list[Bad] = []
        settled: list[tuple[str, str]] = []
        page = recorded[start : start + PAGE]
        for miss, found in zip(page, concurrently(versions, page, ask.stop), strict=True):
            wanted += found.wanted
            bad += found.bad
            if not any(each.retry for each in found.bad):
                settled.append((miss.path, miss.query))
        yield Batch(wanted, bad)
        # Here the batch is in the queue: a run that dies before asks again, and finds the versions known.
        ask.catalog.settle_misses(settled)
    yield from tiles.mirror(ask, [miss for miss in noted if miss.database])
