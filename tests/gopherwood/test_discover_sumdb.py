"""discover --source sumdb: a log read as a feed, which can neither leave a record out nor slip one in."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import sumdb as fake
from fakes.goproxy import GoProxy
from gopherwood import discover, errors
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, ProofError, RefusedError, UpstreamError
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.store import open_store


@pytest.fixture
def log() -> fake.SumDBLog:
    made = fake.SumDBLog(lambda mv: ("h1:" + "A" * 43 + "=", "h1:" + "B" * 43 + "="))
    made.grow(600)
    return made


@pytest.fixture
def settings(log: fake.SumDBLog, catalog_url: str, tmp_path: Path) -> Iterator[Settings]:
    with GoProxy() as proxy:
        proxy.mount(f"sumdb/{log.name}", log.answer)
        yield Settings(home=tmp_path, catalog=catalog_url, upstream=f"{proxy.url},off", sumdb=log.vkey, timeout=5)


def queued(settings: Settings) -> set[str]:
    with Catalog.open(settings) as catalog:
        return {row.mv.version for row in catalog.recent([State.QUEUED], limit=10_000)}


def cursor(settings: Settings) -> str | None:
    with Catalog.open(settings) as catalog:
        return catalog.cursor(f"sumdb {fake.NAME}")


def versions(*numbers: int) -> set[str]:
    return {f"v0.0.{n}" for n in range(*numbers)}


def test_every_record_is_queued_and_the_next_run_goes_on(settings: Settings, log: fake.SumDBLog) -> None:
    """Full tiles and the partial last one; then only what is new; then nothing to do."""
    assert discover.run(settings, "sumdb").new == 600
    log.grow(70)
    assert (discover.run(settings, "sumdb").new, cursor(settings)) == (70, "670")
    assert queued(settings) == versions(670)
    assert discover.run(settings, "sumdb").exit_code == errors.EXIT_NOTHING_TO_DO


def test_a_limit_ends_within_a_tile_and_is_resumed(settings: Settings) -> None:
    """--max bounds the versions of a run; each run begins at the record where the last one ended."""
    for _ in range(3):
        discover.run(settings, "sumdb", limit=100)
    assert (queued(settings), cursor(settings)) == (versions(300), "300")


def test_a_partial_tile_that_was_completed_meanwhile_is_cut(settings: Settings, log: fake.SumDBLog) -> None:
    """Servers drop a partial tile once the full one is there."""
    log.withhold("tile/8/data/002.p/")
    full = b"".join(text + b"\n" for text in log.records[512:]) + b"later v1.0.0 h1:x=\n\n" * 168
    honest = log.answer
    log.answer = lambda subpath: full if subpath == "tile/8/data/002" else honest(subpath)  # type: ignore[method-assign]
    with GoProxy() as proxy:
        proxy.mount(f"sumdb/{log.name}", log.answer)
        assert discover.run(replace(settings, upstream=proxy.url), "sumdb").new == 600


def test_a_record_of_a_go_mod_alone_names_nothing(settings: Settings, log: fake.SumDBLog) -> None:
    """It is passed over, and is no fault."""
    mv = ModuleVersion("example.com/only", "v1.0.0")
    log.answers[mv] = f"{mv.path} {mv.version}/go.mod h1:{'A' * 43}=\n"
    log.add(mv)
    log.grow(1)
    result = discover.run(settings, "sumdb")
    assert (result.new, result.bad, cursor(settings)) == (601, 0, "602")


Spoil = Callable[[bytes], bytes | None]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"v0.0.300 ", b"v0.0.999 "),
        lambda data: data.replace(b"example.com/filler v0.0.300 ", b"evil.example/filler v0.0.300 "),
        lambda data: b"\n\n".join(data.split(b"\n\n")[1:]),
    ],
    ids=["forged version", "forged module", "record left out"],
)
def test_a_forged_data_tile_is_an_integrity_failure(settings: Settings, log: fake.SumDBLog, spoil: Spoil) -> None:
    """Exit code 3, evidence in the store, an event; nothing of that tile is queued, and the cursor stays before it."""
    log.spoil("tile/8/data/001", spoil)
    with pytest.raises(ProofError) as caught:
        discover.run(settings, "sumdb")
    assert caught.value.exit_code == errors.EXIT_INTEGRITY
    assert (queued(settings), cursor(settings)) == (versions(256), "256")
    with Catalog.open(settings) as catalog:
        (told,) = catalog.events(kind="integrity")
    assert log.latest() in open_store(settings).read(str(told.event.payload["kept"]))
    log.heal()
    assert discover.run(settings, "sumdb").new == 344


def test_records_cut_off_at_the_end_are_asked_for_again(settings: Settings, log: fake.SumDBLog) -> None:
    """What is shown is true and too little: no attack, no progress, and a retry helps."""
    log.spoil("tile/8/data/001", lambda data: data[:-10])
    with pytest.raises(UpstreamError, match="255 records, not 256"):
        discover.run(settings, "sumdb")
    assert cursor(settings) == "256"


def test_a_database_that_gives_out_no_data_tiles_is_named(settings: Settings, log: fake.SumDBLog) -> None:
    """Some refuse them: the error says that this log cannot be read as a feed, and what else there is."""
    log.withhold("tile/8/data/")
    with pytest.raises(RefusedError, match="cannot be read as a feed") as caught:
        discover.run(settings, "sumdb")
    assert "--source index" in caught.value.hint


def test_a_forked_log_is_not_read_on(settings: Settings, log: fake.SumDBLog) -> None:
    """A head that does not follow from the last one ends it before a record is looked at."""
    discover.run(settings, "sumdb")
    log.fork()
    log.grow(300)
    with pytest.raises(ProofError, match="contradict"):
        discover.run(settings, "sumdb")
    assert cursor(settings) == "600"


def test_without_a_database_there_is_nothing_to_read(settings: Settings) -> None:
    """GOSUMDB=off is a configuration error here."""
    with pytest.raises(ConfigError, match="GOSUMDB=off"):
        discover.run(replace(settings, sumdb="off"), "sumdb")
