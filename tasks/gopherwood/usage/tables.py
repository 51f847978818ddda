"""The files of usage: Parquet, an hour each, in a folder a day, as DuckDB and BigQuery read them where they lie.

`usage/requests/day=2026-03-01/12.parquet` in the store, and the same below `usage/latency/`; `day=` is a column to
both (Hive partitioning). Equal sums give equal bytes. Only what lies below `usage/` can be replaced by this.
"""

import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gopherwood.accesslog import UNCOUNTED
from gopherwood.config import Settings
from gopherwood.objects import MissingError, Objects, open_objects
from gopherwood.usage.frames import Hour

TEXT, COUNT = pa.string(), pa.int64()
HOUR = pa.field("hour", pa.timestamp("us", tz="UTC"), nullable=False)

REQUESTS = pa.schema(
    [
        HOUR,
        *(pa.field(name, TEXT, nullable=False) for name in ("kind", "module", "version", "method")),
        pa.field("status", pa.int32(), nullable=False),
        *(pa.field(name, TEXT, nullable=False) for name in ("outcome", "agent", "policy")),
        pa.field("miss", pa.bool_(), nullable=False),
        *(pa.field(name, COUNT, nullable=False) for name in ("requests", "bytes", "micros")),
    ]
)
LATENCY = pa.schema(
    [
        HOUR,
        *(pa.field(name, TEXT, nullable=False) for name in ("kind", "outcome")),
        *(pa.field(name, COUNT, nullable=False) for name in ("le_micros", "requests")),
    ]
)
TABLES = {"requests": REQUESTS, "latency": LATENCY}


def open_usage(settings: Settings) -> Objects:
    """Open the folder or prefix `usage` of the store."""
    return open_objects(f"{settings.store_url.rstrip('/')}/usage", mutable=True, settings=settings)


def key(table: str, hour: datetime) -> str:
    """Return the key of an hour of a table, below `usage/`."""
    return f"{table}/day={hour:%Y-%m-%d}/{hour:%H}.parquet"


def write(usage: Objects, hour: datetime, sums: Hour) -> None:
    """Write both tables of an hour, over those that are there."""
    frames = {"requests": sums.requests, "latency": sums.latency}
    usage.replace_many([(key(name, hour), _parquet(frame, name, hour)) for name, frame in frames.items()])


def read(usage: Objects, table: str, hour: datetime, columns: list[str] | None = None) -> pd.DataFrame | None:
    """Return an hour of a table; None when it has none."""
    try:
        with usage.open(key(table, hour)) as file:
            # One file, by its bytes: its name would be read as a partition.
            return pq.ParquetFile(file).read(columns=columns).to_pandas()
    except MissingError:
        return None


def downloads(usage: Objects, day: date) -> dict[tuple[str, str], int]:
    """Return how often each version was downloaded on a day: whole zips, but not by load generators and probes."""
    found: dict[tuple[str, str], int] = {}
    columns = ["kind", "module", "version", "method", "status", "agent", "requests"]
    for hour in _hours(day):
        if (frame := read(usage, "requests", hour, columns)) is None:
            continue
        whole = (frame["kind"] == "zip") & (frame["method"] == "GET") & (frame["status"] == 200)
        counted = frame[whole & ~frame["agent"].isin(UNCOUNTED)]
        for name, times in counted.groupby(["module", "version"])["requests"].sum().items():
            found[name] = found.get(name, 0) + int(times)
    return found


def _parquet(frame: pd.DataFrame, table: str, hour: datetime) -> bytes:
    schema = TABLES[table]
    made = pa.Table.from_pandas(frame.assign(hour=hour), schema=schema, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(made.replace_schema_metadata(None), buffer, compression="zstd")
    return buffer.getvalue()


def _hours(day: date) -> Iterator[datetime]:
    first = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    yield from (first + timedelta(hours=number) for number in range(24))
