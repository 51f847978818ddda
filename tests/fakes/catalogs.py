"""Catalogs that are a file, migrated once a process and then copied: a migration takes as long as ten small tests."""

import functools
import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url

from gopherwood.catalog import Catalog


def make(url: str) -> str:
    """Put a migrated, empty catalog at the URL of a file where there is none, or migrate that of a server."""
    if not url.startswith("sqlite:"):
        with Catalog.open(url) as catalog:
            catalog.migrate()
        return url
    path = Path(str(make_url(url).database))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(_pattern())
    return url


@functools.cache
def _pattern() -> bytes:
    with tempfile.TemporaryDirectory(prefix="gopherwood-catalog-") as folder:
        path = Path(folder) / "catalog.db"
        with Catalog.open(f"sqlite:///{path}") as catalog:
            catalog.migrate()
        return path.read_bytes()
