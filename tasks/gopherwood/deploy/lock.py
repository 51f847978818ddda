"""`release.lock`: what runs in an environment, as a values file of its charts, in JSON.

A promotion writes it last, once the new pods were verified. So a lock never names what was not verified where it is,
and a promotion that fails or dies before leaves it as it was.
"""

import difflib
import json
from pathlib import Path
from typing import Any

from gopherwood.deploy.record import Record
from gopherwood.errors import UsageError


def of(record: Record) -> bytes:
    """Return the lock of a release; equal releases give equal bytes."""
    images = {
        name: {"repository": image["repository"], "tag": image.get("tag", ""), "digest": image["digest"]}
        for name, image in record.images.items()
    }
    versions = {name: chart.version for name, chart in record.charts.items()}
    release = {"charts": versions, "commit": record.commit, "record": record.name}
    return (json.dumps({"images": images, "release": release}, indent=2, sort_keys=True) + "\n").encode()


def read(file: Path) -> dict[str, Any]:
    """Return a lock's values; an environment that has none yet runs nothing we know of. Raises UsageError."""
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is no release lock: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{file} is no release lock: it is no JSON object")
    return found


def diff(old: bytes | str, new: bytes | str, name: str) -> str:
    """Return the lines in which two texts differ, as `diff -u` has them."""
    before, after = ((text.decode() if isinstance(text, bytes) else text).splitlines() for text in (old, new))
    return "\n".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm="", n=2))
