"""What waits for workers, as gauges of `/metrics`: the signal that workers are scaled by (gopherwood/scaling.py).

It is the catalog's, and the same from every replica; serving shows it because serving is always there to be scraped. A
scrape asks for it anew, and waits a moment for it, but never for a catalog that does not answer: then it is NaN.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import nan

from gopherwood.catalog import Catalog
from gopherwood.errors import StorageError
from gopherwood.scaling import Rule, workers
from gopherwood_serving.metrics import Metrics

PATIENCE = 1.0
"""Seconds that a scrape waits."""
GAUGES = {
    "queue_due": "Module versions that may be leased right now.",
    "queue_held": "Module versions that workers hold.",
    "queue_oldest_seconds": "How long the oldest of those due has been due.",
    "queue_workers": "Workers that the queue is worth by the default rule.",
}
Values = tuple[float, ...]
UNKNOWN: Values = (nan,) * len(GAUGES)


class BacklogGauges:
    """The gauges, and the one question that is under way. All but the asking happens on the event loop."""

    def __init__(self, catalog: Catalog, metrics: Metrics) -> None:
        self._catalog = catalog
        self._metrics = metrics
        self._asked: asyncio.Future[Values] | None = None
        for name, says in GAUGES.items():
            metrics.declare(name, "gauge", says)

    async def refresh(self, in_thread: Callable[[Callable[[], Values]], Awaitable[Values]]) -> None:
        """Set the gauges to what the catalog says now, if it says so in time."""
        self._asked = self._asked or asyncio.ensure_future(in_thread(self._ask))
        done, _ = await asyncio.wait({self._asked}, timeout=PATIENCE)
        values = UNKNOWN
        if done and self._asked is not None:
            values, self._asked = self._asked.result(), None
        for name, value in zip(GAUGES, values, strict=True):
            self._metrics.set(name, value)

    def _ask(self) -> Values:
        try:
            backlog = self._catalog.backlog()
        except StorageError:
            return UNKNOWN
        return backlog.due, backlog.held, backlog.oldest.total_seconds(), workers(backlog, Rule())
