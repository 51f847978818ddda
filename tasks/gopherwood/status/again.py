"""Verb `requeue`: another chance for what was refused, and a word on what was named in vain."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gopherwood.catalog import Catalog, Selector, VersionRow
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_NOTHING_TO_DO
from gopherwood.module import ModuleVersion, match_prefix_patterns
from gopherwood.states import OPEN, State
from gopherwood.status import words

REQUEUEABLE = frozenset({State.REJECTED, State.GONE, State.FAILED})
"""What `requeue` takes unless it is told a state; what a policy or a conflict holds must be asked for by name."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """How many versions have another chance, and what was named in vain."""

    requeued: int
    passed_over: dict[str, str] = field(default_factory=dict)
    """Why a version or module that was named has none."""

    @property
    def exit_code(self) -> int:
        """99 when nothing matched."""
        return EXIT_DONE if self.requeued else EXIT_NOTHING_TO_DO

    def text(self) -> str:
        """Return the number, and a line for what was named in vain."""
        lines = [
            f"requeue: {self.requeued} queued again" + ("; `gopherwood ingest` works on them" if self.requeued else "")
        ]
        lines += [f"  {name}: {why}" for name, why in self.passed_over.items()]
        return "\n".join(lines)


def requeue(
    settings: Settings, versions: Sequence[ModuleVersion], globs: Sequence[str] = (), *, state: str | None, reason: str
) -> Requeued:
    """Queue again what is named: versions, and all of the modules that a glob (as in GOPRIVATE) names.

    Raises UsageError when nothing is named.
    """
    states = frozenset({State(state)}) if state else REQUEUEABLE
    with Catalog.ready(settings) as catalog:
        before = {mv: catalog.state_of(mv) for mv in versions}
        count = 0
        if versions or not globs:
            count += catalog.requeue(Selector(versions=versions, reason=reason, states=states))
        if globs:
            count += catalog.requeue(Selector(paths=",".join(globs), reason=reason, states=states))
        vain = {str(mv): why for mv, row in before.items() if (why := _why_not(row, states, reason))}
        if globs and not count:
            vain |= _nothing_of(catalog, globs)
    return Requeued(count, vain)


def _why_not(row: VersionRow | None, states: frozenset[State], reason: str) -> str:
    """Return why a version that was named is not queued again; nothing when it is."""
    if row is None:
        return "never wanted; `gopherwood ingest` brings it in"
    if row.state is State.PUBLISHED:
        return "published, which is for ever"
    if row.state in OPEN and row.state is not State.FAILED:
        return f"{row.state}, so it is on its way already"
    if row.state not in states:
        return f"{row.state}; say --state {row.state} if you mean that"
    return f"its reason is {row.reason}, not {reason}" if reason and row.reason != reason else ""


def _nothing_of(catalog: Catalog, globs: Sequence[str]) -> dict[str, str]:
    """Return for each glob why nothing that it names was queued again."""
    unpublished, published = words.unpublished(catalog), catalog.paths()
    why = {}
    for glob in globs:
        counts = Counter(row.state.value for row in unpublished if match_prefix_patterns(glob, row.mv.path))
        if counts:
            why[glob] = (
                f"its unpublished versions are {words.counted(counts)}; --state names another one than the usual"
            )
        elif any(match_prefix_patterns(glob, path) for path in published):
            why[glob] = "all its versions are published, which is for ever"
        else:
            states = ", ".join(sorted(REQUEUEABLE | {State.HELD}))
            why[glob] = "no such module is known" + (f"; a state is named by --state {glob}" if glob in states else "")
    return why
