"""Crash sweeps say how many system calls they struck; a full one (GOPHERWOOD_CRASH_SWEEP=full) may take its time."""

from collections import Counter
from collections.abc import Callable

import pytest

from fakes import strace

STRUCK = "system calls struck"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a full sweep take its time: it strikes hundreds of times in one test."""
    if strace.FULL:
        for item in items:
            item.add_marker(pytest.mark.timeout(7200))


@pytest.fixture
def struck(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """Give a way to say how many system calls a test has struck; the sum is printed at the end."""
    return lambda count: record_property(STRUCK, count)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many system calls were struck, test by test."""
    counts: Counter[str] = Counter()
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        counts[report.nodeid.rpartition("/")[2].partition("[")[0]] += dict(report.user_properties).get(STRUCK, 0)
    for name, count in sorted((+counts).items()):
        terminalreporter.write_line(f"{name}: struck at {count} system calls")
