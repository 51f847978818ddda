"""The contract of a store, the same for a local folder and an S3 bucket; then what is particular to each."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fakes import s3
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, ImmutabilityError, StorageError
from gopherwood.objects import LocalFolder, MissingError, evidence_key, open_objects


@pytest.fixture(params=["folder", "bucket"])
def make(request, tmp_path):
    """Open the store of this test, mutable or not; a test that uses it runs for each kind of storage."""
    url = (tmp_path / "store").as_uri() if request.param == "folder" else s3.server().bucket()
    settings = Settings(s3_endpoint=s3.server().endpoint if request.param == "bucket" else "")
    return lambda mutable=False: open_objects(url, mutable=mutable, settings=settings)


@pytest.fixture
def objects(make):
    return make()


def test_create_and_read(objects):
    """What was created is read back: whole, by size, as a stream, as a file."""
    assert objects.create("a/@v/v1.0.0.mod", b"module a\n") is True
    assert (objects.read("a/@v/v1.0.0.mod"), objects.size("a/@v/v1.0.0.mod")) == (b"module a\n", 9)
    with objects.open("a/@v/v1.0.0.mod") as file:
        file.seek(7)
        assert file.read() == b"a\n"


def test_missing(objects, tmp_path):
    """An absent key has no size, and reading it says so."""
    assert objects.size("a/b") is None
    for read in (objects.read, objects.open, objects.modified, lambda key: objects.fetch_to(key, tmp_path)):
        with pytest.raises(MissingError, match="a/b"):
            read("a/b")


def test_folder_is_no_key(objects):
    """A key that is only the beginning of other keys does not exist."""
    objects.create("a/b/c", b"x")
    assert objects.size("a/b") is None
    with pytest.raises(MissingError):
        objects.read("a/b")


def test_equal_bytes_are_fine(objects):
    """Creating a key again with equal bytes changes nothing and says that it was there."""
    assert objects.create_many([("a", b"1"), ("b", b"2")]) == [True, True]
    assert objects.create_many([("a", b"1"), ("c", b"3")]) == [False, True]


@pytest.mark.parametrize("other", [b"same size?", b"longer than what is there", b""])
def test_other_bytes_are_refused(objects, other):
    """Published bytes never change: other bytes raise, name the key, and leave it as it was; the rest is created."""
    objects.create("a/first", b"same size!")
    with pytest.raises(ImmutabilityError, match="a/first") as caught:
        objects.create_many([("a/first", other), ("a/second", b"2")])
    assert caught.value.keys == ("a/first",)
    assert (objects.read("a/first"), objects.read("a/second")) == (b"same size!", b"2")


def test_quarantine_moves_the_bytes_aside(objects):
    """Damaged bytes are gone from their key and from the listing, kept as evidence, and the key can be created anew."""
    objects.create_many([("a/@v/v1.zip", b"damaged"), ("a/@v/v1.mod", b"fine")])
    evidence = evidence_key("a/@v/v1.zip")
    assert objects.quarantine("a/@v/v1.zip", evidence) is True
    assert (objects.size("a/@v/v1.zip"), objects.read(evidence)) == (None, b"damaged")
    assert list(objects.keys("")) == ["a/@v/v1.mod"]
    assert list(objects.keys(".quarantine/")) == [evidence]
    assert objects.quarantine("a/@v/v1.zip", evidence_key("a/@v/v1.zip")) is False
    assert objects.create("a/@v/v1.zip", b"sound") is True
    assert objects.read(evidence) == b"damaged"


def test_quarantine_goes_nowhere_else(objects):
    """Nothing is moved to a key where content could be."""
    objects.create("a", b"1")
    with pytest.raises(StorageError, match="no key of evidence"):
        objects.quarantine("a", "b")
    assert objects.read("a") == b"1"


def test_create_from_file(objects, tmp_path):
    """A file's bytes become an object, and equal files are equal objects."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"zip" * 1000)
    two.write_bytes(b"zip" * 1000)
    assert objects.create("a.zip", one) is True
    assert objects.create("a.zip", two) is False
    assert objects.fetch_to("a.zip", tmp_path).read_bytes() == b"zip" * 1000


def test_one_of_many_creators_wins(make):
    """Of many who create one key at once with different bytes, exactly one does, and the others are told."""
    results = []

    def create(number: int) -> None:
        try:
            results.append(make().create("key", b"%d" % number))
        except ImmutabilityError:
            results.append("refused")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["True"] + ["refused"] * 7


def test_only_derived_files_are_replaced(objects):
    """A version list and a tree head may change; nothing else may."""
    objects.replace("a/@v/list", b"v1.0.0\n")
    objects.replace_many([("a/@v/list", b"v1.0.0\nv1.1.0\n"), ("sumdb/db/latest", b"head")])
    assert objects.read("a/@v/list") == b"v1.0.0\nv1.1.0\n"
    with pytest.raises(StorageError, match="immutable"):
        objects.replace("a/@v/v1.0.0.info", b"{}")


def test_nothing_is_deleted(objects, make):
    """Deleting is refused, except from a store that was opened as mutable."""
    objects.create("a/b/c", b"x")
    with pytest.raises(StorageError, match="nothing is ever deleted"):
        objects.delete("a/b/c")
    make(mutable=True).delete("a/b/c")
    make(mutable=True).delete("a/b/c")
    assert objects.size("a/b/c") is None


def test_keys(objects):
    """Keys are listed by any prefix; unfinished files are none."""
    objects.create_many([(key, b"") for key in ("a/@v/v1.0.0.mod", "a/@v/v1.0.0.zip", "ab/x", "b")])
    assert sorted(objects.keys("a")) == ["a/@v/v1.0.0.mod", "a/@v/v1.0.0.zip", "ab/x"]
    assert sorted(objects.keys("a/@v/v1.0.0.z")) == ["a/@v/v1.0.0.zip"]
    assert (len(list(objects.keys())), list(objects.keys("nowhere/"))) == (4, [])


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../b", "..", "a//b", "./a", ".tmp/a", "a/", "a\0b", "a\\b"])
def test_keys_cannot_escape(objects, key):
    """A key is a relative path of plain segments; anything else is refused before the storage is touched."""
    for act in (objects.read, objects.size, objects.local_path, lambda key: objects.create(key, b"")):
        with pytest.raises(StorageError, match="not a key"):
            act(key)


def test_listing_cannot_escape(objects):
    """A prefix cannot leave the store either."""
    with pytest.raises(StorageError, match="not a key"):
        list(objects.keys("../../etc/"))


def test_overlong_names(objects):
    """A key longer than the storage allows is absent, not an error."""
    assert objects.size("a" * 5000) is None


@pytest.mark.parametrize("url", ["", "ftp://host/x", "s3://", "file://host/x"])
def test_other_urls(url):
    """A URL of nothing we know is a configuration error."""
    with pytest.raises(ConfigError):
        open_objects(url, settings=Settings())


# --- a local folder ---------------------------------------------------------------------------------------------------


def test_staged_file_is_linked(tmp_path):
    """On one file system publishing copies nothing: the object is the very file, and nobody can write into it."""
    source = tmp_path / "staged"
    source.write_bytes(b"zip")
    folder = LocalFolder(tmp_path / "store")
    folder.create("a.zip", source)
    published = folder.local_path("a.zip").stat()
    assert (published.st_ino, published.st_mode & 0o777) == (source.stat().st_ino, 0o444)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system at /dev/shm")
def test_other_file_system_is_copied(tmp_path):
    """A file from another file system is copied."""
    source = Path("/dev/shm") / f"gopherwood-{os.getpid()}"
    source.write_bytes(b"zip")
    try:
        assert LocalFolder(tmp_path / "store").create("a.zip", source) is True
    finally:
        source.unlink()
    assert (tmp_path / "store" / "a.zip").read_bytes() == b"zip"


def test_no_temporaries_stay(tmp_path):
    """After a batch, refused or not, nothing lies in the folder of temporaries."""
    folder = LocalFolder(tmp_path)
    folder.create("a", b"1")
    with pytest.raises(ImmutabilityError):
        folder.create_many([("a", b"2"), ("b", b"3")])
    folder.replace("list", b"a")
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_sweep_removes_what_the_dead_left(tmp_path):
    """Unfinished files of a crashed writer go after their time; fresh ones stay."""
    folder = LocalFolder(tmp_path)
    folder.create("a", b"1")
    old, fresh = tmp_path / ".tmp" / "old", tmp_path / ".tmp" / "fresh"
    old.touch()
    fresh.touch()
    os.utime(old, (0, 0))
    assert folder.sweep(3600) == 1
    assert (old.exists(), fresh.exists()) == (False, True)


# --- a bucket ---------------------------------------------------------------------------------------------------------


class Careless(BaseHTTPRequestHandler):
    """An object store that says yes to every put, whatever its conditions."""

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_careless_endpoint_is_refused():
    """An endpoint that would replace published bytes is noticed before anything is created."""
    s3.server()  # sets the credentials
    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = Settings(s3_endpoint=f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(StorageError, match="ignores If-None-Match"):
        open_objects("s3://bucket", settings=settings).create("a", b"1")
    server.shutdown()
    server.server_close()


def test_local_platform_loads_no_s3_client():
    """A local publish imports neither the S3 client nor what only migrations need."""
    check = "import sys, gopherwood.publish; print([m for m in ('boto3', 'alembic', 'psycopg') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
