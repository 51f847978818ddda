"""The ledger's key pair: made once, its secret kept in a file of its owner's or in the environment, and nowhere else.

The secret is in Go's form, `PRIVATE+KEY+NAME+HASH+KEY`. It is never in the catalog, a log, an error or a command line.
The public key carries the ledger's name, which is a host, as Go wants it of a checksum database, though nobody need
answer there: `go` asks its GOPROXY first. The name and the key last as long as the ledger.
"""

import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from gopherwood import note, tlog
from gopherwood.catalog import Catalog
from gopherwood.config import PREFIX, Settings
from gopherwood.errors import ConfigError, ProofError
from gopherwood.tlog import Tree

_SECRET, _FILE = f"{PREFIX}LEDGER_KEY", f"{PREFIX}LEDGER_KEY_FILE"


class Signer:
    """The secret key, which signs heads; a catalog.HeadSigner."""

    def __init__(self, signer: note.Signer) -> None:
        self.of_notes = signer
        """The same key, for who signs other texts than heads: bundles."""
        self.name = signer.name
        self.key = signer.verifier_key

    def sign(self, tree: Tree) -> tuple[bytes, bytes]:
        """Return the signed tree note and the signed checkpoint."""
        return self._sign(tlog.format_tree(tree)), self._sign(tlog.format_checkpoint(self.name, tree))

    def _sign(self, text: bytes) -> bytes:
        return note.sign(note.Note(text.decode()), self.of_notes)


def find_signer(settings: Settings) -> Signer | None:
    """Return the secret key that is configured, None when none is.

    Raises ConfigError, which never holds the key, when it is malformed or cannot be read.
    """
    if settings.ledger_key:
        return _read(settings.ledger_key, _SECRET)
    path = settings.ledger_key_path
    try:
        return _read(path.read_text(), str(path))
    except FileNotFoundError:
        if not settings.ledger_key_file:
            return None
        hint = "`gopherwood ledger key` makes one there; or name the file that has it"
        raise ConfigError(f"{_FILE} names {path}, which is not there", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"the ledger's key in {path} cannot be read: {why}") from None


def _read(text: str, where: str) -> Signer:
    try:
        signer = note.new_signer(text.strip())
    except ConfigError as error:
        hint = "it is one line, PRIVATE+KEY+NAME+HASH+KEY, as `gopherwood ledger key` writes it"
        raise ConfigError(f"{where} holds no key of a ledger: {error}", hint=hint) from None
    check_name(signer.name)
    return Signer(signer)


def check_name(name: str) -> str:
    """Return the name; raises ConfigError when Go takes it for no checksum database's."""
    if not note.is_host_name(name) or not note.is_valid_name(name):
        raise ConfigError(f"{name!r} cannot be a ledger's name", hint="it is host[/path], e.g. gopherwood.example.com")
    return name


def default_name(host: str = "") -> str:
    """Return a name for the ledger of this machine."""
    host = re.sub(r"[^a-z0-9.-]+", "-", (host or socket.gethostname()).lower()).strip(".-")
    return check_name(f"gopherwood.{host or 'local'}")


def make(settings: Settings, catalog: Catalog, name: str = "") -> tuple[Signer, bool]:
    """Return the key that is configured, or make one; True means made. The ledger keeps its public part.

    Never overwrites. Raises ConfigError when the ledger has another key, or the configured one another name.
    """
    signer, made = find_signer(settings) if is_configured(settings) else None, False
    if signer is None:
        _refuse_second(catalog)
        path = settings.ledger_key_path
        made = _write(path, note.generate_key(check_name(name) if name else default_name())[0])
        signer = _read(path.read_text(), str(path))
    if name and name != signer.name:
        hint = "leave --name out to see it; a ledger never changes its name, for its name is in its key"
        raise ConfigError(f"the ledger's key is there, and its name is {signer.name}, not {name}", hint=hint)
    catalog.set_ledger_key(signer.key)
    return signer, made


def is_configured(settings: Settings) -> bool:
    """Say whether a secret key is here, good or bad."""
    return bool(settings.ledger_key) or settings.ledger_key_path.exists()


def _refuse_second(catalog: Catalog) -> None:
    """Raise ConfigError when the ledger was signed by a key that is not here."""
    if (kept := catalog.ledger_key()) and catalog.ledger_head():
        hint = f"bring the file with its secret here ({_FILE}), or set {_SECRET}; if it is lost, see docs/ledger.md"
        raise ConfigError(f"the ledger has a key, {kept}, and its secret is not here", hint=hint)


def _write(path: Path, secret: str) -> bool:
    """Create the file, whole and durable, for its owner alone; False when it is there: it is never overwritten."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{secret}\n")
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(aside)
        finally:
            aside.unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        with suppress(OSError):
            os.fsync(folder)
        os.close(folder)
    except FileExistsError:
        return False
    except OSError as error:
        hint = f"set {_FILE} to a file that can be made"
        raise ConfigError(f"the ledger's key cannot be written to {path}: {error.strerror}", hint=hint) from None
    return True


def open_tree(signed: bytes, key: str) -> Tree:
    """Return the tree of a signed note of the ledger with this public key; raises ProofError."""
    return tlog.parse_tree(note.open(signed, [note.new_verifier(key)]).text.encode())


def open_checkpoint(signed: bytes, key: str) -> Tree:
    """Return the tree of a signed checkpoint of the ledger with this public key; raises ProofError."""
    verifier = note.new_verifier(key)
    opened = note.open(signed, [verifier])
    try:
        return tlog.parse_checkpoint(verifier.name, opened.text.encode())
    except ProofError as error:
        raise ProofError(f"{error}, though it signed it") from None
