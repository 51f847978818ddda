"""What changed between the files that we serve and those that a tag names now: evidence for a person to read.

Names, sizes and hashes of every file that differs, and a unified diff of the text among them, bounded: whoever moves a
tag chooses how large what he puts there is. A record depends on its two sides
alone, so that it may be made again and stored again under the same key.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gopherwood.errors import StorageError
from gopherwood.origin.git import Git
from gopherwood.origin.tree import File, Files

MAX_TEXT = 256 << 10
"""Bytes of a file up to which it is compared line by line."""
MAX_COMPARED = 16 << 20
"""Bytes of all files together that are."""
MAX_DIFF = 1 << 20
"""Characters of a whole diff."""
MAX_NAMES = 10_000
"""Files named in the list of what differs; the counts are of all."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Which files are only there now, only in what is published, or in both with other content."""

    added: dict[str, File]
    removed: dict[str, File]
    changed: dict[str, tuple[File, File]]
    """The published file, then the present one."""
    diff: str

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def counts(self) -> dict[str, int]:
        """Return how many files differ, by how."""
        return {"added": len(self.added), "removed": len(self.removed), "changed": len(self.changed)}

    def record(self, facts: dict[str, Any]) -> bytes:
        """Return the evidence as JSON: these facts, the counts, and a line for each file."""
        lines: list[dict[str, Any]] = []
        for name, file in self.added.items():
            lines.append({"name": name, "how": "added", "now": _facts(file)})
        for name, file in self.removed.items():
            lines.append({"name": name, "how": "removed", "published": _facts(file)})
        for name, (old, new) in self.changed.items():
            lines.append({"name": name, "how": "changed", "published": _facts(old), "now": _facts(new)})
        lines.sort(key=lambda line: line["name"])
        record = {**facts, "counts": self.counts(), "files": lines[:MAX_NAMES], "complete": len(lines) <= MAX_NAMES}
        return (json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode("utf-8", "replace")


def _facts(file: File) -> dict[str, Any]:
    """Return a file's facts by name."""
    return file._asdict()


def compare(git: Git, published: Files, now: Files) -> Difference:
    """Compare the published files of a version with those that its tag names now.

    Raises StorageError when there is no room for the copies that git compares.
    """
    old, new = published.files, now.files
    added = {name: new[name] for name in sorted(new.keys() - old.keys())}
    removed = {name: old[name] for name in sorted(old.keys() - new.keys())}
    changed = {name: (old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]}
    diff = _unified(git, published, now, sorted({*added, *removed, *changed}))
    return Difference(added, removed, changed, diff)


def _unified(git: Git, published: Files, now: Files, names: list[str]) -> str:
    """Let git compare, in linear time: the standard library's way may take hours for lines that somebody chose."""
    room, left_out = MAX_COMPARED, []
    with tempfile.TemporaryDirectory(prefix="gopherwood-diff-") as folder:
        for name in names:
            sizes = [side.files[name].size for side in (published, now) if name in side.files]
            if max(sizes) > MAX_TEXT or sum(sizes) > room:
                left_out.append(f"{name}: too large to show\n")
                continue
            room -= sum(sizes)
            for side, files in (("published", published), ("now", now)):
                _write(Path(folder, side), name, files)
        flags = ("--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-prefix")
        done = git.run("diff", *flags, "published", "now", folder=Path(folder))
    text = done.out.decode("utf-8", "replace")
    if len(text) > MAX_DIFF:
        text = f"{text[:MAX_DIFF]}\n(cut after {MAX_DIFF} characters)\n"
    return text + "".join(left_out[:MAX_NAMES])


def _write(side: Path, name: str, files: Files) -> None:
    path = side / name
    try:
        side.mkdir(exist_ok=True)
        if name in files.files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files.read(name))
    except OSError as error:
        raise StorageError(f"cannot write a file to compare: {error}") from None
