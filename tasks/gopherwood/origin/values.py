"""An origin as a value, and which tag and folders of a repository a module version means.

A module in a folder of its repository has that folder before its tags (`sub/dir/v1.2.3`). A major-version suffix may be
a folder or not (`/v2` is in `v2/`, or on the branch that the tag names), but is never part of a tag's name.
`+incompatible` is not either. Authority: modfetch/coderepo.go of cmd/go (newCodeRepo, findDir), and
https://go.dev/ref/mod#vcs-version.
"""

import re
from dataclasses import dataclass
from typing import Literal

from gopherwood import module, pseudo
from gopherwood.module import ModuleVersion

Known = Literal["info", "host", "meta", ""]
"""How an origin is known: from the `.info`, by the rules of a well-known host, from go-get meta, or not yet."""

GIT = "git"
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""A whole commit hash, SHA-1 or SHA-256."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a module version's bytes come from."""

    vcs: str
    """The kind of version control: `git`, or another that is not spoken here; "" while nobody has been asked."""
    url: str
    """The repository's URL, "" while unknown."""
    subdir: str = ""
    """The folder of the module in it without its major-version suffix, as `go` has it in an Origin."""
    ref: str = ""
    """The tag as a whole ref, `refs/tags/v1.0.0`; "" for a pseudo-version, which names a commit."""
    hash: str = ""
    """The commit, when the upstream said so; "" if it did not."""
    known: Known = ""


def tag_of(mv: ModuleVersion, subdir: str) -> str:
    """Return the ref of the tag that a version comes from, "" for a pseudo-version."""
    if pseudo.is_pseudo_version(mv.version):
        return ""
    prefix = f"{subdir}/" if subdir else ""
    return f"refs/tags/{prefix}{mv.version.removesuffix('+incompatible')}"


def subdir_of(path: str, root: str, below: str = "") -> str | None:
    """Return the folder of a module in the repository whose root is the path `root`; None if it cannot be in it.

    `below` is a folder that go-get meta names.
    """
    prefix = path if root == path else module.split_path_version(path)[0]
    if prefix != root and not prefix.startswith(f"{root}/"):
        return None
    return "/".join(part for part in (prefix[len(root) :].strip("/"), below.strip("/")) if part)


def folders_of(path: str, subdir: str) -> list[str]:
    """Return the folders where a module may be, the one that counts if its go.mod is there first."""
    major = module.split_path_version(path)[1]
    if not major.startswith("/"):
        return [subdir]
    return ["/".join(filter(None, (subdir, major[1:]))), subdir]
