"""Verb `smoke`: prove that every part a task needs answers. It reads, and changes nothing.

Each part is asked on its own, so one command tells of all that is wrong at once, with the setting that says where the
part is. With the URL of serving, serving is asked instead, as its clients do, and compared with the catalog: the
chart's test, by which an environment verifies a release (deploy/promote.py).
"""

import hashlib
import io
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gopherwood import modzip, pseudo, toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, ConfigError, GopherwoodError, IntegrityError, NotFoundError
from gopherwood.http import Client
from gopherwood.ledger.key import open_checkpoint
from gopherwood.objects import open_objects
from gopherwood.states import State
from gopherwood.store import key, list_key
from gopherwood.tlog import Tree
from gopherwood.upstream import DIRECT, Upstream

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

PROBE = "golang.org/x/mod"
"""A module that every upstream of a Go user knows, or says that it does not: both prove that it answers."""
TEXT, LIST = 64 << 10, 64 << 20
"""Bytes that an answer of a few lines, and the list of a module, have at most."""
SOON = 10.0
"""Seconds after which serving has to know what was published; it looks every second."""


@dataclass(slots=True)
class Result:
    """What each part said."""

    parts: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return a line a part."""
        lines = [f"  ok      {part}: {says}" for part, says in self.parts.items()]
        lines += [f"  BROKEN  {part}: {says}" for part, says in self.broken.items()]
        says = (
            f"{len(self.broken)} of {len(lines)} parts are broken" if self.broken else f"all {len(lines)} parts answer"
        )
        return "\n".join([f"smoke: {says}", *lines])


def run(settings: Settings, serving: str = "") -> Result:
    """Ask every part, or every part of serving; the exit code is the worst that any of them asks for."""
    result = Result()
    parts = {part: partial(ask, url=serving.rstrip("/")) for part, ask in SERVING.items()} if serving else PARTS
    for part, ask in parts.items():
        try:
            result.parts[part] = ask(settings)
        except GopherwoodError as error:
            result.broken[part] = error.diagnostics().replace("\n", "; ")
            result.exit_code = max(result.exit_code, error.exit_code)
    return result


def _catalog(settings: Settings) -> str:
    with Catalog.open(settings) as catalog:
        return f"{sum(catalog.counts().values())} versions"


def _store(settings: Settings) -> str:
    return _first_key(settings, settings.store_url)


def _staging(settings: Settings) -> str:
    return _first_key(settings, settings.staging_url)


def _first_key(settings: Settings, url: str) -> str:
    objects = open_objects(url, settings=settings)
    key = next(iter(objects.keys()), None)
    return f"{objects.url} ({'empty' if key is None else 'has files'})"


def _upstream(settings: Settings) -> str:
    upstream = Upstream.from_settings(settings)
    try:
        upstream.list(PROBE)
    except NotFoundError:
        return f"{upstream} (answers; does not know {PROBE})"
    finally:
        upstream.close()
    return str(upstream)


def _go(settings: Settings) -> str:
    from_repositories = settings.direct != "off" and (settings.private or DIRECT in settings.upstream)
    if from_repositories and not shutil.which("git"):
        raise ConfigError("no git on PATH", hint="install it, or set GOPHERWOOD_DIRECT=off")
    if settings.upstream and settings.sumdb and not from_repositories:  # as in a pod: the tasks' image has no Go
        return "not needed: upstream and checksum database are set, and nothing comes from version control"
    return str(toolchain.find_go())


class _Hash(io.BytesIO):
    """A file that keeps the hash of what is written to it, and nothing else: a zip may be larger than a pod's disk."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    def write(self, data: "Buffer") -> int:
        """Take bytes."""
        self.digest.update(data)
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None) -> int:
        """Begin anew: the client does this before a second try."""
        self.digest = hashlib.sha256()
        return super().truncate(size)


def _ready(settings: Settings, url: str) -> str:
    with Client(settings) as client:
        return client.get(f"{url}/readyz", limit=TEXT).body.decode("utf-8", "replace").strip()


def _newest(settings: Settings, url: str) -> str:
    """Get what was published last, as `go` does, and compare it with what the catalog knows of it."""
    with Catalog.open(settings) as catalog:
        newest = catalog.recent([State.PUBLISHED], limit=1)
    if not newest:
        return "nothing is published yet"
    mv, facts = newest[0].mv, newest[0].facts
    with Client(settings) as client, _Hash() as file:

        def is_listed() -> bool:
            return mv.version in client.get(f"{url}/{list_key(mv.path)}", limit=LIST).body.decode().split()

        if not pseudo.is_pseudo_version(mv.version) and not _soon(is_listed):
            raise IntegrityError(f"the list of {mv.path} does not have {mv.version}, which is published")
        for suffix in (".info", ".mod"):
            client.get(f"{url}/{key(mv, suffix)}", limit=modzip.MAX_GO_MOD)
        client.download(f"{url}/{key(mv, '.zip')}", file, limit=modzip.MAX_ZIP_FILE)
        found = file.digest.hexdigest()
    if facts.get("zip_sha256", found) != found:
        raise IntegrityError(f"{mv}: serving's zip has the hash {found}, and {facts['zip_sha256']} was published")
    return f"{mv}, as it was published"


def _head(settings: Settings, url: str) -> str:
    """Compare the ledger's head that serving shows with the one that was the newest before it was asked."""
    with Catalog.open(settings) as catalog:
        head, public = catalog.ledger_head(), catalog.ledger_key()
    if head is None or public is None:
        return "no head is signed yet"
    with Client(settings) as client:

        def shown() -> Tree:
            return open_checkpoint(client.get(f"{url}/ledger/checkpoint", limit=TEXT).body, public)

        _soon(lambda: shown().n >= head.size)
        tree = shown()
    if tree.n < head.size or (tree.n == head.size and tree.hash != head.root):
        raise IntegrityError(f"serving shows a ledger of {tree.n} entries, and one of {head.size} is signed")
    return f"{tree.n} entries, signed"


def _soon(holds: Callable[[], bool]) -> bool:
    """Say whether something holds within the time that serving may take to see what was published just now."""
    until = time.monotonic() + SOON
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.2)
    return held


SERVING: dict[str, Callable[..., str]] = {"ready": _ready, "newest version": _newest, "ledger": _head}
PARTS: dict[str, Callable[[Settings], str]] = {
    "catalog": _catalog,
    "store": _store,
    "staging": _staging,
    "upstream": _upstream,
    "go": _go,
}
