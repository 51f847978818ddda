"""The fast lane: hot requests are answered in the thread that received them, without a turn of the event loop.

granian hands each request from its Rust side to a function, made once a worker, that wakes the event loop to run a
coroutine. For an answer that lies ready in memory the waking costs more than the answer (measured:
docs/benchmarks/serving.md). So that function is wrapped: it asks the application for an answer first, and wakes the
event loop only when there is none.

It is no public interface of granian. This is the only place that knows of it; where it is not as expected, nothing is
wrapped and everything works as before, only slower. A test fails when that happens with the granian of the lock.
"""

from collections.abc import Callable
from typing import Any

from granian import _futures

AnswerNow = Callable[[Any, Any], bool]
"""Takes a request's scope and protocol; True when it has answered. Must neither wait nor raise."""

MAKE = "_cbsched_aioschedule"
"""The name in granian of what makes the function."""


def install(answer_now: AnswerNow) -> bool:
    """Wrap what granian's workers of this process make from now on; False when there is nothing to wrap."""
    make = getattr(_futures, MAKE, None)
    if make is None:
        return False

    def make_with_lane(*arguments: Any) -> Callable[[Any], None]:
        return _first(answer_now, make(*arguments))

    setattr(_futures, MAKE, make_with_lane)
    return True


def _first(answer_now: AnswerNow, schedule: Callable[[Any], None]) -> Callable[[Any], None]:
    def answer_or_schedule(watcher: Any) -> None:
        if answer_now(watcher.scope, watcher.proto):
            watcher.done()
        else:
            schedule(watcher)

    return answer_or_schedule
