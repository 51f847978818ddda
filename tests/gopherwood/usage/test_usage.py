"""`gopherwood usage`: hours of the access log become files and counts, the same however often and in whatever order."""

import io
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event

import pyarrow.parquet as pq
import pytest

from fakes import accesslog as fake
from fakes import s3
from fakes.accesslog import HOUR
from gopherwood import accesslog, usage
from gopherwood.catalog import Catalog, Downloads
from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.usage import frames, tables

DAY, NEXT = date(2026, 3, 1), HOUR + timedelta(hours=1)
RECENT = {"access_log_days": 100_000}  # the hours of these tests are long ago


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, **RECENT)


def roll(settings: Settings, since: datetime | None = HOUR, until: datetime | None = NEXT) -> usage.Rolled:
    return usage.run(settings, since, until, top=3, stop=Event())


def files(settings: Settings) -> dict[str, bytes]:
    """Return every file of usage."""
    folder = tables.open_usage(settings)
    return {key: folder.read(key) for key in sorted(folder.keys())}


def test_an_interval_is_counted_once_however_often_it_runs(settings: Settings) -> None:
    """Downloads, misses, bytes and percentiles are those of its lines alone; run again, no byte and no row differs."""
    fake.day(settings.access_log_folder)
    rolled = roll(settings)
    assert (rolled.hours, rolled.late, rolled.exit_code) == (2, 1, 0)  # the hour before has lines that nobody counted
    before = files(settings)
    rolled = roll(settings)
    assert (rolled.hours, rolled.lines, rolled.downloads, rolled.misses) == (1, 66, 50, 7)
    assert rolled.top == [
        {"module": "example.com/m", "downloads": 40},
        {"module": "example.com/other", "downloads": 10},
    ]
    assert rolled.missed[0] == {"module": "example.com/wanted", "version": "v9.9.9", "requests": 5}
    assert 900_000 <= rolled.latency["info"]["p99"] <= 900_000 * 1.09
    assert rolled.bytes == 51 * 1000 + 5 * 7 + 3 * 1000 + 7 * 1000
    assert files(settings) == before
    with Catalog.open(settings) as catalog:
        assert catalog.downloads("example.com/m") == [Downloads("example.com/m", "v1.0.0", DAY, 60)]
        assert catalog.top_downloads(since=DAY) == [("example.com/m", 60), ("example.com/other", 20)]
        assert catalog.downloads_of(["example.com/other", "example.com/none"]) == {"example.com/other": 20}
        assert catalog.downloads("example.com/m", until=DAY) == []


def test_late_lines_open_their_hour_again(settings: Settings) -> None:
    """Lines that a pod delivers hours later, and those that a growing file got meanwhile, are counted as if in time."""
    logs = settings.access_log_folder
    growing = fake.write(logs, fake.line(), fake.line())
    roll(settings)
    fake.write(logs, fake.line(HOUR), fake.line(NEXT), begun=HOUR + timedelta(hours=30))
    with growing.open("ab") as file:
        file.write(fake.line() + b'{"time":"2026-03-01T12:')
    rolled = roll(settings, NEXT, NEXT + timedelta(hours=1))
    assert (rolled.hours, rolled.late, rolled.lines, rolled.skipped) == (2, 1, 5, 1)
    with Catalog.open(settings) as catalog:
        assert [each.count for each in catalog.downloads("example.com/m")] == [5]
        assert catalog.usage_hours(stale=True) == []
    assert roll(settings, None, None).exit_code == 99
    one_by_one, at_once = files(settings), Settings(home=settings.home / "other", **RECENT)
    at_once.home.mkdir()
    logs.rename(at_once.access_log_folder)
    roll(at_once, None, None)
    assert files(at_once) == one_by_one


def test_an_hour_whose_log_is_gone_stays_as_it_was(settings: Settings) -> None:
    """Old files of the log are removed once counted; a line that comes after that changes nothing, and is told of."""
    gone = fake.write(settings.access_log_folder, fake.line(), fake.line())
    assert roll(Settings(home=settings.home)).removed == 1
    assert not gone.exists()
    before = files(settings)
    fake.write(settings.access_log_folder, fake.line(), begun=NEXT)
    assert (rolled := roll(settings)).too_late == 1
    assert rolled.exit_code == 99
    assert files(settings) == before
    with Catalog.open(settings) as catalog:
        assert [each.count for each in catalog.downloads("example.com/m")] == [2]


def test_a_bucket_holds_log_and_usage_alike(tmp_path: Path) -> None:
    """Finished files are read from a bucket, and the tables lie beside the store's modules in theirs."""
    server = s3.server()
    settings = Settings(
        home=tmp_path,
        store=server.bucket("store"),
        access_log_store=server.bucket("logs"),
        s3_endpoint=server.endpoint,
        **RECENT,
    )
    logs = accesslog.open_logs(settings)
    path = fake.write(tmp_path, fake.line(), fake.miss())
    logs.create(path.relative_to(tmp_path).as_posix(), path)
    assert roll(settings).requests == 2
    assert sorted(files(settings)) == ["latency/day=2026-03-01/12.parquet", "requests/day=2026-03-01/12.parquet"]
    assert list(accesslog.lines_between(logs, HOUR, NEXT)) != []


def test_memory_is_that_of_the_sums_and_not_of_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the lines take no more memory; names that clients make up are folded beyond a bound, none is lost."""
    monkeypatch.setattr(frames, "CHUNK", 300)
    monkeypatch.setattr(frames, "MOST_MISSES", 50)

    def peak(count: int) -> tuple[int, frames.Hour]:
        parsed = (accesslog.parse(fake.miss(module=f"example.com/m{number % 499}")) for number in range(count))
        sums = frames.Hour()
        tracemalloc.start()
        sums.add(line for line in parsed if line)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size, sums

    peak(300)
    small, _ = peak(600)
    large, sums = peak(2400)
    assert large < 1.5 * small
    assert sums.requests["requests"].sum() == 2400
    assert len(sums.requests) <= 51


def test_histogram_is_exact_to_nine_percent() -> None:
    """A bound is never below the time, and at most 2^(1/8) above it, rounded up."""
    times = frames.np.array([0, 1, 2, 3, 10, 99, 100, 12345, 10**6, 3 * 10**9])
    bounds = frames.upper_bounds(times)
    assert (bounds >= times).all()
    assert (bounds <= frames.np.ceil(frames.np.maximum(times, 1) * 2 ** (1 / 8))).all()


def test_tables_say_what_they_hold(settings: Settings) -> None:
    """Every column has a type that Parquet's readers know, and none is ever empty."""
    fake.write(settings.access_log_folder, fake.line())
    roll(settings)
    table = pq.read_table(io.BytesIO(files(settings)["requests/day=2026-03-01/12.parquet"]))
    assert table.schema == tables.REQUESTS
    assert table.column("hour").to_pylist() == [HOUR.astimezone(UTC)]


def test_without_files_of_a_log_there_is_nothing_to_count(tmp_path: Path) -> None:
    """Exit code 2 names the setting when the log goes to standard output; an empty folder is nothing to do."""
    with pytest.raises(ConfigError, match="GOPHERWOOD_ACCESS_LOG=stdout"):
        roll(Settings(home=tmp_path, access_log="stdout"))
    assert roll(Settings(home=tmp_path)).exit_code == 99
