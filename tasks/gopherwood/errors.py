"""Every error of the domain, and what it means to each reader: modelled once, here.

An error carries, as class attributes, the state it puts a module version into, whether trying again can help, the
exit code of a task command, the HTTP status, and the `reason` that the catalog and the reports count by. Nobody else
maps errors to numbers. Two roots tell who is at fault: `OursError` (usage, configuration, our own storage) and
`TheirsError` (an upstream, or the content it gave us).
Exit codes: 0 done, 99 nothing to do, 1 failed (a retry may help), 2 bad usage or configuration, 3 integrity (stop and
page), 4 no verdict (a test of the platform could not measure: neither good nor bad is known).
"""

from typing import ClassVar

from gopherwood.states import State

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTEGRITY = 3
EXIT_NO_VERDICT = 4
EXIT_NOTHING_TO_DO = 99


class GopherwoodError(Exception):
    """The root. `str(error)` is one line for people; `hint` says what to do about it."""

    state: ClassVar[State] = State.FAILED
    retry: ClassVar[bool] = True
    exit_code: ClassVar[int] = EXIT_FAILED
    http_status: ClassVar[int] = 500
    reason: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def diagnostics(self) -> str:
        """Say what happened and what to do, for a terminal and for task logs."""
        return f"{self}\n{self.hint}" if self.hint else str(self)


class OursError(GopherwoodError):
    """Usage, configuration or storage of ours is at fault."""


class TheirsError(GopherwoodError):
    """An upstream, or the content it gave us, is at fault."""

    http_status = 502


# --- ours ---------------------------------------------------------------------------------------------------------


class UsageError(OursError):
    """A command was given something it cannot take."""

    retry = False
    exit_code = EXIT_USAGE
    http_status = 400
    reason = "usage"


class ConfigError(UsageError):
    """A setting is missing, malformed or contradicts another; the message names the setting."""

    http_status = 500
    reason = "configuration"


class StorageError(OursError):
    """The store or the catalog cannot be read or written now (full, unreachable, locked)."""

    http_status = 503
    reason = "storage"


class StoppedError(OursError):
    """The task was told to end while it waited: nothing is decided, its leases are given back."""

    reason = "stopped"


class IntegrityError(OursError):
    """Bytes, hashes or proofs contradict each other: stop and page a person."""

    state = State.REJECTED
    retry = False
    exit_code = EXIT_INTEGRITY
    reason = "integrity"


class ImmutabilityError(IntegrityError):
    """Somebody tried to publish other bytes under a name that is published."""

    http_status = 409
    reason = "immutability"

    def __init__(self, message: str, *, hint: str = "", keys: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.keys = keys
        """The keys of the store that hold other bytes."""
        self.created: list[bool] = []
        """Of a batch: for each item, whether it is new all the same."""


class ChecksumMismatchError(IntegrityError):
    """The content's h1 hash is not the one in the checksum database."""

    reason = "checksum-mismatch"


class ProofError(IntegrityError):
    """A signature or a proof of a transparency log does not hold."""

    reason = "bad-proof"
    kept: str = ""
    """The key of the store under which what shows it lies, where it was kept (sumdb/evidence.py)."""


class BundleError(IntegrityError):
    """A bundle is not what somebody we know made: signature, names or manifest are off. None of it is taken."""

    reason = "bad-bundle"


class DamagedError(IntegrityError):
    """A file of a bundle is not the one that its manifest names."""

    reason = "damaged"


# --- theirs: content --------------------------------------------------------------------------------------------------


class ContentError(TheirsError):
    """The content breaks a rule; no retry changes that."""

    state = State.REJECTED
    retry = False
    http_status = 422
    reason = "content"


class InvalidPathError(ContentError):
    """Not a module path, import path or file path."""

    http_status = 404
    reason = "invalid-path"


class InvalidVersionError(ContentError):
    """Not a version, or not one this module path may have."""

    http_status = 404
    reason = "invalid-version"


class InvalidInfoError(ContentError):
    """The `.info` is no JSON object with the asked version in it."""

    reason = "invalid-info"


class InvalidGoModError(ContentError):
    """The `.mod` does not parse, or is another module's."""

    reason = "invalid-go-mod"


class InvalidZipError(ContentError):
    """The `.zip` is no module zip."""

    reason = "invalid-zip"


class TooLargeError(ContentError):
    """A limit of the module format is exceeded."""

    reason = "too-large"


class UnverifiableError(ContentError):
    """The checksum database does not know the version, so nobody could verify what we would serve."""

    reason = "unverifiable"


class UnverifiedError(ContentError):
    """The checksum database was not asked, and nobody else vouches for the version."""

    reason = "unverified"


# --- theirs: transport ------------------------------------------------------------------------------------------------


class UpstreamError(TheirsError):
    """The upstream could not answer; trying later may help."""

    reason = "upstream"

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None, status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        """Seconds the upstream asked us to wait, if it did."""
        self.status = status
        """The HTTP status it answered with; 0 when there was no whole answer."""


class NotFoundError(UpstreamError):
    """The upstream says that it is not there (404, 410, and a 403 that means the same)."""

    state = State.GONE
    retry = False
    http_status = 404
    reason = "not-found"


class RefusedError(UpstreamError):
    """The upstream knows the question and will not answer us (401, 403, 451)."""

    reason = "refused"


class WithheldError(UpstreamError):
    """What is known to be there is not given: no lie that could be shown, and nothing that could be verified."""

    reason = "withheld"


class UntrustedError(UpstreamError):
    """The other end could not prove who it is: its certificate is not one that we trust for its name."""

    reason = "untrusted"


class TruncatedError(UpstreamError):
    """Fewer or other bytes arrived than were announced."""

    reason = "truncated"
