"""`.info` files: whatever form an upstream sends, one form is stored."""

import json
from datetime import UTC, datetime

import pytest

from gopherwood import info
from gopherwood.errors import InvalidInfoError
from gopherwood.info import Info
from gopherwood.module import ModuleVersion

MV = ModuleVersion("example.com/m", "v1.0.0")
ORIGIN = {"VCS": "git", "URL": "https://example.com/m", "Hash": "abc", "TagSum": "t1:x", "Ref": "refs/tags/v1.0.0"}


def roundtrip(data: str) -> str:
    return info.canonical(info.parse(data.encode(), MV)).decode()


def test_canonical_is_left_alone():
    """What Go wrote comes out byte for byte."""
    text = '{"Version":"v1.0.0","Time":"2024-05-06T07:08:09Z","Origin":{"VCS":"git","URL":"https://example.com/m"}}'
    assert roundtrip(text) == text


def test_pretty_printed():
    """White space, other keys and another order do not matter."""
    origin = {"Extra": 1, **dict(reversed(ORIGIN.items()))}
    text = json.dumps({"Short": "abc", "Time": "2024-05-06T07:08:09Z", "Origin": origin, "Version": "v1.0.0"}, indent=4)
    wanted = {"Version": "v1.0.0", "Time": "2024-05-06T07:08:09Z", "Origin": {**ORIGIN, "Extra": 1}}
    assert json.dumps(wanted, separators=(",", ":")) == roundtrip(text)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2024-05-06T07:08:09+02:00", "2024-05-06T05:08:09Z"),
        ("2024-05-06T07:08:09.120000000Z", "2024-05-06T07:08:09.12Z"),
        ("2024-05-06T07:08:09.123456789-00:30", "2024-05-06T07:38:09.123456789Z"),
        ("0987-05-06T07:08:09Z", "0987-05-06T07:08:09Z"),
    ],
)
def test_time(given, written):
    """Times are written in UTC, with the nanoseconds that are there."""
    assert f'{{"Version":"v1.0.0","Time":"{written}"}}' == roundtrip(f'{{"Version":"v1.0.0","Time":"{given}"}}')


def test_no_time():
    """A missing time is None, and written as Go writes it."""
    assert info.parse(b'{"Version":"v1.0.0"}', MV) == Info("v1.0.0", None, None)
    assert roundtrip('{"version":"v1.0.0"}') == '{"Version":"v1.0.0","Time":"0001-01-01T00:00:00Z"}'


def test_parse():
    """The facts are given in Python's own types."""
    parsed = info.parse(
        json.dumps({"Version": "v1.0.0", "Time": "2024-05-06T07:08:09Z", "Origin": ORIGIN}).encode(), MV
    )
    assert parsed == Info("v1.0.0", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), ORIGIN)


def test_html_is_escaped():
    """Characters that Go escapes in JSON are escaped alike, others are left alone."""
    origin = info.parse('{"Version":"v1.0.0","Origin":{"URL":"<&>\u2028é\\ud800"}}'.encode(), MV)
    assert b'"<\\u0026' not in info.canonical(origin)
    assert info.canonical(origin).endswith('{"URL":"\\u003c\\u0026\\u003e\\u2028é\ufffd"}}'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"404 page not found",
        b"[]",
        b'"v1.0.0"',
        b"{}",
        b'{"Version":"v1.0.1"}',
        b'{"Version":"v1.0.0","Time":"yesterday"}',
        b'{"Version":"v1.0.0","Time":"2024-02-30T00:00:00Z"}',
        b'{"Version":"v1.0.0","Time":"2024-02-03T00:00:00"}',
        b'{"Version":"v1.0.0","Time":"0001-01-01T00:00:00+01:00"}',
        b'{"Version":"v1.0.0","Time":"2024-01-01T00:00:00+01:60"}',
        b'{"Version":"v1.0.0","Time":7}',
        b'{"Version":"v1.0.0","Origin":"git"}',
        b'{"Version":"v1.0.0","Origin":{"x":1e999}}',
        b'{"Version":"v1.0.0","Origin":{"x":NaN}}',
        b'{"Version":"\xff"}',
        b"[" * 100_000,
        b" " * (info.MAX_INFO + 1),
    ],
)
def test_refused(data):
    """What is no `.info` of the asked version is refused, never half understood."""
    with pytest.raises(InvalidInfoError, match=r"example\.com/m@v1\.0\.0"):
        info.parse(data, MV)
