"""The rules of content that a module version must keep, each a small function over what was staged.

A rule returns a finding ("" when there is nothing to say), or raises the ContentError that rejects the version.
Refuse only what breaks integrity or identity: a go.mod with odd requirements, a time that does not fit, a version
that its author retracted are findings, kept as evidence and shown, and never a reason to hide a module that `go`
would take.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gopherwood import dirhash, gomod, info, module, modzip, pseudo
from gopherwood.catalog import Evidence
from gopherwood.errors import ContentError, GopherwoodError, InvalidGoModError, InvalidVersionError, TooLargeError
from gopherwood.info import Info
from gopherwood.module import ModuleVersion

INCOMPATIBLE = "+incompatible"


@dataclass(slots=True)
class Subject:
    """A version under examination: its staged files, and what the rules learned of them so far."""

    mv: ModuleVersion
    files: dict[str, Path]
    info: Info | None = None
    mod: bytes = b""
    zip: modzip.ZipFacts | None = None
    evidence: list[Evidence] = field(default_factory=list)
    error: GopherwoodError | None = None
    """Why it is rejected: the first rule that said no."""
    source: str = ""
    """What source of discovery named it first."""

    @property
    def go_mod_h1(self) -> str:
        """The h1 hash of the `.mod`."""
        return dirhash.hash_go_mod(self.mod)


Rule = Callable[[Subject], str]


def version_canonical(subject: Subject) -> str:
    """Check that path and version are well-formed, and belong together."""
    path, version = subject.mv.path, subject.mv.version
    module.check(path, version)
    if module.canonical_version(version) != version:
        raise InvalidVersionError(f"{version} is not canonical: {module.canonical_version(version)} is")
    return ""


def info_canonical(subject: Subject) -> str:
    """Check that the `.info` is JSON and says the version that was asked for."""
    subject.info = info.parse(subject.files[".info"].read_bytes(), subject.mv)
    return "" if subject.info.time else "the upstream gives no time"


def pseudo_version_time(subject: Subject) -> str:
    """Check that a pseudo-version says the time of its commit; a finding when not."""
    version = subject.mv.version
    if not pseudo.is_pseudo_version(version):
        return ""
    said = pseudo.pseudo_version_time(version)
    time = subject.info.time if subject.info else None
    if time and time.replace(microsecond=0) != said:
        return f"the version says {said:%Y-%m-%dT%H:%M:%SZ}, the .info {time:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def go_mod_path(subject: Subject) -> str:
    """Check that the go.mod is of this module."""
    path = subject.files[".mod"]
    if path.stat().st_size > modzip.MAX_GO_MOD:
        raise TooLargeError(f"go.mod file too large (max size is {modzip.MAX_GO_MOD} bytes)")
    subject.mod = path.read_bytes()
    named = gomod.module_path(subject.mod)
    if named != subject.mv.path:
        raise InvalidGoModError(f"go.mod is of module {named!r}" if named else "go.mod names no module")
    return ""


def go_mod_parses(subject: Subject) -> str:
    """Check that `go` can read the go.mod as a dependency's; a finding when not."""
    try:
        parsed = gomod.parse("go.mod", subject.mod, lax=True)
    except InvalidGoModError as error:
        return str(error).splitlines()[0][:500]
    deprecated = parsed.module.deprecated if parsed.module else ""
    return f"deprecated: {deprecated[:300]}" if deprecated else ""


def zip_rules(subject: Subject) -> str:
    """Check the zip against every rule of x/mod's `zip` package: names, limits, one go.mod, contents as declared."""
    subject.zip = modzip.inspect(subject.mv, subject.files[".zip"])
    return ""


def mod_equals_zip(subject: Subject) -> str:
    """Check that the `.mod` is the go.mod in the zip or, where there is none, exactly the one that `go` writes."""
    assert subject.zip is not None
    inside = subject.zip.go_mod
    if inside is None:
        if subject.mod != f"module {subject.mv.path}\n".encode():
            raise InvalidGoModError("the zip has no go.mod, and the .mod is not the one line that go writes then")
        return "no go.mod in the zip"
    if subject.mod != inside:
        raise InvalidGoModError(f"the .mod ({len(subject.mod)} bytes) is not the zip's go.mod ({len(inside)} bytes)")
    return "an incompatible version has a go.mod" if subject.mv.version.endswith(INCOMPATIBLE) else ""


RULES: tuple[tuple[str, Rule], ...] = (
    ("version-canonical", version_canonical),
    ("info-canonical", info_canonical),
    ("pseudo-version-time", pseudo_version_time),
    ("go-mod-path", go_mod_path),
    ("go-mod-parses", go_mod_parses),
    ("zip-rules", zip_rules),
    ("mod-equals-zip", mod_equals_zip),
)
"""In the order in which they are checked; the checksum database comes after all of them (checksums.py)."""


def examine(subject: Subject) -> None:
    """Check rule after rule, and keep one row of evidence for each; the first refusal ends it."""
    for name, rule in RULES:
        try:
            subject.evidence.append(Evidence(name, True, rule(subject)))
        except ContentError as error:
            subject.evidence.append(Evidence(name, False, str(error)))
            subject.error = error
            return
