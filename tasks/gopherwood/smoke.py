"""Verb `smoke`: prove that every part a task needs answers. It reads, and changes nothing.

Each part is asked on its own, so one command tells of all that is wrong at once, with the setting that says where the
part is.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

from gopherwood import toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, ConfigError, GopherwoodError, NotFoundError
from gopherwood.objects import open_objects
from gopherwood.upstream import DIRECT, Upstream

PROBE = "golang.org/x/mod"
"""A module that every upstream of a Go user knows, or says that it does not: both prove that it answers."""


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


def run(settings: Settings) -> Result:
    """Ask every part; the exit code is the worst that any of them asks for."""
    result = Result()
    for part, ask in PARTS.items():
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


PARTS: dict[str, Callable[[Settings], str]] = {
    "catalog": _catalog,
    "store": _store,
    "staging": _staging,
    "upstream": _upstream,
    "go": _go,
}
