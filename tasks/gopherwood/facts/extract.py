"""From the bytes of one version to its facts: a pure function of a zip and a go.mod.

Nothing here trusts the module. Each file is bounded, what is over a bound or cannot be read is one finding, and what
the rest of the module says stays. Callers bound the time of the whole (readers.py), since a file within all bounds may
still be slow to match or to parse.

Authority: golang.org/x/pkgsite/internal/fetch for what counts as a package, a README, a licence.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

from gopherwood import gomod, zipdir
from gopherwood.errors import ContentError
from gopherwood.facts import licences
from gopherwood.facts.values import Finding, LicenceFile, ModuleFacts, PackageFacts
from gopherwood.gosource import GoFile, GoPackage, NotGoError, assemble, comment, parse
from gopherwood.gosource.constraints import PLATFORMS, belongs
from gopherwood.module import ModuleVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What of a module is read."""

    source: int = 8 << 20
    """Bytes of a Go file that are parsed; pkg.go.dev's bound is 30 MB, and nobody reads what such a file documents."""
    readme: int = 1 << 20
    """Bytes of a README that are kept."""
    packages: int = 10_000
    """Packages of a module that are documented."""
    findings: int = 100
    """Findings that are kept one by one; one more says how many others there are."""


_NOT_A_README = (".go", ".vendor")


@dataclass(slots=True)
class Extracted:
    """What was found in a version: its facts, its README, and the documentation of each package by folder."""

    facts: ModuleFacts
    readme: bytes
    docs: dict[str, dict[str, Any]]


@dataclass(slots=True)
class _Module:
    """The files of a module, by their path in it."""

    mv: ModuleVersion
    archive: zipdir.Archive
    files: dict[str, tuple[zipdir.Entry, int]]
    bounds: Bounds
    findings: list[Finding] = field(default_factory=list)

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file; None, and a finding, when it is larger than `most` bytes or cannot be read."""
        entry, body = self.files[name]
        if entry.size > most:
            self.found(name, f"{entry.size} bytes are more than the {most} that are read")
            return None
        try:
            return bytes(self.archive.read(entry, body))
        except ContentError as error:
            self.found(name, str(error))
            return None

    def found(self, file: str, why: str) -> None:
        """Note something that could not be read."""
        self.findings.append(Finding(file, why))


def extract(mv: ModuleVersion, zip_path: Path, mod: bytes, bounds: Bounds = Bounds()) -> Extracted:
    """Read a version. Raises ContentError when the zip cannot be read at all."""
    archive = zipdir.open_archive(zip_path)
    prefix = f"{mv}/"
    located = {entry.name.removeprefix(prefix): (entry, body) for entry, body in archive.locate()}
    files = {name: place for name, place in located.items() if name and name[-1] != "/"}
    module = _Module(mv, archive, files, bounds)
    packages, docs = _packages(module)
    readme = _readme_name(module.files)
    text = (module.read(readme, bounds.readme) if readme else None) or b""
    found_licences = tuple(_licences(module))
    root = next((package for package in packages if not package.folder), None)
    facts = ModuleFacts(
        mv=mv,
        **_go_mod(module, mod),
        synopsis=root.synopsis if root else "",
        readme=readme,
        licences=found_licences,
        packages=tuple(packages),
        files=len(module.files),
        uncompressed=sum(entry.size for entry, _ in module.files.values()),
        findings=_bounded(module.findings, bounds.findings),
    )
    return Extracted(facts, text, docs)


def _bounded(findings: Sequence[Finding], most: int) -> tuple[Finding, ...]:
    more = len(findings) - most
    return (*findings[:most], Finding("", f"{more} more findings")) if more > 0 else tuple(findings)


def _go_mod(module: _Module, mod: bytes) -> dict[str, Any]:
    """Return what the go.mod says; of one that cannot be read nothing, and a finding."""
    try:
        file = gomod.parse("go.mod", mod, lax=True)
    except ContentError as error:
        module.found("go.mod", str(error))
        return {}
    return {
        "go": file.go,
        "deprecated": file.module.deprecated if file.module else "",
        "retract": file.retract,
        "requires": tuple((each.mv.path, each.mv.version, each.indirect) for each in file.require),
    }


def _readme_name(files: Mapping[str, Any]) -> str:
    """Return the README at the root, Markdown before others; "" when there is none."""
    names = [name for name in files if "/" not in name and PurePosixPath(name).stem.lower() == "readme"]
    names = [name for name in names if PurePosixPath(name).suffix.lower() not in _NOT_A_README]
    return min(names, key=lambda name: (not name.lower().endswith((".md", ".markdown")), name), default="")


def _licences(module: _Module) -> Iterator[LicenceFile]:
    for name in sorted(filter(licences.is_licence, module.files)):
        text = module.read(name, licences.LARGEST)
        yield LicenceFile(name, () if text is None else licences.identify(text.decode("utf-8", "replace")))


def _packages(module: _Module) -> tuple[list[PackageFacts], dict[str, dict[str, Any]]]:
    folders: dict[str, list[str]] = defaultdict(list)
    for name in module.files:
        folder, _, base = name.rpartition("/")
        if base.endswith(".go") and not _is_ignored(folder) and base[0] not in "._":
            folders[folder].append(name)
    most = module.bounds.packages
    if len(folders) > most:
        module.found("", f"{len(folders)} folders with Go files are more than the {most} that are read")
    packages: list[PackageFacts] = []
    docs: dict[str, dict[str, Any]] = {}
    for folder in sorted(folders)[:most]:
        if (read := _package(module, folder, sorted(folders[folder]))) is not None:
            package, made = read
            packages.append(package)
            docs[folder] = _documentation(made)
    return packages, docs


def _is_ignored(folder: str) -> bool:
    """Tell whether the go command passes over a folder: `testdata`, names in `_` or `.`, what is vendored."""
    parts = folder.split("/") if folder else []
    return any(part in ("testdata", "vendor") or part[:1] in ("_", ".") for part in parts)


def _package(module: _Module, folder: str, names: Sequence[str]) -> tuple[PackageFacts, GoPackage] | None:
    """Read the package of a folder, for the first platform that it has files for; None when there is none."""
    sources = {name: source for name in names if (source := module.read(name, module.bounds.source)) is not None}
    for platform in PLATFORMS:
        chosen = [name for name, source in sources.items() if belongs(name.rpartition("/")[2], source, platform)]
        if not any(not name.endswith("_test.go") for name in chosen):
            continue
        made = _assembled(module, folder, [file for name in chosen if (file := _parsed(module, name, sources[name]))])
        if made is None:
            return None
        path = f"{module.mv.path}/{folder}" if folder else module.mv.path
        symbols = sum(1 for _ in made.symbols())
        where = "/".join(platform)
        return PackageFacts(path, folder, made.name, made.synopsis, made.imports, symbols, where), made
    return None


def _parsed(module: _Module, name: str, source: bytes) -> GoFile | None:
    try:
        return parse(name, source)
    except NotGoError as error:
        module.found(name, str(error).removeprefix(f"{name}: "))
        return None


def _assembled(module: _Module, folder: str, files: Sequence[GoFile]) -> GoPackage | None:
    names = sorted({file.package for file in files if not file.is_test} - {"documentation"})
    if len(names) > 1:
        module.found(folder, f"packages {', '.join(names[:5])} in one folder")
    if len(names) != 1:
        return None
    made = assemble([file for file in files if file.package.removesuffix("_test") == names[0]])
    for name in made.broken:
        module.found(name, "some of it cannot be parsed")
    return made


def _documentation(made: GoPackage) -> dict[str, Any]:
    """Return the documentation of a package as plain values, comments as HTML; what facts have already is left out."""
    symbols = {name for name, _ in made.symbols()}
    imported = {path.rpartition("/")[2]: path for path in made.imports}

    def target(package: str, name: str) -> str:
        if not package:
            return f"#{name}" if name in symbols else ""
        path = package if "/" in package else imported.get(package, "")
        # Packages of the standard library have no page here: their paths begin without a dot.
        return f"/{path}#{name}".rstrip("#") if "." in path.partition("/")[0] else ""

    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: comment.html(each, target) if name == "doc" else shown(each) for name, each in value.items()}
        return [shown(each) for each in value] if isinstance(value, list | tuple) else value

    kept = {name: value for name, value in asdict(made).items() if name not in ("imports", "broken", "synopsis")}
    return cast(dict[str, Any], shown(kept))
