"""x/mod's sumdb/client_test.go, held against our client: its records, its key, its lookups, what it says of a fork.

The records, the keys and the wanted answers are read from that file at test time. Two things differ on purpose. Go's
test asks in tiles of height 2, our client in those of height 8, as `go` does. And what Go's client returns as no lines,
ours calls by its name: a record without a hash to hold a zip or a go.mod against is not found, one of another module a
lie.

There is no cache_test.go: what Go caches for a process, we keep in the store, and asks nobody twice either.
"""

import re
from functools import cache

import pytest

from gopherwood import gotext, module, note, tlog
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import NotFoundError, ProofError
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.sumdb import Databases, SumDB, parse_gosumdb
from xmod.source import folder

pytestmark = pytest.mark.upstream

_STRING = r'"(?:[^"\\]|\\.)*"'
SAMPLER, QUOTE, UPPER = (
    ModuleVersion(f"rsc.io/{name}", version)
    for name, version in (("sampler", "v1.3.0"), ("quote", "v1.5.2"), ("Quote", "v1.5.2"))
)


@cache
def source() -> str:
    return (folder() / "sumdb/client_test.go").read_text()


def function(name: str) -> str:
    """Return the text of a function of the test file."""
    found = re.search(rf"^func (?:\(\w+ \*?\w+\) )?{name}\(.*?^}}$", source(), re.DOTALL | re.MULTILINE)
    assert found
    return found[0]


def constant(name: str) -> str:
    found = re.search(rf"\b{name}\s+= ({_STRING})", source())
    assert found
    return gotext.unquote(found[1])


def records(name: str, receiver: str = "tc") -> list[tuple[str, str]]:
    """Return the keys and texts that a function adds as records."""
    found = re.findall(rf"\b{receiver}\.addRecord\(({_STRING}), `([^`]*)`\)", function(name))
    assert found
    return [(gotext.unquote(key), text) for key, text in found]


def lookups(name: str) -> dict[str, str]:
    """Return what a function must look up (PATH@VERSION, which may end in /go.mod), with the lines that Go returns."""
    found = re.findall(rf"mustLookup\(({_STRING}), ({_STRING}), ({_STRING})\)", function(name))
    assert found
    return {f"{path}@{version}": want for path, version, want in (map(gotext.unquote, row) for row in found)}


class Remote:
    """The testClient of Go's test: a log as a table of paths, and whether it may be read."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.hashes: list[bytes] = []
        self.answers: dict[str, bytes] = {}
        self.get_ok = self.tile_ok = True
        self.flipped = False
        self.signer = note.new_signer(constant("testSignerKey"))

    def fetch(self, subpath: str) -> bytes:
        assert self.get_ok, f"disallowed remote read {subpath}"
        assert self.tile_ok or not subpath.startswith("tile/"), f"disallowed remote tile read {subpath}"
        if subpath.startswith("tile/"):
            data = self.tile(tlog.parse_tile_path(subpath))
            return bytes(byte ^ 0x80 for byte in data) if self.flipped else data
        if subpath not in self.answers:
            raise NotFoundError(f"no remote path {subpath}", status=404)
        return self.answers[subpath]

    def tile(self, tile: tlog.Tile) -> bytes:
        if ((tile.n << tile.h) + tile.w) << (tile.h * tile.l) > len(self.texts):
            raise NotFoundError(f"no remote path {tile.path()}", status=404)
        return tlog.read_tile_data(tile, self.read)

    def read(self, indexes):
        return [self.hashes[index] for index in indexes]

    def add(self, key: str, text: str) -> None:
        number = self.append(text)
        self.answers[f"lookup/{key}"] = tlog.format_record(number, text.encode()) + self.sign(len(self.texts))

    def append(self, text: str) -> int:
        number = len(self.texts)
        self.hashes += tlog.stored_hashes(number, text.encode(), self.read)
        self.texts.append(text.encode())
        return number

    def sign(self, size: int, more: str = "") -> bytes:
        tree = tlog.Tree(size, tlog.tree_hash(size, self.read))
        return note.sign(note.Note(tlog.format_tree(tree).decode() + more), self.signer)


class Client:
    """Our client on a remote, with a catalog and a store of its own."""

    def __init__(self, at, remote: Remote | None = None) -> None:
        at.mkdir()
        self.remote = remote or Remote()
        self.catalog = Catalog.open(f"sqlite:///{at / 'catalog.db'}")
        self.catalog.migrate()
        self.objects = open_objects((at / "store").as_uri(), settings=Settings())
        database = parse_gosumdb(constant("testVerifierKey"))
        self.name = database.name
        self.database = SumDB(database, self.remote.fetch, self.catalog, self.objects)

    def lookup(self, mv: ModuleVersion):
        return self.database.lookup(mv)

    @property
    def latest(self) -> int:
        return tlog.parse_tree(self.catalog.tree_head(self.name)).n


@pytest.fixture
def make(tmp_path):
    """Give a way to make what newTestClient makes: the records of that function, and a trusted head of one record."""
    made = []

    def client(name="client", *, trusts=True):
        made.append(Client(tmp_path / name))
        for key, text in records("newTestClient"):
            made[-1].remote.add(key, text)
        if trusts:
            made[-1].catalog.set_tree_head(made[-1].name, 1, made[-1].remote.sign(1))
        return made[-1]

    yield client
    for each in made:
        each.catalog.close()


def lines(record, suffix: str = "") -> str:
    """Return the lines of a record that Go's client returns for a version, or for it with the suffix /go.mod."""
    version = record.text.split(" ", 2)[1].removesuffix("/go.mod") + suffix
    return "\n".join(line for line in record.text.splitlines() if line.split(" ")[1] == version)


def test_lookup(make):
    """Mirror TestClientLookup: heads move on, what was verified is asked for once, tiles are asked for when needed."""
    client, want = make(), lookups("TestClientLookup")
    assert client.latest == 1
    assert lines(client.lookup(SAMPLER)) == want[str(SAMPLER)]
    assert client.latest == 3
    client.remote.get_ok = False
    assert lines(client.lookup(SAMPLER)) == want[str(SAMPLER)]
    assert lines(client.lookup(SAMPLER), "/go.mod") == want[f"{SAMPLER}/go.mod"]
    client.remote.get_ok, client.remote.tile_ok = True, False
    assert lines(client.lookup(QUOTE)) == want[str(QUOTE)]
    assert client.latest == 3
    client.remote.tile_ok = True
    with pytest.raises(NotFoundError, match=r"rsc\.io/Quote@v1\.5\.2 has no h1 hash of the go\.mod"):
        client.lookup(UPPER)
    assert client.latest == 4
    assert client.remote.texts[3].decode().strip() == want[str(UPPER)]


def test_bad_tiles(make):
    """Mirror TestClientBadTiles: at the first head, after it, and under a trusted head that is of no tree."""
    client, want = make(), lookups("TestClientBadTiles")
    for mv in (SAMPLER, UPPER):
        client.remote.flipped = True
        with pytest.raises(ProofError, match="downloaded inconsistent tile"):
            client.lookup(mv)
        client.remote.flipped = False
        if mv is SAMPLER:
            assert lines(client.lookup(mv)) == want[str(mv)]
    with pytest.raises(NotFoundError):
        client.lookup(UPPER)
    assert client.latest == 4
    bad = make("bad", trusts=False)
    text = tlog.format_tree(tlog.Tree(1, bytes(32))).decode()
    bad.catalog.set_tree_head(bad.name, 1, note.sign(note.Note(text), bad.remote.signer))
    with pytest.raises(ProofError):
        bad.lookup(SAMPLER)


def test_fork(make):
    """Mirror TestClientFork: two logs that part are told of with both heads and the proof, as Go does."""
    one, two = make("one"), make("two")
    for client, receiver in ((one, "tc"), (two, "tc2")):
        for key, text in records("TestClientFork", receiver):
            client.remote.add(key, text)
    old, new = (ModuleVersion("rsc.io/pkg1", version) for version in ("v1.5.2", "v1.5.4"))
    lookup = "lookup/rsc.io/pkg1@v1.5.2"
    with pytest.raises(NotFoundError, match=r"no h1 hash of the go\.mod"):
        two.lookup(new)
    assert two.latest == 6
    two.remote.answers[lookup] = one.remote.answers[lookup]
    with pytest.raises(ProofError) as caught:
        two.lookup(old)
    said = caught.value.hint
    comment = function("TestClientFork").partition("/*")[2].partition("*/")[0]
    proof = comment.partition("proof of misbehavior:")[2].split()
    assert len(proof) == 4
    assert "\n".join(proof) in said
    for head in ("go.sum database tree\n5\n", "go.sum database tree\n6\n"):
        assert head in said
    for signature in re.findall(r"AAAMZ[\w+/=]+", comment):
        assert signature in said


def test_gonosumdb(make):
    """Mirror TestClientGONOSUMDB: the paths that its patterns cover are asked about nowhere, and no others."""
    client, text = make(), function("TestClientGONOSUMDB")
    ok, skip = (re.findall(_STRING, part) for part in re.findall(r"\[\]string\{(.*?)\}", text, re.DOTALL))
    assert (len(ok), len(skip)) == (5, 4)
    (patterns,) = re.findall(rf"SetGONOSUMDB\(({_STRING})\)", text)
    databases = Databases([client.database], gotext.unquote(patterns))
    assert [databases.of(gotext.unquote(path)) for path in ok] == [client.database] * 5
    assert [databases.of(gotext.unquote(path)) for path in skip] == [None] * 4


def test_reject_unauthenticated_lines(make):
    """Mirror TestRejectUnauthenticatedLines: lines that follow the signed head are no hashes, whoever signed them."""
    client = make()
    texts = [
        gotext.unquote(text) for text in re.findall(r'"golang\.org[^"]*"', function("TestRejectUnauthenticatedLines"))
    ]
    good, bad = (next(text for text in texts if f"/{name} " in text) for name in ("good", "bad"))
    mv = ModuleVersion(*bad.split(" ")[:2])
    number = client.remote.append(good)
    answer = tlog.format_record(number, good.encode()) + client.remote.sign(number + 1, bad)
    client.remote.answers[f"lookup/{module.escape_path(mv.path)}@{mv.version}"] = answer
    with pytest.raises(ProofError, match="does not speak of it"):
        client.lookup(mv)
