"""One file of Go, parsed: its package clause, imports, comments and top-level declarations.

By tree-sitter's grammar of Go, which reads what it can of a broken file and is linear in its size; `broken` says that
there was something that it could not read. Only the top level is walked, and what declarations list in braces.

Authority: https://go.dev/ref/spec; go/ast, CommentGroup.Text and isDirective for what a comment says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tree_sitter import Language, Node, Parser
from tree_sitter_go import language

LONGEST_TEXT = 32 << 10
"""Characters of a declaration that are kept."""
LONGEST_DOC = 128 << 10
"""Characters of a comment that are kept."""

_DIRECTIVE = re.compile(r"line |extern |export |[a-z0-9]+:[a-z0-9]")
_BLANKS = re.compile(r"\n{3,}")


class NotGoError(Exception):
    """A file whose package clause cannot be read."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A top-level declaration: its node, and the comment that stands right above it."""

    node: Node
    doc: str

    @property
    def line(self) -> int:
        """The line it begins on, from 1."""
        return int(self.node.start_point[0]) + 1


@dataclass(frozen=True, slots=True)
class GoFile:
    """A file of Go."""

    name: str
    """Its path in the module."""
    source: bytes
    package: str
    doc: str
    """The comment right above the package clause."""
    imports: tuple[str, ...]
    declarations: tuple[Raw, ...]
    broken: bool

    def text(self, node: Node) -> str:
        """Return the source of a node."""
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    @property
    def is_test(self) -> bool:
        """Whether it is compiled into tests only."""
        return self.name.endswith("_test.go")


def parse(name: str, source: bytes) -> GoFile:
    """Parse a file; raises NotGoError when it has no package clause."""
    root = _parser().parse(source.removeprefix(b"\xef\xbb\xbf")).root_node
    reader = _Reader(source.removeprefix(b"\xef\xbb\xbf"))
    for node in root.children:
        reader.take(node)
    if not reader.package:
        raise NotGoError(f"{name}: there is no package clause")
    return GoFile(
        name,
        reader.source,
        reader.package,
        reader.doc,
        tuple(dict.fromkeys(reader.imports)),
        tuple(reader.declarations),
        bool(root.has_error),
    )


class _Reader:
    """Walks the top level of a file, remembering the comments that have just been passed."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.package = self.doc = ""
        self.imports: list[str] = []
        self.declarations: list[Raw] = []
        self._comments: list[Node] = []

    def take(self, node: Node) -> None:
        """Look at the next child of the root."""
        if node.type == "comment":
            if self._comments and node.start_point[0] > self._comments[-1].end_point[0] + 1:
                self._comments.clear()
            self._comments.append(node)
            return
        above, self._comments = self._comments, []
        doc = comment_text(self.source, above) if above and above[-1].end_point[0] + 1 == node.start_point[0] else ""
        if node.type == "package_clause":
            self.package = next((self._text(child) for child in node.named_children), "")
            self.doc = doc
        elif node.type == "import_declaration":
            self.imports += filter(None, map(self._import, _specs(node)))
        elif node.type.endswith("_declaration"):
            self.declarations.append(Raw(node, doc))

    def _import(self, spec: Node) -> str:
        path = spec.child_by_field_name("path")
        return "" if path is None else self._text(path).strip('"`')

    def _text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _specs(node: Node) -> Iterator[Node]:
    for child in node.named_children:
        if child.type == "import_spec":
            yield child
        elif child.type == "import_spec_list":
            yield from _specs(child)


def comment_text(source: bytes, comments: list[Node]) -> str:
    """Return what a group of comments says: without markers, directives and spare blank lines."""
    lines: list[str] = []
    for node in comments:
        text = source[node.start_byte : node.end_byte].decode("utf-8", "replace").replace("\r", "")
        if text.startswith("/*"):
            lines += text[2:].removesuffix("*/").split("\n")
        elif _DIRECTIVE.match(text, 2) is None:
            lines.append(text[2:].removeprefix(" "))
    joined = "\n".join(line.rstrip() for line in lines).strip("\n")
    return _BLANKS.sub("\n\n", joined)[:LONGEST_DOC]


@cache
def _parser() -> Parser:
    return Parser(Language(language()))
