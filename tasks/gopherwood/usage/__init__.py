"""Counts the access log: hours of it become Parquet files beside the store, and downloads by day in the catalog.

Whatever has lines that are not counted is counted, from its first line again: so an interval may be run any number of
times, with the same bytes as result, and lines that come late, from a pod that was cut off, open their hour anew. The
parts: `scan` finds out which file has lines of which hours, `frames` adds up one hour (pandas), `tables` are the files
(pyarrow), `summary` says what was found. Only these load pandas, and only when the verb runs.
"""

from datetime import datetime
from threading import Event

from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.usage.flags import add_arguments, interval
from gopherwood.usage.summary import Rolled

__all__ = ["Rolled", "add_arguments", "interval", "run"]


def run(settings: Settings, since: datetime | None, until: datetime | None, *, top: int, stop: Event) -> Rolled:
    """Count the hours from `since` on and before `until`, and those before `until` that have late lines.

    Raises ConfigError where no log is kept, or the libraries of the extra `usage` are not installed.
    """
    try:
        from gopherwood.usage import roll
    except ModuleNotFoundError as error:
        hint = "install gopherwood[usage], or run it in the image `data`"
        raise ConfigError(f"usage needs {error.name}, which is not installed", hint=hint) from None
    return roll.run(settings, since, until, top=top, stop=stop)
