"""x/mod's semver tests, held against our twin."""

import random

import pytest

from gopherwood import semver
from xmod.source import go_table

pytestmark = pytest.mark.upstream

TESTS = "semver/semver_test.go"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return go_table(TESTS, "tests")


def test_canonical_and_valid(rows):
    """The canonical form is Go's, and empty exactly for invalid versions."""
    assert [(row["out"], row["out"] != "") for row in rows] == [
        (semver.canonical(row["in"]), semver.is_valid(row["in"])) for row in rows
    ]


def test_major(rows):
    """The major version is what stands before the first dot of the canonical form."""
    assert [row["out"].partition(".")[0] for row in rows] == [semver.major(row["in"]) for row in rows]


def test_major_minor(rows):
    """The major and minor version are the first two numbers of the canonical form."""
    wanted = [".".join(row["out"].partition("-")[0].split(".")[:2]) for row in rows]
    assert wanted == [semver.major_minor(row["in"]) for row in rows]


def test_prerelease_and_build(rows):
    """The suffixes are found with their marks, and only in valid versions."""
    for row in rows:
        dash, plus = row["out"].find("-"), row["in"].find("+")
        pre = row["out"][dash:] if dash >= 0 else ""
        build = row["in"][plus:] if row["out"] and plus >= 0 else ""
        assert (pre, build) == (semver.prerelease(row["in"]), semver.build(row["in"]))


def test_compare(rows):
    """Every pair of rows compares as their places in the table, equal if their canonical forms are."""
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            wanted = 0 if a["out"] == b["out"] else (i > j) - (i < j)
            assert (wanted, a, b) == (semver.compare(a["in"], b["in"]), a, b)


def test_sort(rows):
    """A shuffled table sorts into Go's golden order."""
    golden = go_table(TESTS, "TestSort")
    versions = [row["in"] for row in rows]
    random.shuffle(versions)
    semver.sort(versions)
    assert golden == versions
