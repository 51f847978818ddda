"""What is asked: as it was asked, from the access log, or by a model of how people and `go` ask.

The log has no path of what is no module's file (accesslog keeps no client's own words), so pages, the index and the
ledger are asked for at their front doors, and records of checksum databases are left out; how many that were is told.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gopherwood import accesslog, module
from gopherwood.accesslog import UNCOUNTED, Line
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, ContentError, UsageError
from gopherwood.http import Client
from gopherwood.index import Entry, parse
from gopherwood.loadtest.plan import Shot, Weighted
from gopherwood.module import ModuleVersion
from gopherwood.pseudo import is_pseudo_version

FRONT = {"page": "/", "index": "/index?limit=100", "ledger": "/ledger/checkpoint"}
"""Where classes of requests are asked for whose paths the log does not have."""
MODEL = {"page": 20.0, "list": 20.0, "info": 22.0, "mod": 22.0, "zip": 10.0, "latest": 4.0, "index": 2.0}
"""How many of a hundred requests are of a class, where there is no log to tell."""
MOST_MODULES = 2000
"""Versions that the model asks for; the first of them most often, as 1 divided by their rank."""
MOST_LINES = 200_000
"""Lines of the log that a mix is made of."""
LEAST_LINES = 1000
"""Lines below which a log is no mix: it would be a few requests, made again and again."""
MOST_SHOTS = 2_000_000
"""Requests of a replay; more do not fit into a generator's memory."""
INDEX_BYTES = 16 << 20


@dataclass(slots=True)
class Recorded:
    """What a log had."""

    shots: list[Shot] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Requests that cannot be played, by class and reason."""


def replay(settings: Settings, since: datetime, until: datetime, speed: float) -> Recorded:
    """Return what was asked between two times, with the gaps it was asked with, `speed` times as fast.

    Raises ConfigError without files of a log, UsageError when there is nothing to play.
    """
    recorded = Recorded()
    lines: list[tuple[datetime, str, str, int]] = []
    for line in accesslog.lines_between(accesslog.open_logs(settings), since, until):
        if line.agent in UNCOUNTED:
            recorded.left_out[f"{line.agent}: no client's"] += 1
        elif line.method != "GET":
            recorded.left_out[f"{line.kind}: {line.method}"] += 1
        elif path := path_of(line):
            lines.append((line.at, line.kind, path, _wanted(line.status)))
        else:
            recorded.left_out[f"{line.kind}: no path in the log"] += 1
        if len(lines) > MOST_SHOTS:
            raise UsageError(f"more than {MOST_SHOTS:,} requests", hint="name a shorter --since and --until")
    if not lines:
        times = f"from {since.isoformat()} to {until.isoformat()}"
        raise UsageError(f"no requests in the access log {times}", hint="name other --since and --until")
    lines.sort()
    first = lines[0][0]
    for at, kind, path, wanted in lines:
        recorded.shots.append(Shot((at - first) / timedelta(seconds=speed), kind, path, wanted))
    return recorded


def mix(settings: Settings, url: str, now: datetime) -> tuple[list[Weighted], str]:
    """Return what a population asks for, and where that is from: the last day of the log, or else the model."""
    try:
        logs = accesslog.open_logs(settings)
        lines = accesslog.lines_between(logs, now - timedelta(days=1), now)
        asked = _asked(line for line in lines if line.agent not in UNCOUNTED and line.status == 200)
    except ConfigError:
        asked = Counter()
    if asked.total() >= LEAST_LINES:
        says = f"the access log of the last day: {asked.total():,} requests for {len(asked):,} paths"
        return [Weighted(kind, path, float(count)) for (kind, path), count in asked.items()], says
    versions = versions_of(settings, url)
    says = f"the model, over {len(versions):,} versions" if versions else "the model, of pages: nothing is published"
    return model(versions), says


def _asked(lines: Iterable[Line]) -> Counter[tuple[str, str]]:
    asked: Counter[tuple[str, str]] = Counter()
    for number, line in enumerate(lines):
        if number >= MOST_LINES:
            break
        if line.method == "GET" and (path := path_of(line)):
            asked[line.kind, path] += 1
    return asked


def model(versions: Sequence[ModuleVersion]) -> list[Weighted]:
    """Return what is asked for by the model."""
    ranks = [1 / rank for rank in range(1, len(versions) + 1)]
    total = sum(ranks)
    found = []
    for kind, share in MODEL.items():
        if kind in FRONT:
            found.append(Weighted(kind, FRONT[kind], share))
            continue
        for mv, weight in zip(versions, ranks, strict=True):
            if kind == "latest" and is_pseudo_version(mv.version):
                continue  # the list may be empty
            found.append(Weighted(kind, _module_path(kind, mv.path, mv.version), share * weight / total))
    return found


def versions_of(settings: Settings, url: str, most: int = MOST_MODULES) -> list[ModuleVersion]:
    """Return the versions that serving published first, from its index."""
    with Client(settings, tries=2) as client:
        text = client.get(f"{url}/index?limit={most}", limit=INDEX_BYTES).body
    entries = [parse(line) for line in text.decode("utf-8", "replace").splitlines()]
    return [ModuleVersion(entry.path, entry.version) for entry in entries if isinstance(entry, Entry)]


def path_of(line: Line) -> str:
    """Return the path that a line of the log was about; "" where it does not tell."""
    try:
        path = _module_path(line.kind, line.module, line.version)
    except (ContentError, KeyError):
        return FRONT.get(line.kind, "")
    return f"/{line.policy}{path}" if line.policy == "cached-only" else path


def _module_path(kind: str, path: str, version: str) -> str:
    """Return the path of a class of module requests; raises KeyError for another class, ContentError for no module."""
    ends = {"list": "@v/list", "latest": "@latest"}
    if kind in ends:
        return f"/{module.escape_path(path)}/{ends[kind]}"
    suffix = {"info": "info", "query": "info", "mod": "mod", "zip": "zip"}[kind]
    return f"/{module.escape_path(path)}/@v/{module.escape_version(version)}.{suffix}"


def _wanted(status: int) -> int:
    """Return what is wanted of a request that was answered so: what was there must be there still."""
    if status in (200, 206, 304):
        return 200
    return 404 if status in (404, 410) else 0
