"""Source `updates`: new versions of the modules that we hold, as their upstream lists them.

A module whose list is empty (only pseudo-versions exist) is asked for its latest version instead. A list that is
refused is reported, and what we hold of the module stays as it is.
"""

from collections.abc import Iterator

from gopherwood import queries
from gopherwood.discover.source import Ask, Batch, concurrently, resolve


def find(ask: Ask) -> Iterator[Batch]:
    """Yield, a module at a time, the versions that the upstream lists now."""
    paths = ask.catalog.paths()
    yield from concurrently(lambda path: resolve(ask.upstream, path, queries.ALL), paths, ask.stop)
