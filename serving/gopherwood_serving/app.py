"""The serving application of one worker: memory first, else a thread that asks store and catalog; then it is sent.

RSGI (granian's own interface) and no framework on the data path; Starlette makes the pages only (web.py).
`answer_from_memory` is the fast lane: synchronous, complete, without an await, so that it may run wherever a request
arrives (fastlane.py). Everything else takes the slow way through `__rsgi__`, which is right without the fast lane too.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, perf_counter
from typing import Any, TypeVar

from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import StorageError
from gopherwood.objects import Objects, open_objects
from gopherwood.store import key, open_store
from gopherwood_serving import index, misses, process, reports, sockets
from gopherwood_serving.access import MODULE_KINDS, SILENT, AccessLog, Note, note_of
from gopherwood_serving.accessfiles import open_access_log
from gopherwood_serving.answers import NEVER, PLAIN, UNCACHED, Answer, FileBody, found, impossible, text, unavailable
from gopherwood_serving.api import Api
from gopherwood_serving.backlog import BacklogGauges
from gopherwood_serving.goproxy import GoProxy
from gopherwood_serving.ledger import LedgerAnswers
from gopherwood_serving.live import STREAM, Live, standing
from gopherwood_serving.memory import Memory
from gopherwood_serving.metrics import BOUNDS, TEXT, Metrics
from gopherwood_serving.misses import Misses
from gopherwood_serving.published import LOOK_EVERY_SECONDS, News, Published
from gopherwood_serving.routes import CACHED_ONLY, STATUS, NoRouteError, Route, parse
from gopherwood_serving.send import Sent, send
from gopherwood_serving.status import Status
from gopherwood_serving.sumdb import SumDBMirror, missed_tile

log = logging.getLogger("gopherwood.serving")
T = TypeVar("T")

THREADS = 16
"""Cold requests that wait for a disk or a database at once, in one worker."""
NOTE_EVERY_SECONDS = 2.0
"""Between two batches of noted misses."""
UNKNOWN = Route("other")
FIRST_BOUND = BOUNDS[0]


class App:
    """Serves one store and catalog. Everything but the threads' work happens on one event loop."""

    def __init__(
        self,
        settings: Settings,
        objects: Objects,
        catalog: Catalog,
        *,
        worker: int = 1,
        access: AccessLog | None = None,
    ) -> None:
        self.settings = settings
        self.objects = objects
        self.catalog = catalog
        self.reports = open_objects(settings.reports_url, settings=settings)
        self.facts = open_objects(settings.facts_url, settings=settings)
        self.api = Api(catalog, objects, self.facts)
        self.goproxy = GoProxy(objects, catalog)
        self.ledger = LedgerAnswers(catalog)
        self.sumdb = SumDBMirror(objects, catalog, self.ledger)
        self.published = Published(catalog)
        self.memory = Memory(settings.serving_memory)
        self.misses = Misses()
        self.access = access
        self.log_it = access.note if access else None
        self.log_addresses = access is not None and access.addresses
        self.metrics = _metrics(worker)
        self.backlog = BacklogGauges(catalog, self.metrics)
        self.status = Status(catalog, self.reports)
        self.live = Live(lambda: self._in_thread(standing, catalog))
        self.pages: Callable[[Any], Awaitable[Answer]] | None = None
        self.draining = False
        self.generation = 0
        """Grows with each look that found something new: an answer made across one is not kept."""
        self.changes = 0
        """Grows with each look that found files damaged or healed: so much for files, which are kept for ever."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cold")
        self._tasks: list[asyncio.Task[None]] = []

    def answer_from_memory(self, scope: Any, protocol: Any) -> bool:
        """Answer a plain GET for something hot; False when the slow way has to. Never raises, never waits."""
        started = perf_counter()
        entry = self.memory.get(scope.path)
        if entry is None or scope.method != "GET":
            return False
        answer, headers = entry.answer, scope.headers
        if answer.expires < monotonic() or "range" in headers or "if-none-match" in headers:
            return False
        body = answer.body
        if not isinstance(body, bytes):
            return False
        protocol.response_bytes(answer.status, answer.headers, body)
        entry.used = True
        cell, seconds = entry.cell, perf_counter() - started
        if self.log_it is not None:
            self.log_it(
                (
                    started,
                    seconds,
                    entry.note,
                    headers.get("user-agent"),
                    headers.get("traceparent"),
                    "disable-module-fetch" in headers,
                    scope.client if self.log_addresses else "",
                )
            )
        if seconds < FIRST_BOUND:
            cell.counts[0] += 1
            cell.total += seconds
            cell.sent += len(body)
        else:
            cell.observe(seconds, len(body))
        return True

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        started = perf_counter()
        if self.answer_from_memory(scope, protocol):
            self.metrics.add("late_hits_total")
            return
        if scope.path == STREAM and scope.method == "GET":
            await self.live.stream(protocol)
            return
        self.metrics.add("in_flight")
        route, sent = UNKNOWN, Sent(0, "error", 0)
        try:
            route = _route(scope)
            answer = route.refusal or await self._answer(route, scope)
            sent = await send(answer, scope, protocol, self.objects.open, self._pool)
        except StorageError as error:
            log.error("%s: %s", scope.path, error)
            excuse = unavailable("The storage behind this repository does not answer now. Try again soon.")
            sent = await send(excuse, scope, protocol, self.objects.open, self._pool)
        finally:
            self.metrics.add("in_flight", -1)
            seconds = perf_counter() - started
            self.metrics.cell(route.kind, sent.outcome).observe(seconds, sent.bytes)
            if route.kind not in SILENT:
                self._log(started, seconds, note_of(route, scope.method, *sent), scope)

    def _log(self, started: float, seconds: float, note: Note, scope: Any) -> None:
        """Note a request for the access log, if there is one; the fast lane does the same by itself."""
        if self.log_it is not None:
            get, disabled = scope.headers.get, "disable-module-fetch" in scope.headers
            client = scope.client if self.log_addresses else ""
            self.log_it((started, seconds, note, get("user-agent"), get("traceparent"), disabled, client))

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start what runs beside the requests. SIGUSR1 says: draining, do not be ready any more."""
        loop.add_signal_handler(signal.SIGUSR1, self.drain)
        # Ctrl-C in a terminal reaches every process of the group; only the parent decides, so that it can drain first.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.call_soon(sockets.bound_unsent)  # granian listens after this call, and before the loop's first turn
        self._tasks = [loop.create_task(self._watch()), loop.create_task(self._note())]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop, after the last request."""
        for task in self._tasks:
            task.cancel()
        self.close()

    def close(self) -> None:
        """End the threads, note the last misses, close the catalog."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._write(self.misses.take())
        self.catalog.close()
        if self.access is not None:
            self.access.close()

    def drain(self) -> None:
        """Say on /readyz from now on that no new request should come here; end what would never end by itself."""
        self.draining = True
        self.live.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # They run for ever. If one does not, lists grow old: say so, and take no new requests.
        if not task.cancelled():
            log.critical("a task beside the requests has ended: draining", exc_info=task.exception())
            self.drain()

    async def _answer(self, route: Route, scope: Any) -> Answer:
        """Return the answer, from memory or made now."""
        path = scope.path
        entry = self.memory.get(path)
        if entry is not None and entry.answer.expires >= monotonic() and _is_current(entry.answer):
            entry.used = True
            return entry.answer
        before = (self.generation, self.changes)
        answer = await self._make(route, scope)
        is_fresh = before[0] == self.generation if answer.module else before[1] == self.changes
        if answer.keep and is_fresh:
            self.memory.put(path, answer, self.metrics.cell(route.kind, "hit"), _note_of_hit(route, answer))
        if answer.status == 404 and route.kind in MODULE_KINDS and "disable-module-fetch" not in scope.headers:
            self.misses.note(route)
        if route.kind == "sumdb" and (tile := missed_tile(route.path, answer)):
            self.misses.note_tile(*tile)
        return answer

    async def _make(self, route: Route, scope: Any) -> Answer:
        if route.kind in MODULE_KINDS:
            return await self._in_thread(self.goproxy.answer, route)
        if route.kind == "sumdb":
            return await self._in_thread(self.sumdb.answer, route.path)
        if route.kind == "ledger":
            return await self._in_thread(self.ledger.answer, route.path, scope.query_string)
        if route.kind == "api":
            return await self._in_thread(self.api.answer, route.path, scope.query_string)
        if route.kind == "index":
            return await self._in_thread(index.answer, self.catalog, scope.query_string)
        if route.path == STATUS:
            return await self._in_thread(self.status.answer, scope.query_string)
        if route.kind == "probe":
            return await self._probe(route.path)
        if route.kind == "report":
            return await self._in_thread(reports.answer, self.reports, route.path)
        if self.pages is None:
            from gopherwood_serving.web import Pages

            self.pages = Pages(self.catalog, self.objects, self.facts)
        return await self.pages(scope)

    async def _probe(self, path: str) -> Answer:
        if path == "/metrics":
            await self.backlog.refresh(self._in_thread)
            return found(self._scrape(), TEXT, UNCACHED, keep=False)
        if path == "/healthz":
            return found(b"ok\n", PLAIN, UNCACHED, keep=False)
        if self.draining:
            return unavailable("draining")
        try:
            problem = await self._in_thread(_readiness, self.goproxy)
        except StorageError as error:
            problem = f"{error}\n{error.hint}".rstrip()
        return unavailable(f"not ready: {problem}") if problem else found(b"ready\n", PLAIN, UNCACHED, keep=False)

    def _scrape(self) -> bytes:
        for name, value in (
            ("memory_bytes", self.memory.size),
            ("memory_entries", len(self.memory)),
            ("memory_evictions_total", self.memory.evictions),
            ("workers", self.settings.serving_workers),
            ("live_streams", self.live.streams),
            ("misses_noted_total", self.misses.noted),
            ("misses_dropped_total", self.misses.dropped),
            ("sequence", max(self.published.sequence, 0)),
            ("access_log_lines_total", self.access.written if self.access else 0),
            ("access_log_lost_total", self.access.lost if self.access else 0),
        ):
            self.metrics.set(name, value)
        return self.metrics.render() + process.render(self.metrics.worker)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def _watch(self) -> None:
        """Forget what is out of date, for ever."""
        failing = False
        while True:
            try:
                news = await self._in_thread(self.published.look)
            except StorageError as error:
                if not failing:
                    log.error("lists may be old: %s", error)
                failing = True
            else:
                failing = False
                self._forget(news)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _forget(self, news: News) -> None:
        if news.modules is None or news.modules or news.damages:
            self.generation += 1
        if news.modules is None:
            self.memory.forget_changeable()
        else:
            self.memory.forget(news.modules | {damage.path for damage in news.damages})
        for damage in news.damages:
            self.changes += 1
            if damage.version:
                name = key(damage.mv, damage.suffix)
                self.memory.drop(f"/{name}")
                self.memory.drop(f"{CACHED_ONLY}{name}")

    async def _note(self) -> None:
        while True:
            await asyncio.sleep(NOTE_EVERY_SECONDS)
            if self.access is not None:
                self.access.bound()
            await self._in_thread(self._write, self.misses.take())

    def _write(self, taken: set[tuple[str, str]]) -> None:
        try:
            misses.write(self.catalog, taken)
        except StorageError as error:
            log.error("requests for modules were not noted: %s", error)


def create_app(settings: Settings, worker: int = 1) -> App:
    """Open store, catalog and access log, and build the application on them; what a worker process calls."""
    access = open_access_log(settings)
    return App(settings, open_store(settings), Catalog.open(settings), worker=worker, access=access)


def _route(scope: Any) -> Route:
    """Return what is asked for; one that can never be answered carries its refusal."""
    if scope.method not in ("GET", "HEAD"):
        return Route("other", refusal=text(405, "only GET and HEAD are answered here", NEVER, ("allow", "GET, HEAD")))
    try:
        return parse(scope.path)
    except NoRouteError as error:
        return Route("other", refusal=impossible(str(error)))


def _is_current(answer: Answer) -> bool:
    """Tell whether the file behind an answer in memory, if it has one, is still the one that was looked at."""
    return not isinstance(answer.body, FileBody) or answer.body.is_current()


def _note_of_hit(route: Route, answer: Answer) -> Note:
    """Return what the access log says of a plain GET that is answered from memory."""
    return note_of(route, "GET", answer.status, "hit", answer.size)


def _metrics(worker: int) -> Metrics:
    metrics = Metrics(worker)
    metrics.declare("in_flight", "gauge", "Requests on the slow way now.")
    metrics.declare("late_hits_total", "counter", "Answers from memory that the fast lane missed.")
    metrics.declare("memory_bytes", "gauge", "Bytes of answers in memory.")
    metrics.declare("memory_entries", "gauge", "Answers in memory.")
    metrics.declare("memory_evictions_total", "counter", "Answers dropped from memory to make room.")
    metrics.declare("live_streams", "gauge", "Clients of the live page's events.")
    metrics.declare("misses_noted_total", "counter", "Requests for what is not held, noted for ingestion.")
    metrics.declare("misses_dropped_total", "counter", "Requests for what is not held that were too many to note.")
    metrics.declare("workers", "gauge", "Workers of this server: a scrape meets one of them.")
    metrics.declare("sequence", "gauge", "Sequence number of the newest publish that lists in memory know of.")
    metrics.declare("access_log_lines_total", "counter", "Lines of the access log that were written.")
    metrics.declare("access_log_lost_total", "counter", "Lines of the access log that were lost, unwritten.")
    return metrics


def _readiness(goproxy: GoProxy) -> str:
    """Return why store and catalog cannot serve now, "" when they can: the newest published version must be there."""
    last = goproxy.catalog.counter("published")
    newest = goproxy.catalog.published_since(limit=1, after=last - 1) if last else []
    return "".join(f"{entry.path}@{entry.version} is not in the store" for entry in newest if not goproxy.holds(entry))
