"""HEAD, conditional requests and ranges, of small files from memory and of large ones from disk."""

import random

import pytest

from fakes.goproxy import make_module
from fakes.site import Site

SIZES = {"small": 1_000, "large": 3 << 20}


@pytest.fixture(scope="module", params=SIZES)
def resource(site: Site, request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """Return the path and the bytes of a zip, small enough for memory or not."""
    path = f"example.com/conditions-{request.param}"
    data = random.Random(1).randbytes(SIZES[request.param])
    made = site.publish(path, "v1.0.0", make_module(path, "v1.0.0", {"data.bin": data}))
    return f"/{path}/@v/v1.0.0.zip", made.zip


def test_head_is_get_without_the_body(site: Site, resource: tuple[str, bytes]) -> None:
    """HEAD has the headers of GET, its length among them, and no body."""
    path, data = resource
    get, head = site.get(path), site.get(path, method="HEAD")
    assert (200, b"", str(len(data))) == (head.status, head.body, head.headers["Content-Length"])
    assert sorted(set(get.headers.items()) - {("Date", get.headers["Date"])}) == sorted(
        set(head.headers.items()) - {("Date", head.headers["Date"])}
    )
    assert get.body == data


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_known_validator_is_304(site: Site, resource: tuple[str, bytes], form: str, method: str) -> None:
    """If-None-Match with our validator, in any of its forms, gets 304, the validator, and no body."""
    etag = site.get(resource[0]).headers["ETag"]
    reply = site.get(resource[0], {"If-None-Match": form.format(etag)}, method)
    assert (304, b"", etag) == (reply.status, reply.body, reply.headers["ETag"])


def test_another_validator_is_200(site: Site, resource: tuple[str, bytes]) -> None:
    """If-None-Match with anything else gets the whole file."""
    assert resource[1] == site.get(resource[0], {"If-None-Match": '"other"'}).body


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=10-99", 10, 100), ("bytes=500-", 500, None), ("bytes=-7", -7, None)],
)
def test_a_range_is_206(site: Site, resource: tuple[str, bytes], header: str, start: int, stop: int | None) -> None:
    """One range is honoured, and said to be which."""
    path, data = resource
    reply = site.get(path, {"Range": header})
    assert (206, data[start:stop]) == (reply.status, reply.body)
    first = start % len(data)
    assert reply.headers["Content-Range"] == f"bytes {first}-{first + len(reply.body) - 1}/{len(data)}"


@pytest.mark.parametrize("header", ["bytes=9999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(site: Site, resource: tuple[str, bytes], header: str) -> None:
    """A range with nothing in it is 416 and says how long the file is."""
    reply = site.get(resource[0], {"Range": header})
    assert (416, f"bytes */{len(resource[1])}") == (reply.status, reply.headers["Content-Range"])


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=5-1", "bytes=-", "bytes=a-b", "lines=1-2", "bytes"])
def test_other_ranges_are_ignored(site: Site, resource: tuple[str, bytes], header: str) -> None:
    """Several ranges, malformed ones and other units get the whole file."""
    reply = site.get(resource[0], {"Range": header})
    assert (200, resource[1]) == (reply.status, reply.body)


def test_if_range_guards_a_range(site: Site, resource: tuple[str, bytes]) -> None:
    """A range is honoured under its validator; under another one, or a date, the whole file comes."""
    path, _ = resource
    etag = site.get(path).headers["ETag"]
    statuses = [
        site.get(path, {"Range": "bytes=0-4", "If-Range": guard}).status
        for guard in (etag, '"other"', f"W/{etag}", "Wed, 01 Jan 2020 00:00:00 GMT")
    ]
    assert statuses == [206, 200, 200, 200]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"])
def test_other_methods_are_405(site: Site, resource: tuple[str, bytes], method: str) -> None:
    """Whatever is not GET or HEAD is refused, and told what is allowed."""
    reply = site.get(resource[0], method=method)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


def test_a_large_file_is_not_kept_in_memory(site: Site) -> None:
    """A large zip goes from disk to the socket by the server itself; only its headers are remembered."""
    before = site.metric("memory_bytes")
    path = "example.com/large-once"
    site.publish(path, "v1.0.0", make_module(path, "v1.0.0", {"data.bin": random.Random(2).randbytes(2 << 20)}))
    assert len(site.get(f"/{path}/@v/v1.0.0.zip").body) > 2 << 20
    assert site.metric("memory_bytes") - before < 100_000
