"""Verb `promote`: bring a release into an environment, step by step, and take it back when a step fails.

The steps: what comes before has verified these digests (helm says so there), the charts take the values, `started` is
told, helm upgrades serving and then the tasks, the chart's tests look at the new pods, the lock is replaced, `finished`
is told. Killed anywhere, the lock names what was last verified here, and the same command goes on from what helm knows;
a failure brings back the revision that the lock names. To roll back, promote an older record.
"""

import argparse
import json
import logging
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gopherwood import tlog
from gopherwood.catalog import Catalog, Event
from gopherwood.config import Settings
from gopherwood.deploy import environments, files, lock
from gopherwood.deploy.charts import RELEASES
from gopherwood.deploy.environments import Environment
from gopherwood.deploy.helm import GOOD, PENDING, Helm, HelmError, Revision
from gopherwood.deploy.record import Record, read
from gopherwood.errors import (
    EXIT_DONE,
    EXIT_NOTHING_TO_DO,
    IntegrityError,
    OursError,
    StoppedError,
    UsageError,
)

log = logging.getLogger(__name__)
SERVING = RELEASES["serving"]
STARTED, FINISHED, ROLLED_BACK = "promotion-started", "promotion-finished", "promotion-rolled-back"
"""Kinds of the outbox's events."""


class PromotionError(OursError):
    """A release did not work in an environment, and is not there any more."""

    reason = "rolled-back"


class StrandedError(PromotionError):
    """Nor could what was there before be brought back: a person has to look."""

    reason = "stranded"


@dataclass(slots=True)
class Result:
    """What was promoted, or would be."""

    environment: str
    record: str
    version: str
    commit: str
    phase: str
    pods: list[str] = field(default_factory=list)
    diff: str = ""
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return it for people."""
        pods = f", pods {', '.join(self.pods)}" if self.pods else ""
        line = f"promote: {self.phase}: {self.record} (version {self.version}) in {self.environment}{pods}"
        return f"{self.diff}\n\n{line}" if self.diff else line


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Result:
    """Promote a record.

    Raises UsageError when nothing was done since the release may not go there, PromotionError when it did not work
    there and was rolled back, IntegrityError when the record, or the ledger there, is not what was released.
    """
    before, to = environments.pair(environments.read(settings.checkout), args.source, args.to)
    record = read(args.record if args.record.exists() else settings.checkout / args.record)
    helm = Helm(to, wait=args.wait, stop=stop)
    if before:
        _check_verified(Helm(before, stop=stop), record)
    with Catalog.ready(settings) as catalog, _packed(record) as (charts, new_lock):
        _check_ledger(catalog, record, to)
        promotion = Promotion(catalog, helm, record, settings.checkout, charts, new_lock, stop)
        if args.dry_run:
            return promotion.dry_run()
        with catalog.lock(f"promote-{to.name}"):
            return promotion.run()


class Promotion:
    """One record on its way into one environment."""

    def __init__(
        self,
        catalog: Catalog,
        helm: Helm,
        record: Record,
        checkout: Path,
        charts: dict[str, Path],
        new_lock: Path,
        stop: threading.Event,
    ) -> None:
        self._catalog, self._helm, self._record, self._stop = catalog, helm, record, stop
        self._to = helm.environment
        self._lock = self._to.lock(checkout)
        self._new_lock = new_lock
        self._charts = charts
        self._values = {name: [*self._to.values(checkout, name), new_lock] for name in charts}
        self._journal = f"promotion:{self._to.name}"
        """The catalog's cursor that has the record while its promotion is under way."""

    def dry_run(self) -> Result:
        """Say what would change: in the lock, and in the objects of each chart."""
        old = self._lock.read_bytes() if self._lock.exists() else b""
        parts = [lock.diff(old, lock.of(self._record), f"helm-values/{self._to.name}/release.lock")]
        for chart in self._installed():
            now = self._helm.revision(RELEASES[chart]).manifest
            then = self._helm.render(RELEASES[chart], self._charts[chart], self._values[chart])
            parts.append(lock.diff(now, then, f"{self._to.namespace}/{RELEASES[chart]}"))
        return self._result("dry run", diff="\n".join(filter(None, parts)) or "nothing would change")

    def run(self) -> Result:
        """Do it; the environment is ours meanwhile."""
        installed = self._installed()
        targets = self._recover(installed)
        if self._is_done(installed):
            return self._result("is there already", self._pods(), exit_code=EXIT_NOTHING_TO_DO)
        for chart in installed:  # what the charts refuse changes nothing
            self._helm.render(RELEASES[chart], self._charts[chart], self._values[chart])
        self._tell(STARTED, self._pods())
        self._catalog.set_cursor(self._journal, self._record.name)
        try:
            pods = self._install(installed)
        except (HelmError, PromotionError, StoppedError) as error:
            raise self._take_back(targets, error) from error
        files.replace(self._lock, lock.of(self._record))
        self._tell(FINISHED, pods)
        self._catalog.set_cursor(self._journal, "")
        return self._result("finished", pods)

    # --- steps

    def _installed(self) -> dict[str, list[tuple[int, str]]]:
        """Return the charts that are installed here, serving first, with their revisions.

        Raises UsageError when serving is not installed.
        """
        listed = {chart: self._helm.history(release) for chart, release in RELEASES.items()}
        found = {chart: history for chart, history in listed.items() if history}
        if "serving" not in found:
            raise UsageError(
                f"{self._to.name} has no release {SERVING} in namespace {self._to.namespace}",
                hint="the first installation of an environment is by hand: docs/kubernetes.md",
            )
        return found

    def _recover(self, installed: dict[str, list[tuple[int, str]]]) -> dict[str, int]:
        """Return the revision of each chart to go back to, after clearing away what a promotion that died has left."""
        died = self._catalog.cursor(self._journal)
        if died:
            log.warning("an earlier promotion was interrupted", extra={"environment": self._to.name, "record": died})
        targets = {chart: self._target(RELEASES[chart], history) for chart, history in installed.items()}
        for chart, history in installed.items():
            status = history[0][1]
            if status.startswith(PENDING) and not died:
                raise UsageError(
                    f"somebody is at work on {RELEASES[chart]} in {self._to.namespace}: it is {status}",
                    hint=f"wait; or, if nobody is: helm -n {self._to.namespace} rollback {RELEASES[chart]}",
                )
            if status.startswith(PENDING):
                self._helm.rollback(RELEASES[chart], targets[chart])
        return targets

    def _target(self, release: str, history: list[tuple[int, str]]) -> int:
        """Return the revision to go back to: the newest good one that the lock names, else the newest good one."""
        named = _digests(lock.read(self._lock))
        good = [number for number, status in history if status in GOOD]
        if not good:
            raise UsageError(
                f"{release} in {self._to.namespace} was never installed with success",
                hint="bring it up by hand first: docs/kubernetes.md",
            )
        matching = (number for number in good if self._helm.revision(release, number).digests == named)
        return next(matching, good[0])

    def _is_done(self, installed: Iterable[str]) -> bool:
        """Say whether the release is here, verified, and what the lock says."""
        if not self._lock.exists() or self._lock.read_bytes() != lock.of(self._record):
            return False
        wanted = _digests(json.loads(lock.of(self._record)))
        newest = {chart: self._helm.revision(RELEASES[chart]) for chart in installed}
        here = all(each.status == "deployed" and each.digests == wanted for each in newest.values())
        return here and newest["serving"].tested

    def _install(self, installed: Iterable[str]) -> list[str]:
        """Upgrade each chart, look at the new pods, and return them."""
        for chart in installed:
            says = f"promotion of {self._record.name}"
            self._helm.upgrade(RELEASES[chart], self._charts[chart], self._values[chart], says)
            log.info("upgraded", extra={"environment": self._to.name, "chart": chart})
        printed = self._helm.test(SERVING)
        newest = self._helm.revision(SERVING, pods=True)
        if not newest.tested:
            raise PromotionError(f"the chart {SERVING} has no test, or none that was run", hint="release a newer chart")
        if not newest.pods or not all(newest.pods.values()):
            raise PromotionError(f"pods are not ready: {newest.pods or 'there are none'}")
        log.info("verified", extra={"environment": self._to.name, "says": printed.strip().splitlines()[-8:]})
        return sorted(newest.pods)

    def _take_back(self, targets: dict[str, int], error: OursError) -> OursError:
        """Bring back what was here before, tell of it, and return the error to end with."""
        try:
            for chart in reversed(targets):
                self._bring_back(RELEASES[chart], targets[chart])
            pods = self._pods()
        except HelmError as second:
            says = f"{self._record.name} failed in {self._to.name} ({error}), and so did its rollback: {second}"
            commands = "; ".join(f"helm -n {self._to.namespace} rollback {RELEASES[c]} {targets[c]}" for c in targets)
            return StrandedError(says, hint=f"when the cluster answers, run the same command again, or {commands}")
        self._tell(ROLLED_BACK, pods, why=str(error))
        self._catalog.set_cursor(self._journal, "")
        hint = error.hint or "its pods' logs say more; the lock is what it was"
        return PromotionError(f"{self._record.name} was rolled back in {self._to.name}: {error}", hint=hint)

    def _bring_back(self, release: str, number: int) -> None:
        """Roll back, unless helm has done so already."""
        wanted, newest = self._helm.revision(release, number), self._helm.revision(release)
        if newest.status != "deployed" or newest.config != wanted.config or newest.manifest != wanted.manifest:
            self._helm.rollback(release, number)

    # --- what is told

    def _pods(self) -> list[str]:
        return sorted(self._helm.revision(SERVING, pods=True).pods)

    def _tell(self, kind: str, pods: list[str], why: str = "") -> None:
        """Tell of a phase: an event for whoever notifies people, a line for the log."""
        told: dict[str, Any] = {"environment": self._to.name, "namespace": self._to.namespace}
        told |= {
            "version": _version(self._record),
            "record": self._record.name,
            "commit": self._record.commit,
            "pods": pods,
        }
        told |= {"why": why} if why else {}
        self._catalog.emit(Event(kind, self._to.name, told))
        log.log(logging.ERROR if why else logging.INFO, kind.replace("-", " "), extra=told)

    def _result(
        self, phase: str, pods: list[str] | None = None, *, diff: str = "", exit_code: int = EXIT_DONE
    ) -> Result:
        record, version = self._record, _version(self._record)
        return Result(self._to.name, record.name, version, record.commit, phase, pods or [], diff, exit_code)


def _check_verified(helm: Helm, record: Record) -> None:
    """Raise UsageError unless an environment ran these very digests and charts, and their tests passed there."""
    wanted = json.loads(lock.of(record))
    seen = ""
    for number, status in helm.history(SERVING):
        if status not in GOOD:
            continue
        revision = helm.revision(SERVING, number)
        if not _is_of(revision, wanted):
            continue
        if revision.tested:
            log.info("verified before", extra={"environment": helm.environment.name, "revision": number})
            return
        seen = f"; its revision {number} has these digests, but no test passed on it"
    name = helm.environment.name
    raise UsageError(
        f"{name} never verified the digests of {record.name}{seen}",
        hint=f"promote it to {name} first: gopherwood promote RECORD --to {name}",
    )


def _is_of(revision: Revision, wanted: dict[str, dict[str, dict[str, str]]]) -> bool:
    charts = revision.config.get("release", {}).get("charts", {})
    return revision.digests == _digests(wanted) and charts == wanted["release"]["charts"]


def _check_ledger(catalog: Catalog, record: Record, to: Environment) -> None:
    """Raise IntegrityError when the catalog's ledger is the release's, and has lost what that saw, or differs."""
    key, size = record.store["key"], record.store["size"]
    if not key or catalog.ledger_key() != key:
        return
    if (here := catalog.ledger_size()) < size:
        says = f"has {here} entries, and had {size} when {record.name} was made"
    elif tlog.format_hash(tlog.tree_hash(size, catalog.ledger_hashes)) != record.store["root"]:
        says = f"is another than the one that {record.name} was made with"
    else:
        return
    raise IntegrityError(f"the ledger of {to.name} {says}", hint="stop: docs/ledger.md, What must never be rolled back")


@contextmanager
def _packed(record: Record) -> Iterator[tuple[dict[str, Path], Path]]:
    """Give the record's charts and its lock as files, for helm."""
    with tempfile.TemporaryDirectory(prefix="gopherwood-promote-") as folder:
        charts = {}
        for name in RELEASES:
            chart = record.charts[name]
            charts[name] = Path(folder, f"{chart.name}-{chart.version}.tgz")
            charts[name].write_bytes(chart.packed())
        new_lock = Path(folder, "release.lock")
        new_lock.write_bytes(lock.of(record))
        yield charts, new_lock


def _digests(values: dict[str, dict[str, dict[str, str]]]) -> dict[str, str]:
    return {name: image.get("digest", "") for name, image in values.get("images", {}).items()}


def _version(record: Record) -> str:
    """Return the version that people know: the tag of the serving image, else the chart's."""
    return record.images["serving"].get("tag") or record.charts["serving"].version
