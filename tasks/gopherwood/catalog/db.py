"""The database under the catalog: SQLite in one file by default, PostgreSQL for clusters, the same behaviour on both.

SQLite runs in WAL mode with `synchronous=FULL`: a commit is on the disk when it returns, one fsync a batch, because the
catalog is what says that staging may be dropped. Writers begin with BEGIN IMMEDIATE, so they queue at the door instead
of failing at the commit. On PostgreSQL a deadlock or a lost race is retried from the start. Everything that can go
wrong with a database reaches the caller as StorageError.
"""

import fcntl
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from gopherwood.catalog import schema
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, StorageError

log = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[], datetime]

BUSY_SECONDS = 30.0
"""How long a writer waits for another one before it gives up."""

RETRIES = 6
"""Times a transaction is run again when it lost a race."""

LOST_RACES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL: serialization failure, deadlock, lock not available."""

PIECE = 1_000
"""Values in one IN (...) list, well under the limits of both databases."""

WRITES = {"gopherwood_writes": True}


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


class Database:
    """Connections, transactions and migrations; the parts of the catalog are built on it."""

    def __init__(self, engine: sa.Engine, settings: Settings, clock: Clock) -> None:
        self.engine = engine
        self.max_attempts = settings.max_attempts
        self.clock = clock
        self.is_sqlite = engine.dialect.name == "sqlite"

    @classmethod
    def open(cls, source: Settings | str, *, clock: Clock = utc_now) -> Self:
        """Open the catalog of these settings, or at an SQLAlchemy URL. Nothing is connected before the first use.

        Each process opens its own. Raises ConfigError for a URL of another kind of database.
        """
        settings = source if isinstance(source, Settings) else Settings(catalog=source)
        return cls(_engine(settings.catalog_url), settings, clock)

    @classmethod
    def ready(cls, settings: Settings) -> Self:
        """Open the catalog of these settings for a verb; one that is a file gets its tables where it has none.

        A catalog on a server is migrated on purpose (`gopherwood migrate`): programs of several ages may use it.
        """
        catalog = cls.open(settings)
        if catalog.is_sqlite:
            catalog.migrate()
        return catalog

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def migrate(self) -> None:
        """Bring the tables up to date; cheap when they are. Any number of processes may do it at once."""
        with self._errors():
            with self.engine.connect() as connection:
                if _revision(connection) == schema.REVISION:
                    return
            with self._transaction() as connection:
                _upgrade(connection)

    def now(self) -> int:
        """Return the present time in microseconds."""
        return schema.to_micros(self.clock())

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock that one process on all machines can hold; it ends with the process. No transaction is open."""
        with self._errors():
            if self.is_sqlite:
                path = Path(f"{self.engine.url.database}.{name}.lock")
                with path.open("wb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    yield
                return
            number = sa.func.hashtextextended(f"gopherwood {name}", 0)
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(sa.select(sa.func.pg_advisory_lock(number)))
                try:
                    yield
                finally:
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(number)))

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _snapshot(self) -> Iterator[sa.Connection]:
        """Read at one moment, however long it takes: nothing that others commit meanwhile is seen."""
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._errors(), self.engine.connect().execution_options(**level) as connection, connection.begin():
            # The moment is that of the first question, not that of BEGIN.
            connection.execute(sa.select(sa.func.count()).select_from(schema.counters))
            yield connection

    def _write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction; from the start again, after a random pause, when it loses a race."""
        with self._errors():
            for tries in range(RETRIES):
                try:
                    with self._transaction() as connection:
                        return work(connection)
                except exc.OperationalError as error:
                    if not _lost_race(error) or tries == RETRIES - 1:
                        raise
                    time.sleep(random.uniform(0.0, 0.05 * 2**tries))  # noqa: S311
        raise AssertionError("unreachable")

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with self.engine.connect().execution_options(**WRITES) as connection, connection.begin():
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise self._storage_error(str(error.orig).strip()) from error
        except exc.SQLAlchemyError as error:
            raise self._storage_error(str(error)) from error

    def _storage_error(self, says: str) -> StorageError:
        where = self.engine.url.render_as_string(hide_password=True)
        absent = "no such table" in says or "does not exist" in says
        hint = "it has no tables yet, or older ones: it must be migrated first (gopherwood migrate)" if absent else ""
        return StorageError(f"catalog {where}: {says.splitlines()[0] if says else 'unknown error'}", hint=hint)


def insert_into(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Start an INSERT that may say what happens ON CONFLICT, in the dialect of this connection."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name the same columns.

    PostgreSQL gets them as one array a column, in one statement, for one parse and one answer. SQLite, with no
    network between, is fastest row by row.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(table.insert(), rows)
        return
    columns = [table.c[name] for name in rows[0]]
    values = {column.name: [row[column.name] for row in rows] for column in columns}
    arrays = [sa.bindparam(column.name, type_=postgresql.ARRAY(column.type)) for column in columns]
    select = sa.select(*(sa.func.unnest(sa.cast(array, array.type)) for array in arrays))
    connection.execute(table.insert().from_select(columns, select), values)


def pieces(values: Sequence[T], size: int = PIECE) -> Iterator[Sequence[T]]:
    """Cut a sequence into parts that fit one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _engine(address: str) -> sa.Engine:
    try:
        url = make_url(address)
    except exc.ArgumentError:
        raise ConfigError("the catalog is no SQLAlchemy URL", hint="use sqlite:////file or postgresql://...") from None
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        # Written out: what plain `postgresql` means differs between versions of SQLAlchemy.
        url = url.set(drivername="postgresql+psycopg")
        return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        raise ConfigError(f"a catalog cannot be in {url.drivername}", hint="use a SQLite file or PostgreSQL")
    return _sqlite(url)


def _sqlite(url: URL) -> sa.Engine:
    folder = Path(str(url.database)).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "set GOPHERWOOD_HOME (or GOPHERWOOD_CATALOG) to a place that can be written"
        raise ConfigError(f"the catalog's folder {folder} cannot be made: {error.strerror}", hint=hint) from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late and is never IMMEDIATE
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "wal_autocheckpoint=4000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("gopherwood_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _lost_race(error: exc.OperationalError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state in LOST_RACES or "database is locked" in str(error.orig)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("gopherwood migrate", 0))))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(f"the catalog is from another release: {error}") from error
    log.info("catalog migrated to revision %s", schema.REVISION)
