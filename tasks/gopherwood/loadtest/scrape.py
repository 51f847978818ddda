"""What serving says of itself at /metrics: requests that it answered, processor time, memory.

A scrape meets one worker of several (and one pod of several, behind a Service): each is asked on a new connection till
every worker has been met. Serving tells how many workers it has; with more than one pod, name each pod's own address
(`--metrics`, repeated). A worker that was restarted between two looks counts from nothing again, which shows as another
start time. Authority: prometheus.io/docs/instrumenting/exposition_formats.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gopherwood.config import Settings
from gopherwood.errors import GopherwoodError, UpstreamError
from gopherwood.http import Client

LIMIT = 4 << 20
TRIES = 40
"""Connections tried for each worker before those that were never met are given up."""
_SAMPLE = re.compile(r"^([a-z_]+)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'([a-z]+)="([^"]*)"')
_PREFIX = "gopherwood_serving_"


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker at one moment."""

    requests: Counter[str]
    """By class; without probes."""
    errors: int
    """Of them: that failed for a reason of the server's own."""
    cpu_seconds: float
    memory_bytes: int
    started: float
    workers: int
    """How many its server has."""


@dataclass(frozen=True, slots=True)
class Look:
    """All workers at about one moment, by server and worker."""

    workers: dict[tuple[str, str], Worker] = field(default_factory=dict)

    @property
    def requests(self) -> Counter[str]:
        """Requests answered by all of them since they started, by class."""
        return sum((each.requests for each in self.workers.values()), Counter())

    @property
    def errors(self) -> int:
        """Requests that failed for a reason of the server's own."""
        return sum(each.errors for each in self.workers.values())

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all of them."""
        return sum(each.cpu_seconds for each in self.workers.values())

    @property
    def memory_bytes(self) -> int:
        """Resident memory of all of them."""
        return sum(each.memory_bytes for each in self.workers.values())

    def is_same(self, other: "Look") -> bool:
        """Tell whether both are of the same processes."""
        return {key: each.started for key, each in self.workers.items()} == {
            key: each.started for key, each in other.workers.items()
        }


class Serving:
    """The servers whose metrics are read."""

    def __init__(self, settings: Settings, urls: Sequence[str]) -> None:
        self._settings, self._urls = settings, urls

    def look(self) -> Look:
        """Meet every worker of every server; raises UpstreamError when one cannot be met, or tells too little."""
        found: dict[tuple[str, str], Worker] = {}
        for url in self._urls:
            met: dict[str, Worker] = {}
            for _ in range(TRIES):
                met.update([self._ask(url)])
                if len(met) >= next(iter(met.values())).workers:
                    break
            else:
                raise UpstreamError(f"{url}: only {len(met)} workers answered in {TRIES} scrapes")
            found |= {(url, worker): each for worker, each in met.items()}
        return Look(found)

    def glance(self) -> dict[tuple[str, str], Worker]:
        """Meet one worker of each server that answers now."""
        found = {}
        for url in self._urls:
            try:
                worker, each = self._ask(url)
            except GopherwoodError:
                continue
            found[url, worker] = each
        return found

    def _ask(self, url: str) -> tuple[str, Worker]:
        with Client(self._settings, tries=1) as client:  # a connection of its own: it may meet another worker
            return parse(client.get(url, limit=LIMIT).body.decode(), url)


def parse(text: str, url: str) -> tuple[str, Worker]:
    """Return the number of a worker and what its scrape says; raises UpstreamError for a scrape of nobody of ours."""
    requests: Counter[str] = Counter()
    errors, worker, values = 0, "", dict[str, float]()
    for name, labels, value in _SAMPLE.findall(text):
        of = dict(_LABEL.findall(labels))
        worker = of.get("worker", worker)
        if name == f"{_PREFIX}request_seconds_count" and of.get("route") != "probe":
            requests[of["route"]] += int(value)
            errors += int(value) if of["outcome"] == "error" else 0
        elif name.startswith("process_") or name == f"{_PREFIX}workers":
            values[name] = float(value)
    try:
        return worker, Worker(
            requests,
            errors,
            values["process_cpu_seconds_total"],
            int(values.get("process_resident_memory_bytes", 0)),
            values["process_start_time_seconds"],
            int(values[f"{_PREFIX}workers"]),
        )
    except KeyError as error:
        raise UpstreamError(f"{url} is no /metrics of serving: it has no {error}") from None


@dataclass(slots=True)
class Sample:
    """Serving at one moment of a run."""

    at: float
    """Seconds since the begin of looking, or of the run."""
    cpu: float | None
    """Cores in use since the last sample; None for the first."""
    memory_bytes: int


class Sampler:
    """Looks at serving once a second in a thread of its own, as a context manager."""

    def __init__(self, serving: Serving, every: float = 1.0) -> None:
        self._serving, self._every = serving, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._last: dict[tuple[str, str], tuple[float, Worker]] = {}
        self._rates: dict[tuple[str, str], float] = {}
        self.samples: list[Sample] = []
        self.started = time.monotonic()

    def __enter__(self) -> "Sampler":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        for _ in self._ticks():
            for key, each in self._serving.glance().items():
                at, (before_at, before) = time.monotonic(), self._last.get(key, (0.0, each))
                if before_at and before.started == each.started and at > before_at:
                    self._rates[key] = (each.cpu_seconds - before.cpu_seconds) / (at - before_at)
                self._last[key] = at, each
            if self._last:
                memory = sum(each.memory_bytes for _, each in self._last.values())
                cpu = sum(self._rates.values()) if self._rates else None
                self.samples.append(Sample(time.monotonic() - self.started, cpu, memory))

    def _ticks(self) -> Iterator[int]:
        number = 0
        while not self._stop.is_set():
            yield number
            number += 1
            self._stop.wait(max(self.started + number * self._every - time.monotonic(), 0.01))
