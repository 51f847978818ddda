"""The index feed is read whole: stable over equal timestamps, at any page size."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fakes.index import Index
from fakes.loopback import status
from gopherwood import http
from gopherwood.config import Settings
from gopherwood.errors import UpstreamError
from gopherwood.http import Client
from gopherwood.index import BadLine, Entry, parse, parse_timestamp, read


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as index:
        yield index


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(Settings(timeout=5)) as client:
        yield client


def fill(index: Index, *per_second: int) -> list[str]:
    """Add so many versions at each second; return their paths."""
    paths = []
    for second, count in enumerate(per_second):
        for number in range(count):
            paths.append(f"example.com/m{second}x{number}")
            index.add(paths[-1], "v1.0.0", f"2024-01-01T00:00:{second:02d}.5Z")
    return paths


def paths(index: Index, client: Client, limit: int, **interval: datetime) -> list[str]:
    return [line.path for line in read(index.url, client, limit=limit, **interval) if isinstance(line, Entry)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 7, 100])
def test_every_entry_comes_once_at_any_page_size(index: Index, client: Client, limit: int) -> None:
    """Whether a page ends between equal timestamps, before or after them: nothing is lost, nothing comes twice."""
    wanted = fill(index, 1, 4, 2, 1, 5, 1)
    assert paths(index, client, limit) == wanted


def test_a_page_of_one_timestamp_is_looked_past(index: Index, client: Client) -> None:
    """More equal timestamps than a page has lines: the limit grows till the next one is seen."""
    wanted = fill(index, 0, 25, 3)
    assert paths(index, client, 4) == wanted
    assert max(int(page["limit"]) for page in index.pages) == 32


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("counts", [(6, 2), (2, 6), (2, 6, 2), (1, 4, 1)])
@pytest.mark.parametrize("limit", [3, 4, 100])
def test_what_the_servers_bound_hides_is_an_error(
    index: Index, client: Client, limit: int, counts: tuple[int, ...], strict: bool
) -> None:
    """A full page of one time, and no way to see more of it: what came before is handed on, and then it is said."""
    index.max_page, index.strict = 4, strict and limit <= 4
    wanted = fill(index, *counts)
    got: list[str] = []
    with pytest.raises(UpstreamError, match="may hide others") as caught:
        got.extend(line.path for line in read(index.url, client, limit=limit) if isinstance(line, Entry))
    assert "more lines at once" in caught.value.hint
    assert wanted != got == wanted[: len(got)] != []


def test_an_end_is_not_taken_for_a_bound(index: Index, client: Client) -> None:
    """Some versions of one time at the very end, fewer than a page can hold, are the end."""
    index.max_page = 4
    wanted = fill(index, 1, 2, 3)
    lines = list(read(index.url, client, limit=100))
    assert [line.path for line in lines if isinstance(line, Entry)] == wanted
    assert len(lines) == len(wanted)


def test_nothing_new_costs_two_requests(index: Index, client: Client) -> None:
    """From the last time on there is one line: that a page may be longer is asked with two."""
    fill(index, 5, 1)
    assert paths(index, client, 100, since=datetime(2024, 1, 1, 0, 0, 1, 500_000, UTC)) == ["example.com/m1x0"]
    assert [page["limit"] for page in index.pages] == ["100", "2"]


def test_a_feed_of_one_time_is_reported_as_doubtful(index: Index, client: Client) -> None:
    """Nothing before and nothing later to tell whether it is whole: read, with a line that says so."""
    wanted = fill(index, 3)
    lines = list(read(index.url, client))
    assert [line.path for line in lines if isinstance(line, Entry)] == wanted
    assert ["may hide" in line.why for line in lines if isinstance(line, BadLine)] == [True]


def test_a_server_may_give_less_than_is_asked(index: Index, client: Client) -> None:
    """A short page is not the end."""
    index.max_page = 3
    wanted = fill(index, 2, 2, 2, 2)
    assert paths(index, client, 100) == wanted


def test_the_interval_is_half_open(index: Index, client: Client) -> None:
    """`since` belongs to it, `until` does not: neighbouring intervals share nothing and miss nothing."""
    wanted = fill(index, 2, 2, 2)
    middle = datetime(2024, 1, 1, 0, 0, 1, 500_000, UTC)
    assert paths(index, client, 3, until=middle) == wanted[:2]
    assert paths(index, client, 3, since=middle) == wanted[2:]


def test_bad_lines_are_handed_on_and_passed(index: Index, client: Client) -> None:
    """Each bad line is reported once, with its reason, and ends nothing."""
    at = "2024-01-01T00:00:00Z"
    index.add("example.com/a", "v1.0.0", at)
    for line in ("{", "[]", '{"Path": "example.com/b"}', '{"Path": "b", "Version": "v1", "Timestamp": "t"}'):
        index.add_line(at, line)
    index.add("example.com/c", "v1.0.0", "2024-01-01T00:00:01Z")
    for limit in (2, 100):
        lines = list(read(index.url, client, limit=limit))
        assert [line.path for line in lines if isinstance(line, Entry)] == ["example.com/a", "example.com/c"]
        assert [bool(line.why) for line in lines if isinstance(line, BadLine)] == [True] * 4


def test_a_whole_page_of_bad_lines_is_passed(index: Index, client: Client) -> None:
    """Lines without a timestamp give no place to go on from: the limit grows past them."""
    for number in range(10):
        index.add_line("2024-01-01T00:00:00Z", f"bad {number}")
    index.add("example.com/c", "v1.0.0", "2024-01-01T00:00:01Z")
    assert paths(index, client, 3) == ["example.com/c"]


def test_an_empty_feed_is_empty(index: Index, client: Client) -> None:
    """Nothing new is no error."""
    assert list(read(index.url + "/", client)) == []


def test_a_broken_feed_is_an_upstream_error(index: Index, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the break has been handed on."""
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)
    index.fail("index", status(500))
    with pytest.raises(UpstreamError, match="500"):
        list(read(index.url, client))


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2019-04-10T19:08:52.997264Z", 997264),
        ("2019-04-10T19:08:52Z", 0),
        ("2019-04-10T21:08:52.9+02:00", 900000),
        ("2019-04-10T19:08:52.123456789Z", 123456),
    ],
)
def test_timestamps(text: str, micros: int) -> None:
    """Zones and up to nine decimals are read; microseconds are kept."""
    assert parse_timestamp(text) == datetime(2019, 4, 10, 19, 8, 52, micros, UTC)


@pytest.mark.parametrize("version", ["v1.0.0", "v2.0.0+incompatible", "v0.0.0-20200102030405-abcdefabcdef"])
def test_lines(version: str) -> None:
    """A line holds path, version and time; more keys do no harm."""
    line = f'{{"Path":"example.com/M","Version":"{version}","Timestamp":"2019-04-10T19:08:52Z","New":1}}'
    assert parse(line) == Entry("example.com/M", version, datetime(2019, 4, 10, 19, 8, 52, tzinfo=UTC))
