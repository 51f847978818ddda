"""The checksum database's client: what it believes, what it keeps, and that stock go believes what it kept."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes import catalogs
from fakes.goproxy import GoProxy
from fakes.sumdb import SumDB as Server
from fakes.sumdb import SumDBLog, bad_signature, flip, sums
from gopherwood import dirhash, module, note, store, tlog, toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, NotFoundError, ProofError, UpstreamError
from gopherwood.http import Client
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, open_objects
from gopherwood.sumdb import Databases, Record, SumDB, parse_databases, parse_gosumdb
from gopherwood.upstream import Upstream


def mvs(count, start=0):
    return [ModuleVersion(f"example.com/Mod{n}", "v1.0.0") for n in range(start, start + count)]


def hashes(mv):
    data = str(mv).encode()
    return dirhash.hash_go_mod(data), dirhash.hash_go_mod(data + b"mod")


@pytest.fixture
def log():
    made = SumDBLog(hashes)
    made.grow(300)
    return made


@pytest.fixture
def catalog(tmp_path):
    with Catalog.open(catalogs.make(f"sqlite:///{tmp_path / 'catalog.db'}")) as opened:
        yield opened


@pytest.fixture
def objects(tmp_path):
    return open_objects((tmp_path / "store").as_uri(), settings=Settings())


@pytest.fixture
def asked():
    return []


@pytest.fixture
def fetch(log, asked):
    def fetch(subpath):
        asked.append(subpath)
        if (found := log.answer(subpath)) is None:
            raise NotFoundError(f"404: {subpath}")
        return found

    return fetch


@pytest.fixture
def database(log, fetch, catalog, objects):
    return SumDB(parse_gosumdb(log.vkey), fetch, catalog, objects)


def test_lookup_gives_the_verified_record(database, log):
    """A record has its number, its text and both hashes."""
    (mv,) = mvs(1)
    got = database.lookup(mv)
    assert (got.id, got.h1, got.go_mod_h1) == (300, *hashes(mv))
    assert got.text.startswith("example.com/Mod0 v1.0.0 h1:")


def test_batch_trusts_one_head_and_answers_in_order(database, catalog, log):
    """Lookups that came with different heads are proved in the newest, which is kept."""
    wanted = mvs(40)
    got = database.lookup_many(wanted)
    assert (list(got), sorted(record.id for record in got.values())) == (wanted, list(range(300, 340)))
    assert catalog.tree_head(log.name) == log.latest()


def test_second_lookup_asks_nobody(database, asked):
    """What is mirrored is answered from the store."""
    first = database.lookup_many(mvs(5))
    asked.clear()
    assert (database.lookup_many(mvs(5)), asked) == (first, [])


@pytest.mark.parametrize("how", ["other hashes", "another number", "no record"])
def test_mirrored_record_that_was_changed_is_refused(database, log, objects, asked, how):
    """What is in the store is proved anew, as Go does with its cache: a record that its log does not hold is a lie."""
    mv, other = mvs(2)
    database.lookup_many([mv, other])
    path = objects.local_path(store.lookup_key(log.name, mv))
    changed = {
        "other hashes": path.read_bytes().replace(b" h1:", b" h1:A"),
        "another number": b"1" + path.read_bytes()[1:],
        "no record": b"nonsense",
    }
    path.chmod(0o644)
    path.write_bytes(changed[how])
    asked.clear()
    got = database.lookup_many([mv, other])
    assert isinstance(got[other], Record)
    assert isinstance(got[mv], ProofError)
    assert "our mirror's record was changed" in str(got[mv])
    assert changed[how] in objects.read(got[mv].kept)
    assert not [each for each in asked if each.startswith("lookup/")]


def test_mirrored_tile_that_was_forged_is_refused(database, log, objects):
    """A record and the tile with its hash, both changed in our store to fit each other, do not fit the signed head."""
    (mv,) = mvs(1)
    number = database.lookup(mv).id
    log.grow(466)  # to 767 records: an edge of more subtrees than tiles, where others below it once went unchecked
    database.refresh()
    text = b"example.com/Mod0 v1.0.0 h1:forged\nexample.com/Mod0 v1.0.0/go.mod h1:forged\n"
    tile = tlog.tile_for_index(8, tlog.stored_hash_index(0, number)).full()
    at = number % 256 * 32
    forged = log.tile(tile)[:at] + tlog.record_hash(text) + log.tile(tile)[at + 32 :]
    for key, data in (
        (store.lookup_key(log.name, mv), tlog.format_record(number, text)),
        (store.tile_key(log.name, tile.path()), forged),
    ):
        path = objects.local_path(key)
        path.chmod(0o644)
        path.write_bytes(data)
    with pytest.raises(ProofError, match="inconsistent tile"):
        database.lookup(mv)


def test_unknown_version_is_not_found_and_others_are_answered(database, log):
    """One version that the database does not know does not spoil its batch."""
    known, unknown = mvs(2)
    log.withhold("lookup/example.com/!mod1@")
    got = database.lookup_many([unknown, known])
    assert isinstance(got[unknown], NotFoundError)
    assert isinstance(got[known], Record)


def test_record_without_a_zip_hash_vouches_for_no_zip(log, database):
    """A record that holds the go.mod's hash only is a true one, and not enough: not found, and no attack."""
    (mv,) = mvs(1)
    log.answers[mv] = f"{mv.path} {mv.version}/go.mod {hashes(mv)[1]}\n"
    with pytest.raises(NotFoundError, match="no h1 hash of the zip"):
        database.lookup(mv)


def test_hashes_of_another_kind_are_not_taken_for_h1(log, database):
    """A line with h2 before the one with h1 does not hide it."""
    (mv,) = mvs(1)
    zip_h1, mod_h1 = hashes(mv)
    log.answers[mv] = (
        f"{mv.path} {mv.version} h2:x\n{mv.path} {mv.version} {zip_h1}\n{mv.path} {mv.version}/go.mod {mod_h1}\n"
    )
    assert database.lookup(mv).h1 == zip_h1


# --- several databases


@pytest.fixture
def other():
    return SumDBLog(hashes, name="sum.corp.example")


@pytest.fixture
def several(log, other, catalog, objects):
    """Give databases as a setting names them; both are asked through one upstream."""
    with GoProxy() as proxy, Client(Settings()) as client:
        for each in (log, other):
            proxy.mount(f"sumdb/{each.name}", each.answer)

        def open_(sumdb, nosumdb="none.example"):
            settings = Settings(sumdb=sumdb, nosumdb=nosumdb, upstream=f"{proxy.url},off")
            return Databases.open(settings, Upstream.from_settings(settings, client), catalog, objects)

        yield open_


def test_first_database_that_covers_a_module_speaks_of_it(several, log, other, catalog, objects):
    """Each version is looked up in one database, verified with its key, and mirrored under its name."""
    databases = several(f"{other.vkey} for=corp.example for=*.corp.example/x,{log.vkey}")
    wanted = [ModuleVersion(path, "v1.0.0") for path in ("corp.example/a", "git.corp.example/x/y", "example.com/Mod0")]
    assert all(isinstance(got, Record) for got in databases.lookup_many(wanted).values())
    assert (len(other.records), len(log.records)) == (2, 301)
    assert tlog.parse_tree(catalog.tree_head(other.name)).n == 2
    assert objects.size(store.lookup_key(other.name, wanted[1]))
    assert objects.size(store.lookup_key(log.name, wanted[2]))
    assert catalog.sumdb_source(other.name).endswith(f"/sumdb/{other.name}")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("corp.example/a", ""),
        ("corp.example/secret", "GONOSUMDB or GOPHERWOOD_PRIVATE names it"),
        ("example.com/m", "no checksum database covers it"),
    ],
)
def test_module_that_no_database_speaks_of_is_asked_about_nowhere(several, other, path, why):
    """Patterns of GONOSUMDB win; what no pattern covers has none; in both cases the name stays here."""
    databases = several(f"{other.vkey} for=corp.example", nosumdb="corp.example/secret,*.private.example")
    got = databases.lookup_many([ModuleVersion(path, "v1.0.0")])[ModuleVersion(path, "v1.0.0")]
    assert (databases.why_not(path), isinstance(got, Record), len(other.records)) == (why, not why, int(not why))


# --- a database that lies


def test_forged_record_is_refused_and_the_others_hold(database, log, objects):
    """A record that the log does not hold is a ProofError, and is not mirrored."""
    forged, honest = mvs(2)
    log.forge(forged, "h1:" + "B" * 43 + "=")
    got = database.lookup_many([forged, honest])
    assert isinstance(got[forged], ProofError)
    assert isinstance(got[honest], Record)
    assert objects.size(store.lookup_key(log.name, forged)) is None


def test_record_of_another_module_is_refused(database, log):
    """A true record of another module proves nothing about this one."""
    other, wanted = mvs(2)
    answer = log.lookup(other.path, other.version)
    log.spoil("lookup/example.com/!mod1@", lambda data: answer)
    with pytest.raises(ProofError, match="does not speak of it"):
        database.lookup(wanted)


def test_bad_signature_is_refused(database, log):
    """A head with a signature that is not its own is a ProofError."""
    log.spoil("lookup/", bad_signature)
    with pytest.raises(ProofError, match="invalid signature"):
        database.lookup(mvs(1)[0])


def test_trusted_head_that_another_key_signed_is_refused(database, log, catalog, objects, asked):
    """Whoever can write into the catalog cannot sign: nothing is believed on such a head, not even what is mirrored."""
    database.lookup_many(mvs(2))
    trusted, (skey, _) = catalog.tree_head(log.name), note.generate_key(log.name)
    text = note.open(trusted, [database.database.verifier]).text
    forged = text.replace("\n302\n", "\n309\n")
    assert catalog.set_tree_head(log.name, 309, note.sign(note.Note(forged), note.new_signer(skey)))
    asked.clear()
    got = database.lookup_many(mvs(3))
    assert all(isinstance(each, ProofError) and "that we trusted does not open" in str(each) for each in got.values())
    assert b"a database with a new key needs a new name" in objects.read(got[mvs(1)[0]].kept)
    with pytest.raises(ProofError):
        database.refresh()
    assert [each for each in asked if each != "latest"] == []


def test_forked_log_is_refused_with_the_evidence(database, log, catalog):
    """A head of another history is refused; the error holds both signed heads and a proof; the old head stays."""
    database.lookup_many(mvs(3))
    trusted = catalog.tree_head(log.name)
    log.fork()
    log.grow(50)
    with pytest.raises(ProofError) as caught:
        database.lookup(mvs(1, start=10)[0])
    assert trusted.decode() in caught.value.hint
    assert log.latest().decode() in caught.value.hint
    assert catalog.tree_head(log.name) == trusted


def test_fork_of_the_same_size_is_refused(database, log, catalog):
    """Two trees of one size are a fork."""
    database.lookup_many(mvs(3))
    log.fork()
    with pytest.raises(ProofError, match="contradict"):
        database.refresh()


def test_log_rolled_back_and_grown_anew_is_refused(database, log):
    """New records in the place of old ones are a fork, even under a smaller head than ours."""
    database.lookup_many(mvs(20))
    log.roll_back(305)
    with pytest.raises(ProofError):
        database.lookup(mvs(1, start=90)[0])


def test_late_head_does_not_move_ours_back(database, log, catalog, fetch):
    """An older head on our timeline, as from a late cache, is no error, and ours stays."""
    late = log.latest()
    database.lookup_many(mvs(3))
    trusted = catalog.tree_head(log.name)
    log.spoil("latest", lambda data: late)
    assert (database.refresh().n, catalog.tree_head(log.name)) == (303, trusted)


def test_flipped_tile_is_refused_and_not_kept(database, log, objects):
    """A tile that is not its tree's is a ProofError, and never reaches the store."""
    log.spoil("tile/8/0/", flip)
    with pytest.raises(ProofError, match="inconsistent tile"):
        database.lookup(mvs(1)[0])
    assert not [key for key in objects.keys("sumdb/") if "/tile/" in key]


def test_withheld_tile_means_later_and_not_gone(database, log):
    """What cannot be verified now is an upstream error that may be retried, never a missing module."""
    log.withhold("tile/8/0/001")
    got = database.lookup_many(mvs(1))[mvs(1)[0]]
    assert isinstance(got, UpstreamError)
    assert not isinstance(got, NotFoundError)
    assert got.retry


@pytest.mark.parametrize(
    "spoil", [lambda d: b"", lambda d: d[:-20], lambda d: b"<html>", lambda d: d.replace(b"\n\n", b"\n")]
)
def test_damaged_answers_mean_later(database, log, spoil):
    """A reply that was cut or replaced on the way is no attack: try again."""
    log.spoil("lookup/", spoil)
    assert type(database.lookup_many(mvs(1))[mvs(1)[0]]) is UpstreamError


def test_refused_batch_heals(database, log):
    """After a liar is honest again everything verifies."""
    log.spoil("tile/", flip)
    assert all(isinstance(got, ProofError) for got in database.lookup_many(mvs(5)).values())
    log.heal()
    assert all(isinstance(got, Record) for got in database.lookup_many(mvs(5)).values())


# --- the mirror


class Mirror:
    """Answers below `/sumdb/<name>/` from store and catalog alone, by the contract in gopherwood.sumdb."""

    def __init__(self, name, catalog, objects):
        self.name, self.catalog, self.objects = name, catalog, objects

    def read(self, subpath):
        return self.objects.read(store.tile_key(self.name, subpath))

    def get(self, what):
        head = self.catalog.tree_head(self.name)
        if what in ("supported", "latest"):
            return head
        try:
            if what.startswith("lookup/"):
                return self.read(what) + head
            return self.read(what)
        except MissingError:
            full, _, width = what.partition(".p/")
            return self.read(full)[: int(width) * 32] if width else None


class Tiles:
    """Tiles as a client without a cache gets them from the mirror."""

    height = 8

    def __init__(self, mirror):
        self.mirror = mirror

    def read_tiles(self, tiles):
        found = [self.mirror.get(tile.path()) for tile in tiles]
        if None in found:
            raise LookupError(tiles[found.index(None)].path())
        return found

    def save_tiles(self, tiles, data):
        pass


def check_mirror(mirror, wanted, heads=()):
    """Prove from the mirror alone that its newest head holds these versions and follows from these heads; return it."""
    answers = [tlog.parse_record(mirror.get(f"lookup/{_escaped(mv)}")) for mv in wanted]
    tree = tlog.parse_tree(answers[0][2])
    reader = tlog.tile_hash_reader(tree, Tiles(mirror))
    proved = [reader([tlog.stored_hash_index(0, number)]) for number, _, _ in answers]
    assert proved == [[tlog.record_hash(text)] for _, text, _ in answers]
    assert [tlog.tree_hash(head.n, reader) for head in heads] == [head.hash for head in heads]
    return tree


def _escaped(mv):
    return f"{module.escape_path(mv.path)}@{module.escape_version(mv.version)}"


@pytest.mark.parametrize("step", [1, 7, 90, 256, 700])
def test_all_that_was_mirrored_can_be_proved_in_the_newest_head(database, log, catalog, objects, step):
    """While the log grows by any step, the mirror proves every record it has, and every head it served before."""
    heads = []
    for turn in range(8):
        database.lookup_many(mvs(3, start=3 * turn))
        heads.append(check_mirror(Mirror(log.name, catalog, objects), mvs(3 * turn + 3), heads))
        log.grow(step)
    assert len({head.n for head in heads}) == 8


def test_workers_advance_one_chain(log, fetch, catalog, objects):
    """Workers that look up at once never trust heads that are unproved against each other."""
    workers = [SumDB(parse_gosumdb(log.vkey), fetch, catalog, objects, workers=2) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda n: workers[n].lookup_many(mvs(12, start=12 * n)), range(6)))
    assert all(isinstance(result, Record) for results in got for result in results.values())
    check_mirror(Mirror(log.name, catalog, objects), mvs(72))


def test_tiles_for_a_client_that_saw_another_head_can_be_mirrored(database, log, catalog, objects):
    """A head of elsewhere, older than ours, can be followed once the tiles it takes were asked for."""
    log.grow(1000)
    elsewhere = log.tree
    log.grow(5000)
    database.lookup_many(mvs(2))
    mirror = Mirror(log.name, catalog, objects)
    with pytest.raises(LookupError):
        check_mirror(mirror, mvs(2), [elsewhere])
    wanted = tlog.tile_for_index(8, tlog.stored_hash_index(0, elsewhere.n - 1)).full().path()
    assert database.mirror_tiles([wanted]) == {}
    check_mirror(mirror, mvs(2), [elsewhere])


def test_tiles_are_mirrored_as_narrow_as_they_were_asked_for(database, log, catalog, objects):
    """A client knows the last tile as wide as it is in its own head, which is cut from the checked one."""
    database.lookup_many(mvs(2))
    log.grow(20)
    database.refresh()
    missed = ["tile/8/0/001.p/50", "tile/8/0/001"]
    assert database.mirror_tiles(missed) == {}
    mirror = Mirror(log.name, catalog, objects)
    assert mirror.get(missed[0]) == log.tile(tlog.Tile(8, 0, 1, 66))[: 50 * 32]
    assert mirror.get("tile/8/0/001") is None  # not full yet: nobody is given less than he asked for
    assert list(database.mirror_tiles(["tile/8/0/001.p/67"])) == ["tile/8/0/001.p/67"]


@pytest.mark.parametrize("path", ["tile/8/0/999", "tile/8/data/000", "tile/4/0/000", "nonsense"])
def test_tiles_that_are_none_are_not_mirrored(database, log, path):
    """A path that names no hash tile of the trusted tree is reported."""
    database.refresh()
    assert list(database.mirror_tiles([path])) == [path]


class Late:
    """A catalog whose first answer is out of date, as another worker's advance can make it."""

    def __init__(self, catalog, late):
        self.catalog, self.late = catalog, [late]

    def tree_head(self, name):
        return self.late.pop() if self.late else self.catalog.tree_head(name)

    def set_tree_head(self, name, size, note):
        return self.catalog.set_tree_head(name, size, note)


def test_worker_that_lost_a_race_proves_its_head_against_the_winners(database, log, catalog, objects, fetch):
    """A head proved from an old one is not trusted before it is proved from the one that came between."""
    database.lookup_many(mvs(2))
    before = catalog.tree_head(log.name)
    log.grow(700)
    database.lookup_many(mvs(4))
    between = tlog.parse_tree(catalog.tree_head(log.name))
    log.grow(700)
    SumDB(database.database, fetch, Late(catalog, before), objects).lookup_many(mvs(6))
    check_mirror(Mirror(log.name, catalog, objects), mvs(6), [between])


class Witness(Late):
    """A catalog that looks, before it keeps a head, whether the store alone can prove it."""

    def __init__(self, catalog, mirror):
        self.catalog, self.late, self.mirror, self.seen = catalog, [], mirror, []

    def set_tree_head(self, name, size, note):
        tree = tlog.parse_tree(note)
        reader = tlog.tile_hash_reader(tree, Tiles(self.mirror))
        assert [tlog.tree_hash(older.n, reader) for older in self.seen] == [older.hash for older in self.seen]
        self.seen.append(tree)
        return super().set_tree_head(name, size, note)


def test_head_is_kept_only_when_its_tiles_are_durable(log, catalog, objects, fetch):
    """When a head is about to be trusted, the store can already show that it follows from those before."""
    witness = Witness(catalog, Mirror(log.name, catalog, objects))
    database = SumDB(parse_gosumdb(log.vkey), fetch, witness, objects)
    for turn in range(4):
        database.lookup_many(mvs(2, start=2 * turn))
        log.grow(300)
    assert len(witness.seen) == 4


def test_lost_pointer_is_found_again_along_the_chain(database, log, catalog, objects, fetch, tmp_path):
    """With an older catalog restored, the store's chain of heads leads to the newest trusted one."""
    database.lookup_many(mvs(3))
    with Catalog.open(f"sqlite:///{tmp_path / 'restored.db'}") as restored:
        restored.migrate()
        log.grow(10)
        again = SumDB(parse_gosumdb(log.vkey), fetch, restored, objects)
        assert isinstance(again.lookup(mvs(1, start=50)[0]), Record)
        assert restored.tree_head(log.name) == log.latest()


# --- the stock client


def test_go_verifies_from_the_mirror_with_the_database_gone(tmp_path, catalog, objects):
    """`go mod download` with an empty cache verifies all that is mirrored, with nobody else to ask."""
    with GoProxy() as proxy:
        known = {}
        for mv in mvs(6):
            made = proxy.add(mv.path, mv.version)
            (tmp_path / "zip").write_bytes(made.zip)
            known[mv] = sums(tmp_path / "zip", made.mod)
        log = SumDBLog(known)
        log.grow(700)
        with Server(log=log) as server:
            settings = Settings(sumdb=f"{log.vkey} {server.url}", upstream=proxy.url)
            database = Databases.open(settings, Upstream.from_settings(settings), catalog, objects)
            database.lookup_many(mvs(3))
            proxy.mount(f"sumdb/{log.name}", Mirror(log.name, catalog, objects).get)
            assert "Error" not in go_download(tmp_path / "one", proxy.url, log.vkey, mvs(3))
            log.grow(300)
            database.lookup_many(mvs(6))
        assert "Error" not in go_download(tmp_path / "one", proxy.url, log.vkey, mvs(6))
        assert "Error" not in go_download(tmp_path / "two", proxy.url, log.vkey, mvs(6))


def go_download(folder, proxy, gosumdb, wanted):
    """Download with a fresh module cache; GOPATH, and with it the last head the client saw, lasts."""
    folder.mkdir(exist_ok=True)
    env = os.environ | {
        "GOPROXY": proxy, "GOSUMDB": gosumdb, "GOPATH": str(folder), "GOMODCACHE": str(folder / f"cache{len(wanted)}"),
        "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local", "GOENV": "off", "GONOSUMDB": "", "GOPRIVATE": "",
    }  # fmt: skip
    command = [toolchain.find_go(), "mod", "download", "-json", *map(str, wanted)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- GOSUMDB


def test_gosumdb_forms():
    """A known name, a key, either with a URL, the alias and off are understood."""
    key = SumDBLog({}).vkey
    assert parse_gosumdb("off") is None
    assert parse_gosumdb("sum.golang.org").name == "sum.golang.org"
    assert (parse_gosumdb(key).name, parse_gosumdb(key).url) == ("sum.example", "")
    assert parse_gosumdb(f"{key} http://127.0.0.1:1/x/").url == "http://127.0.0.1:1/x"
    assert parse_gosumdb("sum.golang.google.cn").name == "sum.golang.org"
    assert parse_gosumdb("sum.golang.google.cn").url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sum.example",
        "a b c",
        "sum.golang.org ftp://x",
        SumDBLog({}, name="../up").vkey,
        SumDBLog({}, name="a/").vkey,
    ],
)
def test_bad_gosumdb_is_a_configuration_error(text):
    """An unknown name, too many fields, another scheme and a name that is no host are refused."""
    with pytest.raises(ConfigError, match="GOSUMDB"):
        parse_gosumdb(text)


def test_several_databases():
    """A list by commas, each with what it covers; `off` alone names none."""
    one, two = SumDBLog({}, name="a.example").vkey, SumDBLog({}, name="b.example").vkey
    first, second = parse_databases(f"{one} https://x.example for=a.example/* for=b.example, {two}")
    assert (first.name, first.url, first.patterns) == ("a.example", "https://x.example", "a.example/*,b.example")
    assert (second.name, second.url, second.covers("any.example")) == ("b.example", "", True)
    assert [first.covers(path) for path in ("a.example", "a.example/x/y", "b.example/z", "c.example")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert parse_databases(" off ") == ()


A, B = (SumDBLog({}, name=f"{letter}.example").vkey for letter in "ab")


@pytest.mark.parametrize("text", ["", f"{A},", f"{A},off", f"{A},{B}", f"{A} for=x,{A}", f"{A} for=,{B}", "for=x"])
def test_list_with_a_database_that_is_never_asked_is_a_configuration_error(text):
    """Two for all modules, one named twice, off in a list, an empty place or pattern."""
    with pytest.raises(ConfigError, match="GOSUMDB"):
        parse_databases(text)
