"""What the statements of a go.mod mean: from lines of tokens to a `ModFile`.

Each directive has a function of its own, in the table `_DIRECTIVES`. A directive that is wrong is recorded as a problem
and the rest is read on, so that one error names them all.

Authority: golang.org/x/mod/modfile, rule.go.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from gopherwood import gotext, module, runes
from gopherwood.errors import InvalidVersionError
from gopherwood.gomod.syntax import MAX_PROBLEMS, Line, Problem, Source, SyntaxProblemsError, parse_syntax
from gopherwood.gomod.values import Exclude, Godebug, ModFile, ModuleLine, Replace, Require, Retract
from gopherwood.module import ModuleVersion

_GO_VERSION = re.compile(r"[1-9][0-9]*\.(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?([a-z]+[0-9]+)?")
_LAX_GO_VERSION = re.compile(r"v?([1-9][0-9]*\.(?:0|[1-9][0-9]*))[^0-9].*")
_TOOLCHAIN = re.compile(r"default|go1|go1\..*", re.DOTALL)
_DEPRECATED = re.compile(r"(?:\A|\n\n)Deprecated: *(.*?)(?:\Z|\n\n)", re.DOTALL)
_DRIVE = re.compile("[A-Za-z]:")
_ROOTED: Final = ("./", ".\\", "../", "..\\", "/", "\\")

_IN_DEPENDENCIES: Final = frozenset({"go", "module", "retract", "require", "ignore"})
"""Directives that count in a module that is not the main one."""
_IN_BLOCKS: Final = frozenset({"module", "godebug", "require", "exclude", "replace", "retract", "tool", "ignore"})


class _DirectiveError(Exception):
    """A directive that is wrong: its message goes into a Problem."""


class _Builder:
    """Collects what the directives of one file say."""

    def __init__(self, source: Source, *, lax: bool) -> None:
        self.source = source
        self.lax = lax
        self.module: ModuleLine | None = None
        self.go: str | None = None
        self.toolchain: str | None = None
        self.godebug: list[Godebug] = []
        self.require: list[Require] = []
        self.exclude: list[Exclude] = []
        self.replace: list[Replace] = []
        self.retract: list[Retract] = []
        self.tool: list[str] = []
        self.ignore: list[str] = []

    def build(self) -> ModFile:
        """Freeze what was collected."""
        return ModFile(
            module=self.module,
            go=self.go or "",
            toolchain=self.toolchain or "",
            godebug=tuple(self.godebug),
            require=tuple(self.require),
            exclude=tuple(self.exclude),
            replace=tuple(self.replace),
            retract=tuple(self.retract),
            tool=tuple(self.tool),
            ignore=tuple(self.ignore),
        )


_Directive: TypeAlias = Callable[[_Builder, Line, list[str]], None]


def parse(file: str, data: bytes, *, lax: bool = False) -> ModFile:
    """Read a go.mod; `file` is its name in errors, `lax` reads it as a dependency's.

    Raises SyntaxProblemsError (an InvalidGoModError) with the position of each problem.
    """
    source = Source(file, data)
    builder = _Builder(source, lax=lax)
    problems = list(islice(_problems(builder), MAX_PROBLEMS))
    if problems:
        raise SyntaxProblemsError(problems)
    return builder.build()


def _problems(builder: _Builder) -> Iterator[Problem]:
    """Take in all statements, yielding what is wrong with them."""
    source = builder.source
    for statement in parse_syntax(source):
        if isinstance(statement, Line):
            wrong = _add(builder, statement)
        elif not builder.lax and (len(statement.tokens) > 1 or statement.tokens[0] not in _IN_BLOCKS):
            wrong = f"unknown block type: {' '.join(statement.tokens)}"
        else:
            wrong = ""
        if wrong:
            yield source.problem(statement.number, statement.start, wrong)


def _add(builder: _Builder, line: Line) -> str:
    """Take in one directive; return what is wrong with it."""
    if line.block is None:
        verb, *args = line.tokens
    else:
        verb, args = line.block.tokens[0], line.tokens
        if len(line.block.tokens) > 1 or verb not in _IN_BLOCKS:  # the block's head was refused or skipped
            return ""
    if builder.lax and verb not in _IN_DEPENDENCIES:
        return ""
    if (directive := _DIRECTIVES.get(verb)) is None:
        return f"unknown directive: {verb}"
    try:
        directive(builder, line, args)
    except _DirectiveError as error:
        return str(error)
    return ""


def _go(builder: _Builder, line: Line, args: list[str]) -> None:
    if builder.go is not None:
        raise _DirectiveError("repeated go statement")
    if len(args) != 1:
        raise _DirectiveError("go directive expects exactly one argument")
    version = args[0]
    if not _GO_VERSION.fullmatch(version):
        fixed = _LAX_GO_VERSION.fullmatch(version) if builder.lax else None
        if fixed is None:
            raise _DirectiveError(f"invalid go version '{version}': must match format 1.23.0")
        version = fixed[1]
    builder.go = version


def _toolchain(builder: _Builder, line: Line, args: list[str]) -> None:
    if builder.toolchain is not None:
        raise _DirectiveError("repeated toolchain statement")
    if len(args) != 1:
        raise _DirectiveError("toolchain directive expects exactly one argument")
    if not _TOOLCHAIN.fullmatch(args[0]):
        raise _DirectiveError(f"invalid toolchain version '{args[0]}': must match format go1.23.0 or default")
    builder.toolchain = args[0]


def _module(builder: _Builder, line: Line, args: list[str]) -> None:
    if builder.module is not None:
        raise _DirectiveError("repeated module statement")
    deprecated = _DEPRECATED.search(_directive_comment(builder.source, line))
    reason = deprecated[1] if deprecated else ""
    builder.module = ModuleLine("", reason, line.number)
    if len(args) != 1:
        raise _DirectiveError("usage: module module/path")
    builder.module = ModuleLine(_string(args[0]), reason, line.number)


def _godebug(builder: _Builder, line: Line, args: list[str]) -> None:
    if len(args) != 1 or any(char in args[0] for char in "\"`',") or "=" not in args[0]:
        raise _DirectiveError("usage: godebug key=value")
    key, _, value = args[0].partition("=")
    builder.godebug.append(Godebug(key, value, line.number))


def _require(builder: _Builder, line: Line, args: list[str]) -> None:
    suffix = gotext.fields(line.suffix.removeprefix("//")) if line.suffix else []
    indirect = suffix == ["indirect"] or (len(suffix) > 1 and suffix[0] == "indirect;")
    builder.require.append(Require(_module_version("require", args), indirect, line.number))


def _exclude(builder: _Builder, line: Line, args: list[str]) -> None:
    builder.exclude.append(Exclude(_module_version("exclude", args), line.number))


def _module_version(verb: str, args: list[str]) -> ModuleVersion:
    if len(args) != 2:
        raise _DirectiveError(f"usage: {verb} module/path v1.2.3")
    path = _string(args[0])
    version = _version(verb, path, args[1])
    _, path_major, ok = module.split_path_version(path)
    if not ok:
        raise _DirectiveError("invalid module path")
    _check_path_major(verb, path, version, path_major)
    return ModuleVersion(path, version)


def _check_path_major(verb: str, path: str, version: str, path_major: str) -> None:
    try:
        module.check_path_major(version, path_major)
    except InvalidVersionError as error:
        raise _DirectiveError(f"{verb} {path}: {error}") from None


def _replace(builder: _Builder, line: Line, args: list[str]) -> None:
    arrow = 1 if len(args) >= 2 and args[1] == "=>" else 2
    if not arrow + 2 <= len(args) <= arrow + 3 or args[arrow] != "=>":
        raise _DirectiveError(
            "usage: replace module/path [v1.2.3] => other/module v1.4\n"
            "\t or replace module/path [v1.2.3] => ../local/directory"
        )
    path = _string(args[0])
    _, path_major, ok = module.split_path_version(path)
    if not ok:
        raise _DirectiveError(f"replace {path}: invalid module path")
    version = ""
    if arrow == 2:
        version = _version("replace", path, args[1])
        _check_path_major("replace", path, version, path_major)
    new = _replacement(args[arrow + 1 :])
    builder.replace.append(Replace(ModuleVersion(path, version), new, line.number))


def _replacement(args: list[str]) -> ModuleVersion:
    path = _string(args[0])
    if len(args) == 2:
        version = _version("replace", path, args[1])
        if is_directory_path(path):
            raise _DirectiveError(f"replacement module directory path {runes.quote(path)} cannot have version")
        return ModuleVersion(path, version)
    if not is_directory_path(path):
        if "@" in path:
            raise _DirectiveError("replacement module must match format 'path version', not 'path@version'")
        raise _DirectiveError(
            "replacement module without version must be directory path (rooted or starting with . or ..)"
        )
    if "\\" in path:
        raise _DirectiveError("replacement directory appears to be Windows path (on a non-windows system)")
    return ModuleVersion(path, "")


def is_directory_path(path: str) -> bool:
    """Report whether a replacement is a folder, in any system's notation, and not a module path."""
    return path in (".", "..") or path.startswith(_ROOTED) or _DRIVE.match(path) is not None


def _retract(builder: _Builder, line: Line, args: list[str]) -> None:
    try:
        low, high, rest = _interval(args)
    except _DirectiveError:
        if builder.lax:  # a dependency may use forms of a later Go
            return
        raise
    if rest and not builder.lax:
        raise _DirectiveError(f"unexpected token after version: {runes.quote(rest[0])}")
    builder.retract.append(Retract(low, high, _directive_comment(builder.source, line), line.number))


def _interval(args: list[str]) -> tuple[str, str, list[str]]:
    """Read `v1` or `[v1, v2]`; the third value is what follows it. Versions need not be canonical here."""
    if not args or args[0] == "(":
        raise _DirectiveError("expected '[' or version")
    if args[0] != "[":
        version = _any_version(args[0])
        return version, version, args[1:]
    if len(args) < 2:
        raise _DirectiveError("expected version after '['")
    low = _any_version(args[1])
    if args[2:3] != [","]:
        raise _DirectiveError("expected ',' after version")
    if len(args) < 4:
        raise _DirectiveError("expected version after ','")
    high = _any_version(args[3])
    if args[4:5] != ["]"]:
        raise _DirectiveError("expected ']' after version")
    return low, high, args[5:]


def _tool(builder: _Builder, line: Line, args: list[str]) -> None:
    if len(args) != 1:
        raise _DirectiveError("tool directive expects exactly one argument")
    builder.tool.append(_string(args[0]))


def _ignore(builder: _Builder, line: Line, args: list[str]) -> None:
    if len(args) != 1:
        raise _DirectiveError("ignore directive expects exactly one argument")
    builder.ignore.append(_string(args[0]))


def _string(token: str) -> str:
    try:
        return _unquoted(token)
    except ValueError as error:
        raise _DirectiveError(f"invalid quoted string: {error}") from None


def _unquoted(token: str) -> str:
    if token.startswith('"'):
        return gotext.unquote(token)
    if '"' in token or "'" in token or "`" in token:
        # Other quotes are kept free for later, and 'x' must not be read as a literal x in quotation marks.
        raise ValueError("unquoted string cannot contain quote")
    return token


def _version(verb: str, path: str, token: str) -> str:
    try:
        version = _unquoted(token)
    except ValueError as error:
        raise _bad_version(f"{verb} {path}", token, str(error)) from None
    canonical = module.canonical_version(version)
    if not canonical:
        raise _bad_version(f"{verb} {path}", version, "must be of the form v1.2.3")
    return canonical


def _any_version(token: str) -> str:
    try:
        return _unquoted(token)
    except ValueError as error:
        raise _bad_version("retract", token, str(error)) from None


def _bad_version(where: str, version: str, why: str) -> _DirectiveError:
    return _DirectiveError(f"{where.rstrip()}: version {runes.quote(version)} invalid: {why}")


def _directive_comment(source: Source, line: Line) -> str:
    """Join the comments of a line; one in a block that has none of its own gets the block's."""
    if line.block is not None and line.before is None and not line.suffix:
        return "\n".join(source.comments(line.block.before))
    suffix = [gotext.trim_space(line.suffix.removeprefix("//"))] if line.suffix else []
    return "\n".join(source.comments(line.before) + suffix)


_DIRECTIVES: Final[dict[str, _Directive]] = {
    "go": _go,
    "toolchain": _toolchain,
    "module": _module,
    "godebug": _godebug,
    "require": _require,
    "exclude": _exclude,
    "replace": _replace,
    "retract": _retract,
    "tool": _tool,
    "ignore": _ignore,
}
