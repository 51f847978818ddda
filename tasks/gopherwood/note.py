"""Signed notes: a text, then lines that say who signed it. The form of every tree head of a checksum database.

A note is `TEXT`, a blank line, and one or more signature lines `— NAME BASE64`, where the base64 holds four bytes that
identify the key and then the signature. A verifier key reads `NAME+HASH+KEY`; a signer key `PRIVATE+KEY+NAME+HASH+KEY`
and is secret. The one algorithm in use is Ed25519. Notes are read for the public checksum database (sumdb.py) and
written for logs of our own.

Authority: golang.org/x/mod/sumdb/note, note.go.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gopherwood import gotext
from gopherwood.errors import ConfigError, ProofError

ALG_ED25519: Final = 1
MAX_SIGNATURES: Final = 100
_KEY_SIZE: Final = 32
_SIGNATURE_PREFIX: Final = b"\xe2\x80\x94 "  # an em dash and a space
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_CONTROL: Final = bytes(set(range(0x20)) - {0x0A})


class MalformedNoteError(ProofError):
    """The message has not the form of a signed note: damage on the way is likelier than an attack."""


class UnverifiedNoteError(ProofError):
    """The note is well formed and no known key signed it; it is in `note`."""

    def __init__(self, note: "Note") -> None:
        super().__init__("note has no verifiable signatures")
        self.note = note


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who signed, with which key, and the base64 text of key hash and signature."""

    name: str
    hash: int
    base64: str


@dataclass(frozen=True, slots=True)
class Note:
    """A text (it ends in a newline) with its verified and its unknown signatures."""

    text: str
    sigs: tuple[Signature, ...] = ()
    unverified_sigs: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with the name of its owner. Made by `new_verifier`."""

    name: str
    key_hash: int
    public_key: bytes

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Report whether the signature is this key's over the message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A secret key with the name of its owner. Made by `new_signer`."""

    name: str
    key_hash: int
    seed: bytes = field(repr=False)

    @property
    def verifier_key(self) -> str:
        """The public part, `NAME+HASH+KEY`."""
        return new_ed25519_verifier_key(self.name, _public_key(self.seed))

    def sign(self, message: bytes) -> bytes:
        """Sign the message."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def is_valid_name(name: str) -> bool:
    """Report whether a key may have this name: not empty, UTF-8, without spaces and pluses."""
    return bool(name) and not any(char in gotext.SPACE or char == "+" or gotext.is_raw_byte(char) for char in name)


def is_host_name(name: str) -> bool:
    """Report whether a name is `host[/path]`: Go takes no other for a checksum database, and asks `https://NAME`.

    Authority: cmd/go/internal/modfetch, sumdb.go (dbDial).
    """
    return _HOST_NAME.fullmatch(name) is not None


def key_hash(name: str, key: bytes) -> int:
    """Hash a key's name and its encoding (algorithm byte first) to the 32 bits that identify it in signatures."""
    return int.from_bytes(hashlib.sha256(gotext.to_bytes(name) + b"\n" + key).digest()[:4], "big")


def new_verifier(vkey: str) -> Verifier:
    """Read a verifier key, `NAME+HASH+KEY`.

    Raises ConfigError when it is malformed, of an unknown algorithm, or its hash is not that of its key.
    """
    name, _, rest = vkey.partition("+")
    hashed, key = _parse_key(name, rest, "verifier")
    if hashed != key_hash(name, key):
        raise ConfigError("invalid verifier hash")
    if key[0] != ALG_ED25519:
        raise ConfigError("unknown verifier algorithm")
    if len(key) != 1 + _KEY_SIZE:
        raise ConfigError("malformed verifier id")
    return Verifier(name, hashed, key[1:])


def new_signer(skey: str) -> Signer:
    """Read a signer key, `PRIVATE+KEY+NAME+HASH+KEY`.

    Raises ConfigError, whose message never holds the key.
    """
    private, _, rest = skey.partition("+")
    word, _, rest = rest.partition("+")
    name, _, rest = rest.partition("+")
    hashed, key = _parse_key(name, rest, "signer")
    if (private, word) != ("PRIVATE", "KEY"):
        raise ConfigError("malformed signer id")
    if key[0] != ALG_ED25519:
        raise ConfigError("unknown signer algorithm")
    if len(key) != 1 + _KEY_SIZE:
        raise ConfigError("malformed signer id")
    if hashed != key_hash(name, bytes((ALG_ED25519,)) + _public_key(key[1:])):
        raise ConfigError("invalid signer hash")
    return Signer(name, hashed, key[1:])


def _parse_key(name: str, rest: str, what: str) -> tuple[int, bytes]:
    """Split `HASH+KEY`; the key starts with its algorithm byte."""
    hash16, _, key64 = rest.partition("+")
    key = _decode(key64)
    if len(hash16) != 8 or not set(hash16) <= set("0123456789abcdefABCDEF") or not key or not is_valid_name(name):
        raise ConfigError(f"malformed {what} id")
    return int(hash16, 16), key


def _decode(text: str) -> bytes | None:
    try:
        return gotext.decode_base64(text)
    except ValueError:
        return None


def _public_key(seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def generate_key(name: str, seed: bytes | None = None) -> tuple[str, str]:
    """Make a key pair for a named log and return (signer key, verifier key). The first is secret.

    A given seed of 32 bytes makes the same pair each time: for tests only.
    """
    import secrets

    seed = secrets.token_bytes(_KEY_SIZE) if seed is None else seed
    vkey = new_ed25519_verifier_key(name, _public_key(seed))
    hashed = vkey.split("+")[1]
    return f"PRIVATE+KEY+{name}+{hashed}+{_encode(bytes((ALG_ED25519,)) + seed)}", vkey


def new_ed25519_verifier_key(name: str, public_key: bytes) -> str:
    """Write the verifier key of a raw Ed25519 public key; raises ConfigError unless it has 32 bytes."""
    if len(public_key) != _KEY_SIZE:
        raise ConfigError(f"invalid public key size {len(public_key)}, expected {_KEY_SIZE}")
    key = bytes((ALG_ED25519,)) + public_key
    return f"{name}+{key_hash(name, key):08x}+{_encode(key)}"


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def open(message: bytes, verifiers: Iterable[Verifier]) -> Note:  # noqa: A001  the field's word
    """Parse a signed note and check every signature whose key is known.

    Raises ProofError when a known key's signature is wrong or a key is ambiguous, its subclass UnverifiedNoteError when
    no known key signed, and its subclass MalformedNoteError when the message is no signed note.
    """
    known = _by_key(verifiers)
    text, lines = _split(message)
    verified: dict[tuple[str, int], Signature] = {}
    unverified: dict[bytes, Signature] = {}  # repeated identical lines count once
    for line in lines:
        signature, raw = _parse_signature(line)
        key = (signature.name, signature.hash)
        candidates = known.get(key, [])
        if not candidates:
            unverified.setdefault(line, signature)
        elif len(candidates) > 1:
            raise ProofError(f"ambiguous key {signature.name}+{signature.hash:08x}")
        elif key not in verified:
            if not candidates[0].verify(text, raw):
                raise ProofError(f"invalid signature for key {signature.name}+{signature.hash:08x}")
            verified[key] = signature
    note = Note(text.decode(), tuple(verified.values()), tuple(unverified.values()))
    if not verified:
        raise UnverifiedNoteError(note)
    return note


def _by_key(verifiers: Iterable[Verifier]) -> dict[tuple[str, int], list[Verifier]]:
    known: dict[tuple[str, int], list[Verifier]] = {}
    for verifier in verifiers:
        known.setdefault((verifier.name, verifier.key_hash), []).append(verifier)
    return known


def _split(message: bytes) -> tuple[bytes, list[bytes]]:
    """Split a note into its text and its signature lines."""
    text, blank, block = message.rpartition(b"\n\n")
    try:
        message.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise MalformedNoteError("malformed note: not UTF-8") from None
    if len(message.translate(None, _CONTROL)) != len(message):
        raise MalformedNoteError("malformed note: control characters")
    if not blank or not block.endswith(b"\n"):
        raise MalformedNoteError("malformed note: no signature block")
    lines = block[:-1].split(b"\n", MAX_SIGNATURES)
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNoteError(f"malformed note: more than {MAX_SIGNATURES} signatures")
    return text + b"\n", lines


def _parse_signature(line: bytes) -> tuple[Signature, bytes]:
    """Read one signature line; the second value is the bare signature."""
    if not line.startswith(_SIGNATURE_PREFIX):
        raise MalformedNoteError("malformed note: malformed signature line")
    name, _, text = line.removeprefix(_SIGNATURE_PREFIX).decode().partition(" ")
    raw = _decode(text)
    if raw is None or len(raw) < 5 or not is_valid_name(name):
        raise MalformedNoteError("malformed note: malformed signature line")
    return Signature(name, int.from_bytes(raw[:4], "big"), text), raw[4:]


def sign(note: Note, *signers: Signer) -> bytes:
    """Encode the note with its signatures, and the signers' after them; a signer's own earlier signature is replaced.

    Raises MalformedNoteError when the text does not end in a newline or a signature at hand is malformed.
    """
    if not note.text.endswith("\n"):
        raise MalformedNoteError("malformed note: the text does not end in a newline")
    text = note.text.encode()
    replaced = {(signer.name, signer.key_hash) for signer in signers}
    kept = [s for s in (*note.sigs, *note.unverified_sigs) if (s.name, s.hash) not in replaced]
    for signature in kept:
        raw = _decode(signature.base64)
        if not is_valid_name(signature.name) or raw is None or raw[:4] != signature.hash.to_bytes(4, "big"):
            raise MalformedNoteError("malformed note: malformed signature")
    made = []
    for signer in signers:
        if not is_valid_name(signer.name):
            raise ConfigError("invalid signer")
        made.append((signer.name, _encode(signer.key_hash.to_bytes(4, "big") + signer.sign(text))))
    lines = [(s.name, s.base64) for s in kept] + made
    return text + b"\n" + b"".join(_SIGNATURE_PREFIX + f"{name} {text64}\n".encode() for name, text64 in lines)
