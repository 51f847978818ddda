"""Verb `ledger key | head | proof`: the key pair, the newest head, and why a version is in the log, for people.

Each result is as good as its JSON: whoever distrusts the text takes the fields, or asks serving for the same.
"""

from dataclasses import dataclass

from gopherwood import store, tlog
from gopherwood.catalog import Catalog
from gopherwood.config import PREFIX, Settings
from gopherwood.errors import EXIT_DONE, NotFoundError
from gopherwood.ledger.append import Appender
from gopherwood.ledger.key import make
from gopherwood.ledger.log import Log
from gopherwood.module import ModuleVersion


@dataclass(frozen=True, slots=True)
class Key:
    """The public part of the key pair, and where the secret is."""

    name: str
    key: str
    """The verifier key, NAME+HASH+KEY: what GOSUMDB is set to."""
    secret_in: str
    made: bool
    """Whether it was made just now."""
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return it for people."""
        where = f"its secret is in {self.secret_in}"
        how = f"made; {where}: keep a copy in a safe place, and show it to nobody" if self.made else where
        return f"ledger key: {how}\n\nexport GOSUMDB={self.key}"


def key(settings: Settings, name: str = "") -> Key:
    """Make the key pair, unless it is there, and sign the ledger as it is; see key.make."""
    with Catalog.ready(settings) as catalog:
        signer, made = make(settings, catalog, name)
        Appender(catalog, store.open_store(settings), signer).catch_up()
    where = f"the environment ({PREFIX}LEDGER_KEY)" if settings.ledger_key else str(settings.ledger_key_path)
    return Key(signer.name, signer.key, where, made)


@dataclass(frozen=True, slots=True)
class Head:
    """How long the ledger is, and its newest signed head."""

    size: int
    """Entries, of which the signed head may cover fewer when a publisher had no key."""
    signed: int
    root: str
    note: str
    """The head as `go` reads it."""
    checkpoint: str
    """The head as witnesses and monitors read it."""
    at: str
    key: str
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return it for people."""
        if not self.note:
            how = "" if self.key else "; `gopherwood ledger key` makes the key"
            return f"ledger: {self.size} entries, no signed head{how}"
        later = "" if self.size == self.signed else f"; {self.size - self.signed} more are not signed yet"
        return f"ledger: {self.signed} entries, signed {self.at}{later}\n\n{self.note}\n{self.checkpoint}".rstrip()


def head(settings: Settings) -> Head:
    """Return the newest head."""
    with Catalog.ready(settings) as catalog:
        size, newest, public = catalog.ledger_size(), catalog.ledger_head(), catalog.ledger_key() or ""
        if newest is None:
            root = tlog.tree_hash(size, catalog.ledger_hashes)
            return Head(size, 0, tlog.format_hash(root), "", "", "", public)
    texts = (tlog.format_hash(newest.root), newest.note.decode(), newest.checkpoint.decode())
    return Head(size, newest.size, *texts, newest.at.isoformat(), public)


@dataclass(frozen=True, slots=True)
class Proof:
    """That the signed tree holds a version: each hash of the proof is joined to what is below it, up to the root."""

    module: str
    number: int
    record: str
    leaf: str
    proof: list[str]
    """The hashes of the inclusion proof, from the record upwards."""
    root: str
    size: int
    note: str
    checkpoint: str
    key: str
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return it for people, with what to compute."""
        return "\n".join(
            [
                f"{self.module} is entry {self.number} of {self.size}. Its record:",
                "",
                self.record,
                f"leaf   {self.leaf}   SHA-256 of 0x00 and the record",
                *(f"proof  {value}" for value in self.proof),
                f"root   {self.root}   SHA-256 of 0x01 and two hashes, all the way up (RFC 6962, section 2.1)",
                "",
                f"The signed head, to be checked with the key {self.key}:",
                "",
                self.note,
            ]
        ).rstrip()


def proof(settings: Settings, mv: ModuleVersion) -> Proof:
    """Return the proof that the ledger holds a version, checked.

    Raises NotFoundError when it does not, or no signed head covers it.
    """
    with Catalog.ready(settings) as catalog:
        log = Log(catalog)
        found, public = log.inclusion(mv), log.key() or ""
        if found is None:
            unsigned = catalog.ledger_entry(mv) is not None
            says = "is in the ledger, but no signed head covers it" if unsigned else "is not in the ledger"
            hint = "`gopherwood publish` with the key signs it" if unsigned else "what is published is in it"
            raise NotFoundError(f"{mv} {says}", hint=hint)
    entry, signed = found.entry, found.head
    leaf = tlog.record_hash(entry.record)
    tlog.check_record(found.proof, signed.size, signed.root, entry.number, leaf)
    return Proof(
        module=str(mv),
        number=entry.number,
        record=entry.record.decode(),
        leaf=tlog.format_hash(leaf),
        proof=[tlog.format_hash(value) for value in found.proof],
        root=tlog.format_hash(signed.root),
        size=signed.size,
        note=signed.note.decode(),
        checkpoint=signed.checkpoint.decode(),
        key=public,
    )
