"""Verb `export`: write published versions, and what proves them, into a bundle for a place without a network.

Two passes. The first reads the catalog and the small files, proves each record of the checksum database, and writes the
manifest; the second writes the files in the manifest's order and compares every byte with it. So memory holds names and
no content, a store that is damaged is noticed before anything is handed on, and two exports of one state are the same
bytes. What a bundle is made of: bundle/__init__.py.
"""

import logging
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gopherwood import errors, note, store
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, UsageError
from gopherwood.export.ledger import own_ledger
from gopherwood.export.mirror import mirrors_of
from gopherwood.export.passes import Exporter, Scope
from gopherwood.export.proofs import Proofs
from gopherwood.export.wanted import wanted
from gopherwood.ledger.key import find_signer
from gopherwood.note import Signer

log = logging.getLogger(__name__)

REPORTED = 100


@dataclass(slots=True)
class Result:
    """What an export wrote."""

    to: str = ""
    exported: int = 0
    through: int = 0
    """What `--since` takes next time."""
    unproven: int = 0
    """Versions whose record of the checksum database we have not: private ones, mostly."""
    signed_by: str = ""
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    """What `--modules` asks for and we do not hold."""

    @property
    def exit_code(self) -> int:
        """99 when there was nothing to export."""
        return errors.EXIT_DONE if self.exported else errors.EXIT_NOTHING_TO_DO

    def text(self) -> str:
        """Return the counts, and how to make the next one."""
        if not self.exported:
            return f"export: nothing to export after sequence number {self.through}"
        signed = f"signed by {self.signed_by}" if self.signed_by else "not signed: the other side must say --unsigned"
        lines = [f"export: {self.exported} exported, {self.bytes} bytes, to {self.to} ({signed})"]
        if self.unproven:
            lines.append(f"  {self.unproven} of them without a record of the checksum database")
        lines += [f"  missing {name}" for name in self.missing]
        lines.append(f"  the next one: gopherwood export --since {self.through}")
        return "\n".join(lines)


def run(
    settings: Settings,
    to: Path,
    *,
    since: str = "",
    modules: Sequence[str] = (),
    allow_missing: bool = False,
    key: Path | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Export what was published since a time or a sequence number, or what building the modules needs.

    `key` is a file with the signer key that signs the manifest; by default it is the ledger's. Without either the
    bundle is unsigned. Raises UsageError,
    also for modules that we do not hold; ConfigError for a key that is none; StoppedError; IntegrityError when the
    store is damaged.
    """
    stop = stop or threading.Event()
    signer = _signer(settings, key)
    objects = store.open_store(settings)
    with Catalog.ready(settings) as catalog:
        through, as_of = catalog.last_published()
        after = _after(since, catalog)
        asked = wanted(modules, catalog, objects) if modules else None
        missing = [f"{mv} (needed by {by})" for mv, by in asked.missing.items()] if asked else []
        if missing and not allow_missing:
            shown = "\n".join(f"  {name}" for name in missing[:REPORTED])
            hint = f"{shown}\n`gopherwood ingest` brings them in; --allow-missing exports the rest"
            raise UsageError(f"{len(missing)} versions that are needed are not published here:", hint=hint)
        scope = Scope(after, through, as_of, asked.versions if asked else None)
        with mirrors_of(settings, catalog, objects) as mirrors:
            proofs = [Proofs.begin(log, catalog) for log in (*mirrors, own_ledger(catalog)) if log]
            result = _write(Exporter(catalog, objects, proofs, scope, signer, stop), to)
            result.signed_by = f"{signer.name}+{signer.key_hash:08x}" if signer else ""
            for each in proofs if result.exported else ():
                each.remember(catalog)
        result.missing = missing[:REPORTED]
        return result


def _write(exporter: Exporter, to: Path) -> Result:
    """Write the bundle, unless there is nothing to write."""
    scope = exporter.scope
    is_tar = to.name.endswith(".tar")
    folder = to.parent if is_tar else to
    if not is_tar and to.is_file():
        raise UsageError(f"{to} is a file", hint="name a folder, or a file that ends in .tar")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gopherwood-export-") as scratch:
        manifest = exporter.plan(Path(scratch) / "manifest")
        result = Result(through=scope.through, unproven=exporter.unproven)
        if not exporter.versions:
            return result
        exporter.write(manifest, to, is_tar=is_tar)
        result.to, result.exported, result.bytes = str(to), exporter.versions, exporter.bytes
        return result


def _signer(settings: Settings, path: Path | None) -> Signer | None:
    """Read the signer key in a file, else return the ledger's, if it is here; no message holds it."""
    if path is None:
        ledger = find_signer(settings)
        return ledger.of_notes if ledger else None
    try:
        return note.new_signer(path.read_text().strip())
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"the key in {path} cannot be read: {said}") from None
    except ConfigError as error:
        raise ConfigError(f"the file {path} holds no signer key: {error}") from None


def _after(since: str, catalog: Catalog) -> int:
    """Return the sequence number after which to export. Raises UsageError."""
    if not since:
        return 0
    if since.isascii() and since.isdigit():
        return int(since)
    try:
        time = datetime.fromisoformat(since)
    except ValueError:
        hint = "e.g. 2026-10-01T12:00:00Z, or the number that the last export said"
        raise UsageError(f"--since {since!r} is neither a time nor a sequence number", hint=hint) from None
    return catalog.sequence_before(time if time.tzinfo else time.replace(tzinfo=UTC))
