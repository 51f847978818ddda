"""Our ledger, judged by Go: its notes open, its proofs hold, and the checksum database's own client trusts it."""

import pytest

from fakes import logged
from gopherwood import module, tlog
from gopherwood.catalog import Catalog
from gopherwood.ledger.log import Log

pytestmark = pytest.mark.upstream

BATCHES = (1, 6, 250, 3, 300)
SIZE = sum(BATCHES)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Return a ledger that grew in uneven batches, each with its head."""
    with Catalog.open(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/catalog.db") as catalog:
        catalog.migrate()
        at = 0
        for more in BATCHES:
            catalog.ledger_append(logged.entries(at, at + more), logged.signer())
            at += more
        yield Log(catalog)


@pytest.fixture(scope="module")
def heads(log):
    return log._catalog.ledger_heads()


def served(log: Log, number: int) -> list[str]:
    """Return paths and bodies of what a client asks for: the lookup, and every tile of the tree."""
    mv = logged.entry(number).mv
    lookup = f"/lookup/{module.escape_path(mv.path)}@{mv.version}"
    tiles = [(f"/{tile.path()}", log.tile(tile)) for tile in tlog.new_tiles(8, 0, SIZE)]
    files = [(lookup, log.lookup(mv)), *tiles]
    return [text for path, data in files for text in (path, data.decode("utf-8", "surrogateescape"))]


def ask(oracle, log: Log, number: int, files: list[str]) -> list[str]:
    entry = logged.entry(number)
    question = [logged.KEY, f"{entry.mv.path} {entry.mv.version}", *files]
    return oracle.ask("lookup", [question])[0]


@pytest.mark.parametrize("number", [0, 6, 7, 255, 256, 511, 512, SIZE - 1])
def test_the_stock_client_trusts_it(oracle, log, number):
    """A lookup, verified by Go with nothing but our key, gives the lines of the record."""
    assert (
        ask(oracle, log, number, served(log, number))[0] + "\n"
        == logged.entry(number).record.decode().splitlines(True)[0]
    )


def test_the_stock_client_trusts_nothing_else(oracle, log):
    """The same with another record, another tile or another signature is refused."""
    number = 300
    files = served(log, number)
    for spoil in (
        lambda path, text: text.replace("h1:0", "h1:1", 1) if path.startswith("/lookup/") else text,
        lambda path, text: "\0" + text[1:] if path == "/tile/8/0/001" else text,
        lambda path, text: text.replace(f"\n{SIZE}\n", f"\n{SIZE - 1}\n") if path.startswith("/lookup/") else text,
    ):
        spoilt = [text for at in range(0, len(files), 2) for text in (files[at], spoil(files[at], files[at + 1]))]
        assert spoilt != files
        assert ask(oracle, log, number, spoilt)[0].startswith("!")


def test_inclusion_proofs_hold(oracle, log, heads):
    """Every entry is proved in the newest head, and in the first head that covers it."""
    questions = []
    for number in range(SIZE):
        entry = logged.entry(number)
        for head in (heads[-1], next(head for head in heads if head.size > number)):
            proof = [tlog.format_hash(value) for value in log.inclusion(entry.mv, head).proof]
            root = tlog.format_hash(head.root)
            questions.append(["record", str(head.size), root, str(number), entry.record.decode(), *proof])
    assert [answer for answer in oracle.ask("proof", questions) if answer != [""]] == []
    questions[1][4] += " "
    assert oracle.ask("proof", questions[1:2])[0][0].startswith("!")


def test_consistency_proofs_hold(oracle, log, heads):
    """Each head is proved to begin with each older one."""
    questions = [
        ["tree", str(new.size), tlog.format_hash(new.root), str(old.size), tlog.format_hash(old.root)]
        + [tlog.format_hash(value) for value in log.consistency(old.size, new.size)]
        for new in heads
        for old in heads
        if old.size <= new.size
    ]
    assert [answer for answer in oracle.ask("proof", questions) if answer != [""]] == []


def test_both_forms_of_a_head_open(oracle, heads):
    """Go opens the note and the checkpoint of every head with our key, and reads the tree in the note."""
    for head in heads:
        for signed, title in ((head.note, "go.sum database tree"), (head.checkpoint, logged.NAME)):
            answer = oracle.ask("note", [[signed.decode(), logged.KEY]])[0]
            assert answer[:2] == ["", f"{title}\n{head.size}\n{tlog.format_hash(head.root)}\n"]
            assert answer[2].startswith(f"sig {logged.NAME} ")
        text = head.note.decode().split("\n\n")[0] + "\n"
        assert oracle.ask("treetext", [[text]])[0][:2] == [str(head.size), tlog.format_hash(head.root)]


def test_bundles_are_the_records(log):
    """A C2SP entry bundle is each record after its 16-bit length; a data tile is each record as Go formats it."""
    for n, width in ((0, 256), (1, 256), (2, SIZE - 512)):
        records = [entry.record for entry in logged.entries(n * 256, n * 256 + width)]
        bundle, at, found = log.bundle(n, width), 0, []
        while at < len(bundle):
            length = int.from_bytes(bundle[at : at + 2], "big")
            found.append(bundle[at + 2 : at + 2 + length])
            at += 2 + length
        assert found == records
        rest, numbers = log.tile(tlog.Tile(8, -1, n, width)), []
        while rest:
            number, text, rest = tlog.parse_record(rest)
            numbers.append((number, text))
        assert numbers == list(enumerate(records, n * 256))
    assert (log.bundle(2, SIZE - 511), log.tile(tlog.Tile(8, -1, 3, 1)), log.tile(tlog.Tile(8, 0, 2, 256))) == (
        None,
    ) * 3
