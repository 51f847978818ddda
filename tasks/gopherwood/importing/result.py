"""What an import came to: counts, the refused with their reasons, and the exit code."""

from collections import Counter
from dataclasses import dataclass, field

from gopherwood import errors
from gopherwood.module import ModuleVersion

REPORTED = 100
"""Refused versions that a result names; the others are only counted."""
INTEGRITY = frozenset(
    {
        errors.ChecksumMismatchError.reason,
        errors.DamagedError.reason,
        errors.ImmutabilityError.reason,
        errors.ProofError.reason,
    }
)
"""Reasons that are a page, and no mere refusal."""


@dataclass(slots=True)
class Result:
    """What an import did."""

    name: str = ""
    signed_by: str = ""
    """The key whose signature the bundle carries; "" for an unsigned one, and for a plain tree."""
    imported: int = 0
    already: int = 0
    """Published before, with the same content."""
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    """Of a plain tree: versions without a zip."""
    left: int = 0
    """Not done: told to stop, or somebody else works on them."""
    refusals: list[dict[str, str]] = field(default_factory=list)
    """The first of the refused."""

    def refuse(self, mv: ModuleVersion, reason: str, detail: str) -> None:
        """Count a version that was not taken."""
        self.refused += 1
        self.reasons[reason] += 1
        if len(self.refusals) < REPORTED:
            self.refusals.append({"module": str(mv), "reason": reason, "detail": detail})

    @property
    def exit_code(self) -> int:
        """3 when bytes or proofs contradict each other, 1 when anything was refused or is left, 99 for nothing new."""
        if INTEGRITY & self.reasons.keys():
            return errors.EXIT_INTEGRITY
        if self.refused or self.left:
            return errors.EXIT_FAILED
        return errors.EXIT_DONE if self.imported else errors.EXIT_NOTHING_TO_DO

    def text(self) -> str:
        """Return the counts, and a line for each that was refused."""
        rows = ((self.already, "already there"), (self.refused, "refused"), (self.skipped, "skipped: no zip"))
        counts = "".join(f", {count} {says}" for count, says in (*rows, (self.left, "left")) if count)
        signed = f"signed by {self.signed_by}" if self.signed_by else "not signed"
        lines = [f"import: {self.imported} imported{counts}, from {self.name} ({signed})"]
        lines += [f"  refused {row['module']}: {row['reason']}: {row['detail']}" for row in self.refusals]
        if self.refused > len(self.refusals):
            lines.append(f"  and {self.refused - len(self.refusals)} more")
        if self.reasons[errors.UnverifiedError.reason]:
            lines.append("  --unverified takes what the checksum database could not be asked about")
        return "\n".join(lines)
