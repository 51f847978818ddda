"""The page of a report: one HTML file that needs no other, made of figures, tables and plots.

Its style is in it, so it may be mailed, kept with a release, or opened from a disk; serving allows that style by its
hash. There is no script: what unfolds is `<details>`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from html import escape
from pathlib import Path
from typing import Any

from gopherwood.reporting.values import Head

STYLE = Path(__file__).with_name("style.css").read_text()
_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>{style}</style>
<title>{title}</title>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table that has a mark, or leads somewhere."""

    text: str
    mark: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that matters, in large."""

    label: str
    value: str
    note: str = ""
    mark: str = ""


class Page:
    """A page that grows from top to bottom."""

    def __init__(self, head: Head, title: str) -> None:
        self._head = head
        self._title = title
        self._parts: list[str] = []

    def figures(self, figures: Sequence[Figure]) -> None:
        """Add numbers that matter."""
        cards = "".join(
            f'<li><div class="name">{escape(each.label)}</div><div class="value {each.mark}">{escape(each.value)}</div>'
            f'<div class="soft">{escape(each.note)}</div></li>'
            for each in figures
        )
        self._parts.append(f'<ul class="cards">{cards}</ul>\n')

    def section(self, title: str, says: str = "") -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(title)}</h2>\n" + (f"<p>{escape(says)}</p>\n" if says else ""))

    def text(self, text: str, mark: str = "") -> None:
        """Add a paragraph."""
        self._parts.append(f'<p class="{mark}">{escape(text)}</p>\n')

    def plot(self, figure: str) -> None:
        """Add what `chart` made."""
        self._parts.append(figure)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | Cell]],
        *,
        numbers: frozenset[int] | set[int] = frozenset(),
        folded: str = "",
    ) -> None:
        """Add a table; `numbers` are the columns that are one, and `folded` is what to unfold it by."""
        made = table(columns, rows, numbers=numbers)
        self._parts.append(f"<details><summary>{escape(folded)}</summary>{made}</details>\n" if folded else made)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Add names and what they are."""
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_text(value))}</dd>" for name, value in facts.items())
        self._parts.append(f'<dl class="facts">{rows}</dl>\n')

    def html(self) -> str:
        """Return the page, which ends with where the test ran."""
        head = self._head
        seconds = (head.finished - head.started).total_seconds()
        lead = f'<span class="verdict {head.mark}">{escape(head.verdict)}</span> {escape(head.reason or head.headline)}'
        started = f"{head.started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        front = (
            f'<header><p><a href="../../index.html">Reports</a></p>\n<h1>{escape(self._title)}</h1>\n'
            f'<p class="lead">{lead}</p>\n<p class="soft">{started}, {seconds:,.0f} s; '
            f'the same as data: <a href="report.json">report.json</a></p></header>\n'
        )
        self.section("Where it ran")
        self.facts(head.environment)
        return frame(self._title, front + "".join(self._parts))


def frame(title: str, body: str) -> str:
    """Return a whole page with this body, which is HTML."""
    return _FRAME.format(style=STYLE, title=escape(title), body=body)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Cell]], *, numbers: frozenset[int] | set[int] = frozenset()
) -> str:
    """Return a table as HTML."""
    kinds = ["number" if number in numbers else "" for number in range(len(columns))]
    heads = "".join(f'<th class="{kind}">{escape(name)}</th>' for name, kind in zip(columns, kinds, strict=True))
    lines = "".join(
        f"<tr>{''.join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True))}</tr>\n" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n<tbody>{lines}</tbody></table></div>\n'


def _cell(cell: str | Cell, kind: str) -> str:
    if isinstance(cell, str):
        cell = Cell(cell)
    text = escape(cell.text)
    if cell.link:
        text = f'<a href="{escape(cell.link)}">{text}</a>'
    return f'<td class="{f"{kind} {cell.mark}".strip()}">{text}</td>'


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    return str(value)
