"""What the catalog knows of usage, on both databases: downloads by day, and which hours have lines not yet counted."""

from datetime import UTC, date, datetime, timedelta

from gopherwood.catalog import Catalog, Downloads

DAY = date(2026, 3, 1)
HOUR = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_downloads_of_a_day_are_replaced_as_a_whole(catalog: Catalog) -> None:
    """What is no longer counted goes, what changed changes, what is equal is not written; other days stay."""
    catalog.set_downloads(DAY, {("m", "v1"): 3, ("m", "v2"): 1, ("Z", "v1"): 1})
    catalog.set_downloads(DAY + timedelta(days=1), {("m", "v1"): 5})
    assert catalog.set_downloads(DAY, {("m", "v1"): 4, ("m", "v2"): 1}) == 2
    assert catalog.set_downloads(DAY, {("m", "v1"): 4, ("m", "v2"): 1}) == 0
    assert catalog.downloads("m", "v1") == [Downloads("m", "v1", DAY, 4), Downloads("m", "v1", date(2026, 3, 2), 5)]
    assert catalog.top_downloads() == [("m", 10)]
    assert catalog.downloads_of(["m"], since=date(2026, 3, 2)) == {"m": 5}


def test_an_hour_is_stale_while_a_file_has_more_lines_of_it(catalog: Catalog) -> None:
    """Only new lines make it so: a file that is looked through again and has the same ones does not."""

    def stale() -> list[datetime]:
        return [each.begins for each in catalog.usage_hours(stale=True)]

    catalog.note_log_file("b", 10, {HOUR: 2})
    catalog.note_log_file("a", 10, {HOUR: 1, HOUR + timedelta(hours=1): 1})
    assert stale() == [HOUR, HOUR + timedelta(hours=1)]
    assert catalog.log_files_of(HOUR) == ["a", "b"]
    catalog.hour_rolled(HOUR, 3)
    catalog.note_log_file("b", 10, {HOUR: 2})
    assert stale() == [HOUR + timedelta(hours=1)]
    catalog.note_log_file("b", 12, {HOUR: 3})
    assert stale()[0] == HOUR
    catalog.hour_rolled(HOUR, None)
    (hour,) = catalog.usage_hours(HOUR, HOUR + timedelta(hours=1))
    assert (hour.lines, hour.stale) == (3, False)
    assert catalog.log_files() == {"a": 10, "b": 12}
