"""What a notice is, what a sink promises, and how a delivery fails."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol

from gopherwood.catalog import Message
from gopherwood.errors import TheirsError


class Severity(IntEnum):
    """How much a notice wants to be seen: good to know, to be looked at today, to be looked at now."""

    INFO = 0
    WARN = 1
    PAGE = 2

    @classmethod
    def named(cls, name: str) -> "Severity":
        """Return the one of this name in lower case; raises KeyError."""
        return cls[name.upper()]

    @property
    def word(self) -> str:
        """Its name, as files and people write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event as one sink is told of it."""

    id: int
    at: datetime
    kind: str
    subject: str
    payload: Mapping[str, Any]
    severity: Severity
    line: str
    """What happened, in one line of plain text."""
    todo: str = ""
    """What to do next, in one line; nothing for good news."""
    link: str = ""
    ends: bool = False
    """Whether the subject's story is told with this."""
    folds: bool = False
    """Whether many of its kind may be told in one line."""
    channel: str = ""
    mention: str = ""

    @property
    def key(self) -> str:
        """What identifies it, however often it is sent."""
        return f"gopherwood-{self.id}-{int(self.at.timestamp() * 1_000_000)}"

    @property
    def module(self) -> str:
        """The path that it is about: a subject is `PATH@VERSION ...`, or a path, or another name."""
        return self.subject.split(" ", 1)[0].partition("@")[0]


class SinkError(TheirsError):
    """A sink did not take a notice; it may later."""

    reason = "sink"

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        """Seconds after which it wants to be asked again, if it said so."""


class UnwantedError(SinkError):
    """A sink will never take this notice: it is dropped, and counted."""

    retry = False
    reason = "unwanted"


Remembered = Callable[[str], Message | None]
"""Gives the message that tells a story at this sink, if it may be edited."""


class Sink(Protocol):
    """Where notices go."""

    most: int
    """Notices that one delivery takes."""
    folds: bool
    """Whether many notices of one kind are told in one line: then a delivery takes more of those."""
    every: float
    """Seconds between two deliveries, at least."""

    def deliver(self, notices: Sequence[Notice], remembered: Remembered) -> list[Message]:
        """Deliver notices, in their order; return the messages that may be edited next time.

        Raises SinkError, and UnwantedError when trying again is of no use.
        """


@dataclass(slots=True)
class Told:
    """What one sink was told in a run."""

    delivered: int = 0
    held: int = 0
    """Notices that wait for the end of quiet hours."""
    dropped: int = 0
    problem: str = field(default="")
    """Why it takes nothing now."""
    busy: bool = False
    """Whether another notifier has it."""
