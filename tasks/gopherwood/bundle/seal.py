"""The signature of a bundle: a signed note that says which manifest is meant.

Its text is three lines: what it is, the manifest's SHA-256 in hexadecimal, its bytes. The first line keeps it apart
from whatever else the same key signs, such as tree heads. A signature by a known key that is wrong is never forgiven;
an unknown key, or no signature, only when that is asked for. Form and keys: note.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gopherwood import note
from gopherwood.errors import BundleError, ConfigError, ProofError, UsageError
from gopherwood.note import Signer, UnverifiedNoteError, Verifier

TITLE: Final = "gopherwood bundle v1"
MAX_SEAL: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Keys:
    """Whose bundles are taken."""

    verifiers: tuple[Verifier, ...] = ()
    unsigned: bool = False
    """Whether a bundle is taken too that none of them signed."""

    @classmethod
    def read(cls, texts: list[str], *, unsigned: bool = False) -> Self:
        """Read verifier keys, each as it is or in a file. Raises UsageError."""
        return cls(tuple(_verifier(text) for text in texts), unsigned)


def _verifier(text: str) -> Verifier:
    try:
        if "+" not in text and Path(text).is_file():
            text = Path(text).read_text().strip()
        return note.new_verifier(text)
    except (ConfigError, OSError, ValueError) as error:
        said = f"{text[:80]!r} is no verifier key: {error}"
        raise UsageError(said, hint="it reads NAME+HASH+KEY; or name a file that holds one") from None


def seal(sha256: str, size: int, signer: Signer) -> bytes:
    """Sign a manifest."""
    return note.sign(note.Note(_text(sha256, size)), signer)


def check(sealed: bytes | None, sha256: str, size: int, keys: Keys) -> str:
    """Return the key (`NAME+HASH`) that signed this manifest, "" for an unsigned one that is taken all the same.

    Raises BundleError.
    """
    try:
        if sealed is None:
            return _unsigned("it is not signed", keys)
        said = note.open(sealed, keys.verifiers)
        signed_by = said.sigs[0]
        text, who = said.text, f"{signed_by.name}+{signed_by.hash:08x}"
    except UnverifiedNoteError as error:
        names = ", ".join(f"{sig.name}+{sig.hash:08x}" for sig in error.note.unverified_sigs)
        text, who = error.note.text, _unsigned(f"it is signed by {names}, which is no key that was given", keys)
    except ProofError as error:
        raise BundleError(f"the signature of the bundle is wrong: {error}") from None
    if text != _text(sha256, size):
        raise BundleError("the manifest is not the one that was signed", hint="the bundle was damaged or changed")
    return who


def _text(sha256: str, size: int) -> str:
    return f"{TITLE}\n{sha256}\n{size}\n"


def _unsigned(why: str, keys: Keys) -> str:
    if keys.unsigned:
        return ""
    hint = "name the exporter's key with --key, or take it on your own word with --unsigned"
    raise BundleError(f"the bundle is refused: {why}", hint=hint)
