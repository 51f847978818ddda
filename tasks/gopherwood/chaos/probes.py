"""Probes: what is true of a platform that is well. Each function named by a file makes one; it is then looked through.

A probe answers yes or no, with the words of what it saw. One that could not look raises OursError: that is neither.
"""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gopherwood.audit import invariants
from gopherwood.chaos.world import World

Look = Callable[[World], tuple[bool, str]]
TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Probe:
    """Something that is so, or not."""

    look: Look


def serving_ready() -> Probe:
    """Make the probe that asks serving whether it is ready."""
    return Probe(_serving_ready)


def catalog_answers() -> Probe:
    """Make the probe that asks the catalog."""

    def look(world: World) -> tuple[bool, str]:
        return True, f"{world.catalog.open_count()} versions are open"

    return Probe(look)


def something_is_published() -> Probe:
    """Make the probe that there is something to serve, and to rehearse with."""

    def look(world: World) -> tuple[bool, str]:
        last, _ = world.catalog.last_published()
        return last > 0, f"{last} versions are published"

    return Probe(look)


def store_is_sound() -> Probe:
    """Make the probe of the eight invariants; of zips it looks at the size, as all of them are read afterwards."""

    def look(world: World) -> tuple[bool, str]:
        found = invariants.check(world.settings, world.catalog, world.objects, quick=True, stop=threading.Event())
        return not found.broken, f"broken: {', '.join(found.broken)}" if found.broken else "all eight invariants hold"

    return Probe(look)


def _serving_ready(world: World) -> tuple[bool, str]:
    url = urlsplit(world.serving)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    way = kind(url.hostname or "", url.port, timeout=TIMEOUT)
    try:
        way.request("GET", f"{url.path.rstrip('/')}/readyz")
        answer = way.getresponse()
        text = answer.read(1000)
    except (OSError, http.client.HTTPException) as error:
        return False, f"{world.serving} does not answer: {error}"
    finally:
        way.close()
    return answer.status == 200, f"/readyz says {answer.status} {_short(text)}"


def _short(text: bytes) -> str:
    try:
        said = json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace").strip()[:100]
    return str(said.get("status", "") if isinstance(said, dict) else "")[:100]
