"""The ledger as strangers see it: `go` verifies by it and refuses what was changed; tools read it as a tiled log."""

import json
import os
import shutil
import sqlite3
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import logged
from fakes.goproxy import GoProxy, make_module
from fakes.site import Site
from gopherwood import ingest, note, store, tlog, toolchain
from gopherwood.config import Settings
from gopherwood.ledger.key import open_checkpoint
from gopherwood.module import ModuleVersion

HELD = [ModuleVersion(f"corp.example/Private{number}", "v1.0.0") for number in range(3)]
MORE = [ModuleVersion("example.com/more", f"v1.{number}.0") for number in range(300)]
SUMDB = f"/sumdb/{logged.NAME}"
pytestmark = pytest.mark.xdist_group("ledger-serving")


def bring(settings: Settings, wanted: Iterable[ModuleVersion], content: str = "") -> None:
    """Publish made-up modules with the ledger's key at hand, as modules that no public database knows."""
    with GoProxy() as proxy:
        for mv in wanted:
            proxy.add(mv.path, mv.version, {"m.go": f"package m // {content}\n"})
        with_key = replace(settings, upstream=proxy.url, sumdb="off", ledger_key=logged.SECRET)
        assert ingest.run(with_key, wanted=[str(mv) for mv in wanted], workers=1, style="json").exit_code == 0


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site]) -> Site:
    """Serve a ledger of 303 entries, signed in two batches and more; the server never sees the secret."""
    site = make_site()
    bring(site.settings, HELD)
    bring(site.settings, MORE)
    site.start()
    return site


@pytest.fixture
def small(make_site: Callable[..., Site]) -> Site:
    """Return a site with the first modules only, not started."""
    site = make_site()
    bring(site.settings, HELD)
    return site


def go(
    site: Site, gopath: Path, *wanted: ModuleVersion, gosumdb: str = logged.KEY
) -> "subprocess.CompletedProcess[str]":
    """Run `go mod download` from this site and nowhere else, verified by its ledger alone."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": f"{site.url},off", "GOSUMDB": gosumdb, "GOPATH": str(gopath), "GOFLAGS": "-modcacherw"}
    gopath.mkdir(exist_ok=True)
    command = [toolchain.find_go(), "mod", "download", *map(str, wanted)]
    return subprocess.run(command, cwd=gopath, env=environ, capture_output=True, text=True, timeout=60)


def replace_bytes(site: Site, mv: ModuleVersion, suffix: str, data: bytes) -> None:
    """Write other bytes over a published file: what no code of ours can do."""
    path = site.objects.local_path(store.key(mv, suffix))
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(data)


def test_the_stock_client_verifies_by_the_ledger(site: Site, tmp_path: Path) -> None:
    """GOSUMDB names our key, nothing else is reachable, the modules are private: every hash is proved in the log."""
    done = go(site, tmp_path / "go", *HELD, *MORE[250:255])
    assert done.returncode == 0, done.stderr
    looked_up = list((tmp_path / "go/pkg/mod/cache/download/sumdb").rglob("lookup/**/*@v*"))
    assert len(looked_up) == len(HELD) + 5


def test_the_stock_client_refuses_a_byte_changed_in_the_store(small: Site, tmp_path: Path) -> None:
    """Whoever changes a file at rest cannot change what the ledger said of it."""
    other = make_module(HELD[0].path, HELD[0].version, {"m.go": "package m // backdoor\n"})
    replace_bytes(small, HELD[0], ".zip", other.zip)
    small.start()
    done = go(small, tmp_path / "go", HELD[0])
    assert done.returncode != 0
    assert "checksum mismatch" in done.stderr
    assert "SECURITY ERROR" in done.stderr


def test_the_stock_client_refuses_a_swapped_version(small: Site, tmp_path: Path) -> None:
    """The bytes of another module under this one's name."""
    for suffix in (".zip", ".mod"):
        replace_bytes(small, HELD[0], suffix, small.objects.read(store.key(HELD[1], suffix)))
    small.start()
    assert "checksum mismatch" in go(small, tmp_path / "go", HELD[0]).stderr


def test_the_stock_client_refuses_another_key(site: Site, tmp_path: Path) -> None:
    """The same name with a key that did not sign."""
    done = go(site, tmp_path / "go", HELD[0], gosumdb=logged.OTHER_KEY)
    assert done.returncode != 0
    assert "verify" in done.stderr


def test_the_stock_client_refuses_a_head_that_another_key_signed(small: Site, tmp_path: Path) -> None:
    """Whoever can write into the catalog, and has not the secret, can sign the true tree by a key of the same name."""
    head = small.catalog.ledger_head()
    assert head is not None
    signed, checkpoint = logged.signer(logged.OTHER_SECRET).sign(tlog.Tree(head.size, head.root))
    with sqlite3.connect(small.settings.home / "catalog.db") as connection:
        connection.execute("UPDATE ledger_heads SET note = ?, checkpoint = ?", (signed.decode(), checkpoint.decode()))
    small.start()
    done = go(small, tmp_path / "go", HELD[0])
    assert done.returncode != 0
    assert "note has no verifiable signatures" in done.stderr
    assert not list(tmp_path.rglob("*.zip"))


def test_the_stock_client_refuses_a_log_that_was_rolled_back(small: Site, tmp_path: Path) -> None:
    """A client saw four entries; the platform is set back to three and grows otherwise: the client objects."""
    seen, later = ModuleVersion("example.com/x", "v1.0.0"), ModuleVersion("example.com/y", "v1.0.0")
    home, backup = small.settings.home, tmp_path / "backup"
    small.catalog.close()
    shutil.copytree(home, backup)
    bring(small.settings, [seen])
    small.start()
    assert go(small, tmp_path / "go", seen).returncode == 0
    small.stop()
    shutil.rmtree(home)
    shutil.copytree(backup, home)  # the store too: ours alone could not notice
    bring(small.settings, [later])
    small.start()
    done = go(small, tmp_path / "go", later)
    assert done.returncode != 0
    assert "SECURITY ERROR" in done.stderr


def test_what_is_not_published_here_is_404(site: Site) -> None:
    """And nobody is sent elsewhere, for there is nobody else."""
    reply = site.get(f"{SUMDB}/lookup/example.com/nobody@v1.0.0")
    assert (reply.status, reply.headers["Location"]) == (404, None)


def test_heads_of_both_forms_are_of_one_tree(site: Site) -> None:
    """`latest` is Go's tree note, `checkpoint` what witnesses read; one key signs both."""
    latest = note.open(site.get(f"{SUMDB}/latest").body, [note.new_verifier(logged.KEY)])
    tree = open_checkpoint(site.get("/ledger/checkpoint").body, logged.KEY)
    assert tlog.parse_tree(latest.text.encode()) == tree
    assert tree.n == len(HELD) + len(MORE)
    assert site.get("/ledger/key").text == f"{logged.KEY}\n"
    assert site.get(f"{SUMDB}/supported").status == 200


def bundles(site: Site, size: int) -> Iterator[bytes]:
    """Yield the records of the log as a C2SP client reads them."""
    for n in range(0, size, 256):
        width = min(256, size - n)
        part = f".p/{width}" if width < 256 else ""
        data = site.get(f"/ledger/tile/entries/{n // 256:03}{part}").body
        while data:
            length = int.from_bytes(data[:2])
            yield data[2 : 2 + length]
            data = data[2 + length :]


def test_anybody_can_compute_the_root_from_the_entries(site: Site) -> None:
    """The entry bundles hold every record in order, and the head is the root over them."""
    tree = open_checkpoint(site.get("/ledger/checkpoint").body, logged.KEY)
    stored: list[bytes] = []

    def read(indexes: Iterable[int]) -> list[bytes]:
        return [stored[index] for index in indexes]

    for number, record in enumerate(bundles(site, tree.n)):
        stored += tlog.stored_hashes(number, record, read)
    assert tlog.tree_hash(tree.n, read) == tree.hash


def test_hash_tiles_are_the_same_in_both_layouts(site: Site) -> None:
    """`/ledger/tile/<L>/<N>` and `tile/8/<L>/<N>` of the checksum database, full and partial, kept for ever."""
    for path in ("0/000", "0/000.p/17", "0/001.p/47", "1/000.p/1"):
        ours, gos = site.get(f"/ledger/tile/{path}"), site.get(f"{SUMDB}/tile/8/{path}")
        assert (ours.status, ours.body) == (200, gos.body)
        assert ours.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_data_tile_holds_the_records(site: Site) -> None:
    """`tile/8/data/...` in the form of the public database."""
    number, text, rest = tlog.parse_record(site.get(f"{SUMDB}/tile/8/data/000").body)
    assert number == 0
    assert text.startswith(b"corp.example/Private")
    assert tlog.parse_record(rest)[0] == 1


def test_an_inclusion_proof_holds(site: Site) -> None:
    """The proof endpoint gives all that is needed to check, with the key, that a version is in the log."""
    shown = json.loads(site.get(f"/ledger/proof/inclusion?version={MORE[7]}").body)
    tree = open_checkpoint(shown["checkpoint"].encode(), logged.KEY)
    assert shown["record"].startswith(f"{MORE[7].path} {MORE[7].version} h1:")
    proof = [b64decode(each) for each in shown["proof"]]
    tlog.check_record(proof, tree.n, tree.hash, shown["number"], tlog.record_hash(shown["record"].encode()))


def test_a_consistency_proof_holds(site: Site) -> None:
    """From the head of the first batch to the newest: nothing before was changed."""
    shown = json.loads(site.get(f"/ledger/proof/consistency?from={len(HELD)}").body)
    old, new = (open_checkpoint(each.encode(), logged.KEY) for each in shown["checkpoints"].values())
    tlog.check_tree([b64decode(each) for each in shown["proof"]], new.n, new.hash, old.n, old.hash)
    assert (old.n, new.n) == (shown["old"], shown["new"]) == (len(HELD), len(HELD) + len(MORE))


@pytest.mark.parametrize(
    "asked",
    [
        "proof/consistency",
        "proof/consistency?from=0",
        "proof/consistency?from=9&to=3",
        "proof/consistency?from=1&to=99999",
        "proof/consistency?from=%00",
        "proof/inclusion",
        "proof/inclusion?version=example.com/more@latest",
    ],
)
def test_a_question_that_makes_no_sense_is_400(site: Site, asked: str) -> None:
    """With the form of one that does."""
    reply = site.get(f"/ledger/{asked}")
    assert reply.status == 400
    assert "proof/inclusion?version=" in reply.text


@pytest.mark.parametrize(
    "path",
    [
        "/ledger/",
        "/ledger/tile/0/0",
        "/ledger/tile/data/000",
        "/ledger/tile/0/001",
        "/ledger/tile/0/001.p/48",
        "/ledger/tile/entries/002",
        "/ledger/tile/7/000",
        "/ledger/proof/inclusion?version=example.com/nobody@v1.0.0",
        f"{SUMDB}/tile/8/0/000.p/256",
        f"{SUMDB}/tile/9/0/000",
        f"{SUMDB}/lookup/x",
        f"{SUMDB}/after/3",
    ],
)
def test_what_the_log_has_not_is_404(site: Site, path: str) -> None:
    """Longer than the head, narrower or wider than there is, or no path of a log at all."""
    assert site.get(path).status == 404


def test_a_site_without_a_key_has_no_ledger_to_show(make_site: Callable[..., Site]) -> None:
    """Nothing is promised that is not signed."""
    site = make_site()
    site.start()
    assert {site.get(path).status for path in ("/ledger/checkpoint", "/ledger/key", f"{SUMDB}/supported")} == {404}


def test_the_home_page_tells_of_the_ledger(site: Site) -> None:
    """The line to copy is the one that works."""
    assert f"export GOSUMDB={logged.KEY}" in site.get("/").text
