"""What a person sees: each version as its fate is known, and what is left."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from gopherwood.catalog import Catalog, Outcome
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.up.progress import Progress

WANTED = [ModuleVersion("example.com/a", "v1.0.0"), ModuleVersion("example.com/b", "v1.0.0")]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return a catalog with two versions wanted."""
    with Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}") as catalog:
        catalog.migrate()
        catalog.enqueue(WANTED, source="seed")
        yield catalog


def test_what_was_refused_is_said_with_its_reason(catalog: Catalog) -> None:
    """A version that reached its end is a line of its own, and is counted as no longer left."""
    out = io.StringIO()
    progress = Progress(catalog, WANTED, out)
    jobs = catalog.lease("fetch", owner="me", limit=1, seconds=60)
    catalog.finish([Outcome(job=job, state=State.GONE, reason="not-found", detail="404") for job in jobs])
    progress.look()
    progress.show("fetch")
    assert out.getvalue().splitlines() == [
        "  gone       example.com/a@v1.0.0: not-found: 404",
        "  1 queued, 1 gone, 1 of 2 left · fetch",
    ]


def test_nothing_new_is_not_said_again(catalog: Catalog) -> None:
    """The same state is printed once, and a pause between two tasks not at all."""
    out = io.StringIO()
    progress = Progress(catalog, WANTED, out)
    for doing in ("include", "include", "", "plan", ""):
        progress.look()
        progress.show(doing)
    assert out.getvalue().splitlines() == ["  2 queued, 2 of 2 left · include", "  2 queued, 2 of 2 left · plan"]
