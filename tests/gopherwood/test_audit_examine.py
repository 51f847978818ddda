"""A published version is examined: every kind of damage to every kind of file is found, and nothing else is."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import valid
from gopherwood import publish, store
from gopherwood.audit.examine import Kind, examine
from gopherwood.catalog import Catalog, VersionRow
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects

MV = ModuleVersion("example.com/Mod", "v1.0.0")


@pytest.fixture
def published(tmp_path: Path) -> tuple[Objects, VersionRow, Settings]:
    """Publish one version; return its store, and its row."""
    settings = Settings(home=tmp_path)
    valid.make_valid(settings, [MV])
    publish.run(settings)
    with Catalog.open(settings) as catalog:
        (row,) = catalog.published_rows([MV.path])
    return store.open_store(settings), row, settings


def rewrite(objects: Objects, suffix: str, change) -> None:
    """Change a file at rest, behind everybody's back."""
    path = objects.local_path(store.key(MV, suffix))
    assert path is not None
    data = change(path.read_bytes())
    path.chmod(0o644)
    path.write_bytes(data)


def flip(where: int):
    """Flip one bit of the byte at a place, counted from the end if negative."""

    def change(data: bytes) -> bytes:
        at = where % len(data)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return change


def found(objects: Objects, row: VersionRow, *, deep: bool = False) -> list[tuple[str, Kind]]:
    return [(finding.suffix, finding.kind) for finding in examine(objects, row, deep=deep).findings]


def test_sound_version_has_no_findings(published) -> None:
    """What was published is fine, also on a deep look; its bytes are counted."""
    objects, row, _ = published
    done = examine(objects, row, deep=True)
    assert done.findings == []
    assert done.bytes == sum(len(data) for data in valid.files(MV).values())


@pytest.mark.parametrize(
    ("suffix", "where"),
    [(".zip", 100), (".zip", -30), (".zip", -1), (".mod", 8), (".info", 20), (".info", -5)],
    ids=["zip middle", "zip directory", "zip comment", "mod", "info version", "info time"],
)
def test_one_flipped_bit_is_found(published, suffix: str, where: int) -> None:
    """A bit flipped anywhere is a change of that file and of no other; an `.info` that stays JSON is found too."""
    objects, row, _ = published
    rewrite(objects, suffix, flip(where))
    assert found(objects, row) == [(suffix, Kind.CHANGED)]


@pytest.mark.parametrize("suffix", [".zip", ".mod"])
@pytest.mark.parametrize("left", [0, 10])
def test_truncation_is_told_from_change(published, suffix: str, left: int) -> None:
    """A file that lost its end is called truncated."""
    objects, row, _ = published
    rewrite(objects, suffix, lambda data: data[:left])
    assert found(objects, row) == [(suffix, Kind.TRUNCATED)]


def test_some_files_missing_is_half_and_all_is_missing(published) -> None:
    """A version of which something is left is half; one of which nothing is left is missing."""
    objects, row, _ = published
    objects.local_path(store.key(MV, ".mod")).unlink()
    assert found(objects, row) == [(".mod", Kind.HALF)]
    for suffix in (".zip", ".info"):
        objects.local_path(store.key(MV, suffix)).unlink()
    assert {kind for _, kind in found(objects, row)} == {Kind.MISSING}


def test_deep_look_does_not_trust_the_noted_sha256(published) -> None:
    """A zip that was exchanged together with the catalog's SHA-256 passes the quick look, and not the deep one."""
    objects, row, _ = published
    other = valid.files(MV, body="other")[".zip"]
    rewrite(objects, ".zip", lambda _: other)
    fooled = replace(row, facts=dict(row.facts) | {"zip_sha256": hashlib.sha256(other).hexdigest()})
    assert found(objects, fooled) == []
    assert found(objects, fooled, deep=True) == [(".zip", Kind.CHANGED)]
