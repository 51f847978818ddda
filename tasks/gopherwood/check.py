"""Verbs `check-zip` and `hash`: the rules of content on files at hand. No network, no catalog, nothing is written.

`check-zip` says everything it found (valid, omitted, invalid, too large), as x/mod's `zip.CheckZip` does, and judges
from the report. `hash` prints what a go.sum line would say: of a file called go.mod or *.mod its go.mod hash, of a
zip its tree hash.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gopherwood import dirhash, modzip
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, ContentError, UsageError
from gopherwood.module import ModuleVersion

SHOWN = 20
"""Invalid names that the text form prints; JSON has all."""


@dataclass(frozen=True, slots=True)
class ZipReport:
    """What the rules say of one zip."""

    module: str
    file: str
    ok: bool
    error: str
    h1: str
    valid: int
    omitted: list[str]
    invalid: list[str]

    @property
    def exit_code(self) -> int:
        """1 when a rule says no."""
        return EXIT_DONE if self.ok else EXIT_FAILED

    def text(self) -> str:
        """Return the verdict, and a line for each thing found."""
        verdict = f"{self.file}: ok, {self.valid} files, {self.h1}" if self.ok else f"{self.file}: {self.error}"
        found = [f"  invalid {line}" for line in self.invalid] + [f"  omitted {line}" for line in self.omitted]
        more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        return "\n".join([verdict, *found[:SHOWN], *more])


def check_zip(mv: ModuleVersion, file: Path) -> ZipReport:
    """Check a file as the zip of a module version; whatever is wrong with it is in the report.

    Raises UsageError when there is no such file, or it cannot be read.
    """
    with _readable(file):
        try:
            found = modzip.check_zip(mv, file)
        except ContentError as error:  # no zip at all: there is nothing to report on
            return ZipReport(str(mv), str(file), False, str(error), "", 0, [], [])
        problem, h1 = _problem(found), ""
        if not problem:
            try:
                h1 = dirhash.hash_zip(file)
            except ContentError as error:  # only reading the content shows that it is not what the directory says
                problem = str(error)
    omitted = [f"{item.path}: {item.error}" for item in found.omitted]
    invalid = [f"{item.path}: {item.error}" for item in found.invalid]
    return ZipReport(str(mv), str(file), not problem, problem, h1, len(found.valid), omitted, invalid)


def _problem(found: modzip.CheckedFiles) -> str:
    try:
        found.err()
    except ContentError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class Hashes:
    """The h1 hash of each file, in the order given."""

    hashes: dict[str, str]
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return a line a file: the hash, then its name."""
        return "\n".join(f"{h1}  {name}" for name, h1 in self.hashes.items())


def hash_files(files: Sequence[Path]) -> Hashes:
    """Return the h1 hash of zips and go.mod files; raises UsageError naming a file that is neither."""
    return Hashes({str(file): _hash(file) for file in files})


def _hash(file: Path) -> str:
    with _readable(file):
        try:
            return dirhash.hash_go_mod(file.read_bytes()) if file.name.endswith(".mod") else dirhash.hash_zip(file)
        except ContentError as error:
            hint = "name module zips, and go.mod files called go.mod or *.mod"
            raise UsageError(f"{file}: {error}", hint=hint) from error


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn a file that is not there, or cannot be read, into a UsageError that names it."""
    if not file.is_file():
        what = f"{file} is a folder" if file.is_dir() else f"no such file: {file}"
        raise UsageError(what, hint="name a file that exists")
    try:
        yield
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="name a file that you may read") from error
