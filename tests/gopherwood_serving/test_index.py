"""The index feed: others mirror us by it."""

import json
from collections.abc import Callable

import pytest

from fakes.site import Site


@pytest.fixture(scope="module")
def feed(make_site: Callable[..., Site]) -> Site:
    """Return a site of its own with five versions, published in this order."""
    site = make_site()
    for number in range(5):
        site.publish(f"example.com/m{number % 2}", f"v1.{number}.0")
    site.start()
    return site


def lines(site: Site, query: str = "") -> list[dict[str, str]]:
    """Return the entries of the feed."""
    return [json.loads(line) for line in site.get(f"/index{query}").text.splitlines()]


def test_the_feed_is_in_the_order_of_publishing(feed: Site) -> None:
    """One JSON object a line, the oldest first, with strictly increasing times."""
    entries = lines(feed)
    assert [entry["Version"] for entry in entries] == [f"v1.{number}.0" for number in range(5)]
    assert all(set(entry) == {"Path", "Version", "Timestamp"} for entry in entries)
    times = [entry["Timestamp"] for entry in entries]
    assert times == sorted(set(times))


def test_paging_by_the_last_timestamp_loses_nothing(feed: Site) -> None:
    """`since` is inclusive: a reader that goes on from the last time it saw meets one entry twice, the others once."""
    seen, since = [], ""
    while True:
        page = lines(feed, f"?limit=2&since={since}")
        fresh = [entry for entry in page if entry not in seen]
        seen += fresh
        if not fresh:
            break
        since = page[-1]["Timestamp"]
    assert seen == lines(feed)


@pytest.mark.parametrize(
    "query", ["?since=2000-01-01T00:00:00Z", "?since=2000-01-01T02:00:00%2B02:00", "?limit=9999", "?since="]
)
def test_a_question_that_covers_all_gets_all(feed: Site, query: str) -> None:
    """Times of any zone, limits above ours and empty values are understood."""
    assert len(lines(feed, query)) == 5


def test_the_future_is_empty(feed: Site) -> None:
    """Nothing new is an empty answer, not an error."""
    reply = feed.get("/index?since=2999-01-01T00:00:00Z")
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    "query", ["since=yesterday", "since=2020-01-01", "limit=0", "limit=-1", "limit=x", "since=" + "1" * 999]
)
def test_a_question_that_makes_no_sense_is_400(feed: Site, query: str) -> None:
    """The answer says what would make sense."""
    reply = feed.get(f"/index?{query}")
    assert (reply.status, "use /index?since=" in reply.text) == (400, True)
