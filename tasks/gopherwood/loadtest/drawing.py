"""How a report shows requests: percentiles, a timeline, classes, failures, what serving used; and the same as data."""

import io
from typing import Any

from gopherwood.loadtest.generators import Observed
from gopherwood.loadtest.measure import ALL, Class, Measured, Second
from gopherwood.loadtest.validity import counted_between
from gopherwood.reporting import Axis, Figure, Line, Page, chart, percentile_place

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)
SHOWN = (50.0, 90.0, 99.0, 99.9)
"""Percentiles of the tables."""
POINTS = 300
"""Points of a line at most: a longer timeline is shown in larger steps."""


def data(observed: Observed, duration: float) -> dict[str, Any]:
    """Return what report.json says of requests: times in milliseconds, memory in bytes."""
    measured = observed.measured
    return {
        "requests": {
            "intended": measured.intended,
            "on_time": measured.on_time,
            "answered": measured.answered,
            "failed": measured.failed,
            "lost": measured.lost,
            "bodies_checked": measured.checked,
            "duration_seconds": duration,
        },
        "classes": {kind: _class(each) for kind, each in sorted(measured.classes.items())},
        "failures": dict(measured.faults.most_common()),
        "generator": {
            "cpu_seconds": round(measured.cpu_seconds, 3),
            "seconds": round(measured.seconds, 3),
            "late_ms": _percentiles(measured.lateness),
        },
        "serving": _serving(observed),
        "timeline": [
            {
                "second": number,
                "intended": each.intended,
                "begun": each.begun,
                "failed": each.failed,
                "p50_ms": _millis(each.percentile(50)),
                "p99_ms": _millis(each.percentile(99)),
                "max_ms": _millis(max(each.latencies, default=None)),
            }
            for number, each in enumerate(measured.timeline)
        ],
    }


def draw(page: Page, observed: Observed, duration: float) -> None:
    """Add the sections of requests to a page."""
    measured = observed.measured
    of_all = measured.of(ALL)
    page.figures(
        [
            Figure(
                "requests",
                f"{measured.intended:,}",
                f"{measured.intended / max(duration, 1e-9):,.1f} a second intended",
            ),
            Figure("p50", _text(of_all.percentile(50)), "from the intended start"),
            Figure("p99", _text(of_all.percentile(99)), f"p99.9 {_text(of_all.percentile(99.9))}"),
            Figure("failed", f"{measured.failed:,}", f"{measured.checked:,} bodies checked", _mark(measured.failed)),
            Figure("serving", _cores(observed), f"memory {_memory(observed)}"),
            Figure(
                "generator",
                f"{_share(measured):.0%} of a core",
                f"{measured.on_time / max(measured.intended, 1):.2%} on time",
            ),
        ]
    )
    page.section(
        "Latency", "From the intended start of each request to its last byte: what a slow answer kept waiting counts."
    )
    page.plot(_curves(measured))
    _classes(page, measured)
    page.section("Over time", "By the second in which requests were intended.")
    for figure in _timeline(observed):
        page.plot(figure)
    _seconds(page, measured)
    page.section("Failures")
    if measured.faults:
        rows = [(fault, f"{count:,}") for fault, count in measured.faults.most_common()]
        page.table(("what", "requests"), rows, numbers={1})
    else:
        page.text("None: every answer had the status and the bytes that it should have.", "good")


def hgrm(histogram: Any) -> bytes:
    """Return the percentiles of a histogram in the text form of HdrHistogram, in milliseconds."""
    text = io.BytesIO()
    histogram.output_percentile_distribution(text, 1000.0)
    return text.getvalue()


def _curves(measured: Measured) -> str:
    shown = [kind for kind, each in sorted(measured.classes.items(), key=lambda each: -each[1].count) if kind != ALL][
        :4
    ]
    lines = [
        Line(kind, _curve(measured.of(kind)), colour=number, dotted=False) for number, kind in enumerate([ALL, *shown])
    ]
    lines.append(Line("all, from when they were really sent", _points(measured.service), colour=5, dotted=True))
    return chart(
        "Latency by percentile",
        lines,
        x=Axis("percentile", "percentile"),
        y=Axis("milliseconds", "log"),
        height=320,
    )


def _curve(of_class: Class) -> list[tuple[float, float | None]]:
    return _points(of_class.latency)


def _points(histogram: Any) -> list[tuple[float, float | None]]:
    """Return as many points of the curve as there are requests to tell of."""
    total = histogram.get_total_count()
    if not total:
        return [(0.0, None)]
    end = percentile_place(100 - 100 / (total + 1))
    places = [step * end / 60 for step in range(61)]
    return [(place, histogram.get_value_at_percentile(100 - 100 / 10**place) / 1000) for place in places]


def _classes(page: Page, measured: Measured) -> None:
    columns = ["class", "requests", "failed", *(f"p{each:g}" for each in SHOWN), "max", "MB"]
    rows = [
        [
            kind,
            f"{each.count:,}",
            f"{each.failed:,}",
            *(_text(each.percentile(percentile)) for percentile in SHOWN),
            _text(each.latency.get_max_value() / 1e6),
            f"{each.bytes / 1e6:,.1f}",
        ]
        for kind, each in sorted(measured.classes.items(), key=lambda each: -each[1].count)
    ]
    page.table(columns, rows, numbers=set(range(1, len(columns))))


def _timeline(observed: Observed) -> list[str]:
    measured, step = observed.measured, max(1, len(observed.measured.timeline) // POINTS)
    merged = [_merge(measured.timeline[at : at + step]) for at in range(0, len(measured.timeline), step)]
    times = [float(number * step) for number in range(len(merged))]
    seconds = Axis("seconds", low=0.0, high=float(max(len(measured.timeline), 1)))
    arrivals = chart(
        "Requests a second",
        [
            Line("intended", [(at, each.intended / step) for at, each in zip(times, merged, strict=True)], colour=5),
            Line("begun on time", [(at, each.begun / step) for at, each in zip(times, merged, strict=True)], colour=0),
            Line("failed", [(at, each.failed / step) for at, each in zip(times, merged, strict=True)], colour=4),
        ],
        x=seconds,
        y=Axis("requests/s"),
        height=220,
    )
    latency = chart(
        "Latency",
        [
            Line(
                name,
                [(at, _millis(each.percentile(of))) for at, each in zip(times, merged, strict=True)],
                colour=colour,
            )
            for name, of, colour in (("p50", 50, 2), ("p90", 90, 1), ("longest", 100, 4))
        ],
        x=seconds,
        y=Axis("milliseconds", "log"),
        height=220,
    )
    return [arrivals, latency, *_costs(observed, seconds)]


def _merge(seconds: list[Second]) -> Second:
    merged = Second()
    for each in seconds:
        merged.intended += each.intended
        merged.begun += each.begun
        merged.failed += each.failed
        merged.latencies += each.latencies
    return merged


def _costs(observed: Observed, seconds: Axis) -> list[str]:
    samples = observed.samples
    if len(samples) < 2:
        return []
    cpu = Line("processor", [(each.at, each.cpu) for each in samples])
    memory = Line("memory", [(each.at, each.memory_bytes / 1e6) for each in samples], colour=3)
    return [
        chart("Processor of serving", [cpu], x=seconds, y=Axis("cores"), height=180),
        chart("Memory of serving", [memory], x=seconds, y=Axis("MB, resident"), height=180),
    ]


def _seconds(page: Page, measured: Measured) -> None:
    rows = [
        [
            str(number),
            f"{each.intended:,}",
            f"{each.begun:,}",
            f"{each.failed:,}",
            *(_text(each.percentile(percentile)) for percentile in (50, 90, 100)),
        ]
        for number, each in enumerate(measured.timeline[:POINTS])
    ]
    columns = ("second", "intended", "on time", "failed", "p50", "p90", "longest")
    page.table(columns, rows, numbers=set(range(7)), folded="The same in numbers")


def _serving(observed: Observed) -> dict[str, Any]:
    before, after = observed.before, observed.after
    return {
        "requests": dict(counted_between(before, after)),
        "workers": len(after.workers),
        "cpu_seconds": round(after.cpu_seconds - before.cpu_seconds, 3),
        "memory_bytes_before": before.memory_bytes,
        "memory_bytes_most": max((each.memory_bytes for each in observed.samples), default=after.memory_bytes),
        "samples": [
            {"second": round(each.at, 2), "cores": each.cpu, "memory_bytes": each.memory_bytes}
            for each in observed.samples
        ],
    }


def _class(of_class: Class) -> dict[str, Any]:
    return {
        "count": of_class.count,
        "failed": of_class.failed,
        "bytes": of_class.bytes,
        "latency_ms": _percentiles(of_class.latency),
    }


def _percentiles(histogram: Any) -> dict[str, float]:
    if not histogram.get_total_count():
        return {}
    found = {f"p{each:g}": histogram.get_value_at_percentile(each) / 1000 for each in PERCENTILES}
    return found | {"max": histogram.get_max_value() / 1000, "mean": round(histogram.get_mean_value() / 1000, 3)}


def _millis(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _text(seconds: float | None) -> str:
    """Return a time as people write it."""
    if seconds is None:
        return ""
    if seconds >= 1:
        return f"{seconds:,.2f} s"
    return f"{seconds * 1000:.3g} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} µs"


def _mark(failed: int) -> str:
    return "stop" if failed else "good"


def _share(measured: Measured) -> float:
    return measured.cpu_seconds / measured.seconds if measured.seconds else 0.0


def _cores(observed: Observed) -> str:
    used = observed.after.cpu_seconds - observed.before.cpu_seconds
    return f"{used / max(observed.measured.seconds, 1e-9):.0%} of a core"


def _memory(observed: Observed) -> str:
    most = max((each.memory_bytes for each in observed.samples), default=observed.after.memory_bytes)
    return f"{observed.before.memory_bytes / 1e6:,.0f} to {most / 1e6:,.0f} MB"
