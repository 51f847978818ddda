"""Verb `validate`: every rule, over every staged version, with a row of evidence for each.

It leases staged versions in batches, checks the rules of content (rules.py) and the checksum database (checksums.py),
writes the canonical `.info`, and records facts and verdicts. A version that breaks a rule is rejected, with the rule's
words; files that are missing or cut send it back to be fetched; a checksum database that does not answer leaves it
staged, to be asked again. Content that is not what the checksum database says is kept, told about, and exit code 3.

Nothing is synced here: publish compares every staged byte with the facts recorded here before it makes them durable, so
what a power failure took from a valid version costs another fetch.
"""

import hashlib
import logging
import os
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from gopherwood import errors, info
from gopherwood.catalog import Catalog, Event, Job, Outcome
from gopherwood.config import Settings
from gopherwood.errors import ChecksumMismatchError, GopherwoodError, IntegrityError, ProofError
from gopherwood.objects import MissingError, open_objects
from gopherwood.staging import Staging
from gopherwood.states import State
from gopherwood.store import open_store
from gopherwood.sumdb import integrity_event
from gopherwood.upstream import Upstream
from gopherwood.validate.checksums import Checksums
from gopherwood.validate.rules import Subject, examine

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Result:
    """What became of the versions that were checked."""

    checked: int = 0
    valid: int = 0
    rejected: int = 0
    requeued: int = 0
    """Staged files were missing or cut: they are fetched again."""
    waiting: int = 0
    """The checksum database did not answer: they stay staged."""
    lost: int = 0
    """Somebody else had taken them over."""
    integrity: int = 0
    """Of those rejected: content that contradicts the checksum database."""
    proofs: int = 0
    """The checksum database contradicts itself: they stay staged until a person has looked at it."""
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        """3 for an integrity failure, 1 when something waits, 99 when there was nothing to check."""
        if self.integrity or self.proofs:
            return errors.EXIT_INTEGRITY
        if self.waiting:
            return errors.EXIT_FAILED
        return errors.EXIT_DONE if self.checked else errors.EXIT_NOTHING_TO_DO


def run(settings: Settings, *, limit: int | None = None, stop: threading.Event | None = None) -> Result:
    """Check staged versions, at most `limit`, until there are none or `stop` is set.

    A checksum database that contradicts itself ends the run too. Raises StorageError when ours fails.
    """
    stop = stop or threading.Event()
    with Validator.open(settings) as validator:
        while not stop.is_set():
            left = settings.batch if limit is None else min(settings.batch, limit - validator.result.checked)
            if left <= 0 or not validator.batch(left, stop) or validator.result.proofs:
                break
        return validator.result


class Validator:
    """Checks batch after batch; use it as a context manager, which gives back what it still holds."""

    def __init__(
        self, settings: Settings, catalog: Catalog, staging: Staging, checksums: Checksums, owner: str = ""
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._staging = staging
        self._checksums = checksums
        self._owner = owner or f"validate-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._open = ExitStack()
        self._renewed = 0.0
        self.result = Result()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open all that validating needs."""
        with ExitStack() as stack:
            catalog = stack.enter_context(Catalog.ready(settings))
            staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
            stack.callback(staging.close)
            upstream = Upstream.from_settings(settings)
            stack.callback(upstream.close)
            checksums = Checksums.open(settings, upstream, catalog, open_store(settings))
            validator = cls(settings, catalog, staging, checksums)
            validator._open = stack.pop_all()
            return validator

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._open:
            self._catalog.release(self._owner)

    def batch(self, size: int, stop: threading.Event) -> int:
        """Lease and check up to `size` versions; return how many were leased. After `stop` no further one is begun."""
        seconds = self._settings.lease_seconds
        jobs = self._catalog.lease("validate", owner=self._owner, limit=size, seconds=seconds)
        self._renewed = time.monotonic()
        if jobs:
            self.check(jobs, stop)
        return len(jobs)

    def check(self, jobs: Sequence[Job], stop: threading.Event) -> None:
        """Check versions that this validator's owner has leased."""
        outcomes: list[Outcome] = []
        subjects: list[tuple[Job, Subject]] = []
        for job in jobs:
            if stop.is_set():
                break
            self._keep_leases(jobs)
            if subject := self._subject(job, outcomes):
                examine(subject)
                subjects.append((job, subject))
        self._checksums.check([subject for _, subject in subjects if subject.error is None])
        outcomes += [self._judge(job, subject) for job, subject in subjects]
        self._finish(outcomes)
        if stop.is_set():
            self._catalog.release(self._owner)

    def _keep_leases(self, jobs: Sequence[Job]) -> None:
        seconds = self._settings.lease_seconds
        if time.monotonic() - self._renewed > seconds / 3:
            self._catalog.renew(self._owner, [job.id for job in jobs], seconds)
            self._renewed = time.monotonic()

    def _subject(self, job: Job, outcomes: list[Outcome]) -> Subject | None:
        """Return what was staged for a job; None, and an outcome that sends it back, when it is not all there."""
        try:
            files = self._staging.files(job.token or "")
            if missing := {".info", ".mod", ".zip"} - files.keys():
                raise MissingError(f"no {', '.join(sorted(missing))} in staging")
        except errors.StorageError as error:
            if job.token and not isinstance(error, MissingError):
                raise
            outcomes.append(Outcome(job=job, state=State.QUEUED, reason="not-staged", detail=str(error)))
            return None
        return Subject(job.mv, files, source=job.source)

    def _judge(self, job: Job, subject: Subject) -> Outcome:
        error = subject.error
        if error is None:
            return self._accept(job, subject)
        if isinstance(error, IntegrityError):
            # A log that contradicts itself says nothing about this version: it stays staged.
            state = job.state if isinstance(error, ProofError) else State.REJECTED
            event = integrity_event(str(job.mv), error)
            log.error("integrity", extra={"mv": str(job.mv), "reason": error.reason, "detail": str(error)})
            return self._refuse(job, subject, error, state=state, events=(event,), keep_staged=True)
        if error.retry:
            wait = getattr(error, "retry_after", None)
            retry_at = datetime.now(UTC) + timedelta(seconds=wait) if wait else None
            return self._refuse(job, subject, error, state=job.state, retry_at=retry_at)
        return self._refuse(job, subject, error)

    def _accept(self, job: Job, subject: Subject) -> Outcome:
        assert subject.info is not None
        assert subject.zip is not None
        assert job.token is not None
        canonical = info.canonical(subject.info)
        if subject.files[".info"].read_bytes() != canonical:
            self._staging.path_for(job.token, ".info").write_bytes(canonical)
            self._staging.commit(job.token, [".info"])
        facts = {
            "time": subject.info.time,
            "origin": subject.info.origin,
            "h1": subject.zip.h1,
            "go_mod_h1": subject.go_mod_h1,
            "zip_size": subject.files[".zip"].stat().st_size,
            "mod_size": len(subject.mod),
            "zip_sha256": subject.zip.sha256,
            "info_sha256": hashlib.sha256(canonical).hexdigest(),
        }
        return Outcome(job=job, state=State.VALID, facts=facts, evidence=subject.evidence)

    @staticmethod
    def _refuse(
        job: Job,
        subject: Subject,
        error: GopherwoodError,
        *,
        state: State = State.REJECTED,
        events: Sequence[Event] = (),
        retry_at: datetime | None = None,
        keep_staged: bool = False,
    ) -> Outcome:
        return Outcome(
            job=job,
            state=state,
            reason=error.reason,
            detail=str(error),
            evidence=subject.evidence,
            events=events,
            retry_at=retry_at,
            keep_staged=keep_staged,
        )

    def _finish(self, outcomes: Sequence[Outcome]) -> None:
        """Record what became of a batch, and drop what nobody needs any more."""
        finished = self._catalog.finish(outcomes)
        lost = set(finished.lost)
        self.result.lost += len(lost)
        kept = [outcome for outcome in outcomes if outcome.job.id not in lost]
        for outcome in kept:
            self._count(outcome)
        done = (o.job.token for o in kept if o.state in (State.REJECTED, State.QUEUED) and not o.keep_staged)
        self._staging.drop(token for token in done if token)

    def _count(self, outcome: Outcome) -> None:
        result = self.result
        result.checked += 1
        result.valid += outcome.state is State.VALID
        result.rejected += outcome.state is State.REJECTED
        result.requeued += outcome.state is State.QUEUED
        result.waiting += outcome.state is outcome.job.state
        result.integrity += outcome.reason == ChecksumMismatchError.reason
        result.proofs += outcome.reason == ProofError.reason
        if outcome.reason:
            result.reasons[outcome.reason] += 1
            what = {"mv": str(outcome.job.mv), "reason": outcome.reason, "detail": outcome.detail}
            log.warning(outcome.state.value, extra=what)
