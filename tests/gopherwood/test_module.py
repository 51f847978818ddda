"""Module paths and versions: what the tables of x/mod (tests/xmod) leave open, and faults that a predecessor had."""

import pytest

from gopherwood import module
from gopherwood.errors import InvalidPathError, InvalidVersionError
from gopherwood.module import ModuleVersion


def test_module_version_text():
    """A module version prints as path@version, one without a version as its path."""
    assert str(ModuleVersion("example.com/m", "v1.0.0")) == "example.com/m@v1.0.0"
    assert str(ModuleVersion("example.com/m", "")) == "example.com/m"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("github.com/nats-io/nats.go", "v1.38.0"),
        ("github.com/a/b.go/v2", "v2.0.0"),
        ("example.com/m", "v0.0.0"),
        ("github.com/docker/docker", "v27.4.1+incompatible"),
        ("gopkg.in/check.v1", "v0.0.0-20161208181325-20d25e280405"),
        ("gopkg.in/yaml.v3", "v3.0.1"),
    ],
)
def test_check_accepts(path, version):
    """Names that a predecessor stumbled over are good: `.go` inside of one, v0.0.0, +incompatible, gopkg.in."""
    module.check(path, version)


@pytest.mark.parametrize(
    ("path", "version", "why"),
    [
        ("example.com/m", "v2.0.0", "should be v0 or v1, not v2"),
        ("example.com/m/v2", "v3.0.0", "should be v2, not v3"),
        ("example.com/m/v2", "v2.0.0+incompatible+incompatible", "not a semantic version"),
        ("example.com/m", "latest", "not a semantic version"),
    ],
)
def test_check_version(path, version, why):
    """A version that is none, or not this path's, is refused in Go's words."""
    with pytest.raises(InvalidVersionError) as error:
        module.check(path, version)
    assert str(error.value) == f"{path}@{version}: invalid version: {why}"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("example.com/m/v1", "invalid version"),
        ("Example.com/m", "invalid char 'E' in first path element"),
        ("example.com/a b", "invalid char ' '"),
        ("example.com//m", "double slash"),
        ("example.com/../m", 'invalid path element ".."'),
        ("example.com/nul.x", '"nul" disallowed as path element component on Windows'),
        ("example.com/progra~1", "trailing tilde and digits in path element"),
        ("ex\udcffample.com", "invalid UTF-8"),
        ("", "empty string"),
    ],
)
def test_check_path(path, why):
    """A bad path is refused with the reason that Go gives."""
    with pytest.raises(InvalidPathError) as error:
        module.check_path(path)
    assert str(error.value).endswith(f'": {why}')


@pytest.mark.parametrize(("v", "canonical"), [("v1", "v1.0.0"), ("v1.2.3+meta", "v1.2.3"), ("bad", "")])
def test_canonical_version(v, canonical):
    """Short forms are filled in, and a `+` suffix is dropped from tags."""
    assert module.canonical_version(v) == canonical


def test_canonical_version_keeps_incompatible_once():
    """+incompatible is kept, and never doubled."""
    once = module.canonical_version("v2.0.0+incompatible")
    assert once == module.canonical_version(once) == "v2.0.0+incompatible"


@pytest.mark.parametrize(
    ("path", "escaped"),
    [("github.com/Azure/azure-sdk", "github.com/!azure/azure-sdk"), ("example.com/ABC", "example.com/!a!b!c")],
)
def test_escaped_path(path, escaped):
    """Upper-case letters are escaped one by one, and come back."""
    assert module.escape_path(path) == escaped
    assert module.unescape_path(escaped) == path


def test_escaped_version():
    """Versions escape like paths, and what is no file name does not."""
    assert module.escape_version("v1.0.0-RC1") == "v1.0.0-!r!c1"
    assert module.unescape_version("v1.0.0-!r!c1") == "v1.0.0-RC1"
    for bad in ("a/b", "v1!", "", "..", "nul", "é"):
        with pytest.raises(InvalidVersionError):
            module.escape_version(bad)


@pytest.mark.parametrize("escaped", ["example.com/A", "example.com/!A", "example.com/a!", "example.com/é", "v1/!"])
def test_unescape_refuses(escaped):
    """What no path escapes to is refused."""
    with pytest.raises(InvalidPathError):
        module.unescape_path(escaped)


def test_path_major_prefix():
    """A suffix tells the major version of its tags."""
    assert [module.path_major_prefix(p) for p in ("", "/v2", ".v0", ".v3-unstable")] == ["", "v2", "v0", "v3"]
    for bad in ("v2", "/v", "/x2"):
        with pytest.raises(ValueError, match="pathMajor suffix"):
            module.path_major_prefix(bad)


@pytest.mark.parametrize(
    ("globs", "target", "matches"),
    [
        ("*.corp.example.com", "git.corp.example.com/a/b", True),
        ("one/two", "one/two-other", False),
        ("one/two", "one/two/three", True),
        ("a/[^b-d]/*", "a/x/y", True),
        ("a/[^b-d]/*", "a/c/y", False),
        ("[", "[", False),
        ("a[]b]", "a]", False),
        (r"a\*b", "a*b", True),
        (",,/,x", "x/y", True),
    ],
)
def test_prefix_patterns(globs, target, matches):
    """Patterns match whole elements; malformed ones match nothing."""
    assert module.match_prefix_patterns(globs, target) is matches


def test_hostile_pattern_is_quick():
    """Many stars do not multiply."""
    assert not module.match_prefix_patterns("*a" * 200 + "b", "a" * 5000)
