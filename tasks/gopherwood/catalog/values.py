"""What goes into the catalog and what comes out of it: plain values, so that no caller ever sees a row or a session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.tlog import Hash, Tree

Kind = Literal["fetch", "validate", "publish"]
"""The kinds of work that are leased."""

Facts = Mapping[str, Any]
"""Facts about a version by name: `time` (datetime), `h1`, `go_mod_h1`, `zip_size`, `mod_size`, `zip_sha256` and
`info_sha256` (hex), `origin` (dict). `token`, the place in staging, is set like a fact.
"""

TOO_MANY_ATTEMPTS = "too-many-attempts"
LEASE_EXPIRED = "lease-expired"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version to enqueue, with a line for people on what asked for it."""

    mv: ModuleVersion
    why: str = ""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What an enqueue did: new rows, versions known before, and of those the ones found gone that are tried again."""

    new: int
    known: int
    revived: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One leased version. `attempt` is the fence: a later lease has a larger one, and this one's outcome is dropped."""

    id: int
    mv: ModuleVersion
    owner: str
    attempt: int
    failures: int
    state: State
    token: str | None
    source: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one rule said of one version."""

    rule: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling.

    Kinds: published, rejected, imported, conflict, damage, healed, integrity, verdict; quality-held, quality-failed,
    quality-digest; load-pass, load-fail, load-invalid; chaos-<verdict>; of origins: origins.EVENTS.
    """

    kind: str
    subject: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event in the outbox."""

    id: int
    at: datetime
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a job. `state` equal to the job's own puts the job back, to be leased again at `retry_at`.

    `retry_at` defaults to a pause that doubles with each failure. `facts` are added to those known. `keep_staged` keeps
    the token of a version that is rejected or held: a person wants to look at the bytes.
    """

    job: Job
    state: State
    reason: str = ""
    detail: str = ""
    retry_at: datetime | None = None
    facts: Facts = field(default_factory=dict)
    evidence: Sequence[Evidence] = ()
    events: Sequence[Event] = ()
    keep_staged: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How many outcomes were taken, the ids whose lease was lost, and those rejected after too many attempts."""

    done: int
    lost: list[int]
    exhausted: list[int]


@dataclass(frozen=True, slots=True)
class IndexRead:
    """One reading of a module index: an interval, its entries, how many of them differ, and lines of no use."""

    name: str
    since: datetime
    until: datetime
    entries: int
    distinct: int
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which versions to queue again: all conditions that are given must hold; at least one must be."""

    versions: Sequence[ModuleVersion] = ()
    paths: str = ""
    """Glob patterns on path prefixes, as GOPRIVATE has them."""
    reason: str = ""
    states: frozenset[State] = frozenset({State.REJECTED, State.GONE, State.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """Everything the catalog knows of one version, evidence aside."""

    id: int
    mv: ModuleVersion
    state: State
    reason: str
    detail: str
    source: str
    why: str
    owner: str | None
    attempt: int
    failures: int
    token: str | None
    ready_at: datetime
    changed_at: datetime
    first_observed: datetime
    published_at: datetime | None
    sequence: int | None
    facts: Facts


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A published version of a module path."""

    version: str
    time: datetime | None
    published_at: datetime
    first_observed: datetime
    sequence: int
    h1: str
    go_mod_h1: str
    zip_size: int
    mod_size: int


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A line of the index feed; timestamps strictly increase in the order of publishing."""

    path: str
    version: str
    timestamp: datetime


SUMDB_MISS: Final = "sumdb/"
"""What stands before the name of a checksum database in the path of a miss: no module's path begins so."""


@dataclass(frozen=True, slots=True)
class Miss:
    """Something asked for that we do not have: a version, a query such as `latest`, or `list`.

    Or a tile of a checksum database: its path is SUMDB_MISS and the database's name, its query the path of the tile.
    """

    path: str
    query: str
    count: int
    first_at: datetime
    last_at: datetime

    @property
    def database(self) -> str:
        """The name of the database of which a tile is missed; "" for a module's miss."""
        return self.path.removeprefix(SUMDB_MISS) if self.path.startswith(SUMDB_MISS) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file of the store that is not, or was not, what was published.

    Of a version's own files `suffix` is `.zip`, `.mod` or `.info`. A version list has no `version` and the suffix
    `list`; a file that nobody published has neither, and its key as `path`.
    """

    id: int
    path: str
    version: str
    suffix: str
    kind: str
    expected: str
    found: str
    found_at: datetime
    evidence: str
    """The key under which the damaged bytes are kept, empty when there were none."""
    tried_at: datetime | None
    says: str
    """Why the last try to heal it failed."""
    healed_at: datetime | None
    healed_from: str

    @property
    def mv(self) -> ModuleVersion:
        """The module version, if it is a file of one."""
        return ModuleVersion(self.path, self.version)

    @property
    def subject(self) -> str:
        """What is damaged, for people."""
        return f"{self.path}@{self.version} {self.suffix}" if self.version else f"{self.path} {self.suffix}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One scrub of one part of the store; leased while its `owner` works on it."""

    id: int
    part: str
    owner: str | None
    number: int
    """Rounds of this part that were finished before."""
    position: str
    """The module path after which the round goes on."""
    started_at: datetime
    finished_at: datetime | None
    versions: int
    bytes: int
    damaged: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What the ledger says of a version: its hashes, as go.sum has them. `number` is -1 before it is appended."""

    mv: ModuleVersion
    h1: str
    go_mod_h1: str
    number: int = -1
    at: datetime | None = None

    @property
    def record(self) -> bytes:
        """The text that is hashed into the tree: the two lines of the public checksum database."""
        named = f"{self.mv.path} {self.mv.version}"
        return f"{named} {self.h1}\n{named}/go.mod {self.go_mod_h1}\n".encode()

    def agrees(self, other: "LedgerEntry") -> bool:
        """Whether both say the same of the same version."""
        return self.record == other.record


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """A signed head of the ledger: the note as `go` reads it, and the checkpoint that witnesses read."""

    size: int
    root: Hash
    note: bytes
    checkpoint: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class LedgerExtent:
    """How large the ledger is by its counter, and by its rows and tiles, at one instant."""

    size: int
    rows: int
    tiles: int


class HeadSigner(Protocol):
    """Whoever holds the ledger's secret key."""

    @property
    def key(self) -> str:
        """The public key, `NAME+HASH+KEY`."""

    def sign(self, tree: Tree) -> tuple[bytes, bytes]:
        """Return the signed note and the signed checkpoint of a tree: the same bytes each time."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: how many entries are new, the size of the ledger now, its newest signed head."""

    new: int
    size: int
    head: LedgerHead | None
    conflicts: Mapping[ModuleVersion, LedgerEntry]
    """Of the versions that the ledger has with other hashes: what it has."""
