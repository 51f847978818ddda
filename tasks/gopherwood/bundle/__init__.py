"""A bundle: published versions on their way to a place without a network, in a folder or one tar file.

What it holds, by name:

- `<escaped path>/@v/{list,<version>.info,<version>.mod,<version>.zip}`: the store's own layout, so that a folder is a
  valid `GOPROXY=file://` tree for the stock `go` command.
- `sumdb/<name>/{supported,latest,lookup/...,tile/...}`: what a checksum database answers for these versions, complete
  enough to prove each record in the one signed tree head with nothing but the database's public key, and to prove that
  the tree of each bundle exported before is its beginning. `go` reads it there too.
- `bundle/manifest.jsonl`: what there is, with sizes and hashes (manifest.py); `bundle/manifest.note`: the signature
  over it (seal.py). No module path can begin with `bundle/` or `sumdb/`: its first segment would need a dot.

The manifest comes first in a tar, and last into a folder: what has none is no bundle. A folder without one may still be
a plain tree, such as `$GOMODCACHE/cache/download` (tree.py). Everything read here is suspect: a name, a size or a line
that is off is a BundleError before anything was believed.
"""

from pathlib import Path

from gopherwood.bundle.files import Files, Folder
from gopherwood.bundle.manifest import MANIFEST, SEAL, FileLine, Header, VersionLine
from gopherwood.bundle.offer import Bundle, Offer
from gopherwood.bundle.seal import Keys
from gopherwood.bundle.tarball import Archive
from gopherwood.bundle.tree import Tree
from gopherwood.errors import UsageError

__all__ = [
    "MANIFEST",
    "SEAL",
    "Archive",
    "Bundle",
    "FileLine",
    "Files",
    "Folder",
    "Header",
    "Keys",
    "Offer",
    "Tree",
    "VersionLine",
    "open_offer",
]


def open_offer(path: Path, keys: Keys) -> Offer:
    """Open a bundle or a plain tree, in a folder or a tar file, and check all that can be checked before its content.

    Raises UsageError for what is neither, BundleError for what is off, TruncatedError for a tar file that was cut.
    """
    files: Files
    if path.is_dir():
        files = Folder(path)
    elif path.is_file():
        files = Archive(path)
    else:
        raise UsageError(
            f"no such file or folder: {path}", hint="name a bundle (FILE.tar or a folder) or a module cache"
        )
    return Bundle(files, keys) if files.size(MANIFEST) is not None else Tree(files)
