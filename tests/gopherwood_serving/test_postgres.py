"""Serving with the catalog in PostgreSQL: publishes are seen, and an outage takes away no more than it must."""

from collections.abc import Callable, Iterator

import pytest

from fakes import postgres
from fakes.site import Site

PATH = "example.com/in-postgres"


@pytest.fixture
def database() -> Iterator[postgres.Server]:
    """Run a server that a test may stop."""
    server = postgres.Server()
    yield server
    if server.process.poll() is None:
        server.stop()


def test_an_outage_of_the_catalog_leaves_what_is_immutable(
    database: postgres.Server, make_site: Callable[..., Site]
) -> None:
    """Lists follow publishes; with the database gone, files and known lists are served, and /readyz is 503."""
    site = make_site(GOPHERWOOD_CATALOG=database.url())
    site.publish(PATH, "v1.0.0")
    site.start()
    assert site.get(f"/{PATH}/@v/list").text == "v1.0.0\n"
    cold = site.publish(PATH, "v1.1.0")
    site.wait(lambda: site.get(f"/{PATH}/@v/list").text == "v1.0.0\nv1.1.0\n", seconds=5)

    site.catalog.close()
    database.stop()
    site.wait(lambda: site.get("/readyz").status == 503)
    assert site.get(f"/{PATH}/@v/v1.1.0.zip").body == cold.zip
    assert site.get(f"/{PATH}/@v/list").status == 200
    assert site.get("/example.com/unknown/@v/list").status == 503
    assert site.get("/healthz").status == 200
