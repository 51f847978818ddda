"""Pseudo-versions: what the tables of x/mod (tests/xmod) leave open."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gopherwood import pseudo, semver
from gopherwood.errors import InvalidVersionError

COMMIT = datetime(2024, 2, 29, 23, 30, 1, tzinfo=UTC)


def test_time_is_written_in_utc():
    """The time of a commit is converted to UTC; one without a zone is UTC already."""
    local = COMMIT.astimezone(timezone(timedelta(hours=2)))
    wanted = "v0.0.0-20240229233001-abc"
    made = [pseudo.pseudo_version("", "", t, "abc") for t in (COMMIT, local, COMMIT.replace(tzinfo=None))]
    assert made == [wanted] * 3


@pytest.mark.parametrize("older", ["", "v1.2.3", "v1.2.9", "v1.2.3-pre", "v2.0.0+incompatible", "v1.1.0", "v1.10.0"])
def test_sorts_after_its_base(older):
    """A pseudo-version sorts right after the tag before it, and its base is that tag."""
    made = pseudo.pseudo_version(semver.major(older), older, COMMIT, "abcdef123456")
    assert pseudo.is_pseudo_version(made)
    assert semver.compare(older, made) == -1
    assert pseudo.pseudo_version_base(made) == older


def test_incompatible_is_not_doubled():
    """+incompatible of the tag before is taken over once."""
    made = pseudo.pseudo_version("v2", "v2.0.0+incompatible", COMMIT, "abc")
    assert made == "v2.0.1-0.20240229233001-abc+incompatible"


def test_zero_pseudo_version():
    """The placeholder has a zero time, and only it is one."""
    zero = pseudo.zero_pseudo_version("v1")
    assert zero == "v1.0.0-00010101000000-000000000000"
    assert pseudo.is_zero_pseudo_version(zero)
    assert not pseudo.is_zero_pseudo_version("v1.0.0-20240229233001-000000000000")


@pytest.mark.parametrize("stamp", ["20230229000000", "20240001000000", "20240101240000", "20240101000060"])
def test_impossible_time(stamp):
    """Digits that are no time are found when the time is asked for."""
    v = f"v0.0.0-{stamp}-abc"
    assert pseudo.is_pseudo_version(v)
    with pytest.raises(InvalidVersionError, match=f'malformed time "{stamp}"'):
        pseudo.pseudo_version_time(v)


def test_parts():
    """A pseudo-version falls apart into its time and revision."""
    v = "v1.2.4-0.20240229233001-abcdef123456"
    assert pseudo.pseudo_version_time(v) == COMMIT
    assert pseudo.pseudo_version_rev(v) == "abcdef123456"


@pytest.mark.parametrize("v", ["v0.0.0-20240229233001-a+incompatible", "v1.0.0-0.20240229233001-a", "v1.2.3"])
def test_no_base(v):
    """A base that contradicts itself is refused."""
    with pytest.raises(InvalidVersionError):
        pseudo.pseudo_version_base(v)


def test_patch_of_any_length():
    """A patch number of 10,000 nines counts up."""
    nines = "9" * 10_000
    made = pseudo.pseudo_version("v1", f"v1.0.{nines}", COMMIT, "a")
    assert pseudo.pseudo_version_base(made) == f"v1.0.{nines}"
