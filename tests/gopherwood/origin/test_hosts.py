"""Which repository, folder and tag a module version means, as far as its path or its `.info` says."""

import pytest

from gopherwood.module import ModuleVersion
from gopherwood.origin import Origin, derive

HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("path", "version", "url", "subdir", "ref"),
    [
        ("github.com/a/b", "v1.2.3", "https://github.com/a/b", "", "refs/tags/v1.2.3"),
        ("github.com/a/b/v2", "v2.0.0", "https://github.com/a/b", "", "refs/tags/v2.0.0"),
        ("github.com/a/b/sub/dir", "v0.1.0", "https://github.com/a/b", "sub/dir", "refs/tags/sub/dir/v0.1.0"),
        ("github.com/a/b/sub/v3", "v3.1.0", "https://github.com/a/b", "sub", "refs/tags/sub/v3.1.0"),
        ("github.com/a/b", "v2.0.0+incompatible", "https://github.com/a/b", "", "refs/tags/v2.0.0"),
        ("github.com/a/b", "v0.0.0-20200102030405-0123456789ab", "https://github.com/a/b", "", ""),
        ("github.com/a/v2", "v2.0.0", "https://github.com/a/v2", "", "refs/tags/v2.0.0"),
        ("gitlab.com/a/b", "v1.0.0", "https://gitlab.com/a/b", "", "refs/tags/v1.0.0"),
        ("gitlab.com/a/b/v2", "v2.0.0", "https://gitlab.com/a/b", "", "refs/tags/v2.0.0"),
        ("bitbucket.org/a/b/c", "v1.0.0", "https://bitbucket.org/a/b", "c", "refs/tags/c/v1.0.0"),
        ("codeberg.org/a/b", "v1.0.0", "https://codeberg.org/a/b", "", "refs/tags/v1.0.0"),
        ("gopkg.in/yaml.v3", "v3.0.1", "https://github.com/go-yaml/yaml", "", "refs/tags/v3.0.1"),
        ("gopkg.in/user/pkg.v1", "v1.0.0", "https://github.com/user/pkg", "", "refs/tags/v1.0.0"),
        ("golang.org/x/mod", "v0.17.0", "https://go.googlesource.com/mod", "", "refs/tags/v0.17.0"),
        (
            "golang.org/x/tools/gopls",
            "v0.16.0",
            "https://go.googlesource.com/tools",
            "gopls",
            "refs/tags/gopls/v0.16.0",
        ),
        ("go.googlesource.com/mod", "v0.17.0", "https://go.googlesource.com/mod", "", "refs/tags/v0.17.0"),
        ("git.sr.ht/~a/b", "v1.0.0", "https://git.sr.ht/~a/b", "", "refs/tags/v1.0.0"),
        ("git.corp.example/x/y.git/z", "v1.0.0", "https://git.corp.example/x/y.git", "z", "refs/tags/z/v1.0.0"),
    ],
)
def test_path_of_a_well_known_host(path: str, version: str, url: str, subdir: str, ref: str) -> None:
    """A path says repository, folder and tag; a pseudo-version has no tag, `/v2` is in none, +incompatible goes."""
    assert derive(ModuleVersion(path, version)) == Origin("git", url, subdir, ref, "", "host")


@pytest.mark.parametrize("path", ["rsc.io/quote", "gitlab.com/group/sub/project", "k8s.io/api", "example.com/a/b"])
def test_other_paths_are_asked_for(path: str) -> None:
    """A vanity path, and a group in a group, say nothing: go-get meta does."""
    assert derive(ModuleVersion(path, "v1.0.0")) is None


def test_what_the_info_says_counts_first() -> None:
    """An Origin of the upstream names repository, folder, ref and commit, whatever the path looks like."""
    given = {"VCS": "git", "URL": "https://else.example/r", "Subdir": "x", "Ref": "refs/tags/x/v1.0.0", "Hash": HASH}
    expected = Origin("git", "https://else.example/r", "x", "refs/tags/x/v1.0.0", HASH, "info")
    assert derive(ModuleVersion("github.com/a/b", "v1.0.0"), given) == expected


def test_branch_of_a_pseudo_version_is_no_ref() -> None:
    """The branch that the upstream found a commit on moves every day; the commit is what counts."""
    given = {"VCS": "git", "URL": "https://github.com/a/b", "Ref": "refs/heads/main", "Hash": HASH}
    found = derive(ModuleVersion("github.com/a/b", "v0.0.0-20200102030405-0123456789ab"), given)
    assert found == Origin("git", "https://github.com/a/b", "", "", HASH, "info")


@pytest.mark.parametrize(
    "given", [{"VCS": "mod", "URL": "https://proxy.example"}, {"VCS": "git"}, {"URL": 7, "VCS": []}, {}]
)
def test_an_origin_that_names_no_repository_is_passed_over(given: dict[str, object]) -> None:
    """What an upstream says may be anything; the path counts then."""
    found = derive(ModuleVersion("github.com/a/b", "v1.0.0"), given)
    assert found is not None
    assert found.url == "https://github.com/a/b"


def test_other_version_control_is_said_to_be_that() -> None:
    """Mercurial is not guessed at."""
    found = derive(ModuleVersion("bitbucket.org/a/b", "v1.0.0"), {"VCS": "hg", "URL": "https://hg.example/r"})
    assert found is not None
    assert found.vcs == "hg"


def test_half_a_hash_is_none() -> None:
    """A commit that is no whole hash is not taken for one."""
    found = derive(
        ModuleVersion("github.com/a/b", "v1.0.0"),
        {"VCS": "git", "URL": "https://github.com/a/b", "Hash": "--upload-pack"},
    )
    assert found is not None
    assert found.hash == ""
