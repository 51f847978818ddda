"""Results of tests, as continuous integration leaves them: JUnit's XML, or JSON with three counts."""

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gopherwood.errors import UsageError

COUNTS = ("passed", "failed", "skipped")
MOST_NAMED = 5


def read(files: Sequence[Path]) -> dict[str, Any]:
    """Return the counts of all files together, and each file's hash; raises UsageError for anything but success."""
    if not files:
        raise UsageError("a release of what was not tested?", hint="name the tests' results with --tests FILE")
    counts: Counter[str] = Counter()
    failed: list[str] = []
    hashes: dict[str, str] = {}
    for file in files:
        data = _bytes(file)
        found, names = _junit(file, data) if data.lstrip().startswith(b"<") else _json(file, data)
        counts += found
        failed += names
        hashes[file.name] = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if counts["failed"]:
        named = "; ".join(failed[:MOST_NAMED]) or "their names are not given"
        raise UsageError(f"{counts['failed']} tests failed: {named}", hint="nothing is released before they pass")
    if not counts["passed"]:
        raise UsageError("no test passed", hint="--tests names a file without any result")
    return {name: counts[name] for name in COUNTS} | {"files": hashes}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"the tests' results in {file} cannot be read: {error.strerror}") from None


def _junit(file: Path, data: bytes) -> tuple[Counter[str], list[str]]:
    """Count cases, not the sums that a suite claims."""
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  # our own runner's file, and expat takes no entities from outside
    except ElementTree.ParseError as error:
        raise UsageError(f"{file} is no JUnit XML: {error}") from None
    counts: Counter[str] = Counter()
    failed = []
    for case in root.iter("testcase"):
        kinds = {child.tag for child in case}
        state = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        counts[state] += 1
        if state == "failed":
            failed.append(f"{case.get('classname', '')}.{case.get('name', '')}".strip("."))
    return counts, failed


def _json(file: Path, data: bytes) -> tuple[Counter[str], list[str]]:
    try:
        found = json.loads(data)
        counts = {name: found.get(name, 0) for name in COUNTS}
    except (ValueError, AttributeError):
        raise UsageError(f"{file} is neither JUnit XML nor a JSON object") from None
    if any(type(count) is not int or count < 0 for count in counts.values()):
        raise UsageError(f"{file}: passed, failed and skipped are whole numbers")
    return Counter(counts), []
