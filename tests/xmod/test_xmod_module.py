"""x/mod's module tests, pseudo-versions included, held against our twins."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gopherwood import module, pseudo
from gopherwood.errors import ContentError
from xmod.source import go_table

pytestmark = pytest.mark.upstream

TESTS, PSEUDO_TESTS = "module/module_test.go", "module/pseudo_test.go"
COMMIT_TIME = datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC)


def passes(check: Callable[..., object], *args: str) -> bool:
    try:
        check(*args)
    except ContentError:
        return False
    return True


@pytest.fixture(scope="module")
def paths() -> list[dict[str, object]]:
    return go_table(TESTS, "checkPathTests")


@pytest.fixture(scope="module")
def pseudos() -> list[dict[str, str]]:
    return go_table(PSEUDO_TESTS, "pseudoTests")


def test_check():
    """A path and a version belong together exactly where Go says so."""
    rows = go_table(TESTS, "checkTests")
    assert rows == [row | {"ok": passes(module.check, row["path"], row["version"])} for row in rows]


def test_check_paths(paths):
    """Module, import and file paths are valid exactly where Go says so."""
    checks = {"ok": module.check_path, "importOK": module.check_import_path, "fileOK": module.check_file_path}
    assert paths == [row | {key: passes(check, row["path"]) for key, check in checks.items()} for row in paths]


def test_split_path_version(paths):
    """The major-version suffix is split off where Go's is, and nothing is lost."""
    rows = go_table(TESTS, "splitPathVersionTests")
    wanted = [(row["pathPrefix"], row["version"], True) for row in rows]
    assert wanted == [module.split_path_version(row["pathPrefix"] + row["version"]) for row in rows]
    assert [row["path"] for row in paths] == ["".join(module.split_path_version(row["path"])[:2]) for row in paths]


def test_escape_path(paths):
    """Paths escape as Go's do, there and back, and invalid ones do not."""
    rows = [(row["path"], row["esc"] or row["path"]) for row in go_table(TESTS, "escapeTests")]
    assert rows == [(module.unescape_path(escaped), module.escape_path(path)) for path, escaped in rows]
    bad = [row["path"] for row in paths if not row["ok"]]
    assert not [path for path in bad if passes(module.escape_path, path) or passes(module.unescape_path, path)]


def test_bad_unescape():
    """What Go calls no escaped path is none."""
    assert not [bad for bad in go_table(TESTS, "badUnescape") if passes(module.unescape_path, bad)]


def test_match_path_major():
    """Versions match major-version suffixes where Go's do."""
    rows = go_table(TESTS, "TestMatchPathMajor")
    assert rows == [row | {"want": module.match_path_major(row["v"], row["pathMajor"])} for row in rows]


def test_match_prefix_patterns():
    """GOPRIVATE's patterns match what they match in Go."""
    rows = go_table(TESTS, "TestMatchPrefixPatterns")
    assert rows == [row | {"want": module.match_prefix_patterns(row["globs"], row["target"])} for row in rows]


def test_pseudo_version(pseudos):
    """Pseudo-versions are made as Go makes them."""
    wanted = [row["version"] for row in pseudos]
    assert wanted == [pseudo.pseudo_version(row["major"], row["older"], COMMIT_TIME, "hash") for row in pseudos]


def test_is_pseudo_version(pseudos):
    """Made versions are pseudo-versions, the tags before them are not."""
    assert all(pseudo.is_pseudo_version(row["version"]) for row in pseudos)
    assert not any(pseudo.is_pseudo_version(row["older"]) for row in pseudos)


def test_pseudo_version_parts(pseudos):
    """Time and revision come back out of a pseudo-version, and out of nothing else."""
    for row in pseudos:
        assert pseudo.pseudo_version_time(row["version"]) == COMMIT_TIME
        assert pseudo.pseudo_version_rev(row["version"]) == "hash"
        assert not passes(pseudo.pseudo_version_time, row["older"])
        assert not passes(pseudo.pseudo_version_rev, row["older"])


def test_pseudo_version_base(pseudos):
    """The tag before a pseudo-version comes back out of it."""
    assert [row["older"] for row in pseudos] == [pseudo.pseudo_version_base(row["version"]) for row in pseudos]
    bad = go_table(PSEUDO_TESTS, "TestInvalidPseudoVersionBase")
    assert not [v for v in bad if passes(pseudo.pseudo_version_base, v)]


def test_decimals():
    """Decimal strings are counted up and down as in Go."""
    ups, downs = go_table(PSEUDO_TESTS, "TestIncDecimal"), go_table(PSEUDO_TESTS, "TestDecDecimal")
    assert [row["want"] for row in ups] == [pseudo._inc_decimal(row["in"]) for row in ups]
    assert [row["want"] for row in downs] == [pseudo._dec_decimal(row["in"]) for row in downs]
