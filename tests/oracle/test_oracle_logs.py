"""Signed notes, keys and transparency logs, judged by Go and by us."""

import pytest

from gopherwood import gotext, note, tlog
from gopherwood.errors import GopherwoodError
from oracle.driver import Answer, Ink, agree, attempt

pytestmark = pytest.mark.upstream

NAMES = ("sum.example", "PeterNeumann", "a", "x y", "a+b", "é")
KEYS = {name: note.generate_key(name, bytes([i]) * 32) for i, name in enumerate(NAMES[:3])}
CHARS = "\n —+abAB=01/\x01é\udcff"
TEXTS = ("hello\n", "go.sum database tree\n5\nAAAA\n", "a\n\nb\n", "", "no newline", "\n", "é\n", "— a b\n")


def spell_note(ink: Ink) -> list[str]:
    signers = [note.new_signer(KEYS[name][0]) for name in KEYS if ink.below(2)]
    text = ink.pick(TEXTS)
    try:
        message = gotext.from_bytes(note.sign(note.Note(text, (), ()), *signers))
    except GopherwoodError:
        message = text
    if ink.below(8) == 0:
        message += message.splitlines(keepends=True)[-1] if message else "\n"
    return [ink.smudge(message, CHARS), *(KEYS[name][1] for name in KEYS if ink.below(3))]


def open_note(message: str, *keys: str) -> Answer:
    try:
        opened = note.open(gotext.to_bytes(message), [note.new_verifier(key) for key in keys])
    except GopherwoodError as error:
        return [f"!{error}"]
    lists = {"sig": opened.sigs, "unverified": opened.unverified_sigs}
    return [
        "",
        opened.text,
        *(f"{kind} {s.name} {s.hash:08x} {s.base64}" for kind, sigs in lists.items() for s in sigs),
    ]


def same_kind(_: object, theirs: Answer, mine: Answer) -> bool:
    """Compare answers, and of errors the first two words: malformed note, invalid signature, and so on."""
    if theirs[0].startswith("!") and mine[0].startswith("!"):
        return theirs[0].replace(":", "").split()[:2] == mine[0].replace(":", "").split()[:2]
    return theirs == mine


def spell_key(ink: Ink) -> list[str]:
    return [ink.smudge(ink.pick([key for pair in KEYS.values() for key in pair]), "+=aA0/ é\n", odds=2)]


def about_key(key: str) -> Answer:
    def verify() -> str:
        verifier = note.new_verifier(key)
        return f"{verifier.name} {verifier.key_hash:08x}"

    def sign() -> str:
        return gotext.from_bytes(note.sign(note.Note("text\n", (), ()), note.new_signer(key)))

    return ["!" if (answer := attempt(ask)).startswith("!") else answer for ask in (verify, sign)]


def about_tree(size: str, n: str, height: str) -> Answer:
    stored: list[bytes] = []

    def read(indexes):
        return [stored[i] for i in indexes]

    for i in range(int(size)):
        stored += tlog.stored_hashes(i, str(i).encode(), read)
    proofs = []
    for prove in (tlog.prove_record, tlog.prove_tree):
        try:
            proofs.append(" ".join(map(tlog.format_hash, prove(int(size), int(n), read))))
        except GopherwoodError:
            proofs.append("!")
    root = tlog.format_hash(tlog.tree_hash(int(size), read))
    return [root, *proofs, *(tile.path() for tile in tlog.new_tiles(int(height), int(n), int(size)))]


def about_text(parse, show):
    """Make the answer of a parser: what `show` makes of its result, or a refusal."""

    def answer(text: str) -> Answer:
        try:
            return show(parse(gotext.to_bytes(text) if parse is not tlog.parse_tile_path else text))
        except GopherwoodError:
            return ["!"]

    return answer


def spell_tree_text(ink: Ink) -> list[str]:
    hashes = (
        "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=",
        "AAAA",
        "",
        "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb1=",
    )
    head = ink.pick(("go.sum database tree",) * 4 + ("go.sum", ""))
    size = ink.pick(("0", "1", "123456", "01", "-1", "+1", "9223372036854775807", "9223372036854775808", "1_0"))
    root = hashes[0] if ink.below(3) else ink.pick(hashes)
    text = "\n".join([head, size, root, ink.pick(("", "", "more", "more\n"))])
    return [ink.smudge(text, "\n 019=é\udcff")]


def spell_record_text(ink: Ink) -> list[str]:
    body = "".join(
        ink.pick(("a", "b\n", "\n", "é", "example.com/m v1.0.0 h1:x=\n", "\x01", "\udcff")) for _ in range(ink.below(5))
    )
    number = ink.pick(("0", "12", "01", "-1", "", "9223372036854775808"))
    return [ink.smudge("\n".join([number, body, ink.pick(("", "rest", "\n"))]), "\n 01a")]


def spell_tile_path(ink: Ink) -> list[str]:
    parts = [
        ink.pick(("tile", "tile", "tile", "tiles", "")),
        ink.pick(("8", "8", "4", "30", "31", "0", "01", "x")),
        ink.pick(("0", "1", "data", "63", "64", "-1", "00")),
        *(ink.pick(("x001", "x000", "x999", "001")) for _ in range(ink.below(3))),
        ink.pick(("000", "001", "234", "234", "1", "1234", "x12")) + ink.pick(("", "", ".p")),
        *([ink.pick(("1", "255", "256", "0", "01", "16"))] if ink.below(2) else []),
    ]
    return [ink.smudge("/".join(parts), "/.p0x1", odds=5)]


def test_notes(oracle):
    """Signed notes open, and fail to, as in Go."""
    agree(oracle, "note", spell_note, open_note, inputs=1_500, ink=32, same=same_kind)


def test_keys(oracle):
    """Keys of verifiers and signers are read as in Go, and sign the same bytes."""
    agree(oracle, "notekey", spell_key, about_key, inputs=1_000)


def test_trees(oracle):
    """Tree hashes, both kinds of proofs, and the tiles to publish are Go's."""

    def spell(ink: Ink) -> list[str]:
        size = ink.below(100)
        return [str(size), str(ink.below(size + 1)), str(1 + ink.below(5))]

    agree(oracle, "tree", spell, about_tree, inputs=1_500, ink=8)


def test_tree_texts(oracle):
    """Tree heads are read, and written again, as in Go."""
    show = lambda tree: [str(tree.n), tlog.format_hash(tree.hash), gotext.from_bytes(tlog.format_tree(tree))]  # noqa: E731
    agree(oracle, "treetext", spell_tree_text, about_text(tlog.parse_tree, show), inputs=1_500, ink=20)


def test_record_texts(oracle):
    """Records are split as in Go."""
    show = lambda found: [str(found[0]), *map(gotext.from_bytes, found[1:])]  # noqa: E731
    agree(oracle, "recordtext", spell_record_text, about_text(tlog.parse_record, show), inputs=2_000)


def test_tile_paths(oracle):
    """Tile paths are read, and written again, as in Go."""
    show = lambda tile: [f"{tile.h} {tile.l} {tile.n} {tile.w}", tile.path()]  # noqa: E731
    agree(oracle, "tilepath", spell_tile_path, about_text(tlog.parse_tile_path, show), inputs=3_000)
