"""Origins: the repositories that published bytes once came from, and how they are looked at again.

`hosts` and `meta` say where a module version comes from; `git` runs the git command, `guard` says where it may go, and
`remote` asks a repository what its refs are now. `tree` has the files of a module at a commit, as `go` would pack them,
and `compare` holds them against what is published. Only git is spoken: of other version control it is said that it is.
Used by the verb `audit`. Authority: the Go Modules Reference, "Mapping versions to commits" and "Finding a repository
for a module path"; cmd/go/internal/vcs and modfetch/coderepo.go.
"""

from gopherwood.origin.compare import Difference, compare
from gopherwood.origin.git import Git
from gopherwood.origin.hosts import HIDES_MISSING, derive
from gopherwood.origin.meta import discover
from gopherwood.origin.remote import Refs, Remote
from gopherwood.origin.tree import Files, files_at, published
from gopherwood.origin.values import GIT, Known, Origin, tag_of

__all__ = [
    "GIT",
    "HIDES_MISSING",
    "Difference",
    "Files",
    "Git",
    "Known",
    "Origin",
    "Refs",
    "Remote",
    "compare",
    "derive",
    "discover",
    "files_at",
    "published",
    "tag_of",
]
