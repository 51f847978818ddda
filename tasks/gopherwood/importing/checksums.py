"""The checksum database, as an import asks it: first what was brought along, then the network, while there is one.

What is brought is proved as if the database had answered: its signature by the key that is configured here, the record
in the tree, the tree consistent with every head trusted before. What proves itself is mirrored, and nobody is asked for
it again. A version that the database was not asked about (no proof came along, nobody answers) or must not be asked
about (GONOSUMDB) needs somebody else's word: the signature of the bundle, or `--unverified`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from gopherwood.bundle import Offer
from gopherwood.catalog import Catalog, Evidence
from gopherwood.config import Settings
from gopherwood.errors import (
    ChecksumMismatchError,
    DamagedError,
    GopherwoodError,
    IntegrityError,
    NotFoundError,
    ProofError,
    UnverifiedError,
    UpstreamError,
)
from gopherwood.objects import Objects
from gopherwood.sumdb import Database, Databases, Record, SumDB
from gopherwood.upstream import Upstream
from gopherwood.validate.checksums import RULE, Checksums
from gopherwood.validate.rules import Subject

log = logging.getLogger(__name__)

BUNDLE_RULE = "bundle"
LEDGER_RULE = "exporters-ledger"


class BroughtProofError(IntegrityError):
    """What was brought along contradicts itself or what was trusted before; a better bundle may be imported later."""

    reason = ProofError.reason


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose word is taken for a version that the checksum database was not asked about."""

    signed_by: str
    """The known key that signed the bundle, "" for none."""
    unverified: bool
    """Whether a person said that nobody's word is enough."""

    @property
    def words(self) -> str:
        """Say whose word it is; "" when nobody's is taken."""
        if self.signed_by:
            return f"signed by {self.signed_by}"
        return "taken unverified (--unverified)" if self.unverified else ""


class ImportChecksums(Checksums):
    """Compares hashes with what a bundle proves, else with what the database says."""

    def __init__(self, databases: Databases, ledgers: Sequence[SumDB], offer: Offer, trust: Trust) -> None:
        super().__init__(databases)
        self._ledgers = ledgers
        self._offer = offer
        self._trust = trust

    @classmethod
    def begin(
        cls, settings: Settings, upstream: Upstream, catalog: Catalog, store: Objects, offer: Offer, trust: Trust
    ) -> Self:
        """Open the configured databases and the ledgers that came along, and take their tree heads.

        Raises ProofError when a head contradicts one trusted before, ConfigError for a setting that is none.
        """

        def offline(name: str) -> Brought:
            return Brought(offer, name, lambda subpath: _nobody(name, subpath))

        ledgers = [
            SumDB(Database(key), offline(key.name), catalog, store) for key in offer.known if _has(offer, key.name)
        ]
        databases = Databases.open(
            settings, upstream, catalog, store, over=lambda name, online: Brought(offer, name, online)
        )
        for log in (*ledgers, *databases):
            _take_head(log, offer)
        return cls(databases, ledgers, offer, trust)

    def check(self, subjects: Sequence[Subject]) -> None:
        """Add what the database and the bundle say to each subject's evidence; see Checksums.check."""
        super().check(subjects)
        for ledger in self._ledgers:
            self._ask_ledger(ledger, subjects)
        for subject in subjects:
            self._settle(subject)
            said = f"{self._offer.why}, {self._trust.words or 'unsigned'}"
            subject.evidence.append(Evidence(BUNDLE_RULE, True, said))

    def _ask_ledger(self, ledger: SumDB, subjects: Sequence[Subject]) -> None:
        """Compare with what the exporter logged when it published: in its ledger, each version is what it was then."""
        answers = ledger.lookup_many([subject.mv for subject in subjects])
        for subject in subjects:
            answer = answers[subject.mv]
            if isinstance(answer, UpstreamError):
                subject.evidence.insert(0, Evidence(LEDGER_RULE, True, f"{ledger.name} has no record of it inside"))
                continue
            error = answer if isinstance(answer, GopherwoodError) else _difference(subject, answer, ledger.name)
            subject.error = error or subject.error
            said = f"{ledger.name}: {error or f'record {answer.id}'}" if isinstance(answer, Record) else str(error)
            subject.evidence.insert(0, Evidence(LEDGER_RULE, error is None, said))

    def _settle(self, subject: Subject) -> None:
        """Decide on a version that the database said nothing about."""
        if isinstance(subject.error, ProofError):
            subject.error = BroughtProofError(str(subject.error), hint=subject.error.hint)
        why = self._databases.why_not(subject.mv.path)
        if isinstance(subject.error, UpstreamError):
            why = f"the checksum database was not asked: {subject.error}"
        if not why:
            return
        needs_person = subject.error is not None  # the database should know it: a bundle's signature is not enough
        word = "taken unverified (--unverified)" if self._trust.unverified else self._trust.words
        if word and not (needs_person and not self._trust.unverified):
            subject.error = None
            subject.evidence[-1] = Evidence(RULE, True, f"not verified: {why}; {word}")
        else:
            subject.error = UnverifiedError(why)
            subject.evidence[-1] = Evidence(RULE, False, why)


class Brought:
    """Answers for a checksum database: from an offer, then from the network until that turns out to be out of reach."""

    def __init__(self, offer: Offer, name: str, online: Callable[[str], bytes]) -> None:
        self._offer = offer
        self._name = name
        self._online = online
        self._silent = ""
        self._answers = False
        self._first = threading.Lock()

    def __call__(self, subpath: str) -> bytes:
        """Answer at a path below the database's root.

        Raises NotFoundError only when the database itself says so, UpstreamError when nobody could be asked.
        """
        try:
            return self._offer.sumdb(self._name, subpath)
        except NotFoundError:
            pass
        except DamagedError as error:
            raise ProofError(str(error)) from None
        if self._answers:
            return self._ask(subpath)
        with self._first:  # till it has answered once, one asks for all: each would wait long for nobody
            return self._ask(subpath)

    def _ask(self, subpath: str) -> bytes:
        if not self._silent:
            try:
                found = self._online(subpath)
                self._answers = True
                return found
            except NotFoundError as error:
                if error.status:
                    self._answers = True
                    raise
                self._silent = str(error)
            except UpstreamError as error:
                self._silent = str(error)
        raise UpstreamError(f"no proof came along, and nobody answers: {self._silent}")


def _take_head(database: SumDB, offer: Offer) -> None:
    """Trust the head that came along, and keep what shows that earlier trees are its beginning.

    So a bundle that is imported later, though made earlier, can still be proved.
    """
    if not _has(offer, database.name):
        return
    try:
        database.refresh()
        failed: dict[str, GopherwoodError] = database.mirror_tiles(offer.edges(database.name))
    except UpstreamError as error:
        log.warning("the tree head that came along is not taken", extra={"detail": str(error)})
        return
    for path, why in failed.items():
        log.warning("a tile that came along is not taken", extra={"tile": path, "detail": str(why)})


def _has(offer: Offer, name: str) -> bool:
    """Tell whether a log came along."""
    try:
        offer.sumdb(name, "latest")
    except NotFoundError:
        return False
    except DamagedError as error:
        raise ProofError(str(error)) from None
    return True


def _nobody(name: str, subpath: str) -> bytes:
    raise NotFoundError(f"{subpath} of {name} did not come along")


def _difference(subject: Subject, record: Record, name: str) -> ChecksumMismatchError | None:
    assert subject.zip is not None
    ours = (subject.zip.h1, subject.go_mod_h1)
    if ours == (record.h1, record.go_mod_h1):
        return None
    return ChecksumMismatchError(
        f"its hashes are {ours[0]} and {ours[1]}; {name} logged {record.h1}, {record.go_mod_h1}"
    )
