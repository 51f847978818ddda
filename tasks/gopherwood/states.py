"""The states of a module version, and which may follow which.

One row of the catalog is in exactly one of them. A state is what an error *is* to the pipeline (errors.py maps each
error to one), so "why is it not served?" is a column and not a search through logs.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a module version stands on its way into the store."""

    QUEUED = "queued"
    """Wanted; nobody works on it."""
    LEASED = "leased"
    """A fetch holds it until its lease ends."""
    STAGED = "staged"
    """Its files lie in staging, nothing is checked yet."""
    VALID = "valid"
    """Every rule passed; waiting to be published."""
    PUBLISHED = "published"
    """In the store, for ever. Nothing leads out of this state."""
    FAILED = "failed"
    """Something outside broke; tried again at `ready_at`."""
    REJECTED = "rejected"
    """A rule says no; final until a person re-queues it."""
    GONE = "gone"
    """The upstream says it is not there, and we never had it."""
    HELD = "held"
    """A policy holds it back until `ready_at`."""


OPEN = frozenset({State.QUEUED, State.LEASED, State.STAGED, State.VALID, State.FAILED})
"""States with work left to do."""

FOLLOWERS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.LEASED, State.HELD}),
    State.LEASED: frozenset({State.STAGED, State.QUEUED, State.FAILED, State.REJECTED, State.GONE}),
    State.STAGED: frozenset({State.VALID, State.QUEUED, State.FAILED, State.REJECTED, State.HELD}),
    State.VALID: frozenset({State.PUBLISHED, State.QUEUED, State.FAILED, State.REJECTED, State.HELD}),
    State.PUBLISHED: frozenset(),
    State.FAILED: frozenset({State.LEASED, State.QUEUED, State.REJECTED}),
    State.REJECTED: frozenset({State.QUEUED}),
    State.GONE: frozenset({State.QUEUED}),
    State.HELD: frozenset({State.QUEUED, State.VALID}),
}
"""From each state, the states that may follow."""
