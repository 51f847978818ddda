"""What every DAG is given unless it says otherwise, and the closed list of tags."""

from datetime import timedelta
from typing import Any

OWNER = "gopherwood"

TAGS = frozenset({"pipeline", "by-hand", "scheduled"})
"""The only tags: `pipeline` moves module versions, `by-hand` can be run by a person, `scheduled` runs by itself."""


def default_args(**changes: Any) -> dict[str, Any]:
    """Return a DAG's `default_args`, with changes.

    Commands lease their work and are idempotent, so a retry is always safe; three cover a restart of the upstream. The
    time limit ends a hanging task: a pod without one has been seen to wait for ever.
    """
    return {
        "owner": OWNER,
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(minutes=30),
    } | changes
