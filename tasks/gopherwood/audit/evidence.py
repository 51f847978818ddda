"""Evidence of a moved tag: what we serve and what the tag names now, file by file, kept in the store.

Two keys, `origin-<date>-<commit>.diff` and `.json`, the second written last; they are created once, and a look that
died between them is simply made again. Nothing of ours is changed: what was published is what is served.
"""

import tempfile
from datetime import datetime
from pathlib import Path

from gopherwood import origin
from gopherwood.catalog import Finding, OriginRow
from gopherwood.errors import ContentError, UpstreamError
from gopherwood.objects import Objects
from gopherwood.origin import Git, Refs, Remote
from gopherwood.store import evidence_key, key


class Evidence:
    """Compares and keeps; any number of threads may share one."""

    def __init__(self, objects: Objects, git: Git, remote: Remote) -> None:
        self._objects = objects
        self._git = git
        self._remote = remote

    def of_move(self, row: OriginRow, refs: Refs, found: str, now: datetime) -> tuple[Finding, str, str]:
        """Compare what a moved tag names with what is published: (finding, a line for people, the key of evidence).

        A comparison that could not be made leaves the finding `moved`, with no key, and is made at the next look.
        Raises StorageError when the store cannot be read or written.
        """
        name = f"{row.ref} was {row.hash[:12]}, and is {found[:12]}"
        try:
            with origin.files_at(self._git, self._remote, refs, row.ref, row.mv, row.subdir) as (commit, files):
                if commit != found:
                    return Finding.MOVED, f"{name}; it moved again while it was looked at", ""
                return self._compare(row, files, name, found, now)
        except ContentError as error:
            return Finding.MOVED, f"{name}; what is there is no such module: {error}", ""
        except UpstreamError as error:
            return Finding.MOVED, f"{name}; not compared yet: {error}", ""

    def _compare(
        self, row: OriginRow, files: origin.Files, name: str, found: str, now: datetime
    ) -> tuple[Finding, str, str]:
        with tempfile.TemporaryDirectory(prefix="gopherwood-origin-") as folder:
            published = origin.published(row.mv, self._objects.fetch_to(key(row.mv, ".zip"), Path(folder)))
            if published.h1 == files.h1:
                return Finding.MOVED_SAME_CONTENT, f"{name}; the content is the same ({files.h1})", ""
            difference = origin.compare(self._git, published, files)
        counts = ", ".join(f"{count} {how}" for how, count in difference.counts().items() if count)
        kept = evidence_key(row.mv, f"origin-{now:%Y-%m-%d}-{found[:12]}")
        if self._objects.size(f"{kept}.json") is None:
            facts = {
                "module": str(row.mv),
                "repository": row.repository,
                "ref": row.ref,
                "date": f"{now:%Y-%m-%d}",
                "published": {"commit": row.hash, "h1": published.h1, "commit_known": row.known},
                "now": {"commit": found, "h1": files.h1},
            }
            if self._objects.size(f"{kept}.diff") is None:
                self._objects.create(f"{kept}.diff", difference.diff.encode("utf-8", "replace"))
            self._objects.create(f"{kept}.json", difference.record(facts))
        return Finding.MOVED, f"{name}; other content: files {counts}", f"{kept}.json"
