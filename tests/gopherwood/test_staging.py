"""Staging: attempts never mix, committed files are what they were, and garbage goes."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes import s3
from gopherwood.config import Settings
from gopherwood.errors import StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, open_objects
from gopherwood.staging import Staging

MV = ModuleVersion("github.com/Some/Module", "v1.0.0")


@pytest.fixture(params=["folder", "bucket"])
def staging(request, tmp_path):
    """Make a staging area in each kind of storage."""
    if request.param == "folder":
        objects = open_objects((tmp_path / "staging").as_uri(), mutable=True, settings=Settings())
    else:
        settings = Settings(s3_endpoint=s3.server().endpoint)
        objects = open_objects(s3.server().bucket(), mutable=True, settings=settings)
    staging = Staging(objects)
    yield staging
    staging.close()


def stage(staging, files):
    """Stage files as a fetch does, and return the token."""
    token = staging.begin(MV, 1)
    for suffix, data in files.items():
        staging.path_for(token, suffix).write_bytes(data)
    staging.commit(token, list(files))
    return token


def contents(staging, token):
    return {suffix: path.read_bytes() for suffix, path in staging.files(token).items()}


def test_round_trip(staging):
    """What a fetch commits, a validate finds, in another process too."""
    token = stage(staging, {".zip": b"zip", ".mod": b"mod", ".info": b"{}"})
    staging.sync([token])
    assert contents(Staging(staging.objects), token) == {".zip": b"zip", ".mod": b"mod", ".info": b"{}"}


def test_commit_tells_sizes(staging):
    """Committing returns how many bytes each file has."""
    token = staging.begin(MV, 1)
    staging.path_for(token, ".zip").write_bytes(b"12345")
    assert staging.commit(token, [".zip"]) == {".zip": 5}


def test_attempts_are_apart(staging):
    """Two attempts of one version, even with one number, never share a file."""
    one, two = stage(staging, {".mod": b"1"}), stage(staging, {".mod": b"2"})
    assert one != two
    assert (contents(staging, one), contents(staging, two)) == ({".mod": b"1"}, {".mod": b"2"})


def test_a_file_may_be_committed_again(staging):
    """The validate replaces the upstream's .info by its canonical form."""
    token = stage(staging, {".info": b'{ "Version": "v1.0.0" }', ".mod": b"mod"})
    staging.path_for(token, ".info").write_bytes(b'{"Version":"v1.0.0"}')
    staging.commit(token, [".info"])
    assert contents(staging, token) == {".info": b'{"Version":"v1.0.0"}', ".mod": b"mod"}


def test_many_threads_begin_at_once(staging):
    """The first attempts of a process are made by all its threads together, and all of them go well."""
    together = threading.Barrier(8)

    def attempt(number):
        together.wait()
        return contents(staging, stage(staging, {".info": b"%d" % number, ".zip": b"zip"}))

    with ThreadPoolExecutor(8) as pool:
        assert [found[".info"] for found in pool.map(attempt, range(8))] == [b"%d" % number for number in range(8)]


def test_a_folder_that_is_emptied_stays_while_somebody_begins(staging):
    """Whoever drops the last file of another process takes its folder away, but not from under a new attempt."""
    old = stage(staging, {".zip": b"old"})
    token = staging.begin(MV, 2)
    Staging(staging.objects).drop([old])
    staging.path_for(token, ".zip").write_bytes(b"new")
    staging.commit(token, [".zip"])
    assert contents(staging, token) == {".zip": b"new"}


def test_uncommitted_files_do_not_count(staging):
    """A file that was being written when its worker died is not there."""
    token = staging.begin(MV, 1)
    staging.path_for(token, ".zip").write_bytes(b"half")
    with pytest.raises(MissingError):
        staging.files(token)


def test_drop(staging):
    """Dropped tokens are gone; dropping again, or what never was, is fine."""
    token = stage(staging, {".mod": b"1"})
    staging.drop([token, "ab/never"])
    staging.drop([token])
    with pytest.raises(MissingError):
        staging.files(token)


def test_what_cannot_be_removed_is_a_clear_error(tmp_path):
    """A disk that fails when leftovers are removed, after a publish say, is a StorageError that names the file."""
    staging = Staging(open_objects((tmp_path / "staging").as_uri(), mutable=True, settings=Settings()))
    token = stage(staging, {".info": b"i"})
    path = staging.files(token)[".info"]
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match=rf"{path} cannot be removed"):
        staging.drop([token])


def test_sweep_keeps_the_living(staging):
    """A sweep removes old tokens that no version needs, and only those."""
    live, dead = stage(staging, {".mod": b"1"}), stage(staging, {".mod": b"2"})
    assert staging.sweep({live}, older_than=3600) == 0
    assert staging.sweep({live}, older_than=-10) == 1
    assert contents(staging, live) == {".mod": b"1"}
    with pytest.raises(MissingError):
        staging.files(dead)


def test_what_a_power_failure_cut_is_found(tmp_path):
    """A staged file that lost bytes is missing (another fetch), not invalid (a verdict)."""
    staging = Staging(open_objects(tmp_path.as_uri(), mutable=True, settings=Settings()))
    token = stage(staging, {".zip": b"zip", ".mod": b"mod"})
    path = staging.files(token)[".zip"]
    path.chmod(0o644)
    os.truncate(path, 1)
    with pytest.raises(MissingError, match="not as it was staged"):
        staging.files(token)
