"""x/mod's signed notes, held against ours: its keys, its messages, and every way it spoils them."""

import re

import pytest

from gopherwood import gotext, note
from gopherwood.errors import ConfigError, ProofError
from xmod.source import folder

pytestmark = pytest.mark.upstream

TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"


def constants():
    """Read the string constants of note_test.go: keys and signature lines."""
    source = (folder() / "sumdb/note/note_test.go").read_text()
    return {name: gotext.unquote(text) for name, text in re.findall(r'(\w+) :?= ("(?:[^"\\]|\\.)*")\n', source)}


@pytest.fixture(scope="module")
def go():
    return constants()


@pytest.fixture(scope="module")
def peter(go):
    return note.new_verifier(go["peterKey"])


@pytest.fixture(scope="module")
def enoch(go):
    return note.new_verifier(go["enochKey"])


def open_(text, *verifiers):
    return note.open(gotext.to_bytes(text), verifiers)


@pytest.mark.parametrize(("name", "read"), [("vkey", note.new_verifier), ("skey", note.new_signer)])
def test_keys_and_every_mangling_of_them(go, name, read):
    """A key is read; no part of it is, and no letter of it may differ."""
    key = go[name]
    read(key)
    parts = {key[i:j] for i in range(len(key)) for j in range(i + 1, len(key) + 1)} - {key}
    changed = {key[:i] + chr(ord(char) + 1) + key[i + 1 :] for i, char in enumerate(key)}
    for bad in parts | changed:
        with pytest.raises(ConfigError):
            read(bad)


def test_keys_of_wrong_length_or_algorithm():
    """The bad keys that Go's test names are refused, though their hashes are right."""
    source = (folder() / "sumdb/note/note_test.go").read_text()
    bad = re.findall(r'badKey\("([^"]+)"\)', source)
    assert len(bad) == 2
    for key in bad:
        with pytest.raises(ConfigError):
            note.new_verifier(key)


def test_sign_gives_gos_bytes(go):
    """Signing gives exactly the message that Go's does, and replaces a signature of the same key."""
    signer = note.new_signer(go["skey"])
    wanted = f"{TEXT}\n{go['peterSig']}".encode()
    assert note.sign(note.Note(TEXT), signer) == wanted
    old = note.Signature("PeterNeumann", 0xC74F20A3, "BADSIGN=")
    assert note.sign(note.Note(TEXT, (old,)), signer) == wanted


@pytest.mark.parametrize(
    "bad",
    [
        note.Note("abc"),
        note.Note(TEXT, (note.Signature("a+b", 0, "ABCD"),)),
        note.Note(TEXT, (note.Signature("PeterNeumann", 0xC74F20A3, "BADHASH="),)),
    ],
)
def test_malformed_notes_are_not_signed(bad):
    """What Go does not sign, we do not."""
    with pytest.raises(ProofError, match="malformed note"):
        note.sign(bad)


def test_open_sorts_signatures(go, peter, enoch):
    """Known signatures are verified, others kept apart, repeated ones counted once."""
    both = f"{TEXT}\n{go['peterSig']}{go['enochSig']}"
    assert names(open_(both, peter)) == (["PeterNeumann"], ["EnochRoot"])
    assert names(open_(both, peter, enoch)) == (["PeterNeumann", "EnochRoot"], [])
    with pytest.raises(note.UnverifiedNoteError) as caught:
        open_(both)
    assert names(caught.value.note) == ([], ["PeterNeumann", "EnochRoot"])
    other = go["enochSig"][:60] + "ABCD" + go["enochSig"][60:]
    repeated = f"{TEXT}\n{go['peterSig'] * 2}{go['enochSig'] * 2}{other}"
    assert names(open_(repeated, peter)) == (["PeterNeumann"], ["EnochRoot", "EnochRoot"])


def names(opened):
    assert opened.text == TEXT
    return [s.name for s in opened.sigs], [s.name for s in opened.unverified_sigs]


def test_open_refuses(go, peter, enoch):
    """An ambiguous key, a wrong signature and too many signatures are refused as Go refuses them."""
    with pytest.raises(ProofError, match=r"^ambiguous key EnochRoot\+af0cfe78$"):
        open_(f"{TEXT}\n{go['enochSig']}", enoch, peter, enoch)
    assert names(open_(f"{TEXT}\n{go['peterSig']}", enoch, peter, enoch)) == (["PeterNeumann"], [])
    wrong = go["peterSig"][:60] + "ABCD" + go["peterSig"][60:]
    with pytest.raises(ProofError, match=r"^invalid signature for key PeterNeumann\+c74f20a3$"):
        open_(f"{TEXT}\n{wrong}", peter)
    with pytest.raises(note.MalformedNoteError):
        open_(f"{TEXT}\n{go['peterSig'] * 101}", peter)


def test_malformed_messages(go, peter):
    """The messages that Go's test calls malformed are, and no others."""
    sig = go["peterSig"]
    bad = [
        TEXT, f"{TEXT}\n", f"{TEXT}\n{sig[:-1]}", f"\x01{TEXT}\n{sig}", f"\udcff{TEXT}\n{sig}",
        f"{TEXT}\n{sig.replace('PeterNeumann', 'Bad Name')}", f"{TEXT}\n{sig}Unexpected line.\n",
    ]  # fmt: skip
    for message in bad:
        with pytest.raises(note.MalformedNoteError):
            open_(message, peter)


def test_generated_keys_agree():
    """A generated pair signs and verifies, and nothing changed does."""
    skey, vkey = note.generate_key("EnochRoot")
    signer, verifier = note.new_signer(skey), note.new_verifier(vkey)
    signature = signer.sign(b"hi")
    assert (signer.name, signer.key_hash) == (verifier.name, verifier.key_hash)
    assert verifier.verify(b"hi", signature)
    assert not verifier.verify(b"ii", signature)
    assert not verifier.verify(b"hi", bytes([signature[0] ^ 1]) + signature[1:])
