"""The fast lane: hot requests are answered in the thread that received them, without a turn of the event loop.

granian hands each request from its Rust side to a scheduler, which wakes the event loop to run a coroutine. For an
answer that lies ready in memory the waking costs more than the answer: without it .info requests are served 1.4 times
as fast (docs/benchmarks/serving.md). So the scheduler is wrapped: it asks the application for an answer first, and
schedules the coroutine only when there is none.

The scheduler is no public interface of granian. This is the only place that knows of it; where it is not as expected,
nothing is wrapped and everything works as before, only slower. A test fails when that happens with the granian of the
lock.
"""

from collections.abc import Callable
from typing import Any

AnswerNow = Callable[[Any, Any], bool]
"""Takes a request's scope and protocol; True when it has answered. Must neither wait nor raise."""


MAKE, SCHEDULE = "_new_cbscheduler", "_schedule_fn"
"""The names in granian that are wrapped."""


def install(answer_now: AnswerNow) -> bool:
    """Wrap the scheduler that granian makes in this process; False when it has none that can be wrapped."""
    try:
        from granian.server import mp
    except ImportError:
        return False
    make = getattr(mp, MAKE, None)
    if make is None:
        return False

    def make_with_lane(*arguments: Any, **options: Any) -> Any:
        scheduler = make(*arguments, **options)
        schedule = getattr(scheduler, SCHEDULE, None)
        if schedule is not None:
            setattr(scheduler, SCHEDULE, _first(answer_now, schedule))
        return scheduler

    setattr(mp, MAKE, make_with_lane)
    return True


def _first(answer_now: AnswerNow, schedule: Callable[[Any], None]) -> Callable[[Any], None]:
    def answer_or_schedule(watcher: Any) -> None:
        if answer_now(watcher.scope, watcher.proto):
            watcher.done()
        else:
            schedule(watcher)

    return answer_or_schedule
