"""A bundle carries what the exporter's ledger says: signed by its key, and proved again on the other side."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.airgap import SIGNER, Gap, go, modules
from gopherwood import export, importing
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import IntegrityError
from gopherwood.ledger import show
from gopherwood.module import ModuleVersion

NAMES = ["example.com/Mod@v1.0.0", "example.com/Mod@v1.1.0", "example.com/other/v2@v2.0.0"]


@pytest.fixture
def gap(tmp_path: Path) -> Iterator[Gap]:
    """Give a store with a ledger of three versions; its key is `vkey`."""
    with Gap(tmp_path / "gap") as made:
        made.vkey = show.key(made.here, SIGNER).key
        for name in NAMES:
            made.add(*name.split("@"))
        made.fill()
        yield made


def said_by_ledger(settings: Settings, name: str) -> list[str]:
    with Catalog.open(settings) as catalog:
        evidence = catalog.evidence_of(ModuleVersion(*name.split("@")))
    return [each.detail for each in evidence if each.rule == "exporters-ledger"]


def test_the_ledger_signs_and_comes_along(gap: Gap, tmp_path: Path) -> None:
    """Without --key the ledger's key signs, and each version is proved to be what the ledger says, with evidence."""
    made = export.run(gap.here, tmp_path / "b.tar")
    result = importing.run(gap.there, tmp_path / "b.tar", keys=[gap.vkey])
    assert made.signed_by == result.signed_by == "+".join(gap.vkey.split("+")[:2])
    assert (result.imported, result.exit_code) == (len(NAMES), 0)
    assert all(said_by_ledger(gap.there, name)[0].startswith(f"{SIGNER}: record ") for name in NAMES)
    assert modules(gap.there) == modules(gap.here)


def test_the_ledger_of_a_folder_verifies_for_go(gap: Gap, tmp_path: Path) -> None:
    """Stock `go` takes the exporter's ledger in a bundle for its checksum database; its checkpoint lies beside it."""
    made = export.run(replace(gap.here, sumdb="off"), tmp_path / "bundle")
    done = go(tmp_path / "go", Path(made.to).as_uri(), gap.vkey, *NAMES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / f"bundle/sumdb/{SIGNER}/checkpoint").read_text().startswith(f"{SIGNER}\n3\n")
    header = json.loads((tmp_path / "bundle/bundle/manifest.jsonl").read_text().splitlines()[0])
    assert (header["by"], header["logs"]) == (SIGNER, [SIGNER])


def evil_twin(gap: Gap, tmp_path: Path) -> Settings:
    """Give a store with the same key and another history: other content under the first name."""
    evil = replace(gap.here, home=tmp_path / "evil", sumdb="off", ledger_key_file=str(gap.here.ledger_key_path))
    gap.proxy.add(NAMES[0].split("@")[0], "v1.0.0", {"m.go": "package backdoor"})
    gap.add("example.com/another", "v1.0.0")
    gap.add("example.com/another", "v1.1.0")
    gap.fill(evil)
    show.key(evil)
    return evil


def test_a_ledger_that_was_rewritten(gap: Gap, tmp_path: Path) -> None:
    """An exporter whose ledger is not the continuation of the one seen before is refused whole, whoever signed it."""
    export.run(gap.here, tmp_path / "1.tar")
    importing.run(gap.there, tmp_path / "1.tar", keys=[gap.vkey])
    before = modules(gap.there)
    export.run(evil_twin(gap, tmp_path), tmp_path / "2.tar")
    with pytest.raises(IntegrityError):
        importing.run(gap.there, tmp_path / "2.tar", keys=[gap.vkey], unverified=True)
    assert modules(gap.there) == before


def test_ledgers_follow_from_bundle_to_bundle(gap: Gap, tmp_path: Path) -> None:
    """The ledger of the next bundle is proved to continue the last one's, in whatever order they arrive."""
    first = export.run(gap.here, tmp_path / "1.tar")
    for number in range(5):
        gap.add("example.com/new", f"v1.{number}.0")
    gap.fill()
    export.run(gap.here, tmp_path / "2.tar", since=str(first.through))
    results = [importing.run(gap.there, tmp_path / name, keys=[gap.vkey]) for name in ("2.tar", "1.tar")]
    assert [(result.imported, result.exit_code) for result in results] == [(5, 0), (3, 0)]


def test_private_modules_are_proved_by_the_ledger(gap: Gap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no public database knows travels on the word of the exporter's ledger, which is in the evidence."""
    monkeypatch.setenv("GONOSUMDB", "example.com/*")
    export.run(replace(gap.here, sumdb="off"), tmp_path / "b.tar")
    assert importing.run(gap.there, tmp_path / "b.tar", keys=[gap.vkey]).imported == len(NAMES)
    assert said_by_ledger(gap.there, NAMES[0])[0].startswith(f"{SIGNER}: record ")
