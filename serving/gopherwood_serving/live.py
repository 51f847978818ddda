"""What happens now, pushed to whoever looks: the events behind the page /status/live.

One question to the catalog every few seconds, and only while somebody looks; all who look share its answer. At most
MOST_STREAMS do in one worker, each for LONGEST_SECONDS before its browser comes again, and one that does not read is
let go. So a wall of screens costs serving one query and some hundred bytes each. Streams are no requests like others:
they are in no histogram and no access log, and end at once when the worker drains.
Authority: html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from gopherwood.catalog import Catalog
from gopherwood.errors import StorageError
from gopherwood.scaling import Rule, workers
from gopherwood.states import State
from gopherwood_serving.answers import UNCACHED, unavailable

STREAM = "/status/live/events"
EVERY_SECONDS = 2.0
"""Between two questions."""
MOST_STREAMS = 32
LONGEST_SECONDS = 300.0
PATIENCE = 10.0
"""Seconds that a client may take to read one event."""
REMEMBERED = 150
"""Samples that a newcomer is given: five minutes."""
NEWEST = 8
HEADERS = [
    ("content-type", "text/event-stream"),
    ("cache-control", UNCACHED),
    ("x-accel-buffering", "no"),  # nginx would hold events back
]


class Live:
    """The streams of one worker. All but the asking happens on the event loop."""

    def __init__(self, ask: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self.streams = 0
        self._ask = ask
        self._history: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._sampler: asyncio.Task[None] | None = None
        self._next: asyncio.Future[bytes] | None = None
        self._closed = False

    async def stream(self, protocol: Any) -> None:
        """Send events till the client goes, its time is over, or the worker drains."""
        if self._closed or self.streams >= MOST_STREAMS:
            full = unavailable("As many people look as may. Try again soon.")
            protocol.response_bytes(full.status, full.headers, full.body)
            return
        self.streams += 1
        gone = asyncio.ensure_future(_gone(protocol))
        try:
            await self._send_all(protocol.response_stream(200, HEADERS), gone)
        except (ProtocolClosed, TimeoutError):
            pass
        finally:
            gone.cancel()
            self.streams -= 1
            if not self.streams and self._sampler is not None:
                self._sampler.cancel()
                self._sampler = None

    def close(self) -> None:
        """End all streams: their browsers come again, to another worker."""
        self._closed = True
        self._tell(b"")

    async def _send_all(self, transport: Any, gone: asyncio.Future[None]) -> None:
        end = monotonic() + LONGEST_SECONDS
        if self._sampler is None:
            self._history.clear()  # nobody looked: what it has is of another time
            self._sampler = asyncio.get_running_loop().create_task(self._sample())
        await transport.send_bytes(b"retry: 3000\n" + _event(list(self._history), "history"))
        while not self._closed and monotonic() < end:
            told = self._next_event()
            either: set[asyncio.Future[Any]] = {told, gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return
            await asyncio.wait_for(transport.send_bytes(told.result()), PATIENCE)

    async def _sample(self) -> None:
        while True:
            try:
                sample = await self._ask()
            except StorageError:
                self._tell(_event({}, "away"))
            else:
                self._history.append(sample)
                self._tell(_event(sample, "message"))
            await asyncio.sleep(EVERY_SECONDS)

    def _next_event(self) -> asyncio.Future[bytes]:
        self._next = self._next or asyncio.get_running_loop().create_future()
        return self._next

    def _tell(self, event: bytes) -> None:
        told, self._next = self._next, None
        if told is not None and not told.done():
            told.set_result(event)


def standing(catalog: Catalog) -> dict[str, Any]:
    """Return the platform's numbers now. Raises StorageError."""
    counts, backlog, now = catalog.counts(), catalog.backlog(), catalog.clock()
    newest = catalog.recent([State.PUBLISHED], limit=NEWEST)
    return {
        "at": now.isoformat(timespec="seconds"),
        "published": counts[State.PUBLISHED],
        "due": backlog.due,
        "in_work": backlog.held,
        "oldest_seconds": round(backlog.oldest.total_seconds()),
        "workers": workers(backlog, Rule()),
        "states": {state.value: count for state, count in counts.items()},
        "damaged": len(catalog.open_damages()),
        "newest": [str(row.mv) for row in newest],
    }


def _event(data: Any, kind: str) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def _gone(protocol: Any) -> None:
    await protocol.client_disconnect()
