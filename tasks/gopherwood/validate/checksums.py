"""The last rule: the checksum database knows these very hashes.

As `go` does it: which database is a setting (GOSUMDB), and modules that GONOSUMDB or GOPRIVATE match are never asked
about. The zip's h1 and the go.mod's are compared with a record whose place in a signed tree is proved (sumdb.py). A
mismatch is an integrity failure; a database that does not know the version at all rejects it too: nobody could verify
what we would serve.
"""

from collections.abc import Callable, Sequence
from typing import Self

from gopherwood import toolchain
from gopherwood.catalog import Catalog, Evidence
from gopherwood.config import Settings
from gopherwood.errors import ChecksumMismatchError, GopherwoodError, NotFoundError, UnverifiableError
from gopherwood.objects import Objects
from gopherwood.sumdb import Record, SumDB, parse_gosumdb
from gopherwood.upstream import Upstream
from gopherwood.validate.rules import Subject

RULE = "checksum-database"


class Checksums:
    """Compares hashes with the checksum database that the settings, or the user's Go configuration, name."""

    def __init__(self, database: SumDB | None, answered: Callable[[str], None] = lambda name: None) -> None:
        self._database = database
        self._answered = answered

    @classmethod
    def open(cls, settings: Settings, upstream: Upstream, catalog: Catalog, store: Objects) -> Self:
        """Open the database that is configured; none, when that says `off`. Raises ConfigError for one that is none."""
        configured = settings.sumdb or toolchain.go_env("GOSUMDB")["GOSUMDB"]
        if parse_gosumdb(configured) is None:
            return cls(None)
        skip = ",".join(filter(None, (settings.private, toolchain.patterns("GONOSUMDB"))))
        database = SumDB.open(configured, upstream.get_sumdb, catalog, store, client=upstream.client, skip=skip)

        def answered(name: str) -> None:
            if url := upstream.sumdb_url(name):
                catalog.set_sumdb_source(name, url)

        return cls(database, answered)

    def check(self, subjects: Sequence[Subject]) -> None:
        """Add a row of evidence to each subject, and the error when its hashes are not the database's.

        The error may also be that the database could not be asked (UpstreamError) or contradicts itself (ProofError).
        """
        asked: list[Subject] = []
        for subject in subjects:
            if why := self._why_not(subject):
                subject.evidence.append(Evidence(RULE, True, f"not checked: {why}"))
            else:
                asked.append(subject)
        if asked and self._database:
            answers = self._database.lookup_many([subject.mv for subject in asked])
            self._answered(self._database.name)
            for subject in asked:
                _compare(subject, answers[subject.mv])

    def _why_not(self, subject: Subject) -> str:
        if self._database is None:
            return "GOSUMDB=off"
        return "" if self._database.covers(subject.mv) else "GONOSUMDB or GOPHERWOOD_PRIVATE names it"


def _compare(subject: Subject, answer: Record | GopherwoodError) -> None:
    assert subject.zip is not None
    if isinstance(answer, NotFoundError):
        subject.error = UnverifiableError(f"the checksum database does not know it: {answer}")
    elif isinstance(answer, GopherwoodError):
        subject.error = answer
    else:
        zip_differs = _difference("zip", subject.zip.h1, answer.h1)
        subject.error = zip_differs or _difference("go.mod", subject.go_mod_h1, answer.go_mod_h1)
        if subject.error is None:
            subject.evidence.append(Evidence(RULE, True, f"record {answer.id}"))
            return
    subject.evidence.append(Evidence(RULE, False, str(subject.error)))


def _difference(what: str, ours: str, theirs: str) -> ChecksumMismatchError | None:
    if ours == theirs:
        return None
    return ChecksumMismatchError(f"the {what} has hash {ours}, the checksum database says {theirs}")
