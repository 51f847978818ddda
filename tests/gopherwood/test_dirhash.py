"""The h1 hash: its definition, and the values that go.sum files hold."""

import base64
import hashlib
import io

import pytest

from gopherwood import dirhash
from gopherwood.errors import InvalidZipError


def test_definition():
    """The hash is that of the lines that sha256sum prints, in the order of the names' bytes."""
    files = {"b": b"1", "a/b": b"2", "é": b"3", "\U00010000": b"4", "\uffff": b"5", "\udcff": b"6"}
    order = ["a/b", "b", "é", "\uffff", "\U00010000", "\udcff"]
    lines = b"".join(
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n".encode(errors="surrogateescape") for name in order
    )
    wanted = "h1:" + base64.b64encode(hashlib.sha256(lines).digest()).decode()
    assert wanted == dirhash.hash1(list(files), lambda name: io.BytesIO(files[name]))


def test_go_mod_hash():
    """A go.mod has the hash that go.sum gives it."""
    data = b"module github.com/pkg/errors\n"  # github.com/pkg/errors v0.9.1 has none: `go` writes this one
    assert dirhash.hash_go_mod(data) == "h1:bwawxfHBFNV+L2hUp1rHADufV3IMtnDRdf1r5NINEl0="


def test_empty():
    """Of no files there is a hash too."""
    assert dirhash.hash1([], io.BytesIO) == "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_newline_in_a_name():
    """A name with a newline could forge a line, and is refused."""
    with pytest.raises(InvalidZipError, match="newlines"):
        dirhash.hash1(["a\nb"], lambda _: io.BytesIO())
