"""Running `notify`: a thread a sink, so that none waits for another."""

import logging
import os
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.ends import as_they_end
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING_TO_DO
from gopherwood.http import Client
from gopherwood.notices import parse, runs
from gopherwood.notices.airflow import Airflow
from gopherwood.notices.deliver import Delivery
from gopherwood.notices.values import Told

log = logging.getLogger(__name__)

TIMEOUT = 15.0
"""Seconds without a byte after which a sink is given up for now."""
BEAT = 30.0
"""Seconds between two touches of the file for a probe, while a sink is waited for."""
PATIENCE = 10.0
"""Seconds that one run waits at most for a sink that wants to be asked again; longer is the next run's."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file of sinks and routes holds."""

    file: Path
    sinks: list[str]
    routes: int
    exit_code: int = EXIT_DONE


@dataclass(frozen=True, slots=True)
class Notified:
    """What each sink was told."""

    sinks: dict[str, Told] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """1 when a sink fails, 99 when there was nothing to tell."""
        if any(told.problem or told.dropped for told in self.sinks.values()):
            return EXIT_FAILED
        return EXIT_DONE if any(told.delivered for told in self.sinks.values()) else EXIT_NOTHING_TO_DO

    def text(self) -> str:
        """Return a line a sink."""
        return "\n".join(f"{name}: {_words(told)}" for name, told in self.sinks.items()) or "there are no sinks"


def check(settings: Settings) -> Checked:
    """Check the file of sinks and routes, and that each secret is there. Raises ConfigError."""
    with Client(settings) as client:
        plan = parse.read(settings, client)
    return Checked(settings.notices_path, sorted(plan.sinks), len(plan.routes))


def run(settings: Settings, *, follow: bool, pulse: Path | None, stop: threading.Event) -> Notified | int:
    """Tell each sink what is due and return what it was told; with `follow` go on till `stop` is set, and return 0.

    Raises ConfigError and StorageError.
    """
    owner = f"notify-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        client = stack.enter_context(Client(replace(settings, timeout=min(TIMEOUT, settings.timeout))))
        plan = parse.read(settings, client)
        catalog = stack.enter_context(Catalog.ready(settings))
        deliveries = {name: Delivery(catalog, plan, name, owner) for name in sorted(plan.sinks)}
        stack.callback(catalog.give_back_sinks, owner)
        pool = stack.enter_context(ThreadPoolExecutor(len(deliveries) + 1, thread_name_prefix="sink"))
        work = _Work(follow, pulse, stop)
        started = []
        if settings.airflow_url:
            watch = runs.Runs(catalog, Airflow(settings, client))
            if follow:
                started.append(pool.submit(work.watch, watch))
            else:
                watch.look()
        started += [pool.submit(work.drive, each) for each in deliveries.values()]
        for done in as_they_end(started):
            if done.exception():
                stop.set()  # or the others would follow on, and nobody would hear of it
            done.result()
        return EXIT_DONE if follow else Notified({name: each.told for name, each in deliveries.items()})


@dataclass(frozen=True, slots=True)
class _Work:
    """How sinks are told: once or on and on."""

    follow: bool
    pulse: Path | None
    stop: threading.Event

    def drive(self, delivery: Delivery) -> None:
        """Tell one sink, till there is nothing more to do."""
        waited = 0.0
        while not self.stop.is_set():
            wait = delivery.step()
            if not self.follow:
                told = delivery.told
                if told.busy or (wait and not told.problem) or waited + wait > PATIENCE:
                    return
                waited += wait
            self._pause(wait)

    def watch(self, watch: runs.Runs) -> None:
        """Write what became of Airflow's runs into the outbox, again and again."""
        while not self.stop.is_set():
            watch.look()
            self.stop.wait(runs.POLL)

    def _pause(self, seconds: float) -> None:
        """Wait, and show meanwhile that it is on purpose."""
        end = time.monotonic() + seconds
        while not self.stop.is_set():
            if self.pulse:
                self.pulse.touch()
            if (left := end - time.monotonic()) <= 0:
                return
            self.stop.wait(min(left, BEAT))


def _words(told: Told) -> str:
    if told.busy:
        return "another notifier is at work"
    numbers = {"delivered": told.delivered, "held": told.held, "dropped": told.dropped}
    said = ", ".join(f"{name} {number}" for name, number in numbers.items() if number) or "nothing to tell"
    return f"{said}; it fails: {told.problem}" if told.problem else said
