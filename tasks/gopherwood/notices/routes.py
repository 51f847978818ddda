"""Which notice goes to which sink: the first route that names the sink and matches the event says how."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from fnmatch import fnmatchcase

from gopherwood import module
from gopherwood.catalog import StoredEvent
from gopherwood.notices import texts
from gopherwood.notices.texts import Links
from gopherwood.notices.values import Notice, Severity, Sink


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day in which only what is grave enough is told; they may pass midnight."""

    begin: time
    end: time
    zone: tzinfo
    let_through: Severity

    def holds(self, now: datetime, severity: Severity) -> bool:
        """Tell whether a notice of this severity waits now."""
        at = now.astimezone(self.zone).time().replace(tzinfo=None)
        within = self.begin <= at < self.end if self.begin < self.end else at >= self.begin or at < self.end
        return within and severity < self.let_through


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is told to whom, and how."""

    events: Sequence[str]
    """Patterns of kinds, as the shell has them."""
    to: Sequence[str]
    severity: Severity = Severity.INFO
    """The least that is told."""
    modules: str = ""
    """Patterns of module paths, as GOPRIVATE has them; empty for everything."""
    channel: str = ""
    mention: str = ""
    quiet: Quiet | None = None

    def matches(self, stored: StoredEvent) -> bool:
        """Tell whether an event goes this way."""
        event = stored.event
        if texts.severity_of(event.kind) < self.severity or not any(
            fnmatchcase(event.kind, one) for one in self.events
        ):
            return False
        path = event.subject.split(" ", 1)[0].partition("@")[0]
        return not self.modules or module.match_prefix_patterns(self.modules, path)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the file says: sinks by name, routes in order, links."""

    sinks: dict[str, Sink]
    routes: Sequence[Route]
    links: Links
    give_up: float
    """Seconds for which a sink may fail before what is older is dropped."""

    def notice(self, sink: str, stored: StoredEvent, now: datetime) -> tuple[Notice, bool] | None:
        """Return what a sink is told of an event, and whether that waits for a quiet time to end; None if nothing."""
        for route in self.routes:
            if sink in route.to and route.matches(stored):
                told = texts.notice(stored, self.links, channel=route.channel, mention=route.mention)
                return told, bool(route.quiet and route.quiet.holds(now, told.severity))
        return None
