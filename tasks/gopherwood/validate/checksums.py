"""The last rule: the checksum database knows these very hashes.

As `go` does it: which databases are asked is a setting (GOSUMDB), and modules that GONOSUMDB or GOPRIVATE match are
never asked about. The zip's h1 and the go.mod's are compared with a record whose place in a signed tree is proved
(gopherwood.sumdb). A mismatch is an integrity failure; a database that does not know the version at all rejects it too:
nobody could verify what we would serve. But a "no" is not signed. Where a feed has named the version to the whole
world, the database or whoever is on the way withholds it, or is late: it is asked again later.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Self

from gopherwood.catalog import Catalog, Evidence
from gopherwood.config import Settings
from gopherwood.errors import (
    ChecksumMismatchError,
    GopherwoodError,
    NotFoundError,
    ProofError,
    UnverifiableError,
    WithheldError,
)
from gopherwood.objects import Objects
from gopherwood.sumdb import Databases, Record
from gopherwood.upstream import Upstream
from gopherwood.validate.rules import Subject

RULE = "checksum-database"
FEEDS: Final = frozenset({"index", "sumdb"})
"""Sources of discovery that name what everybody can see: a module index, the log of the database itself."""
_NOT_THERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Checksums:
    """Compares hashes with the checksum databases that the settings, or the user's Go configuration, name."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    @classmethod
    def open(cls, settings: Settings, upstream: Upstream, catalog: Catalog, store: Objects) -> Self:
        """Open the databases that are configured. Raises ConfigError for a setting that names none."""
        return cls(Databases.open(settings, upstream, catalog, store))

    def check(self, subjects: Sequence[Subject]) -> None:
        """Add a row of evidence to each subject, and the error when its hashes are not its database's.

        The error may also be that the database could not be asked (UpstreamError) or contradicts itself (ProofError).
        """
        asked: list[Subject] = []
        for subject in subjects:
            if why := self._databases.why_not(subject.mv.path):
                subject.evidence.append(Evidence(RULE, True, f"not checked: {why}"))
            else:
                asked.append(subject)
        answers = self._databases.lookup_many([subject.mv for subject in asked])
        for subject in asked:
            database = self._databases.of(subject.mv.path)
            assert database is not None
            _compare(subject, answers[subject.mv], database.name)


def _compare(subject: Subject, answer: Record | GopherwoodError, database: str) -> None:
    assert subject.zip is not None
    if isinstance(answer, NotFoundError) and answer.status in _NOT_THERE and subject.source in FEEDS:
        said = f"{database} says that it has no record of what the source {subject.source} lists: withheld, or late"
        subject.error = WithheldError(f"{said}: {answer}", status=answer.status)
    elif isinstance(answer, NotFoundError):
        subject.error = UnverifiableError(f"the checksum database does not know it: {answer}")
    elif isinstance(answer, GopherwoodError):
        subject.error = answer
    else:
        zip_differs = _difference("zip", subject.zip.h1, answer.h1)
        subject.error = zip_differs or _difference("go.mod", subject.go_mod_h1, answer.go_mod_h1)
        if subject.error is None:
            subject.evidence.append(Evidence(RULE, True, f"record {answer.id} of {database}"))
            return
    kept = f" (shown by {answer.kept} in the store)" if isinstance(answer, ProofError) else ""
    subject.evidence.append(Evidence(RULE, False, f"{subject.error}{kept}"))


def _difference(what: str, ours: str, theirs: str) -> ChecksumMismatchError | None:
    if ours == theirs:
        return None
    return ChecksumMismatchError(f"the {what} has hash {ours}, the checksum database says {theirs}")
