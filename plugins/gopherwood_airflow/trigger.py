"""What the triggerer runs for a pod that a task waits for: the provider's trigger, which never fires at once.

A task that defers ends its process, and the scheduler hears of that later than the triggerer hears of the task. When
the pod has ended meanwhile, the task is queued anew first, and the scheduler takes what it then hears for the task's
end: "finished with state success, but the task instance's state attribute is queued". It fails the try; the process
that it has started is told "Task Instance not found", and the pod's end is lost. Airflow has mended this for the state
`scheduled` alone (its issues 67287 and 72716). So an end that comes early is held back a little.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.triggers.base import TriggerEvent

SETTLED = 5.0
"""Seconds in which a scheduler hears of the process that deferred: it looks about every second."""


class PodTrigger(KubernetesPodTrigger):
    """Tells of the end of a pod, SETTLED seconds after the triggerer took it up at the earliest."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the name of this class, and its arguments."""
        return f"{__name__}.{type(self).__name__}", super().serialize()[1]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Tell of the end."""
        begun = time.monotonic()
        async for event in super().run():
            await asyncio.sleep(begun + SETTLED - time.monotonic())
            yield event
