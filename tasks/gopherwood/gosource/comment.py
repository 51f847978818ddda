"""Doc comments as HTML: paragraphs, headings, lists, code, links, and nothing else that an author could put in.

Everything is escaped first, so what comes out holds only tags that are written here. Links lead to names of the same
package, to packages by their import path, and to addresses of the web that an author spelled out.

Authority: https://go.dev/doc/comment; go/doc/comment/parse.go.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape

Target = Callable[[str, str], str]
"""Returns where a doc link leads, given a package ("" for this one) and a name ("" for the package); "" for nowhere."""

LONGEST = 128 << 10
"""Characters of a comment that are rendered."""

_HEADING = re.compile(r"#[ \t](?P<text>.*\S)")
_OLD_HEADING = re.compile(r"[^\W\d_a-z][^;:!?+*/=\[\]{}_^°&§~%#@<\">\\.\n]*[^\s,.]")
_DEFINITION = re.compile(r"\[(?P<text>[^\]\n]+)\]:[ \t]+(?P<url>\S+)[ \t]*")
_MARKER = re.compile(r"[ \t]*(?:(?P<bullet>[-*+•])|(?P<number>[0-9]+)[.)])[ \t]+(?P<text>.*)")
_URL = r"(?:https?|ftp)://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]"
_NAME = r"\*?(?:(?P<pkg>[\w.~/-]+)\.)?(?P<name>[A-Z]\w*(?:\.[A-Z]\w*)?)|(?P<path>[\w.~-]+(?:/[\w.~-]+)+)"
_INLINE = re.compile(rf"\[(?P<link>(?:{_NAME}))\](?!\()|\[(?P<defined>[^\[\]\n]+)\]|(?P<url>{_URL})|``|''")
_SCHEMES = ("http://", "https://", "ftp://", "mailto:")


def html(text: str, target: Target = lambda _package, _name: "") -> str:
    """Return a comment as HTML; `target` says where its doc links lead."""
    lines = text[:LONGEST].expandtabs(4).split("\n")
    definitions = {m["text"]: m["url"] for line in lines if (m := _DEFINITION.fullmatch(line)) and _is_safe(m["url"])}
    kept = [line for line in lines if _DEFINITION.fullmatch(line) is None]
    return "".join(_Renderer(target, definitions).blocks(kept))


def _is_safe(url: str) -> bool:
    return url.lower().startswith(_SCHEMES)


def _spans(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield runs of lines that are all indented or all not; blank lines end a run, but for those within code."""
    span: list[str] = []
    blank = False
    for line in lines:
        if not line.strip():
            blank = True
            continue
        indented = line.startswith(" ")
        if span and (indented != span[0].startswith(" ") or (blank and not indented)):
            yield span
            span = []
        if span and blank:
            span.append("")
        span.append(line)
        blank = False
    if span:
        yield span


class _Renderer:
    def __init__(self, target: Target, definitions: dict[str, str]) -> None:
        self._target = target
        self._definitions = definitions

    def blocks(self, lines: Sequence[str]) -> Iterator[str]:
        """Yield each block of a comment as HTML."""
        spans = list(_spans(lines))
        for at, span in enumerate(spans):
            first = span[0]
            if first.startswith(" "):
                yield self._list(span) if _MARKER.match(first) else self._code(span)
            elif len(span) == 1 and (heading := _HEADING.fullmatch(first)):
                yield f"<h4>{self.inline(heading['text'])}</h4>"
            elif at and len(span) == 1 and spans[at + 1 : at + 2] and _OLD_HEADING.fullmatch(first):
                is_text = not spans[at + 1][0].startswith(" ")
                yield f"<h4>{escape(first)}</h4>" if is_text else f"<p>{self.inline(first)}</p>"
            else:
                yield f"<p>{self.inline(' '.join(span))}</p>"

    def _code(self, span: Sequence[str]) -> str:
        indent = min(len(line) - len(line.lstrip()) for line in span if line)
        return f"<pre>{escape(chr(10).join(line[indent:] for line in span))}</pre>"

    def _list(self, span: Sequence[str]) -> str:
        items: list[list[str]] = []
        for line in span:
            if marker := _MARKER.match(line):
                items.append([marker["text"]])
            elif line.strip():
                items[-1].append(line.strip())
        first = _MARKER.match(span[0])
        tag = "ol" if first and first["number"] else "ul"
        return f"<{tag}>{''.join(f'<li>{self.inline(chr(32).join(item))}</li>' for item in items)}</{tag}>"

    def inline(self, text: str) -> str:
        """Return a line of text with its links and quotes."""
        made, end = [], 0
        for match in _INLINE.finditer(text):
            made += [escape(text[end : match.start()]), self._piece(match)]
            end = match.end()
        return "".join([*made, escape(text[end:])])

    def _piece(self, match: re.Match[str]) -> str:
        whole = match[0]
        if whole in ("``", "''"):
            return "“" if whole == "``" else "”"
        if match["url"]:
            return f'<a rel="nofollow" href="{escape(whole)}">{escape(whole)}</a>'
        inner = match["link"] or match["defined"]
        if inner in self._definitions:
            return f'<a rel="nofollow" href="{escape(self._definitions[inner])}">{escape(inner)}</a>'
        if match["link"]:
            package, name = match["path"] or match["pkg"] or "", match["name"] or ""
            if package[:1].isupper() and "/" not in package:  # a method: T.M
                package, name = "", f"{package}.{name}"
            url = self._target(package, name)
            return f'<a href="{escape(url)}">{escape(inner)}</a>' if url else escape(inner)
        return escape(whole)
