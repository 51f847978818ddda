"""Signed notes: what opens, what does not, and that signing is its inverse."""

import pytest

from gopherwood import note
from gopherwood.errors import ConfigError, ProofError

SKEY, VKEY = note.generate_key("log.example", seed=bytes(32))
SIGNER, VERIFIER = note.new_signer(SKEY), note.new_verifier(VKEY)
TEXT = "a text\nof two lines\n"


def test_signed_note_opens_with_its_key():
    """What a signer signs, its verifier opens, text unchanged."""
    opened = note.open(note.sign(note.Note(TEXT), SIGNER), [VERIFIER])
    assert (opened.text, [s.name for s in opened.sigs]) == (TEXT, ["log.example"])


def test_changed_text_is_an_invalid_signature():
    """One letter of the text changed makes the signature invalid."""
    message = note.sign(note.Note(TEXT), SIGNER).replace(b"two", b"ten")
    with pytest.raises(ProofError, match="invalid signature for key log"):
        note.open(message, [VERIFIER])


def test_unknown_signer_is_unverified():
    """A note that only strangers signed is refused, and the error carries it."""
    with pytest.raises(note.UnverifiedNoteError) as caught:
        note.open(note.sign(note.Note(TEXT), SIGNER), [])
    assert [s.name for s in caught.value.note.unverified_sigs] == ["log.example"]


def test_second_signer_is_appended():
    """A second signature joins the first; both verify."""
    other_skey, other_vkey = note.generate_key("other.example")
    once = note.open(note.sign(note.Note(TEXT), SIGNER), [VERIFIER])
    twice = note.open(note.sign(once, note.new_signer(other_skey)), [VERIFIER, note.new_verifier(other_vkey)])
    assert [s.name for s in twice.sigs] == ["log.example", "other.example"]


def test_same_key_twice_is_ambiguous():
    """Two known keys of one name and hash cannot decide a signature."""
    with pytest.raises(ProofError, match="ambiguous key"):
        note.open(note.sign(note.Note(TEXT), SIGNER), [VERIFIER, VERIFIER])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m[:-1],
        lambda m: m.replace(b"\n\n", b"\n"),
        lambda m: m.replace(b"a text", b"a\ttext"),
        lambda m: m.replace(b"a text", b"a\xfftext"),
        lambda m: m + b"not a signature\n",
        lambda m: m + m.splitlines(keepends=True)[-1] * note.MAX_SIGNATURES,
        lambda m: b"",
    ],
)
def test_malformed_notes_are_refused(spoil):
    """A message without the exact form of a note is malformed, whoever signed it."""
    with pytest.raises(note.MalformedNoteError):
        note.open(spoil(note.sign(note.Note(TEXT), SIGNER)), [VERIFIER])


@pytest.mark.parametrize("vkey", ["", "off", "name+00000000+AAAA", VKEY[:-1], VKEY.replace("log", "lag"), VKEY + "=="])
def test_bad_verifier_keys_are_a_configuration_error(vkey):
    """A verifier key with anything wrong in it is refused."""
    with pytest.raises(ConfigError):
        note.new_verifier(vkey)


def test_signer_key_never_appears():
    """Neither an error about a signer key nor the signer's repr holds the secret."""
    secret = SKEY.rsplit("+", 1)[1]
    with pytest.raises(ConfigError) as caught:
        note.new_signer(SKEY.replace("log", "lag"))
    assert secret not in str(caught.value)
    assert "seed" not in repr(SIGNER)
