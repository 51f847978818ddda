"""Runnable examples in the tests of a package: what they are for, their code, and what they print.

Authority: go/doc (example.go) of the Go standard library; https://go.dev/blog/examples.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from textwrap import dedent

from tree_sitter import Node

from gopherwood.gosource.declarations import field_text
from gopherwood.gosource.parse import LONGEST_TEXT, GoFile, comment_text

_OUTPUT = re.compile(r"^[ \t]*(?:unordered )?output:", re.IGNORECASE)
_EXAMPLE = re.compile(r"Example(?:_?[^a-z].*|_.*)?")


@dataclass(frozen=True, slots=True)
class Example:
    """A runnable example; `of` is what it is for: "" (the package), F, T or T.M."""

    of: str
    suffix: str
    doc: str
    code: str
    output: str


def examples_of(file: GoFile, known: Collection[str]) -> Iterator[Example]:
    """Yield the examples of a file that are for something known: a name, T.M, or "" for the package."""
    for raw in file.declarations:
        name, body = field_text(file, raw.node, "name"), raw.node.child_by_field_name("body")
        if raw.node.type != "function_declaration" or body is None or _EXAMPLE.fullmatch(name) is None:
            continue
        for of, suffix in _splits(name.removeprefix("Example")):
            if of in known:
                yield Example(of, suffix, raw.doc, *_body(file, body))
                break


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield what an example may be for, with its suffix: T_M_second is T.M_second, or the one called second of T.M.

    The longest name comes first; a suffix begins with a lower-case letter.
    """
    at = len(name)
    while at >= 0:
        suffix = name[at + 1 :]
        if at == len(name) or suffix[:1].islower():
            yield name[:at].replace("_", ".", 1), suffix
        at = name.rfind("_", 0, at)


def _body(file: GoFile, body: Node) -> tuple[str, str]:
    inner = file.source[body.start_byte + 1 : body.end_byte - 1].decode("utf-8", "replace").strip("\n")
    comments = [child for child in body.named_children if child.type == "comment"]
    last: list[Node] = []
    for comment in comments:
        last = [*last, comment] if last and comment.start_point[0] == last[-1].end_point[0] + 1 else [comment]
    said = comment_text(file.source, last) if last else ""
    match = _OUTPUT.match(said)
    if match is None:
        return dedent(inner).strip()[:LONGEST_TEXT], ""
    code = file.source[body.start_byte + 1 : last[0].start_byte].decode("utf-8", "replace").strip("\n")
    return dedent(code).strip()[:LONGEST_TEXT], said[match.end() :].strip()[:LONGEST_TEXT]
