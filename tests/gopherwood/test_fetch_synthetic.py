"""Fetch against the synthetic upstream: the one that benchmarks run on, at a size that tests can afford."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gopherwood import dirhash, fetch, modzip
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.loadtest.synthetic.upstream import HOSTILE_EVERY, Synthetic, running
from gopherwood.objects import open_objects
from gopherwood.staging import Staging

MODULES = 300


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synthetic]:
    with running(MODULES, seed=7, folder=tmp_path_factory.mktemp("corpus")) as synthetic:
        yield synthetic


def fetched(settings: Settings, synthetic: Synthetic) -> dict[str, dict[str, Path]]:
    """Fetch everything; return the staged files by version."""
    staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
    with Catalog.open(settings) as catalog:
        catalog.migrate()
        catalog.enqueue([version.mv for version in synthetic.versions], source="test")
        assert fetch.run(settings).staged == MODULES
        return {str(job.mv): staging.files(job.token or "") for job in leased(catalog)}


def leased(catalog: Catalog) -> list:  # type: ignore[type-arg]
    return catalog.lease("validate", owner="test", limit=MODULES, seconds=60)


def test_a_corpus_is_fetched_whole(tmp_path: Path, synthetic: Synthetic) -> None:
    """Every staged zip is a valid module zip with the hash that the corpus and its checksum database say."""
    before = synthetic.stats().get("requests", 0)
    files = fetched(Settings(home=tmp_path, upstream=synthetic.url), synthetic)
    assert synthetic.stats()["requests"] - before == 3 * MODULES
    for version in synthetic.versions:
        found = files[str(version.mv)]
        facts = modzip.inspect(version.mv, found[".zip"])
        facts.checked.err()
        assert facts.h1 == version.h1
        assert dirhash.hash_go_mod(found[".mod"].read_bytes()) == version.go_mod_h1


def test_a_hostile_upstream_changes_some(tmp_path: Path, synthetic: Synthetic) -> None:
    """One zip in a hundred has other bytes, and is a valid zip all the same: only its hash tells."""
    folder = synthetic.corpus.pack.parent
    with running(MODULES, seed=7, folder=folder, hostile=True) as hostile:
        assert hostile.vkey == synthetic.vkey
        files = fetched(Settings(home=tmp_path, upstream=hostile.url), hostile)
    facts = {str(v.mv): modzip.inspect(v.mv, files[str(v.mv)][".zip"]) for v in hostile.versions}
    changed = [number for number, v in enumerate(hostile.versions) if facts[str(v.mv)].h1 != v.h1]
    assert changed == list(range(0, MODULES, HOSTILE_EVERY))
    for each in facts.values():
        each.checked.err()
