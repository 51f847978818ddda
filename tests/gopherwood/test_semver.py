"""Versions: what the tables of x/mod (tests/xmod) leave open, and faults that a predecessor had."""

from itertools import pairwise

import pytest

from gopherwood import semver


@pytest.mark.parametrize(
    ("lower", "higher"),
    list(
        pairwise(["", "v0.0.0-0", "v0.0.0", "v0.0.1", "v1.1.0-rc.2", "v1.1.0-rc.10", "v1.1.0", "v1.2", "v1.10.0", "v2"])
    ),
)
def test_order(lower, higher):
    """Versions are ordered by number and not by text: v1.2 is below v1.10, an invalid one below all."""
    assert semver.compare(lower, higher) == -1
    assert semver.compare(higher, lower) == 1


def test_prefix_is_no_match():
    """v1.1 and v1.10 share a prefix and nothing else."""
    assert semver.major_minor("v1.1") == "v1.1"
    assert semver.major_minor("v1.10.3") == "v1.10"
    assert semver.compare("v1.1", "v1.10") == -1


def test_zero_version():
    """v0.0.0 is a version like others."""
    assert semver.is_valid("v0.0.0")
    assert semver.canonical("v0") == "v0.0.0"


@pytest.mark.parametrize("v", ["v1.0.0+incompatible+incompatible", "v1.0.0+", "v1.0.0++a", "v1+meta"])
def test_doubled_build_suffix(v):
    """A doubled or empty build suffix makes a version invalid."""
    assert not semver.is_valid(v)


def test_build_suffix_does_not_count():
    """Two versions that differ in their build suffix compare equal, and sort by their text."""
    versions = ["v1.0.0+b", "v1.0.0+a", "v1.0.0"]
    assert semver.compare(*versions[:2]) == 0
    semver.sort(versions)
    assert versions == ["v1.0.0", "v1.0.0+a", "v1.0.0+b"]


def test_long_numbers():
    """Numbers may have more digits than Python converts."""
    long = "9" * 10_000
    assert semver.compare(f"v1.0.{long}", f"v1.0.1{long}") == -1
    assert semver.compare(f"v1.0.0-{long}", "v1.0.0-a") == -1


def test_other_digits_are_none():
    """Digits of other scripts are no digits, and a newline at the end is no end."""
    assert not semver.is_valid("v1.٢.0")
    assert not semver.is_valid("v1.2.0\n")
