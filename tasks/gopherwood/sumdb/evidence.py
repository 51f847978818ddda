"""What shows that a database, or a proxy on the way to it, misbehaved: made into words once, and kept for ever.

A ProofError of this package carries, as its hint, all that somebody else needs to see it for himself: the signed heads
in full, and the proof, the record or the tiles that do not fit them. `keep` makes it an object of the store before
anybody hears of the error, so what is told can be shown later.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from gopherwood import store
from gopherwood.catalog import Event
from gopherwood.errors import IntegrityError, ProofError
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects
from gopherwood.tlog import Tile

MOST_TILES: Final = 16
"""Tiles shown in one error: the way from a record to the root takes four in a log of 4 billion."""
MOST_TOLD: Final = 8_192
"""Characters of the evidence that an event repeats: two signed heads and a proof take 3,000; tiles are in the store."""


def keep(objects: Objects, name: str, error: ProofError) -> None:
    """Make an error's evidence durable, once however often it is met, and say in the error where. Raises StorageError.

    The name of the object is the digest of its bytes, so that nobody can put another in its place.
    """
    text = f"{error.diagnostics()}\n".encode()
    key = store.misbehaviour_key(name, hashlib.sha256(text).hexdigest())
    objects.create(key, text)
    error.kept = key


def integrity_event(subject: str, error: IntegrityError) -> Event:
    """Make the event that tells people of an integrity failure, with what shows it, as far as it is short."""
    payload = {"reason": error.reason, "detail": str(error)}
    if isinstance(error, ProofError):
        payload |= {"shown": error.hint[:MOST_TOLD], "kept": error.kept}
    return Event("integrity", subject, payload)


def contradiction(name: str, older: tuple[int, bytes], newer: tuple[int, bytes], proof: str) -> ProofError:
    """Make the error for two signed heads, each with its size, that cannot both be true."""
    return ProofError(
        f"{name}: its trees of {older[0]} and {newer[0]} records contradict each other",
        hint=f"{name} signed\n\n{_text(older[1])}\nand\n\n{_text(newer[1])}\n{proof}".rstrip(),
    )


def bad_tiles(name: str, signed: bytes, error: ProofError, tiles: Mapping[Tile, bytes]) -> ProofError:
    """Make the error for tiles that are not of the tree that was signed: forged by the database, or on the way."""
    shown = [f"{tile.path()}\n{base64.b64encode(data).decode()}" for tile, data in list(tiles.items())[:MOST_TILES]]
    gave = (
        "and gave these tiles (base64), which are not all of its tree:" if shown else "and our mirror has other tiles."
    )
    return ProofError(f"{name}: {error}", hint="\n\n".join([f"{name} signed\n\n{_text(signed)}\n{gave}", *shown]))


def bad_record(name: str, about: str, answer: bytes, signed: bytes, proof: str) -> ProofError:
    """Make the error for an answer whose record is not what its log holds, or is not of what was asked."""
    hint = f"{name} answered\n\n{_text(answer)}\nand signed\n\n{_text(signed)}\n{proof}".rstrip()
    return ProofError(f"{name}: {about}", hint=hint)


def bad_mirror(name: str, mv: ModuleVersion, about: str, record: bytes, signed: bytes) -> ProofError:
    """Make the error for a record in our own store that is not the one that was verified: somebody changed it there."""
    hint = f"our mirror holds\n\n{_text(record)}\nand {name} signed\n\n{_text(signed)}".rstrip()
    return ProofError(f"{name}: {mv}: our mirror's record was changed: {about}", hint=hint)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
