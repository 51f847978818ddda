"""Where a module version comes from, as far as nobody need be asked: its `.info`, else the rules of well-known hosts.

`go` knows a few hosts by their paths, and asks all others for go-get meta (meta.py). We know some more, whose rule is
as plain: a repository is the first two elements after the host. gitlab.com has groups in groups, so there the rule
holds for paths of just two, and deeper ones are asked for. Authority: vcsPaths in cmd/go/internal/vcs; the page of
gopkg.in itself.
"""

import re
from collections.abc import Mapping
from typing import Any

from gopherwood import pseudo
from gopherwood.module import ModuleVersion
from gopherwood.origin.values import GIT, HASH, Origin, subdir_of, tag_of

_TWO_ELEMENTS = r"(?P<root>(?:%s)/[\w.-]+/[\w.-]+)(?:/.*)?"
_RULES = [
    (re.compile(_TWO_ELEMENTS % r"github\.com|bitbucket\.org|codeberg\.org|gitea\.com"), r"https://\g<root>"),
    (re.compile(r"(?P<root>gitlab\.com/[\w.-]+/[\w.-]+)(?:/v[0-9]+)?"), r"https://\g<root>"),
    (re.compile(r"(?P<root>git\.sr\.ht/~[\w.-]+/[\w.-]+)(?:/.*)?"), r"https://\g<root>"),
    (re.compile(r"(?P<root>go\.googlesource\.com/(?P<name>[\w.-]+))(?:/.*)?"), r"https://\g<root>"),
    (re.compile(r"(?P<root>golang\.org/x/(?P<name>[\w.-]+))(?:/.*)?"), r"https://go.googlesource.com/\g<name>"),
    (
        re.compile(r"(?P<root>gopkg\.in/(?P<name>[\w-]+)\.v[0-9]+(?:-unstable)?)"),
        r"https://github.com/go-\g<name>/\g<name>",
    ),
    (
        re.compile(r"(?P<root>gopkg\.in/(?P<user>[\w-]+)/(?P<name>[\w.-]+)\.v[0-9]+(?:-unstable)?)"),
        r"https://github.com/\g<user>/\g<name>",
    ),
    # A path that says itself where the repository ends.
    (re.compile(r"(?P<root>(?:[a-z0-9-]+\.)+[a-z0-9-]+(?:/~?[\w.-]+)+?\.git)(?:/.*)?"), r"https://\g<root>"),
]

HIDES_MISSING = frozenset(
    ["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "gitea.com", "go.googlesource.com", "git.sr.ht"]
)
"""Hosts that answer "who are you?" for a public repository that is gone, so as not to tell of private ones."""


def derive(mv: ModuleVersion, given: Mapping[str, Any] | None = None) -> Origin | None:
    """Return the origin of a version from the Origin of its `.info`, else by its path; None when meta must be asked."""
    return _from_info(mv, given or {}) or _from_path(mv)


def _from_info(mv: ModuleVersion, given: Mapping[str, Any]) -> Origin | None:
    vcs, url, subdir, ref, commit = (_text(given, key) for key in ("VCS", "URL", "Subdir", "Ref", "Hash"))
    if not vcs or not url or vcs == "mod":
        return None
    if vcs != GIT:
        return Origin(vcs, url, subdir, "", "", "info")
    # Of a pseudo-version an upstream may name the branch that it looked at, which is expected to move.
    is_pseudo = pseudo.is_pseudo_version(mv.version)
    tag = "" if is_pseudo else ref if ref.startswith("refs/tags/") else tag_of(mv, subdir)
    return Origin(vcs, url, subdir, tag, commit if HASH.fullmatch(commit) else "", "info")


def _from_path(mv: ModuleVersion) -> Origin | None:
    for pattern, url in _RULES:
        if match := pattern.fullmatch(mv.path):
            subdir = subdir_of(mv.path, match["root"])
            if subdir is not None:
                return Origin(GIT, match.expand(url), subdir, tag_of(mv, subdir), "", "host")
    return None


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    return value if isinstance(value, str) else ""
