"""What a look at a repository says of each of its versions: the rules from answers to findings.

- The ref names the commit that it did: `unchanged`; another: `moved`, or `moved-same-content` if the h1 is still ours;
  none: `gone`. A pseudo-version's commit is unchanged while it can be had at all.
- The first look at a version without a commit keeps what it sees: `baseline`.
- The repository answers under another name: `renamed`, unless its tag moved, which says more.
- There is no repository: `repository-gone`. So too when its host wants to know who asks, if that host says so of
  what is missing, or answered everybody before; never for a path that the user's GOPRIVATE names.
- No answer: `unreachable`, which changes no finding. Somewhere we do not go: `refused`, at the first look.

Nobody else decides what an answer means.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from gopherwood import module, origin, pseudo
from gopherwood.audit import schedule
from gopherwood.audit.evidence import Evidence
from gopherwood.audit.hosts import Hosts
from gopherwood.catalog import Finding, Look, OriginRow
from gopherwood.errors import NotFoundError, RefusedError, TooLargeError, UpstreamError
from gopherwood.http import Client
from gopherwood.origin import GIT, HIDES_MISSING, Refs, Remote
from gopherwood.reach import Reach

_LEGAL = 451
_ANSWERED = frozenset({Finding.BASELINE, Finding.UNCHANGED, Finding.MOVED, Finding.MOVED_SAME_CONTENT, Finding.GONE})
_STANDS = frozenset({Finding.MOVED, Finding.MOVED_SAME_CONTENT})
Verdict = tuple[Finding, str]


class Judge:
    """Looks at repositories; any number of threads may share one."""

    def __init__(self, client: Client, remote: Remote, evidence: Evidence, hosts: Hosts, private: str) -> None:
        """`private` are the patterns of GOPRIVATE: paths of the user's own."""
        self._client = client
        self._remote = remote
        self._evidence = evidence
        self._hosts = hosts
        self._private = private

    def look(self, rows: Sequence[OriginRow], now: datetime) -> list[Look]:
        """Look at versions of one repository. Raises StorageError and StoppedError; all else is a finding."""
        try:
            resolved = self._resolve(rows)
        except NotFoundError as error:
            return _all(rows, rows, (Finding.UNSUPPORTED, f"nobody says where it comes from: {error}"), now)
        except RefusedError as error:
            return [_look(row, row, *self._refused(row, error), now=now) for row in rows]
        except (UpstreamError, TooLargeError) as error:
            return _all(rows, rows, (Finding.UNREACHABLE, str(error)), now)
        if resolved[0].vcs != GIT:
            says = f"version control {resolved[0].vcs} is not looked at"
            return _all(resolved, rows, (Finding.UNSUPPORTED, says), now)
        return self._ask(resolved, rows, now)

    def _ask(self, rows: Sequence[OriginRow], old: Sequence[OriginRow], now: datetime) -> list[Look]:
        repository = rows[0].repository
        try:
            with self._hosts.turn(_host(repository)):
                refs = self._remote.refs(repository, self._allowed(rows[0]))
                commits = self._commits(rows, refs)
                return [self._judge(*each, refs, commits, now) for each in zip(rows, old, strict=True)]
        except NotFoundError as error:
            return _all(rows, old, (Finding.REPOSITORY_GONE, str(error)), now)
        except RefusedError as error:
            verdicts = [self._refused(row, error) for row in rows]
            each = zip(rows, old, verdicts, strict=True)
            return [_look(row, before, *verdict, now=now) for row, before, verdict in each]
        except (UpstreamError, TooLargeError) as error:
            return _all(rows, old, (Finding.UNREACHABLE, str(error)), now)

    def _resolve(self, rows: Sequence[OriginRow]) -> list[OriginRow]:
        """Return the rows with their repository: that of go-get meta where nobody has said yet."""
        if "://" in rows[0].repository:
            return list(rows)
        path = rows[0].mv.path
        with self._hosts.turn(path.partition("/")[0]):
            found = origin.discover(self._client, rows[0].mv, self._allowed(rows[0]))
        return [
            replace(
                row,
                repository=found.url,
                vcs=found.vcs,
                subdir=found.subdir,
                ref=origin.tag_of(row.mv, found.subdir),
                known=found.known,
            )
            for row in rows
        ]

    def _commits(self, rows: Sequence[OriginRow], refs: Refs) -> dict[str, str]:
        wanted = {_commit_of(row) for row in rows if not row.ref}
        return self._remote.commits(refs, sorted(wanted)) if wanted else {}

    def _judge(self, row: OriginRow, old: OriginRow, refs: Refs, commits: dict[str, str], now: datetime) -> Look:
        found = refs.commits.get(row.ref, "") if row.ref else commits.get(_commit_of(row), "")
        evidence = ""
        if not found:
            finding, says = Finding.GONE, f"{row.ref or _commit_of(row)} is not in {row.repository} any more"
        elif not row.hash:
            finding, says = Finding.BASELINE, f"first seen at {found[:12]}"
            row = replace(row, hash=found)
        elif found == row.hash or refs.tags.get(row.ref) == row.hash:
            finding, says = Finding.UNCHANGED, ""
        elif old.state in _STANDS and old.found == found and (old.evidence or old.state is not Finding.MOVED):
            finding, says, evidence = old.state, old.detail, old.evidence
        else:
            finding, says, evidence = self._evidence.of_move(row, refs, found, now)
        if refs.renamed_to:
            says = f"it is {refs.renamed_to} now{f'; {says}' if says else ''}"
            finding = Finding.RENAMED if finding in (Finding.BASELINE, Finding.UNCHANGED) else finding
        return _look(row, old, finding, says, now=now, found=found, evidence=evidence, renamed_to=refs.renamed_to)

    def _refused(self, row: OriginRow, error: RefusedError) -> Verdict:
        if not error.status:  # by ourselves
            first = row.state in (Finding.NEW, Finding.REFUSED)
            return (Finding.REFUSED if first else Finding.UNREACHABLE), str(error)
        hidden = _host(row.repository) in HIDES_MISSING or row.state in _ANSWERED | {Finding.REPOSITORY_GONE}
        if "://" in row.repository and not self._is_private(row) and (hidden or error.status == _LEGAL):
            return Finding.REPOSITORY_GONE, f"{error}: it is gone, or no longer public"
        return Finding.UNREACHABLE, str(error)

    def _allowed(self, row: OriginRow) -> Reach:
        """Return how near to us a version's origin may be: the user's own modules may be in his own network."""
        return Reach.LOOPBACK if self._is_private(row) else Reach.PUBLIC

    def _is_private(self, row: OriginRow) -> bool:
        return module.match_prefix_patterns(self._private, row.mv.path)


def _all(rows: Sequence[OriginRow], old: Sequence[OriginRow], verdict: Verdict, now: datetime) -> list[Look]:
    return [_look(row, before, *verdict, now=now) for row, before in zip(rows, old, strict=True)]


def _look(
    row: OriginRow,
    old: OriginRow,
    finding: Finding,
    detail: str,
    *,
    now: datetime,
    found: str = "",
    evidence: str = "",
    renamed_to: str = "",
) -> Look:
    """Return what a look came to; `row` is `old` with what was learned of it."""
    if finding is Finding.UNREACHABLE:
        due_at = schedule.after_silence(now, old.fails)
    else:
        unfinished = finding is Finding.MOVED and not evidence
        changed = unfinished or (finding is not old.state and finding not in (Finding.BASELINE, Finding.UNCHANGED))
        due_at = schedule.after_answer(row.published_at, now, changed=changed)
    names = ("repository", "vcs", "subdir", "ref", "hash", "known")
    changes = {name: getattr(row, name) for name in names if getattr(row, name) != getattr(old, name)}
    return Look(
        row=old,
        finding=finding,
        due_at=due_at,
        found=found,
        detail=detail[:2_000],
        evidence=evidence,
        renamed_to=renamed_to,
        changes=changes,
    )


def _commit_of(row: OriginRow) -> str:
    return row.hash or pseudo.pseudo_version_rev(row.mv.version)


def _host(repository: str) -> str:
    return (urlsplit(repository).hostname or repository).lower()
