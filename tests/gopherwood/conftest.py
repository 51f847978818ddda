"""Fixtures shared by the tests of the domain: a catalog on each kind of database, and a clock that tests move."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes import catalogs, postgres
from gopherwood.catalog import Catalog


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_(self, **span: float) -> None:
        self.time += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a migrated, empty catalog: a test that uses it runs once for each kind of database."""
    if request.param == "postgres":
        return postgres.server().url()
    return catalogs.make(f"sqlite:///{tmp_path / 'catalog.db'}")


@pytest.fixture
def catalog(catalog_url: str, clock: Clock) -> Iterator[Catalog]:
    with Catalog.open(catalog_url, clock=clock) as catalog:
        yield catalog
