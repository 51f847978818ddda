"""What a go.mod says, as values: one class for each directive that says more than a word.

Every value carries the line it stands on, for reports. Made by `directives.parse`; the closure loader, validation and
pages read them.

Authority: golang.org/x/mod/modfile, rule.go, type File.
"""

from dataclasses import dataclass

from gopherwood.module import ModuleVersion


@dataclass(frozen=True, slots=True)
class ModuleLine:
    """The module's path, and why it is deprecated ("" when it is not)."""

    path: str
    deprecated: str
    line: int


@dataclass(frozen=True, slots=True)
class Godebug:
    """A `godebug key=value`."""

    key: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Require:
    """A requirement; `indirect` tells whether it carries the comment `// indirect`."""

    mv: ModuleVersion
    indirect: bool
    line: int


@dataclass(frozen=True, slots=True)
class Exclude:
    """A version that the main module refuses to use."""

    mv: ModuleVersion
    line: int


@dataclass(frozen=True, slots=True)
class Replace:
    """What the main module uses in place of another; without a version, old means every one and new a folder."""

    old: ModuleVersion
    new: ModuleVersion
    line: int


@dataclass(frozen=True, slots=True)
class Retract:
    """Versions from low to high, both included, that the author takes back, and why."""

    low: str
    high: str
    rationale: str
    line: int


@dataclass(frozen=True, slots=True)
class ModFile:
    """A go.mod, read. `go` and `toolchain` are "" where the file says nothing."""

    module: ModuleLine | None
    go: str
    toolchain: str
    godebug: tuple[Godebug, ...]
    require: tuple[Require, ...]
    exclude: tuple[Exclude, ...]
    replace: tuple[Replace, ...]
    retract: tuple[Retract, ...]
    tool: tuple[str, ...]
    ignore: tuple[str, ...]
