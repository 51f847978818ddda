"""Verb `publish`: valid versions become published, in an order that a crash at any instant leaves repairable.

The order (docs/adr/0001) is the whole of it, a batch at a time, one round of fsyncs each: `.zip` and `.mod` durable;
then the ledger; then `.info`, the commit mark; then the catalog, with sequence number and event; then the version
lists, derived from the catalog; then staging is dropped. Whatever died half-way, the next run does again and finds done
what was done: keys are created only when absent, and equal bytes are no conflict. Other bytes under a published name
are, and so are other hashes than the ledger's: store and ledger keep what they have, the candidate is held with its
staged bytes and evidence for a person, and the exit code is 3.
"""

import hashlib
import logging
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from gopherwood import dirhash, errors, holds, info, modzip, store
from gopherwood.catalog import Catalog, Event, Evidence, Job, LedgerEntry, Outcome
from gopherwood.config import Settings
from gopherwood.errors import ContentError, ImmutabilityError, StorageError
from gopherwood.ledger.append import Appender
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects, UnstorableError, check_storable, open_objects
from gopherwood.staging import Staging, garbage_seconds
from gopherwood.states import State

log = logging.getLogger(__name__)

LISTS = 500
"""Version lists rewritten with one round of fsyncs."""

SWEPT = "publish-swept"
"""The cursor that says when garbage was last removed."""

NOT_STAGED = "not-staged"
RULE = "immutability"


@dataclass(slots=True)
class PublishResult:
    """What became of the versions that were to be published."""

    published: int = 0
    already: int = 0
    """Of those: complete in the store before, by a publish that died."""
    conflicts: int = 0
    """The store holds other bytes under their names, or the ledger other hashes."""
    held: int = 0
    """They break a stop rule of data quality: held, and the rest of the batch is published."""
    failed: int = 0
    """Staged files were missing or changed: they are fetched again."""
    rejected: int = 0
    """Names that no store can hold."""
    lost: int = 0
    """Somebody else had taken them over."""
    lists: int = 0
    """Version lists rewritten."""

    @property
    def exit_code(self) -> int:
        """3 for a conflict or what is held, 1 to fetch something again, 99 when there was nothing to publish."""
        if self.conflicts or self.held:
            return errors.EXIT_INTEGRITY
        if self.failed:
            return errors.EXIT_FAILED
        did = self.published or self.rejected or self.lost or self.lists
        return errors.EXIT_DONE if did else errors.EXIT_NOTHING_TO_DO


def run(
    settings: Settings,
    *,
    owner: str | None = None,
    limit: int | None = None,
    stop: threading.Event | None = None,
    catalog: Catalog | None = None,
) -> PublishResult:
    """Publish valid versions, at most `limit`, until there are none or `stop` is set between two batches.

    Any number of publishers may run at once. `catalog`, when given, stays open. Raises StorageError when the store or
    the catalog fails; what is published by then stays so, and the next run goes on.
    """
    stop = stop or threading.Event()
    with Publisher.open(settings, owner=owner, catalog=catalog) as publisher:
        while not stop.is_set():
            left = settings.batch if limit is None else min(settings.batch, limit - publisher.leased)
            if left <= 0 or not publisher.batch(left):
                break
        publisher.sweep()
        return publisher.result


@dataclass(slots=True)
class Candidate:
    """One version on its way into the store."""

    job: Job
    keys: dict[str, str]
    """The key of each file, by suffix."""
    files: dict[str, Path]
    facts: dict[str, Any] = field(default_factory=dict)
    """Facts that are corrected by what the store already has."""
    conflicts: list[str] = field(default_factory=list)
    """Suffixes under whose keys the store has other bytes."""
    logged: LedgerEntry | None = None
    """What the ledger says of the version, where it says otherwise."""
    already: bool = False

    @property
    def entry(self) -> LedgerEntry:
        """What the ledger is to say of the version."""
        return LedgerEntry(self.job.mv, self.job.facts["h1"], self.job.facts["go_mod_h1"])

    @property
    def refused(self) -> bool:
        """Whether the version conflicts with what is published."""
        return bool(self.conflicts or self.logged)


class Publisher:
    """Publishes batch after batch; use it as a context manager, which gives back what it still holds."""

    def __init__(self, settings: Settings, catalog: Catalog, objects: Objects, staging: Staging, owner: str) -> None:
        self._settings = settings
        self._catalog = catalog
        self._objects = objects
        self._staging = staging
        self._owner = owner
        self._ledger = Appender.from_settings(settings, catalog, objects)
        self._caught_up = False
        self._open = ExitStack()
        self.leased = 0
        self.result = PublishResult()

    @classmethod
    def open(cls, settings: Settings, *, owner: str | None = None, catalog: Catalog | None = None) -> Self:
        """Open all that publishing needs; `owner` names the worker, and must be its alone."""
        owner = owner or f"publish-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        with ExitStack() as stack:
            catalog = catalog or stack.enter_context(Catalog.ready(settings))
            staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
            stack.callback(staging.close)
            publisher = cls(settings, catalog, store.open_store(settings), staging, owner)
            publisher._open = stack.pop_all()
            return publisher

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._open:
            self._catalog.release(self._owner)

    def batch(self, size: int) -> int:
        """Lease and publish up to `size` versions; return how many were leased.

        Raises IntegrityError when the ledger is not the one that the store remembers: nothing becomes visible then.
        """
        self._catch_up()
        seconds = self._settings.lease_seconds
        jobs = self._catalog.lease("publish", owner=self._owner, limit=size, seconds=seconds)
        if not jobs:
            self.write_lists()  # of a publisher that died before it came to them
            return 0
        self.publish(jobs)
        return len(jobs)

    def publish(self, jobs: Sequence[Job]) -> None:
        """Publish versions that this publisher's owner has leased; see `batch`."""
        self._catch_up()
        self.leased += len(jobs)
        held = holds.problems(self._catalog, jobs)
        outcomes = [holds.outcome(job, held[job.id]) for job in jobs if job.id in held]
        sound = [job for job in jobs if job.id not in held]
        candidates = [found for job in sound if (found := self._candidate(job, outcomes))]
        # The store may have lost a file that the ledger knows: no other may take its place.
        self._compare(candidates, self._catalog.ledger_known([each.job.mv for each in candidates]))
        self._create([each for each in candidates if not each.refused], store.CONTENT)
        self._adopt_repacked(candidates)
        seconds = self._settings.lease_seconds
        self._catalog.renew(self._owner, [job.id for job in jobs], seconds)  # large files may have taken their time
        # Content is durable, and nothing says yet that the version exists.
        logged = self._ledger.append([each.entry for each in candidates if not each.refused])
        self._compare(candidates, logged.conflicts)
        self._create([each for each in candidates if not each.refused], (store.MARK,))
        self._finish(outcomes + [self._outcome(each) for each in candidates], candidates)

    def write_lists(self) -> None:
        """Rewrite the version lists that are older than the catalog, whoever made them so.

        One publisher at a time, over all machines: a list read before another's commit must not be written after its.
        """
        if not self._catalog.stale_lists(1):
            return
        with self._catalog.lock("lists"):
            while stale := self._catalog.stale_lists(LISTS):
                listed = self._catalog.listed(list(stale))
                items = [(store.list_key(path), store.version_list(versions)) for path, versions in listed.items()]
                self._objects.replace_many(items)
                self._catalog.lists_written(stale)
                self.result.lists += len(stale)

    def sweep(self) -> None:
        """Remove what dead writers left in the store's folder of temporaries and in staging, once it is old.

        Listing all of staging is dear, so one publisher does it for all, and not again before more can be old.
        """
        older_than = garbage_seconds(self._settings)
        last, now = self._catalog.cursor(SWEPT), self._catalog.clock()
        if last and now - datetime.fromisoformat(last) < timedelta(seconds=older_than):
            return
        self._catalog.set_cursor(SWEPT, now.isoformat())
        removed = self._objects.sweep(older_than)
        dropped = self._staging.sweep(self._catalog.live_tokens(), older_than)
        if removed or dropped:
            log.info("swept", extra={"temporaries": removed, "staged": dropped})

    def _catch_up(self) -> None:
        """Bring the ledger up to what is published and signed, the first time."""
        if not self._caught_up:
            self._ledger.catch_up()
            self._caught_up = True

    def _candidate(self, job: Job, outcomes: list[Outcome]) -> Candidate | None:
        """Return a job's files as they were validated; None, and its outcome, when they are not there any more."""
        try:
            keys = {suffix: store.key(job.mv, suffix) for suffix in store.SUFFIXES}
            check_storable(max(keys.values(), key=len))
            candidate = Candidate(job, keys, self._staging.files(job.token) if job.token else {})
            verify(job, candidate.files)
        except UnstorableError as error:
            outcomes.append(Outcome(job=job, state=error.state, reason=error.reason, detail=str(error)))
        except (StorageError, ContentError) as error:
            return self._published_before(job, keys, error, outcomes)
        else:
            return candidate
        return None

    def _published_before(
        self, job: Job, keys: dict[str, str], error: Exception, outcomes: list[Outcome]
    ) -> Candidate | None:
        """Return the store's own files when they are all there and as validated; else the version is fetched again."""
        with tempfile.TemporaryDirectory(prefix="gopherwood-publish-") as scratch:
            try:
                files = {suffix: self._objects.fetch_to(key, Path(scratch)) for suffix, key in keys.items()}
                verify(job, files)
            except (MissingError, ContentError):
                log.warning("not staged", extra={"mv": str(job.mv), "detail": str(error)})
                outcomes.append(Outcome(job=job, state=State.FAILED, reason=NOT_STAGED, detail=str(error)))
                return None
        return Candidate(job, keys, {}, already=True)

    def _create(self, candidates: Sequence[Candidate], suffixes: Sequence[str]) -> None:
        """Create files of many versions, durably; note what was there before, and what was there with other bytes."""
        items = [(each, suffix) for each in candidates for suffix in suffixes if suffix in each.files]
        try:
            created = self._objects.create_many([(each.keys[suffix], each.files[suffix]) for each, suffix in items])
            conflicts: set[str] = set()
        except ImmutabilityError as error:
            created, conflicts = error.created, set(error.keys)
        for (each, suffix), is_new in zip(items, created, strict=True):
            if each.keys[suffix] in conflicts:
                each.conflicts.append(suffix)
            elif suffix == store.MARK and not is_new:
                each.already = True

    def _compare(self, candidates: Sequence[Candidate], logged: Mapping[ModuleVersion, LedgerEntry]) -> None:
        """Note which candidates are not what the ledger says of them."""
        for each in candidates:
            entry = logged.get(each.job.mv)
            if entry and not entry.agrees(each.entry):
                each.logged = entry

    def _adopt_repacked(self, candidates: Sequence[Candidate]) -> None:
        """Accept the store's zip when it holds the same files as ours in other bytes: the facts follow the store.

        Upstreams pack anew, and then the h1 hash, which is what everybody checks, is equal and the zip is not. A
        publish that died before its mark, then another fetch, leaves that; it must not be in the way for ever.
        """
        for each in (each for each in candidates if each.conflicts == [".zip"]):
            with tempfile.TemporaryDirectory(prefix="gopherwood-publish-") as scratch:
                found = self._objects.fetch_to(each.keys[".zip"], Path(scratch))
                if passing_h1(each.job, found) == each.job.facts["h1"]:
                    each.facts = {"zip_size": found.stat().st_size, "zip_sha256": sha256(found)}
                    each.conflicts = []

    def _outcome(self, each: Candidate) -> Outcome:
        if not each.refused:
            passed = Evidence(RULE, True, "complete in the store before" if each.already else "")
            return Outcome(job=each.job, state=State.PUBLISHED, facts=each.facts, evidence=[passed])
        keys = ", ".join(each.keys[suffix] for suffix in each.conflicts)
        payload = {"keys": keys, "store": self._objects.url, "h1": each.job.facts.get("h1"), "staged": each.job.token}
        if each.logged:
            detail = f"the ledger's entry {each.logged.number} says {each.logged.h1}, go.mod {each.logged.go_mod_h1}"
            payload["ledger"] = each.logged.record.decode()
        else:
            detail = f"{self._objects.url} holds other bytes: {keys}"
        log.error("conflict", extra={"mv": str(each.job.mv), **payload})
        return Outcome(
            job=each.job,
            state=State.HELD,
            reason=ImmutabilityError.reason,
            detail=detail,
            evidence=[Evidence(RULE, False, detail)],
            events=[Event("conflict", str(each.job.mv), payload)],
            keep_staged=True,
        )

    def _finish(self, outcomes: Sequence[Outcome], candidates: Sequence[Candidate]) -> None:
        """Record the batch; then what follows from it: lists, and staging that nobody needs any more."""
        lost = set(self._catalog.finish(outcomes).lost)
        kept = [outcome for outcome in outcomes if outcome.job.id not in lost]
        states = [outcome.state for outcome in kept]
        self.result.published += states.count(State.PUBLISHED)
        held = sum(outcome.reason == holds.REASON for outcome in kept)
        self.result.held += held
        self.result.conflicts += states.count(State.HELD) - held
        self.result.failed += states.count(State.FAILED)
        self.result.rejected += states.count(State.REJECTED)
        self.result.already += sum(each.already and not each.refused for each in candidates if each.job.id not in lost)
        self.result.lost += len(lost)
        self.write_lists()
        self._staging.drop(o.job.token for o in kept if o.job.token and not o.keep_staged)


def verify(job: Job, files: dict[str, Path]) -> None:
    """Check files against the facts that validate recorded: sizes, SHA-256 of the zip, h1 of go.mod, canonical .info.

    Raises MissingError when one is missing or is not what was validated.
    """
    if missing := set(store.SUFFIXES) - files.keys():
        raise MissingError(f"{job.mv}: no {', '.join(sorted(missing))} in staging")
    try:
        mod, mark = files[".mod"].read_bytes(), files[store.MARK].read_bytes()
        found = {
            "zip_size": files[".zip"].stat().st_size,
            "zip_sha256": sha256(files[".zip"]),
            "mod_size": len(mod),
            "go_mod_h1": dirhash.hash_go_mod(mod),
        }
    except OSError as error:
        raise MissingError(f"{job.mv}: {error.filename}: {error.strerror}") from error
    for name, value in found.items():
        if job.facts.get(name) != value:
            raise MissingError(f"{job.mv}: {name} is {value}, validated was {job.facts.get(name)}")
    if info.canonical(info.parse(mark, job.mv)) != mark:
        raise MissingError(f"{job.mv}: .info is not in its canonical form")


def passing_h1(job: Job, zip_path: Path) -> str:
    """Return the h1 of a zip of this version that passes every rule, "" for any other: nobody has checked the store's.

    Damaged at rest, it may not even be a zip; that is one version's conflict and must not stop the batch.
    """
    try:
        return modzip.inspect(job.mv, zip_path).h1
    except ContentError:
        return ""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, a bounded piece at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
