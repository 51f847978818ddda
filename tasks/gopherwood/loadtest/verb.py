"""A load test from end to end: guard, scenario, verdict, report, event, exit code."""

import logging
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gopherwood import errors, reporting
from gopherwood.catalog import Catalog, Event, utc_now
from gopherwood.config import Settings
from gopherwood.errors import StorageError, UsageError
from gopherwood.loadtest import backend, budget, build, report, traffic
from gopherwood.loadtest.outcome import Outcome
from gopherwood.loadtest.plan import check_url
from gopherwood.loadtest.scrape import Serving
from gopherwood.loadtest.slo import DEFAULT, Slo
from gopherwood.loadtest.verdict import Judged, regression
from gopherwood.times import between

log = logging.getLogger(__name__)

KIND = "load"
EXITS = {"pass": errors.EXIT_DONE, "fail": errors.EXIT_FAILED, "invalid": errors.EXIT_NO_VERDICT}
LOOKED_BACK = 60
"""Former runs among which those with the same parameters are looked for."""


@dataclass(slots=True)
class Result:
    """What a test came to."""

    name: str
    verdict: str
    reason: str = ""
    headline: str = ""
    report: str = ""
    """Where its page is."""
    figures: dict[str, float] = field(default_factory=dict)
    deferred: bool = False
    """Whether a failure is left to a later `loadtest verdict`."""

    @property
    def exit_code(self) -> int:
        """0 for a pass, 1 for a failure, 4 where nothing was measured."""
        if self.deferred and self.verdict == "fail":
            return errors.EXIT_DONE
        return EXITS[self.verdict]

    def text(self) -> str:
        """Return a few lines for people."""
        lines = [f"{self.verdict}: {self.reason or self.headline}"]
        lines += [f"  {self.headline}"] if self.reason and self.headline else []
        return "\n".join([*lines, f"  report {self.report}"] if self.report else lines)


def run(settings: Settings, args: Namespace, stop: threading.Event) -> Result:
    """Run the scenario of the flags. Raises UsageError, ConfigError, BudgetError, and what the scenario raises."""
    if args.scenario == "verdict":
        return verdict(settings, args.name)
    slo = Slo.read(args.slo or DEFAULT)
    started = utc_now()
    outcome = SCENARIOS[args.scenario](settings, args, slo, stop)
    environment = reporting.here(args.environment)
    last = reporting.former(settings, KIND, args.scenario, environment["name"], LOOKED_BACK)
    judged = Judged(outcome.validity, outcome.thresholds, regression(outcome.figures, last, outcome.parameters, slo))
    head = reporting.Head(
        kind=KIND,
        name=reporting.fit(args.name) if args.name else reporting.name_of(args.scenario, started),
        scenario=args.scenario,
        started=started,
        finished=utc_now(),
        verdict=judged.verdict,
        reason=judged.reason,
        headline=outcome.headline,
        environment=environment,
    )
    data, page = report.data(outcome, judged), report.page(head, outcome, judged)
    where = reporting.publish(settings, head, data, page, outcome.files)
    log.info("report", extra={"report": _shown(args.url, head, where), "verdict": head.verdict, "reason": head.reason})
    _tell(settings, head, outcome)
    return _result(head.data() | {"figures": dict(outcome.figures)}, where, deferred=args.defer_verdict)


def verdict(settings: Settings, name: str) -> Result:
    """Tell what a test came to. Raises UsageError when there is no report of this name."""
    said = reporting.read(settings, KIND, reporting.fit(name or ""))
    if not said:
        raise UsageError(f"there is no report of a load test called {name!r}", hint="name one that /reports/ shows")
    return _result(said, f"{settings.reports_url}/{KIND}/{said['name']}/index.html", deferred=False)


def _result(said: Mapping[str, Any], where: str, *, deferred: bool) -> Result:
    known = {name: said.get(name) or type(default)() for name, default in (("reason", ""), ("headline", ""))}
    return Result(said["name"], said["verdict"], **known, report=where, figures=said["figures"], deferred=deferred)


def _tell(settings: Settings, head: reporting.Head, outcome: Outcome) -> None:
    """Put the verdict into the outbox. A catalog that does not answer changes no verdict."""
    payload = {
        "scenario": head.scenario,
        "verdict": head.verdict,
        "reason": head.reason,
        "headline": head.headline,
        "environment": head.environment["name"],
        "figures": dict(outcome.figures),
    }
    try:
        with Catalog.ready(settings) as catalog:
            catalog.emit(Event(f"load-{head.verdict}", head.name, payload))
    except StorageError as error:
        log.warning("the verdict was told to nobody: %s", error)


def _shown(url: str, head: reporting.Head, where: str) -> str:
    """Return where people find the report: at serving, when we know where that is."""
    return f"{url.rstrip('/')}/reports/{head.folder}/" if url else where


# --- the scenarios ----------------------------------------------------------------------------------------------------


def _serving(settings: Settings, args: Namespace, slo: Slo, stop: threading.Event) -> Serving:
    """Return who is asked, once the guard has looked: a URL that was named, never one that was guessed."""
    if not args.url:
        raise UsageError("which serving?", hint="name it: --url http://HOST:PORT; load is never sent to a guess")
    url = check_url(args.url)
    parts = urlsplit(url)
    serving = Serving(settings, args.metrics or [f"{parts.scheme}://{parts.netloc}/metrics"])
    budget.check(serving, slo.of("budget"), args.watch, stop)
    return serving


def _ui(settings: Settings, args: Namespace, slo: Slo, stop: threading.Event) -> Outcome:
    serving = _serving(settings, args, slo, stop)
    chosen = {"users": args.users, "rate": args.rate, "duration": args.duration, "seed": args.seed}
    return traffic.ui(settings, serving, slo, url=check_url(args.url), **chosen, stop=stop)


def _replay(settings: Settings, args: Namespace, slo: Slo, stop: threading.Event) -> Outcome:
    serving = _serving(settings, args, slo, stop)
    since, until = between(args.since, args.until)
    times = {"since": since, "until": until}
    return traffic.replay(settings, serving, slo, url=check_url(args.url), **times, speed=args.speed, stop=stop)


def _build(settings: Settings, args: Namespace, slo: Slo, stop: threading.Event) -> Outcome:
    serving = _serving(settings, args, slo, stop)
    chosen = {"clients": args.clients, "modules": args.modules or build.MODULES}
    return build.run(settings, serving, slo, url=check_url(args.url), **chosen, stop=stop)


def _backend(settings: Settings, args: Namespace, slo: Slo, stop: threading.Event) -> Outcome:
    chosen = {"modules": args.modules or backend.MODULES, "hostile": args.hostile, "seed": args.seed}
    return backend.run(slo, **chosen, folder=args.scratch, workers=args.workers, stop=stop)


Scenario = Callable[[Settings, Namespace, Slo, threading.Event], Outcome]
SCENARIOS: dict[str, Scenario] = {"ui": _ui, "replay": _replay, "backend": _backend, "build": _build}
