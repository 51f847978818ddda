"""A published version is examined: every kind of damage to every kind of file is found, and nothing else is."""

import hashlib
from dataclasses import replace

import pytest

from fakes import damage, valid
from gopherwood import publish, store
from gopherwood.audit.examine import Kind, examine
from gopherwood.catalog import Catalog, VersionRow
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects

MV = ModuleVersion("example.com/Mod", "v1.0.0")


@pytest.fixture
def published(tmp_path) -> tuple[Objects, VersionRow]:
    """Publish one version; return its store, and its row."""
    settings = Settings(home=tmp_path)
    valid.make_valid(settings, [MV])
    publish.run(settings)
    with Catalog.open(settings) as catalog:
        (row,) = catalog.published_rows([MV.path])
    return store.open_store(settings), row


def found(objects: Objects, row: VersionRow, *, deep: bool = False) -> list[tuple[str, Kind]]:
    each = examine(objects, row, deep=deep)
    return [(suffix, checked.finding.kind) for suffix, checked in each.items() if checked.finding]


def without(row: VersionRow, fact: str) -> VersionRow:
    return replace(row, facts={name: value for name, value in row.facts.items() if name != fact})


def test_sound_version_has_no_findings(published):
    """What was published is fine, also on a deep look; its bytes are counted."""
    checked = examine(*published, deep=True)
    assert [each.finding for each in checked.values()] == [None] * 3
    assert sum(each.size for each in checked.values()) == sum(len(data) for data in valid.files(MV).values())


@pytest.mark.parametrize(
    ("suffix", "where"),
    [(".zip", 100), (".zip", -30), (".zip", -1), (".mod", 8), (".info", 20), (".info", -5)],
    ids=["zip middle", "zip directory", "zip comment", "mod", "info version", "info time"],
)
@pytest.mark.parametrize("noted", [True, False], ids=["info noted", "info not noted"])
def test_one_flipped_bit_is_found(published, suffix, where, noted):
    """A bit flipped anywhere is a change of that file and of no other; an `.info` that stays JSON is found too."""
    objects, row = published
    damage.rewrite(objects, store.key(MV, suffix), damage.flip(where))
    assert found(objects, row if noted else without(row, "info_sha256")) == [(suffix, Kind.CHANGED)]


@pytest.mark.parametrize(("suffix", "left"), [(".zip", 0), (".zip", 99), (".mod", 0), (".mod", 9), (".info", 0)])
def test_truncation_is_told_from_change(published, suffix, left):
    """A file that lost its end is called truncated."""
    objects, row = published
    damage.rewrite(objects, store.key(MV, suffix), lambda data: data[:left])
    assert found(objects, row) == [(suffix, Kind.TRUNCATED)]


def test_some_files_missing_is_half_and_all_is_missing(published):
    """A version of which something is left is half; one of which nothing is left is missing."""
    objects, row = published
    objects.local_path(store.key(MV, ".mod")).unlink()
    assert found(objects, row) == [(".mod", Kind.HALF)]
    for suffix in (".zip", ".info"):
        objects.local_path(store.key(MV, suffix)).unlink()
    assert {kind for _, kind in found(objects, row)} == {Kind.MISSING}


def test_deep_look_does_not_trust_the_noted_sha256(published):
    """A zip that was exchanged together with the catalog's SHA-256 passes the quick look, and not the deep one."""
    objects, row = published
    other = valid.files(MV, body="other")[".zip"]
    damage.rewrite(objects, store.key(MV, ".zip"), lambda _: other)
    fooled = replace(row, facts=dict(row.facts) | {"zip_sha256": hashlib.sha256(other).hexdigest()})
    assert found(objects, fooled) == []
    assert found(objects, fooled, deep=True) == [(".zip", Kind.CHANGED)]
