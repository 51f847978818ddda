"""Source `sumdb`: every version that a checksum database has a record of, in the order of its log.

Unlike an index, a log can leave nothing out: each record is proved to be the next one (sumdb/records.py). The cursor is
the number of records read; it moves in the transaction that enqueues what they name. A record is of one version;
one that holds no hash of a zip names nothing that could be verified, and is passed over.
"""

import logging
from collections.abc import Iterator

from gopherwood import module
from gopherwood.discover.source import Ask, Bad, Batch
from gopherwood.errors import ConfigError, ContentError, ProofError
from gopherwood.module import ModuleVersion
from gopherwood.sumdb import SumDB, integrity_event
from gopherwood.sumdb.records import read_records

log = logging.getLogger(__name__)


def find(ask: Ask) -> Iterator[Batch]:
    """Yield what each configured database's log holds beyond its cursor, a batch a tile; at most `limit` records.

    Raises ConfigError when no database is configured, and what read_records raises: a lie is told of as an event, too.
    """
    databases = list(ask.databases)
    if not databases:
        raise ConfigError("there is no checksum database to read: GOSUMDB=off", hint="set GOPHERWOOD_SUMDB")
    left = ask.limit
    for database in databases:
        for batch, count in _tail(ask, database, left):
            left -= count
            yield batch
        ask.databases.answered(database)


def _tail(ask: Ask, database: SumDB, limit: int) -> Iterator[tuple[Batch, int]]:
    cursor = f"sumdb {database.name}"
    start = int(ask.catalog.cursor(cursor) or 0)
    try:
        database.refresh()
        head = database.head()
        for first, texts in read_records(database, head, start, min(head.tree.n, start + limit)):
            wanted, bad = _versions(database, first, texts)
            yield Batch(wanted, bad, (cursor, str(first + len(texts)))), len(texts)
            if ask.stop.is_set():
                return
    except ProofError as error:
        ask.catalog.emit(integrity_event(database.name, error))
        raise


def _versions(database: SumDB, first: int, texts: list[bytes]) -> tuple[list[ModuleVersion], list[Bad]]:
    """Return the versions that records are of, and the records that name none."""
    wanted: list[ModuleVersion] = []
    bad: list[Bad] = []
    for number, text in enumerate(texts, first):
        path, _, rest = text.decode("utf-8", "replace").partition(" ")
        version = rest.partition(" ")[0]
        if version.endswith("/go.mod"):
            log.info("no zip", extra={"record": number, "database": database.name})
            continue
        try:
            module.check(path, version)
            wanted.append(ModuleVersion(path, version))
        except ContentError as error:
            bad.append(Bad(f"record {number} of {database.name}", str(error)))
    return wanted, bad
