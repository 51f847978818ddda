"""The record of a release: one JSON file, named by its time, its commit and its own hash, that holds all it needs.

The charts are in it, packed, so that an old record can be promoted from any checkout. The form is record.schema.json
beside this file, which is what reading checks by. A record whose bytes are not those its name was made of is refused:
what was tested is what is promoted.
"""

import base64
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gopherwood.errors import IntegrityError, UsageError
from gopherwood.form import contradiction

SCHEMA = Path(__file__).with_name("record.schema.json")
NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}-(?P<digest>[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as it was released."""

    name: str
    version: str
    archive: bytes
    """A tar, as helm takes it once it is compressed."""

    @property
    def digest(self) -> str:
        """The hash of the tar, which the same files always give."""
        return f"sha256:{hashlib.sha256(self.archive).hexdigest()}"

    def packed(self) -> bytes:
        """Return the archive for helm."""
        return gzip.compress(self.archive, mtime=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A release: everything that is promoted together, and why it may be."""

    created: str
    """UTC, to the second."""
    commit: str
    images: dict[str, dict[str, str]]
    """Name -> repository, digest, tag."""
    charts: dict[str, Chart]
    tests: dict[str, Any]
    """Counts of passed, failed and skipped, and the files that said so, by their hashes."""
    store: dict[str, Any]
    """The ledger's public key, its size and root when the release was made."""

    def to_json(self) -> bytes:
        """Return the file."""
        charts = {
            name: {
                "name": chart.name,
                "version": chart.version,
                "digest": chart.digest,
                "archive": base64.b64encode(chart.packed()).decode(),
            }
            for name, chart in self.charts.items()
        }
        fields: dict[str, Any] = {
            "created": self.created,
            "commit": self.commit,
            "images": self.images,
            "charts": charts,
        }
        fields |= {"schema": 1, "tests": self.tests, "store": self.store}
        return (json.dumps(fields, indent=2, sort_keys=True) + "\n").encode()

    @property
    def name(self) -> str:
        """What it is called everywhere: in its file's name, in locks, in events."""
        time = re.sub("[-:]", "", self.created)
        return f"{time}-{self.commit[:12]}-{hashlib.sha256(self.to_json()).hexdigest()[:12]}"


def read(file: Path) -> Record:
    """Read a record; raises UsageError when it is none, and IntegrityError when it is not what was written."""
    try:
        data = file.read_bytes()
        fields = json.loads(data)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no JSON"
        raise UsageError(f"{file} is no record of a release: {why}", hint="`gopherwood release` makes one") from None
    if problem := contradiction(fields, json.loads(SCHEMA.read_text()), "the record"):
        raise UsageError(f"{file} is no record of a release: {problem}", hint="`gopherwood release` makes one")
    charts = {name: _chart(file, chart) for name, chart in fields["charts"].items()}
    named = NAME.fullmatch(file.stem)
    if named is None or hashlib.sha256(data).hexdigest()[:12] != named["digest"]:
        says = "its name has the hash of its bytes, and it is called what `gopherwood release` called it"
        raise IntegrityError(f"{file} is not the record that was made: {says}")
    parts = {name: fields[name] for name in ("created", "commit", "images", "tests", "store")}
    return Record(charts=charts, **parts)


def _chart(file: Path, fields: dict[str, str]) -> Chart:
    try:
        archive = gzip.decompress(base64.b64decode(fields["archive"], validate=True))
    except (ValueError, OSError, EOFError):
        archive = b""
    chart = Chart(fields["name"], fields["version"], archive)
    if chart.digest != fields["digest"]:
        raise IntegrityError(f"{file}: the chart {chart.name} in it is not the one that it names")
    return chart
