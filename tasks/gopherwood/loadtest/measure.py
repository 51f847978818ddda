"""What a generator measures: latency from the intended start, by class of request, and what became of each arrival.

A generator that waits for a slow answer before it asks again measures only what it asked (coordinated omission: five
seconds of silence are one slow request of a hundred). So every arrival has an intended start, fixed before the run, and
its latency counts from there, whether or not the generator or the server could begin then. What the generator itself
was late is kept beside it: that is what makes a run invalid (validity.py). Histograms: hdrhistogram.org, in
microseconds, three digits that count.
"""

import base64
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from hdrh.histogram import HdrHistogram

HIGHEST = 600_000_000
"""Microseconds that a histogram tells apart; what is slower counts as this."""
LATE_SECONDS = 0.1
"""An arrival that began later than this after its intended start was not on time."""
ALL = "all"
"""The class of all requests together."""


def histogram() -> Any:
    """Return an empty histogram of microseconds."""
    return HdrHistogram(1, HIGHEST, 3)


@dataclass(slots=True)
class Class:
    """The requests of one class."""

    latency: Any = field(default_factory=histogram)
    """From the intended start."""
    count: int = 0
    """Requests that the server answered."""
    failed: int = 0
    """Of all: without an answer, with another than was to be expected, or with wrong bytes."""
    bytes: int = 0

    def percentile(self, percentile: float) -> float:
        """Return a latency in seconds; 0 when there was none."""
        return float(self.latency.get_value_at_percentile(percentile)) / 1e6


@dataclass(slots=True)
class Second:
    """The arrivals that were intended within one second."""

    intended: int = 0
    begun: int = 0
    """Of those: on time."""
    failed: int = 0
    latencies: "array[float]" = field(default_factory=lambda: array("f"))
    """Seconds."""

    def percentile(self, percentile: float) -> float | None:
        """Return a latency in seconds, None when nothing came back."""
        if not self.latencies:
            return None
        found = sorted(self.latencies)
        return found[min(len(found) - 1, int(len(found) * percentile / 100))]


@dataclass(slots=True)
class Measured:
    """All that one generator saw. Filled by one thread."""

    intended: int = 0
    """Arrivals that there should have been."""
    begun: int = 0
    """Arrivals that began, on time or not."""
    on_time: int = 0
    answered: int = 0
    """Arrivals that the server answered, whatever it said: what its own count is compared with."""
    failed: int = 0
    checked: int = 0
    """Bodies whose bytes were compared with their ETag, and with what came before."""
    seconds: float = 0.0
    """From the first intended start to the last outcome."""
    cpu_seconds: float = 0.0
    """Of the generator, meanwhile."""
    began_at: float = 0.0
    """When the first start was intended, by the system's monotonic clock, which all processes share."""
    classes: dict[str, Class] = field(default_factory=dict)
    service: Any = field(default_factory=histogram)
    """Latency from when a request was really begun: what a closed loop would have seen."""
    lateness: Any = field(default_factory=histogram)
    """How late arrivals began."""
    faults: Counter[str] = field(default_factory=Counter)
    """What failed, by class and kind of failure."""
    timeline: list[Second] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Arrivals of which nothing is known."""
        return self.intended - self.answered - self.unanswered

    @property
    def unanswered(self) -> int:
        """Arrivals that failed without an answer."""
        return sum(count for fault, count in self.faults.items() if fault.endswith(UNANSWERED))

    def of(self, kind: str) -> Class:
        """Return where a class is counted."""
        return self.classes.setdefault(kind, Class())

    def second(self, at: float) -> Second:
        """Return where arrivals intended at `at` seconds are counted."""
        while len(self.timeline) <= int(at):
            self.timeline.append(Second())
        return self.timeline[int(at)]

    def expect(self, at: float) -> None:
        """Note that an arrival is intended at `at` seconds."""
        self.intended += 1
        self.second(at).intended += 1

    def begin(self, at: float, late: float) -> None:
        """Note that the arrival intended at `at` seconds began `late` seconds after that."""
        self.begun += 1
        self.lateness.record_value(_micros(late))
        if late <= LATE_SECONDS:
            self.on_time += 1
            self.second(at).begun += 1

    def end(self, kind: str, at: float, late: float, took: float, size: int, fault: str = "") -> None:
        """Note an answer: the class, the intended start, how late it began, and seconds and bytes from there."""
        self.answered += 1
        second = self.second(at)
        second.latencies.append(late + took)
        self.service.record_value(_micros(took))
        for each in (self.of(kind), self.of(ALL)):
            each.count += 1
            each.bytes += size
            each.latency.record_value(_micros(late + took))
        if fault:
            self._fail(kind, second, fault)

    def give_up(self, kind: str, at: float, late: float, took: float, why: str) -> None:
        """Note an arrival that was not answered. It took that long all the same: its client waited."""
        second = self.second(at)
        second.latencies.append(late + took)
        for each in (self.of(kind), self.of(ALL)):
            each.latency.record_value(_micros(late + took))
        self._fail(kind, second, f"{why}{UNANSWERED}")

    def _fail(self, kind: str, second: Second, fault: str) -> None:
        self.failed += 1
        second.failed += 1
        self.faults[f"{kind}: {fault}"] += 1
        for each in (self.of(kind), self.of(ALL)):
            each.failed += 1

    def data(self) -> dict[str, Any]:
        """Return it in a form that JSON can carry from process to process."""
        plain = ("intended", "begun", "on_time", "answered", "failed", "checked", "seconds", "cpu_seconds", "began_at")
        return {name: getattr(self, name) for name in plain} | {
            "classes": {
                kind: {"latency": pack(each.latency), "count": each.count, "failed": each.failed, "bytes": each.bytes}
                for kind, each in self.classes.items()
            },
            "service": pack(self.service),
            "lateness": pack(self.lateness),
            "faults": dict(self.faults),
            "timeline": [
                [each.intended, each.begun, each.failed, base64.b64encode(each.latencies.tobytes()).decode()]
                for each in self.timeline
            ],
        }

    @classmethod
    def of_data(cls, data: dict[str, Any]) -> Self:
        """Return what `data` was made of."""
        packed = ("classes", "service", "lateness", "faults", "timeline")
        return cls(
            **{name: value for name, value in data.items() if name not in packed},
            classes={
                kind: Class(unpack(each["latency"]), each["count"], each["failed"], each["bytes"])
                for kind, each in data["classes"].items()
            },
            service=unpack(data["service"]),
            lateness=unpack(data["lateness"]),
            faults=Counter(data["faults"]),
            timeline=[
                Second(intended, begun, failed, array("f", base64.b64decode(latencies)))
                for intended, begun, failed, latencies in data["timeline"]
            ],
        )


UNANSWERED = " (no answer)"
"""How a fault ends that came without an answer."""


class Stopwatch:
    """Wall clock and processor time of this process from now on."""

    def __init__(self) -> None:
        self.started, self._cpu = time.perf_counter(), time.process_time()

    def stop(self, measured: Measured) -> None:
        """Note what has passed."""
        measured.seconds = time.perf_counter() - self.started
        measured.cpu_seconds = time.process_time() - self._cpu


def pack(values: Any) -> str:
    """Return a histogram as text: its own compressed form."""
    return str(values.encode().decode())


def unpack(text: str) -> Any:
    """Return the histogram that a text is."""
    return HdrHistogram.decode(text)


def _micros(seconds: float) -> int:
    return max(1, min(HIGHEST, round(seconds * 1e6)))
