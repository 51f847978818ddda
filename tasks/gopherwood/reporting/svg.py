"""Plots as SVG: lines over time or over percentiles, with marks where something happened.

No script and no style of its own: colours are classes of style.css, so a plot follows the reader's light or dark. What
a plot shows in lines its page should say in a table too, for those who cannot see it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 14, 40
COLOURS = 6
"""Lines of a plot that can be told apart."""
Point = tuple[float, float | None]
"""x and y; a y of None is a gap in the line."""


def plain(value: float) -> str:
    """Return a number as people write it: three digits that count, and no more zeros than needed."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{float(text):g}" if "e" in text else text


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: what it is, its unit included, its scale, and how its numbers are written."""

    label: str
    scale: Literal["linear", "log", "percentile"] = "linear"
    """`percentile` takes places (`percentile_place`) and writes percentiles."""
    write: Callable[[float], str] = plain
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One series of points, in the order of x."""

    name: str
    points: Sequence[Point]
    colour: int | None = None
    """0 to 5; default: the next."""
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the x axis, or a span when it has an end; `mark` colours it."""

    at: float
    text: str
    until: float | None = None
    mark: str = "warn"


def percentile_place(percentile: float) -> float:
    """Return where a percentile below 100 stands on its axis: each nine more is one step, as HdrHistogram plots it."""
    return math.log10(100 / (100 - percentile))


def chart(
    title: str, lines: Sequence[Line], *, x: Axis, y: Axis, marks: Sequence[Mark] = (), height: int = HEIGHT
) -> str:
    """Return a figure: the plot with its legend."""
    across = _Scale(x, [point[0] for line in lines for point in line.points], LEFT, WIDTH - RIGHT)
    values = [value for line in lines for _, value in line.points if value is not None]
    up = _Scale(y, [*values, *([0.0] if y.scale == "linear" and y.low is None else [])], height - BOTTOM, TOP)
    body = [*_grid(across, up, height), *(_mark(mark, across, height) for mark in marks)]
    names = []
    for number, line in enumerate(lines):
        colour = (number if line.colour is None else line.colour) % COLOURS
        kind = f"line c{colour}{' dotted' if line.dotted else ''}"
        body += [f'<polyline class="{kind}" points="{part}"/>' for part in _parts(line.points, across, up)]
        names.append(f'<li><span class="swatch c{colour}"></span>{escape(line.name)}</li>')
    svg = (
        f'<div class="scroll"><svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(body)}</svg></div>'
    )
    legend = f'<ul class="legend">{"".join(names)}</ul>' if len(lines) > 1 else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}{legend}</figure>\n"


class _Scale:
    """From values to places in the picture, and the ticks between."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        known = [value for value in values if axis.scale != "log" or value > 0] or [1.0]
        low = min(known) if axis.low is None else axis.low
        high = max(known) if axis.high is None else axis.high
        self.axis, self._start, self._end = axis, start, end
        if axis.scale == "log":
            self.ticks = _decades(low, high)
            low, high = min(low, self.ticks[0]), max(high, self.ticks[-1])
            self._low, self._span = math.log10(low), math.log10(high / low) or 1.0
        elif axis.scale == "percentile":
            self.ticks = [float(step) for step in range(math.floor(high) + 1)]
            self._low, self._span = 0.0, high or 1.0
        else:
            self.ticks = _steps(low, high)
            high = max(high, self.ticks[-1])
            self._low, self._span = low, (high - low) or 1.0

    def place(self, value: float) -> float:
        """Return where a value stands; one beyond an end of the axis, as is 0 on a logarithmic one, at that end."""
        known = math.log10(max(value, 1e-9)) if self.axis.scale == "log" else value
        part = min(max((known - self._low) / self._span, 0.0), 1.0)
        return self._start + part * (self._end - self._start)

    def text(self, tick: float) -> str:
        """Return what is written at a tick."""
        if self.axis.scale == "percentile":
            return f"{100 - 100 / 10**tick:.10g}"
        return self.axis.write(tick)


def _grid(across: _Scale, up: _Scale, height: int) -> Iterator[str]:
    bottom = height - BOTTOM
    for tick in up.ticks:
        at = up.place(tick)
        yield f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>'
        yield f'<text class="tick end" x="{LEFT - 6}" y="{at + 4:.1f}">{escape(up.text(tick))}</text>'
    for tick in across.ticks:
        at = across.place(tick)
        yield f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}"/>'
        yield f'<text class="tick mid" x="{at:.1f}" y="{bottom + 16}">{escape(across.text(tick))}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text class="label mid" x="{middle:.1f}" y="{height - 6}">{escape(across.axis.label)}</text>'
    centre = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 14 {centre:.1f})"'
    yield f'<text class="label mid" x="14" y="{centre:.1f}" {turned}>{escape(up.axis.label)}</text>'


def _mark(mark: Mark, across: _Scale, height: int) -> str:
    at, bottom = across.place(mark.at), height - BOTTOM
    at = min(max(at, LEFT), WIDTH - RIGHT)
    end = at if mark.until is None else min(max(across.place(mark.until), at), WIDTH - RIGHT)
    side, shift = ("end", -4) if at > WIDTH * 0.75 else ("", 4)
    return (
        f'<g class="mark {escape(mark.mark)}"><title>{escape(mark.text)}</title>'
        f'<rect x="{at:.1f}" y="{TOP}" width="{max(end - at, 1.5):.1f}" height="{bottom - TOP}"/>'
        f'<text class="{side}" x="{at + shift:.1f}" y="{TOP + 11}">{escape(mark.text)}</text></g>'
    )


def _parts(points: Sequence[Point], across: _Scale, up: _Scale) -> Iterator[str]:
    """Yield the pieces of a line between its gaps; a piece of one point is drawn as a short dash."""
    part: list[str] = []
    for x, y in [*points, (0.0, None)]:
        if y is not None:
            part.append(f"{across.place(x):.1f},{up.place(y):.1f}")
            continue
        if len(part) == 1:
            left, _, top = part[0].partition(",")
            part.append(f"{float(left) + 1:.1f},{top}")
        if part:
            yield " ".join(part)
        part = []


def _steps(low: float, high: float) -> list[float]:
    """Return five or so round numbers from `low` on, the last at or above `high`."""
    span = (high - low) or 1.0
    size = 10 ** math.floor(math.log10(span / 5))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 6)
    first = math.ceil(low / step - 1e-9)
    return [round((first + number) * step, 12) for number in range(math.ceil(high / step - 1e-9) - first + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return the powers of ten from below `low` to above `high`; 2 and 5 between where there are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    return [tick for tick in ticks if tick <= 10.0**last * 1.001]
