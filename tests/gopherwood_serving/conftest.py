"""Sites for the tests of serving: one that is shared, and others made to order."""

from collections.abc import Callable, Iterator

import pytest

from fakes.site import Site


@pytest.fixture(scope="session")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Make sites: `make_site("--workers", "2", GOPHERWOOD_X="...")`, empty, not started."""
    made: list[Site] = []

    def make(*options: str, **environ: str) -> Site:
        made.append(Site.new(tmp_path_factory.mktemp("home"), *options, **environ))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture(scope="session")
def site(make_site: Callable[..., Site]) -> Site:
    """One running server that many tests share: each uses module paths of its own."""
    shared = make_site()
    shared.start()
    return shared
