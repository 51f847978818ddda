"""Scenario `build`: real `go mod download` clients at once, each with an empty cache, as on a morning of cold CI.

The `go` command verifies what it gets: each zip's h1 against the ledger of serving (or nothing, where serving has
none), and its downloads are counted by serving itself: so many zips must have been asked for as clients times modules.
"""

import json
import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gopherwood import toolchain
from gopherwood.config import Settings
from gopherwood.errors import NotFoundError, StoppedError, UsageError
from gopherwood.http import Client
from gopherwood.loadtest import generators, paths
from gopherwood.loadtest.generators import Observed
from gopherwood.loadtest.measure import Measured
from gopherwood.loadtest.outcome import Outcome
from gopherwood.loadtest.scrape import Sampler, Serving
from gopherwood.loadtest.slo import Check, Slo
from gopherwood.loadtest.validity import counted_between
from gopherwood.module import ModuleVersion
from gopherwood.reporting import Axis, Figure, Line, Page, chart

MODULES = 100
GO_TIMEOUT = 3600.0
ZIP = "zip"


@dataclass(slots=True)
class Download:
    """What one client got."""

    seconds: float = 0.0
    sums: dict[str, tuple[str, str]] = field(default_factory=dict)
    """h1 of the zip and of the go.mod, by version."""
    errors: dict[str, str] = field(default_factory=dict)


def run(
    settings: Settings,
    serving: Serving,
    slo: Slo,
    *,
    url: str,
    clients: int,
    modules: int,
    stop: threading.Event,
) -> Outcome:
    """Let so many clients download so many of the published versions. Raises UsageError when none are published."""
    wanted = paths.versions_of(settings, url, modules)[:modules]
    if not wanted:
        raise UsageError(f"{url} has published nothing", hint="ingest something first")
    sumdb = _ledger_key(settings, url)
    environment = _environment(url, sumdb)
    before, cpu = serving.look(), _cpu_of_children()
    with Sampler(serving) as sampler, tempfile.TemporaryDirectory(prefix="gopherwood-build-") as folder:
        started = time.monotonic()
        homes = [Path(folder) / f"client-{number}" for number in range(clients)]
        with ThreadPoolExecutor(clients) as pool:
            downloads = list(pool.map(lambda home: _download(home, wanted, environment, stop), homes))
        seconds = time.monotonic() - started
    if stop.is_set():
        raise StoppedError("stopped in the middle of a load test")
    zips = sum(len(each.sums) for each in downloads)
    after = generators.settled(serving, before, FILES * zips)
    measured = Measured(seconds=seconds, cpu_seconds=_cpu_of_children() - cpu)
    observed = Observed(measured, before, after, sampler.samples)
    return _outcome(observed, downloads, wanted, slo, url=url, sumdb=sumdb)


FILES = 3
"""Files of a version: .info, .mod and .zip."""


def _outcome(
    observed: Observed,
    downloads: Sequence[Download],
    wanted: Sequence[ModuleVersion],
    slo: Slo,
    *,
    url: str,
    sumdb: str,
) -> Outcome:
    measured, clients = observed.measured, len(downloads)
    total = clients * len(wanted)
    failed = sum(len(each.errors) for each in downloads)
    differing = sum(len({each.sums[name] for each in downloads if name in each.sums}) > 1 for name in map(str, wanted))
    limits = slo.of("build")
    checks = [Check("versions whose h1 differs among clients", "0", str(differing), not differing)]
    if "errors" in limits:
        says = f"{failed:,} of {total:,}"
        checks.append(Check("errors", f"at most {limits['errors']:.3%}", says, failed <= limits["errors"] * total))
    if "seconds" in limits:
        ok = measured.seconds <= limits["seconds"]
        checks.append(Check("seconds", f"at most {limits['seconds']:g}", f"{measured.seconds:.1f}", ok))
    rate = (total - failed) / max(measured.seconds, 1e-9)
    verified = "verified by serving's ledger" if sumdb != "off" else "not verified: serving has no ledger"
    return Outcome(
        parameters={"url": url, "clients": clients, "modules": len(wanted)},
        figures={"build_seconds": measured.seconds},
        headline=f"{clients} clients, {len(wanted):,} versions each: {measured.seconds:,.1f} s, {failed:,} errors",
        says=(
            f"{clients} `go mod download` clients at once, each with an empty cache, of {len(wanted):,} published "
            f"versions; {verified}."
        ),
        validity=_validity(observed, total - failed, slo),
        thresholds=checks,
        data={
            "downloads": [{"seconds": each.seconds, "versions": len(each.sums)} for each in downloads],
            "failures": {name: why for each in downloads for name, why in each.errors.items()},
            "sumdb": sumdb,
            "serving": {"requests": dict(counted_between(observed.before, observed.after))},
            "versions_per_second": rate,
        },
        draw=lambda page: _draw(page, observed, downloads, rate),
    )


def _validity(observed: Observed, downloaded: int, slo: Slo) -> list[Check]:
    """Check that serving sent what clients say they got; and, where seconds are judged, that clients were no limit."""
    limits, measured = slo.of("validity"), observed.measured
    zips = counted_between(observed.before, observed.after)[ZIP]
    most = downloaded * (1 + limits["foreign"])
    is_same = observed.before.is_same(observed.after)
    says = f"{zips:,}" if is_same else "its processes were started anew meanwhile"
    wanted = f"{downloaded:,} to {int(most):,}"
    checks = [Check("zips by serving's own count", wanted, says, is_same and downloaded <= zips <= most)]
    if "seconds" in slo.of("build"):
        share = measured.cpu_seconds / max(measured.seconds, 1e-9) / (os.cpu_count() or 1)
        limit = limits["generator_cpu"]
        checks.append(Check("clients' processor", f"at most {limit:.0%} of all cores", f"{share:.0%}", share <= limit))
    return checks


def _draw(page: Page, observed: Observed, downloads: Sequence[Download], rate: float) -> None:
    used = observed.after.cpu_seconds - observed.before.cpu_seconds
    failed = sum(len(each.errors) for each in downloads)
    page.figures(
        [
            Figure("all clients done", f"{observed.measured.seconds:,.1f} s", f"{rate:,.0f} versions a second"),
            Figure("failed", f"{failed:,}", "versions", "stop" if failed else "good"),
            Figure("serving", f"{used:,.2f} s", "of processor time"),
            Figure("clients", f"{observed.measured.cpu_seconds:,.1f} s", "of processor time"),
        ]
    )
    page.section("Clients")
    rows = [
        (str(number + 1), f"{each.seconds:,.2f}", f"{len(each.sums):,}", f"{len(each.errors):,}")
        for number, each in enumerate(downloads)
    ]
    page.table(("client", "seconds", "versions", "errors"), rows, numbers={0, 1, 2, 3})
    faults = [(name, why) for each in downloads for name, why in each.errors.items()]
    if faults:
        page.table(("version", "what go said"), faults[:100])
    if len(observed.samples) > 1:
        line = Line("processor", [(each.at, each.cpu) for each in observed.samples])
        page.plot(chart("Processor of serving", [line], x=Axis("seconds", low=0.0), y=Axis("cores"), height=180))


def _download(
    home: Path, wanted: Sequence[ModuleVersion], environment: dict[str, str], stop: threading.Event
) -> Download:
    """Be one client."""
    home.mkdir()
    (home / "go.mod").write_text("module client\n")
    own = {"HOME": str(home), "GOPATH": str(home / "go"), "GOMODCACHE": str(home / "cache"), "GOCACHE": str(home / "b")}
    command = [str(toolchain.find_go()), "mod", "download", "-json", *map(str, wanted)]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=home, env=environment | own, stdout=said, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if stop.wait(0.05) or time.monotonic() - started > GO_TIMEOUT:
                process.kill()
                process.wait()
        said.seek(0)
        text = said.read()
    done = Download(time.monotonic() - started)
    for each in _objects(text):
        name = f"{each.get('Path')}@{each.get('Version')}"
        if each.get("Error"):
            done.errors[name] = str(each["Error"])
        else:
            done.sums[name] = (str(each.get("Sum")), str(each.get("GoModSum")))
    done.errors |= {str(mv): "nothing was said of it" for mv in wanted if str(mv) not in {**done.sums, **done.errors}}
    return done


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a text that holds one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            found, at = decoder.raw_decode(text, at)
        except ValueError:
            return
        yield found


def _environment(url: str, sumdb: str) -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    return outside | {
        "GOPROXY": url,
        "GOSUMDB": sumdb,
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        "GOENV": "off",
        "GOTELEMETRY": "off",
    }


def _ledger_key(settings: Settings, url: str) -> str:
    """Return what the clients verify by: serving's ledger, or off where it has none."""
    try:
        with Client(settings, tries=2) as client:
            return client.get(f"{url}/ledger/key", limit=4096).body.decode().strip()
    except NotFoundError:
        return "off"


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
