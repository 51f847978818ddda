"""Serving from an S3-compatible bucket: the same answers, streamed."""

import random
from collections.abc import Callable

import pytest

from fakes import s3
from fakes.goproxy import make_module
from fakes.site import Site

pytestmark = pytest.mark.xdist_group("bucket")
PATH = "example.com/in-a-bucket"


@pytest.fixture(scope="module")
def bucket(make_site: Callable[..., Site]) -> tuple[Site, bytes]:
    """Serve a small and a large zip out of a bucket."""
    server = s3.server()
    site = make_site(GOPHERWOOD_STORE=server.bucket(), GOPHERWOOD_S3_ENDPOINT=server.endpoint)
    site.publish(PATH, "v1.0.0")
    large = site.publish(PATH, "v1.1.0", make_module(PATH, "v1.1.0", {"d": random.Random(4).randbytes(5 << 20)}))
    site.start()
    return site, large.zip


def test_small_files_come_from_memory(bucket: tuple[Site, bytes]) -> None:
    """Everything up to a few megabytes is read once and kept."""
    site, _ = bucket
    first, second = (site.get(f"/{PATH}/@v/v1.0.0.zip") for _ in range(2))
    assert (first.status, first.body) == (200, second.body)
    assert site.get(f"/{PATH}/@v/list").text == "v1.0.0\nv1.1.0\n"


def test_a_large_zip_is_streamed(bucket: tuple[Site, bytes]) -> None:
    """Every byte, with its length and its validator known beforehand."""
    site, data = bucket
    reply = site.get(f"/{PATH}/@v/v1.1.0.zip")
    assert (reply.status, reply.body) == (200, data)
    assert int(reply.headers["Content-Length"]) == len(data)
    assert site.get(f"/{PATH}/@v/v1.1.0.zip", {"If-None-Match": reply.headers["ETag"]}).status == 304


def test_a_range_is_streamed(bucket: tuple[Site, bytes]) -> None:
    """A download that broke off goes on where it was."""
    site, data = bucket
    reply = site.get(f"/{PATH}/@v/v1.1.0.zip", {"Range": "bytes=2000000-"})
    assert (reply.status, reply.body) == (206, data[2_000_000:])


def test_what_is_not_in_the_bucket_is_404(bucket: tuple[Site, bytes]) -> None:
    """Absent is absent, wherever the bytes are."""
    assert bucket[0].get(f"/{PATH}/@v/v1.2.0.info").status == 404
