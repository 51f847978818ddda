"""What a generator is told: where to ask, what, and when. A file, since generators are processes of their own.

Their own, because their processor time must be known apart from everything else, and because Locust changes the whole
process that imports it (gevent).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from gopherwood import __version__
from gopherwood.errors import UsageError

HEADERS = {
    "user-agent": f"gopherwood-load/{__version__}",
    # A miss of ours is nobody's wish: it must not become an inclusion.
    "disable-module-fetch": "true",
    "accept": "*/*",
}
"""What generators send. The access log knows them by the user agent, and `usage` does not count them."""


class Shot(NamedTuple):
    """One request of a replay."""

    at: float
    """Seconds after the begin."""
    kind: str
    path: str
    wanted: int
    """200, 404 or 0: see answers.py."""


class Weighted(NamedTuple):
    """A request of the weighted model, and how often it is made beside the others."""

    kind: str
    path: str
    weight: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A run. `paths` are drawn from by `users`; `shots` are played."""

    url: str
    """Of serving, without a slash at its end."""
    timeout: float = 30.0
    """Seconds after which a client gives up."""
    users: int = 0
    rate: float = 0.0
    """Requests a second of all users together."""
    duration: float = 0.0
    """Seconds."""
    seed: int = 0
    paths: Sequence[Weighted] = field(default=())
    shots: Sequence[Shot] = field(default=())
    connections: int = 4096
    """Connections that a player opens at most."""

    def write(self, file: Path) -> None:
        """Write it."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write` wrote."""
        said: dict[str, Any] = json.loads(file.read_text())
        paths = [Weighted(*each) for each in said.pop("paths")]
        return cls(**said | {"paths": paths, "shots": [Shot(*each) for each in said["shots"]]})

    @property
    def arrivals(self) -> int:
        """How many arrivals the users make."""
        return round(self.rate * self.duration)


def check_url(url: str) -> str:
    """Return the URL of serving without a slash at its end; raises UsageError for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is no URL of serving", hint="e.g. --url http://127.0.0.1:8480")
    return url.rstrip("/")


def evenly(users: int, rate: float, random: Iterable[float]) -> list[float]:
    """Return the first arrival of each user, in seconds: even over the time that all of them take for one round.

    Each user has a slot of its own and begins at a random moment within it. With no first delay all would come at once,
    and then nobody for a round; with independent ones their number in a second would vary by its root.
    """
    return [(number + chance) / rate for number, chance in zip(range(users), random, strict=False)]
