"""Scenario `backend`: ten thousand modules from the synthetic upstream through the real verbs, twice.

The first pass must lose none. The second must be as if nothing had happened: no byte fetched, no digest changed, no
row added. The hostile variant changes the upstream's bytes in between, and takes away what would tell (the checksum
database, and the catalog's memory of what is published): what was published first must stay, byte for byte, and each
change must be raised as a conflict. All of it happens in a home of its own, which is removed.
"""

import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gopherwood import store
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_INTEGRITY, EXIT_NOTHING_TO_DO
from gopherwood.loadtest.outcome import Outcome
from gopherwood.loadtest.passes import PUBLISHED, Home, Pass
from gopherwood.loadtest.slo import Check, Slo
from gopherwood.loadtest.synthetic.corpus import Corpus
from gopherwood.loadtest.synthetic.upstream import HOSTILE_EVERY, Synthetic, running
from gopherwood.reporting import Axis, Figure, Line, Page, chart

MODULES = 10_000
FIRST, SECOND, ASKED, HOSTILE = "first pass", "second pass", "third, changed upstream", "changed upstream, new catalog"
FILES = len(PUBLISHED)


class Backend:
    """One run, and what it has found so far."""

    def __init__(self, home: Home, corpus: Corpus, slo: Slo, stop: threading.Event) -> None:
        self.home, self.corpus, self.slo, self.stop = home, corpus, slo, stop
        self.passes: list[Pass] = []
        self.validity: list[Check] = []
        self.checks: list[Check] = []

    @property
    def modules(self) -> int:
        """How many versions there are."""
        return len(self.corpus.versions)

    def check(self, name: str, wanted: object, found: object) -> None:
        """Judge that something is what it should be."""
        self.checks.append(Check(name, _text(wanted), _text(found), wanted == found))

    def honest(self, upstream: Synthetic) -> None:
        """Do both passes from an upstream that is as it should be."""
        first = self._pass(FIRST, upstream, upstream.vkey)
        self.check(f"{FIRST}: exit code", EXIT_DONE, first.exit_code)
        self._check_first()
        digests, rows = self.home.digests(), self.home.rows()
        second = self._pass(SECOND, upstream, upstream.vkey)
        self.check(f"{SECOND}: exit code", EXIT_NOTHING_TO_DO, second.exit_code)
        self.check(f"{SECOND}: bytes fetched", 0, int(second.upstream["bytes"]))
        self.check(f"{SECOND}: digests changed", 0, _differing(digests, self.home.digests()))
        self.check(f"{SECOND}: rows added", "none", _grown(rows, self.home.rows()))
        self._check_speed(first, second)

    def hostile(self, upstream: Synthetic) -> None:
        """Do it again from an upstream whose bytes have changed: where we know better, and where nothing tells."""
        digests = self.home.digests()
        third = self._pass(ASKED, upstream, upstream.vkey)
        self.check(f"{ASKED}: bytes fetched", 0, int(third.upstream["bytes"]))
        other = self.home.with_catalog("second.db")
        last = other.ingest(HOSTILE, upstream, "off", self.stop)
        self.passes.append(last)
        changed = {str(version.mv) for version in self.corpus.versions[::HOSTILE_EVERY]}
        raised = other.conflicts()
        self.check(f"{HOSTILE}: exit code", EXIT_INTEGRITY, last.exit_code)
        self.check(f"{HOSTILE}: conflicts raised", len(changed), len(changed & raised))
        self.check(f"{HOSTILE}: conflicts about others", 0, len(raised - changed))
        self.check(f"{HOSTILE}: digests changed", 0, _differing(digests, self.home.digests()))

    def _pass(self, name: str, upstream: Synthetic, sumdb: str) -> Pass:
        done = self.home.ingest(name, upstream, sumdb, self.stop)
        self.passes.append(done)
        cores = done.upstream["cpu_seconds"] / max(done.seconds, 1e-9)
        most = self.slo.of("validity")["generator_cpu"]
        wanted = f"at most {most:.0%} of a core"
        self.validity.append(Check(f"{name}: upstream's processor", wanted, f"{cores:.0%}", cores <= most))
        return done

    def _check_first(self) -> None:
        known = {str(version.mv): version.h1 for version in self.corpus.versions}
        found = self.home.published()
        self.check(f"{FIRST}: versions lost", 0, len(known.keys() - found.keys()))
        self.check(f"{FIRST}: h1 other than the corpus's", 0, sum(found[name] != known[name] for name in found))
        keys = {store.key(version.mv, suffix) for version in self.corpus.versions for suffix in PUBLISHED}
        self.check(f"{FIRST}: files missing in the store", 0, len(keys - self.home.digests().keys()))
        asked = int(self.passes[0].upstream["requests"])
        least = FILES * self.modules
        self.validity.append(
            Check("upstream was asked for every file", f"at least {least:,} requests", f"{asked:,}", asked >= least)
        )

    def _check_speed(self, first: Pass, second: Pass) -> None:
        limits = self.slo.of("backend")
        rate, times = self.modules / first.seconds, first.seconds / second.seconds
        if "modules_per_second" in limits:
            least = limits["modules_per_second"]
            self.checks.append(Check("modules a second", f"at least {least:g}", f"{rate:.1f}", rate >= least))
        if "second_pass" in limits:
            least = limits["second_pass"]
            wanted = f"at least {least:g} times as fast"
            self.checks.append(Check(f"{SECOND} beside the first", wanted, f"{times:.1f}", times >= least))


def run(
    slo: Slo,
    *,
    modules: int,
    hostile: bool,
    seed: int,
    folder: Path | None,
    workers: int | None,
    stop: threading.Event,
) -> Outcome:
    """Run both passes, and with `hostile` those of a changed upstream."""
    with tempfile.TemporaryDirectory(prefix="gopherwood-backend-", dir=folder, ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        kept = folder or Path(tempfile.gettempdir())
        corpora = kept / "gopherwood-corpus"
        corpus = Corpus.open(modules, seed, corpora)
        wanted = scratch / "seed.txt"
        wanted.write_text("".join(f"{version.mv}\n" for version in corpus.versions))
        test = Backend(Home(Settings(home=scratch / "home"), wanted, workers), corpus, slo, stop)
        (scratch / "home").mkdir()
        with running(modules, seed, folder=corpora) as upstream:
            test.honest(upstream)
        if hostile:
            with running(modules, seed, folder=corpora, hostile=True) as upstream:
                test.hostile(upstream)
        return _outcome(test, hostile=hostile, seed=seed)


def _outcome(test: Backend, *, hostile: bool, seed: int) -> Outcome:
    first, second = test.passes[:2]
    rates = test.modules / first.seconds, test.modules / second.seconds
    broken = sum(not check.ok for check in test.checks)
    total = sum(version.size for version in test.corpus.versions)
    return Outcome(
        parameters={"modules": test.modules, "hostile": hostile, "seed": seed, "workers": test.home.workers or 0},
        figures={"modules_per_second": rates[0], "second_pass_modules_per_second": rates[1]},
        headline=f"{rates[0]:,.0f} modules/s, then {rates[1]:,.0f}; {broken} of {len(test.checks)} promises broken",
        says=(
            f"{test.modules:,} made-up module versions ({total / 1e6:,.0f} MB of zips) from an upstream of our own, "
            f"through its checksum database, by `gopherwood ingest` into an empty home; then once more"
            f"{', and from an upstream that had changed one zip in a hundred' if hostile else ''}."
        ),
        validity=test.validity,
        thresholds=test.checks,
        data={"passes": [_pass_data(each, test.modules) for each in test.passes]},
        draw=lambda page: _draw(page, test),
    )


def _pass_data(done: Pass, modules: int) -> dict[str, Any]:
    return asdict(done) | {"modules_per_second": modules / max(done.seconds, 1e-9)}


def _draw(page: Page, test: Backend) -> None:
    first, second = test.passes[:2]
    page.figures(
        [
            Figure("first pass", f"{test.modules / first.seconds:,.0f}/s", f"{first.seconds:,.1f} s"),
            Figure("second pass", f"{test.modules / second.seconds:,.0f}/s", f"{second.seconds:,.2f} s"),
            Figure("processor", f"{1000 * first.cpu_seconds / test.modules:.2f} ms", "a module, in the first pass"),
            Figure("fetched again", f"{int(second.upstream['bytes']):,} bytes", "in the second pass"),
        ]
    )
    page.section("Passes")
    columns = ("pass", "exit code", "seconds", "modules/s", "processor s", "requests upstream", "MB from it")
    rows = [
        (
            each.name,
            str(each.exit_code),
            f"{each.seconds:,.2f}",
            f"{test.modules / max(each.seconds, 1e-9):,.0f}",
            f"{each.cpu_seconds:,.2f}",
            f"{int(each.upstream['requests']):,}",
            f"{each.upstream['bytes'] / 1e6:,.1f}",
        )
        for each in test.passes
    ]
    page.table(columns, rows, numbers=set(range(1, 7)))
    line = Line("published", [(0.0, 0.0), *((at, float(count)) for at, count in first.published)])
    seconds, versions = Axis("seconds", low=0.0), Axis("versions")
    page.plot(chart("Versions published, first pass", [line], x=seconds, y=versions))


def _differing(before: dict[str, str], after: dict[str, str]) -> int:
    """Return how many files of before are gone or other, and how many are new."""
    return sum(after.get(key) != digest for key, digest in before.items()) + len(after.keys() - before.keys())


def _grown(before: dict[str, int], after: dict[str, int]) -> str:
    more = [f"{after[name] - count} in {name}" for name, count in before.items() if after.get(name) != count]
    return ", ".join(more) or "none"


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
