"""Runs a generator, a process of its own, and looks at serving before, meanwhile and after."""

import json
import logging
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gopherwood.config import Settings
from gopherwood.errors import OursError, StoppedError
from gopherwood.loadtest.measure import Measured
from gopherwood.loadtest.plan import Plan
from gopherwood.loadtest.scrape import Look, Sample, Sampler, Serving

log = logging.getLogger(__name__)

SETTLE_SECONDS = 5.0
"""How long serving may take to count the last answers that we have got."""
PATIENCE = 60.0
"""Seconds that a generator may take beyond its plan: to start, and to write down what it measured."""


class GeneratorError(OursError):
    """A generator ended by itself: a fault of ours, or of the machine (memory, open files)."""

    reason = "generator"


@dataclass(slots=True)
class Observed:
    """What a run came to, from both sides."""

    measured: Measured
    before: Look
    after: Look
    samples: list[Sample] = field(default_factory=list)


def observe(settings: Settings, serving: Serving, module: str, plan: Plan, stop: threading.Event) -> Observed:
    """Run the plan by a generator (`player` or `crowd`); return what both sides say.

    Raises GeneratorError, StoppedError when `stop` is set, and UpstreamError when serving cannot be looked at.
    """
    before = serving.look()
    with tempfile.TemporaryDirectory(prefix="gopherwood-load-") as folder, Sampler(serving) as sampler:
        measured = _generate(module, plan, Path(folder), stop)
    after = settled(serving, before, measured.answered)
    return Observed(measured, before, after, _since(sampler, measured.began_at))


def _since(sampler: Sampler, began_at: float) -> list[Sample]:
    """Return the samples by the seconds since the first intended start, from just before it on."""
    shift = began_at - sampler.started
    moved = [Sample(each.at - shift, each.cpu, each.memory_bytes) for each in sampler.samples]
    return [each for each in moved if each.at >= -1]


def settled(serving: Serving, before: Look, answered: int) -> Look:
    """Look at serving once it has counted all that was answered, or does not after all."""
    limit = time.monotonic() + SETTLE_SECONDS
    while True:
        after = serving.look()
        if after.requests.total() - before.requests.total() >= answered or time.monotonic() > limit:
            return after
        time.sleep(0.1)


def _generate(module: str, plan: Plan, folder: Path, stop: threading.Event) -> Measured:
    told, said = folder / "plan.json", folder / "measured.json"
    plan.write(told)
    seconds = max(plan.duration, plan.shots[-1].at if plan.shots else 0.0) + 2 * plan.timeout + PATIENCE
    command = [sys.executable, "-m", f"gopherwood.loadtest.{module}", str(told), str(said)]
    log.info("generator started", extra={"generator": module, "seconds": round(seconds)})
    run_process(command, stop, seconds)
    return Measured.of_data(json.loads(said.read_text()))


def run_process(command: Sequence[str], stop: threading.Event, seconds: float) -> None:
    """Run a process till it ends; it is ended when `stop` is set or its time is over."""
    with tempfile.TemporaryFile("w+") as words:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)
        limit = time.monotonic() + seconds
        try:
            while process.poll() is None:
                if stop.wait(0.05):
                    raise StoppedError("stopped in the middle of a load test")
                if time.monotonic() > limit:
                    raise GeneratorError(f"the generator did not end in {seconds:.0f} s")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            words.seek(0)
            last = words.read()[-2000:].strip()
            raise GeneratorError(f"the generator ended with exit code {process.returncode}: {last}")
