"""`ledger verify`: whatever is changed behind the ledger's back is found, and named for what it is."""

import json
import shutil
from collections.abc import Callable

import pytest

from fakes import logged, valid
from gopherwood import cli, publish, store, tlog
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY
from gopherwood.ledger import show, verify
from gopherwood.module import ModuleVersion

MVS = [ModuleVersion("example.com/Mod", f"v1.{number}.0") for number in range(5)]
OTHER = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Return a home in which five versions are published, with three heads; tests copy it."""
    home = tmp_path_factory.mktemp("ready") / "home"
    settings = Settings(home=home, batch=2, ledger_key=logged.SECRET)
    valid.make_valid(settings, MVS)
    publish.run(settings)
    return home


@pytest.fixture
def home(ready, tmp_path):
    return Settings(home=shutil.copytree(ready, tmp_path / "home"))


def sql(settings: Settings, *statements: str) -> None:
    with Catalog.open(settings) as catalog, catalog._transaction() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def change_file(settings: Settings, suffix: str, change: Callable[[bytes], bytes]) -> None:
    path = settings.home / "store" / store.key(MVS[1], suffix)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))


def test_all_is_well(home):
    """An untouched platform verifies: every entry, head and file was looked at."""
    found = verify.run(home)
    assert (found.entries, found.heads, found.files, found.found, found.exit_code) == (5, 3, 5, [], EXIT_DONE)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (f"UPDATE ledger SET h1 = '{OTHER}' WHERE number = 1", "entry 1: its row, of example.com/Mod@v1.1.0, is not"),
        ("UPDATE ledger SET version = 'v9.0.0' WHERE number = 2", "entry 2: its row, of example.com/Mod@v9.0.0"),
        ("DELETE FROM ledger WHERE number = 3", "entry 3: its row is missing"),
        ("DELETE FROM ledger WHERE number = 3", "example.com/Mod@v1.3.0 is published, and has no entry"),
        ("DELETE FROM ledger WHERE number = 3", "4 rows and 1 tiles are not those of 5 entries"),
        ("INSERT INTO ledger VALUES (5, 'a.example/x', 'v1.0.0', 'h1:', 'h1:', 0)", "6 rows and 1 tiles are not those"),
        ("UPDATE ledger_tiles SET data = zeroblob(160)", "entry 0: its row, of example.com/Mod@v1.0.0, is not"),
        ("UPDATE ledger_tiles SET data = zeroblob(160)", "the head of 2 entries: the tree of the tiles is another"),
        ("UPDATE ledger_tiles SET data = substr(data, 1, 96)", "entry 3: its hash is not in tile 0 of level 0"),
        ("DELETE FROM ledger_tiles", "5 rows and 0 tiles are not those of 5 entries"),
        ("UPDATE ledger_heads SET root = '{root}' WHERE size = 4", "the head of 4 entries is not what was signed"),
        ("UPDATE ledger_heads SET note = replace(note, '\n4\n', '\n3\n')", "the head of 4 entries: invalid signature"),
        ("UPDATE ledger_heads SET checkpoint = note", "the head of 2 entries: not a checkpoint of ledger.example/log"),
        ("UPDATE ledger_heads SET size = 3 WHERE size = 4", "the head of 3 entries is not what was signed"),
        ("UPDATE ledger_heads SET size = 9 WHERE size = 5", "the head of 9 entries: there are 5"),
        ("UPDATE counters SET value = 4 WHERE name = 'ledger'", "5 rows and 1 tiles are not those of 4 entries"),
        ("UPDATE counters SET value = 4 WHERE name = 'ledger'", "the store has seen a ledger of 5 entries, ours has 4"),
        (f"UPDATE versions SET h1 = '{OTHER}' WHERE version = 'v1.1.0'", "entry 1: the catalog has other hashes"),
        (f"UPDATE versions SET go_mod_h1 = '{OTHER}'", "entry 1: the catalog has other hashes of example"),
    ],
)  # fmt: skip
def test_what_is_changed_in_the_catalog_is_found(home, statement, says):
    """A row, a tile, a head, a size: each is found, and is exit code 3."""
    sql(home, statement.replace("{root}", tlog.format_hash(tlog.EMPTY_HASH)))
    found = verify.run(home)
    assert any(line.startswith(f"wrong: {says}") for line in found.found), found.found
    assert found.exit_code == EXIT_INTEGRITY


@pytest.mark.parametrize(
    ("suffix", "change", "says"),
    [
        (
            ".zip",
            lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
            "example.com/!mod/@v/v1.1.0.zip is damaged",
        ),
        (".zip", lambda data: b"", "example.com/!mod/@v/v1.1.0.zip is damaged"),
        (".zip", lambda data: valid.files(MVS[1], body="x")[".zip"], "example.com/!mod/@v/v1.1.0.zip hashes to h1:"),
        (".mod", lambda data: data + b"\n", "example.com/!mod/@v/v1.1.0.mod hashes to h1:"),
    ],
)
def test_what_is_changed_in_the_store_is_found(home, suffix, change, says):
    """A flipped bit, a truncated file, another zip, another go.mod."""
    change_file(home, suffix, change)
    found = verify.run(home)
    assert [line.startswith(f"wrong: entry 1: {says}") for line in found.found] == [True], found.found
    assert verify.run(home, with_store=False).found == []


def test_a_missing_file_is_found(home):
    """A version whose zip is gone is not well."""
    (home.home / "store" / store.key(MVS[4], ".zip")).unlink()
    assert verify.run(home).found == ["wrong: entry 4: example.com/!mod/@v/v1.4.0.zip is not in the store"]


def test_an_entry_whose_version_is_not_visible_is_pending(home):
    """A publisher that died after the append leaves an entry: that is announced, and is no failure."""
    sql(home, "UPDATE versions SET state = 'valid' WHERE version = 'v1.4.0'")
    found = verify.run(home)
    assert (found.found, found.exit_code) == (
        ["pending: entry 4, example.com/Mod@v1.4.0, is not published yet"],
        EXIT_DONE,
    )


def test_since_looks_at_the_end_only(tmp_path):
    """--since begins with the tile of that entry, and still checks every head after it and tiles above."""
    home = Settings(home=tmp_path)
    with Catalog.ready(home) as catalog:
        for start in range(0, 700, 100):
            catalog.ledger_append(logged.entries(start, start + 100), logged.signer())
    sql(home, f"UPDATE ledger SET h1 = '{OTHER}' WHERE number = 10")
    found = verify.run(home, since=600, with_store=False)
    assert (found.size, found.entries, found.heads, found.wrong) == (700, 700 - 512, 2, 0)
    assert verify.run(home, with_store=False).wrong == 1
    sql(home, "UPDATE ledger_tiles SET data = zeroblob(64) WHERE level = 1")
    assert "the head of 600 entries" in verify.run(home, since=600, with_store=False).found[0]


def test_the_verb(home, capsys):
    """`ledger verify` tells people what it looked at; `--json` tells programs; what is wrong is exit code 3."""
    line = ["ledger", "verify", "--home", str(home.home)]
    assert cli.main([*line, "--json"]) == EXIT_DONE
    assert json.loads(capsys.readouterr().out)["entries"] == 5
    sql(home, "UPDATE ledger_heads SET root = note")
    change_file(home, ".mod", lambda data: b"")
    assert cli.main([*line, "--no-store"]) == EXIT_INTEGRITY
    assert (
        verify.Verified(5, 5, 3, 5).text()
        == "ledger verify: 5 of 5 entries, 3 heads, 5 versions in the store: all is well"
    )


def test_a_proof_by_hand(home, capsys):
    """`ledger proof` prints what a person can compute again, and its JSON checks out by tlog alone."""
    line = ["ledger", "proof", "example.com/Mod@v1.3.0", "--home", str(home.home)]
    assert cli.main([*line, "--json"]) == EXIT_DONE
    said = json.loads(capsys.readouterr().out)
    leaf, root = tlog.record_hash(said["record"].encode()), tlog.parse_hash(said["root"])
    assert tlog.format_hash(leaf) == said["leaf"]
    tlog.check_record([tlog.parse_hash(value) for value in said["proof"]], said["size"], root, said["number"], leaf)
    assert said["note"].split("\n")[1:3] == ["5", said["root"]]
    assert show.proof(home, MVS[3]).text().startswith("example.com/Mod@v1.3.0 is entry 3 of 5. Its record:\n")


def test_no_proof_of_what_is_not_there(home, capsys):
    """A version that is not in the ledger has no proof, and the message says so."""
    assert cli.main(["ledger", "proof", "example.com/Mod@v1.9.0", "--home", str(home.home)]) == EXIT_FAILED
    assert "example.com/Mod@v1.9.0 is not in the ledger" in capsys.readouterr().err


def test_head(home, capsys):
    """`ledger head` shows how long the log is, and both forms of its signed head."""
    assert cli.main(["ledger", "head", "--json", "--home", str(home.home)]) == EXIT_DONE
    said = json.loads(capsys.readouterr().out)
    assert (said["size"], said["signed"], said["key"]) == (5, 5, logged.KEY)
    assert said["note"].startswith(f"go.sum database tree\n5\n{said['root']}\n\n— {logged.NAME} ")
    assert said["checkpoint"].startswith(f"{logged.NAME}\n5\n{said['root']}\n\n— {logged.NAME} ")
