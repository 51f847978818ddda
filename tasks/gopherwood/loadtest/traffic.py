"""Scenarios `ui` and `replay`: requests at their times, by a generator, while serving is watched."""

import threading
from datetime import datetime, timedelta
from typing import Any

from gopherwood.catalog import utc_now
from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.loadtest import drawing, generators, paths, validity, verdict
from gopherwood.loadtest.generators import Observed
from gopherwood.loadtest.limits import BESIDE, most_open_files
from gopherwood.loadtest.measure import ALL, Measured
from gopherwood.loadtest.outcome import Outcome
from gopherwood.loadtest.plan import Plan
from gopherwood.loadtest.scrape import Serving
from gopherwood.loadtest.slo import Slo


def ui(
    settings: Settings,
    serving: Serving,
    slo: Slo,
    *,
    url: str,
    users: int,
    rate: float,
    duration: float,
    seed: int,
    stop: threading.Event,
) -> Outcome:
    """Let a population ask for what people ask for, `rate` requests a second in total.

    Raises ConfigError where the machine has too few open files for so many users.
    """
    if (most := most_open_files()) < users + BESIDE:
        raise ConfigError(
            f"{users:,} users need as many connections, and this process may open {most:,} files",
            hint="raise the hard limit (`ulimit -Hn`), or ask for fewer --users",
        )
    asked, source = paths.mix(settings, url, utc_now())
    plan = Plan(url, users=users, rate=rate, duration=duration, seed=seed, paths=asked)
    observed = generators.observe(settings, serving, "crowd", plan, stop)
    parameters = {"url": url, "users": users, "rate": rate, "duration": duration}
    says = (
        f"{users:,} users, each once in {users / rate:,.1f} s with a schedule of its own: {rate:g} requests a second "
        f"in total for {duration:g} s. What they asked for is from {source}."
    )
    return _outcome("ui", observed, slo, parameters, duration, says, {"source": source, "seed": seed})


def replay(
    settings: Settings,
    serving: Serving,
    slo: Slo,
    *,
    url: str,
    since: datetime | None,
    until: datetime | None,
    speed: float,
    stop: threading.Event,
) -> Outcome:
    """Play what the access log has of an interval (default: of the last hour), `speed` times as fast."""
    until = until or utc_now()
    since = since or until - timedelta(hours=1)
    recorded = paths.replay(settings, since, until, speed)
    duration = max(recorded.shots[-1].at, 1e-3)
    observed = generators.observe(settings, serving, "player", Plan(url, shots=recorded.shots), stop)
    span = round((until - since).total_seconds())
    parameters = {"url": url, "speed": speed, "span_seconds": span}
    left_out = dict(recorded.left_out.most_common())
    says = (
        f"{len(recorded.shots):,} requests of the access log from {since:%Y-%m-%d %H:%M:%S} to "
        f"{until:%Y-%m-%d %H:%M:%S} UTC, with the gaps they came with, {speed:g} times as fast; "
        f"{sum(left_out.values()):,} could not be played."
    )
    more = {"since": since.isoformat(), "until": until.isoformat(), "left_out": left_out}
    return _outcome("replay", observed, slo, parameters, duration, says, more)


def _outcome(
    scenario: str,
    observed: Observed,
    slo: Slo,
    parameters: dict[str, Any],
    duration: float,
    says: str,
    more: dict[str, Any],
) -> Outcome:
    measured = observed.measured
    limits = slo.of("validity")
    checks = validity.of_generator(measured, limits)
    checks += validity.of_server(measured.answered, measured.unanswered, observed.before, observed.after, limits)
    reached = verdict.answered_rate(measured, duration)
    of_all = measured.of(ALL)
    figures = {f"p{each:g}_ms".replace(".", ""): of_all.percentile(each) * 1000 for each in (50, 99)}
    figures["throughput"] = reached
    headline = (
        f"{reached:,.1f} requests/s, p50 {of_all.percentile(50) * 1000:,.1f} ms, "
        f"p99 {of_all.percentile(99) * 1000:,.1f} ms, {measured.failed:,} failed"
    )
    return Outcome(
        parameters=parameters,
        figures=figures,
        headline=headline,
        says=says,
        validity=checks,
        thresholds=verdict.thresholds(scenario, measured, duration, slo),
        data=more | drawing.data(observed, duration),
        draw=lambda page: drawing.draw(page, observed, duration),
        files=hgrms(measured),
    )


def hgrms(measured: Measured) -> dict[str, bytes]:
    """Return a file of percentiles for each class, in the form that HdrHistogram's own tools plot; milliseconds."""
    return {f"{kind}.hgrm": drawing.hgrm(each.latency) for kind, each in measured.classes.items()}
