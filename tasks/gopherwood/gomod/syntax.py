"""The syntax of go.mod files: lines of tokens, blocks of lines, and the comments that belong to them.

A token is an identifier (a run of printable characters), a quoted string or one of `()[]{},`. A line whose last token
is `(` opens a block, which a line that starts with `)` closes; blocks do not nest. A comment on a line of its own
belongs to the line below it, unless an empty line stands between; a comment after tokens belongs to its line.

Authority: golang.org/x/mod/modfile, read.go, from which every oddity here is taken: a string may run over a line's end
behind a backslash, an empty line in a block is an empty comment, `//` ends an identifier and `/*` is an error.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gopherwood import gotext, runes
from gopherwood.errors import InvalidGoModError

MAX_PROBLEMS: Final = 10
"""Problems collected before the rest of a file is given up."""

# Atomic groups throughout: no backtracking, so that a hostile file costs time and memory in proportion to its size.
_TOKEN = re.compile(
    r"""[ \t\r]*+ (?:
          ( // [^\n]*+ \n? )
        | ( \n (?> [ \t\r]*+ \n )*+ )
        | ( [()\[\]{},] | " (?> [^"\\\n]++ | \\. )*+ " | ` [^`\n]*+ ` )
        | ( (?!["`]) (?> [^\x00-\x20\x7f()\[\]{},/]++ | /(?![/*]) )++ )
        | ( \Z )
    )""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT, _NEWLINE, _FIXED, _IDENTIFIER, _EOF = range(1, 6)
_STRING_START = re.compile(r'"(?>[^"\\\n]++|\\.)*+|`[^`\n]*+', re.DOTALL)


class Problem(NamedTuple):
    """One thing wrong with a file, and where: line and column count from 1, the column in characters."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Write it as Go does, which leaves out column 1."""
        column = f":{self.column}" if self.column > 1 else ""
        return f"{self.file}:{self.line}{column}: {self.message}"


class SyntaxProblemsError(InvalidGoModError):
    """A go.mod that does not parse; every problem found, with its position, is in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")
        self.problems = tuple(problems)


class Block(NamedTuple):
    """The head of a block: the tokens before its parenthesis, its place, and the span of the comments above it."""

    tokens: list[str]
    number: int
    start: int
    before: tuple[int, int] | None


class Line(NamedTuple):
    """A line of tokens, in a block or not; `before` is the span of the comments above, `suffix` the one behind."""

    tokens: list[str]
    number: int
    start: int
    before: tuple[int, int] | None
    suffix: str
    block: Block | None


class Source:
    """The text of one file, with its name, for positions in errors."""

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.text = gotext.from_bytes(data)

    def problem(self, number: int, at: int, message: str) -> Problem:
        """Describe a problem at an offset on a line."""
        return Problem(self.file, number, at - self.text.rfind("\n", 0, at), message)

    def error(self, number: int, at: int, message: str) -> SyntaxProblemsError:
        """Make the error of a file that cannot be read further than this offset."""
        return SyntaxProblemsError([self.problem(number, at, message)])

    def comments(self, span: tuple[int, int] | None) -> list[str]:
        """Read the comments of a span, which holds nothing else but empty lines, without their slashes."""
        if span is None:
            return []
        rows = map(gotext.trim_space, self.text[slice(*span)].split("\n"))
        return [gotext.trim_space(row.removeprefix("//")) for row in rows if row]


class _Row(NamedTuple):
    """A line as lexed: its tokens, the line number and offset of the first one, its comment."""

    tokens: list[str]
    number: int
    start: int
    comment: str


def parse_syntax(source: Source) -> Iterator[Line | Block]:
    """Parse a file into lines; each block's head comes before its lines. Raises SyntaxProblemsError at a mistake."""
    rows = _rows(source)
    comments: int | None = None
    for row in rows:
        tokens = row.tokens
        if not tokens:
            comments = (row.start if comments is None else comments) if row.comment else None
            continue
        before = None if comments is None else (comments, row.start)
        comments = None
        if len(tokens) > 1 and tokens[-1] == "(":
            block = Block(tokens[:-1], row.number, row.start, before)
            yield block
            yield from _parse_block(source, block, rows)
        elif len(tokens) > 2 and tokens[-1] == ")" and tokens[-2] == "(":
            yield Block(tokens[:-2], row.number, row.start, before)
        else:
            yield Line(tokens, row.number, row.start, before, row.comment, None)


def _parse_block(source: Source, block: Block, rows: Iterator[_Row]) -> Iterator[Line]:
    comments: int | None = None
    seen = False
    for row in rows:
        tokens = row.tokens
        if not tokens:
            # An empty line counts as an empty comment, but not at the start of the block.
            if comments is None and (row.comment or seen):
                comments = row.start
        elif tokens[0] != ")":
            before = None if comments is None else (comments, row.start)
            yield Line(tokens, row.number, row.start, before, row.comment, block)
            comments, seen = None, True
        elif len(tokens) == 1:
            return
        else:
            second = _TOKEN.match(source.text, row.start + 1)
            at = second.end() if second else row.start
            raise source.error(row.number, at, "syntax error (expected newline after closing paren)")
    started = source.problem(block.number, block.start, "")
    message = f"syntax error (unterminated block started at {source.file}:{started.line}:{started.column})"
    raise source.error(source.text.count("\n") + 1, len(source.text), message)


def _rows(source: Source) -> Iterator[_Row]:
    """Gather tokens into lines; a line without tokens has a comment or is empty."""
    tokens: list[str] = []
    first = start = 0
    for kind, token, at, number in _tokens(source):
        if kind in (_FIXED, _IDENTIFIER):
            if not tokens:
                first, start = number, at
            tokens.append(token)
            continue
        if kind == _COMMENT:
            comment = token.removesuffix("\n").removesuffix("\r")
            yield _Row(tokens, first, start, comment) if tokens else _Row([], number, at, comment)
        elif tokens:
            yield _Row(tokens, first, start, "")
        if kind == _NEWLINE and (not tokens or len(token) > 1):
            yield _Row([], number, at, "")
        tokens = []


def _tokens(source: Source) -> Iterator[tuple[int, str, int, int]]:
    """Lex the file into (kind, text, offset, line number)."""
    text = source.text
    match = _TOKEN.match
    at, number = 0, 1
    while found := match(text, at):
        kind = found.lastindex or 0
        token = found[kind]
        start, at = found.span(kind)
        if kind == _IDENTIFIER and not token.isascii():
            token = token[: _printable(token)]
            at = start + len(token)
            if not token:
                break
        yield kind, token, start, number
        if kind == _EOF:
            return
        number += token.count("\n")
    raise _lex_error(source, number, at)


def _printable(token: str) -> int:
    """Count the leading characters that an identifier may hold."""
    for at, char in enumerate(token):
        if not gotext.is_print(char) or char in gotext.SPACE:
            return at
    return len(token)


def _lex_error(source: Source, number: int, at: int) -> SyntaxProblemsError:
    """Say why no token starts at the offset."""
    text = source.text
    while text[at : at + 1] in (" ", "\t", "\r"):
        at += 1
    if text.startswith("/*", at):
        return source.error(number, at, "mod files must use // comments (not /* */ comments)")
    opened = _STRING_START.match(text, at)
    if opened is None:
        return source.error(number, at, f"unexpected input character {runes.quote_rune(text[at])}")
    end = opened.end()
    if text[end : end + 1] == "\n":
        return source.error(number + opened.group().count("\n"), end, "unexpected newline in string")
    return source.error(number, at, "unexpected EOF in string")


def module_path(data: bytes) -> str:
    """Find the module path in a go.mod that may be broken elsewhere; "" when there is none."""
    for raw in data.split(b"\n"):
        line = gotext.trim_space(gotext.from_bytes(raw.partition(b"//")[0]))
        if not line.startswith("module"):
            continue
        rest = line.removeprefix("module")
        path = gotext.trim_space(rest)
        if not path or path == rest:
            continue
        if path[0] not in '"`':
            return path
        try:
            return gotext.unquote(path)
        except ValueError:
            return ""
    return ""
