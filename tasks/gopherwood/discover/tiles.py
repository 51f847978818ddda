"""Tiles of checksum databases that clients asked serving for in vain, mirrored; a part of the source `requests`.

A client that has seen a newer tree head elsewhere wants to see that it follows from ours, which takes tiles that no
lookup of ours needed (gopherwood.sumdb says which). Serving sends it to the database, and notes what it asked for: with
the newest head trusted, these tiles are proved and kept, and the next client is answered from the store.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gopherwood.catalog import Miss
from gopherwood.discover.source import Ask, Bad, Batch
from gopherwood.errors import GopherwoodError, NotFoundError, ProofError, UpstreamError
from gopherwood.sumdb import SumDB, integrity_event


def mirror(ask: Ask, missed: Sequence[Miss]) -> Iterator[Batch]:
    """Mirror the tiles, a batch a database; what cannot be had now stays recorded.

    Raises ProofError for a database that lies, which is told of as an event, too.
    """
    wanted: dict[str, list[Miss]] = defaultdict(list)
    for miss in missed:
        wanted[miss.database].append(miss)
    databases = {database.name: database for database in ask.databases} if wanted else {}
    for name, misses in wanted.items():
        if ask.stop.is_set():
            return
        failed = _mirror(ask, databases[name], misses) if name in databases else _unknown(misses)
        bad = [Bad(f"{miss.database}/{miss.query}", str(error), error.retry) for miss, error in failed.items()]
        yield Batch(bad=bad, tiles=len(misses) - len(failed))
        lasting = {miss for miss, error in failed.items() if error.retry}
        ask.catalog.settle_misses([(miss.path, miss.query) for miss in misses if miss not in lasting])


def _mirror(ask: Ask, database: SumDB, misses: Sequence[Miss]) -> dict[Miss, GopherwoodError]:
    """Return what could not be had."""
    try:
        database.refresh()
        failed = database.mirror_tiles([miss.query for miss in misses])
        if lie := next((error for error in failed.values() if isinstance(error, ProofError)), None):
            raise lie
    except ProofError as error:
        ask.catalog.emit(integrity_event(database.name, error))
        raise
    except UpstreamError as error:
        return dict.fromkeys(misses, error)
    ask.databases.answered(database)
    return {miss: failed[miss.query] for miss in misses if miss.query in failed}


def _unknown(misses: Sequence[Miss]) -> dict[Miss, GopherwoodError]:
    return dict.fromkeys(misses, NotFoundError("no such checksum database is configured any more"))
