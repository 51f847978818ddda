"""Asking serving how the platform stands: one small JSON object, kept for some seconds, so is a failure to get it.

Airflow knows no catalog and no store. Serving knows both, only reads them, and is there before anything else is.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

PATIENCE = 4.0
"""Seconds that a page waits for serving."""
KEPT_SECONDS = 5.0
MOST_KEPT = 32
LARGEST = 1 << 20
"""Bytes of an answer; the largest of ours have some thousand."""
MOST_INTERVALS = 25
"""What serving takes in one question."""

Said = dict[str, Any]


class ServingError(Exception):
    """Serving did not say how the platform stands; the message says why."""


class Serving:
    """Serving at one address. Threads may share it; one asks at a time, the others are told what it heard."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Said | ServingError]] = {}

    def standing(self, intervals: Sequence[tuple[datetime, datetime]] = ()) -> Said:
        """Return what serving says, and of up to MOST_INTERVALS intervals what was done in each (`between`).

        Raises ServingError.
        """
        query = urlencode([("between", f"{since.isoformat()}/{until.isoformat()}") for since, until in intervals])
        with self._lock:
            expires, said = self._kept.get(query, (0.0, ServingError()))
            if expires < time.monotonic():
                said = self._ask(query)
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[query] = (time.monotonic() + KEPT_SECONDS, said)
        if isinstance(said, ServingError):
            raise said
        return said

    def _ask(self, query: str) -> Said | ServingError:
        if not self.url:
            return ServingError("nobody has said where it is")
        try:
            with urllib.request.urlopen(f"{self.url}/-/status.json?{query}", timeout=PATIENCE) as reply:  # noqa: S310
                said = json.loads(reply.read(LARGEST))
        except urllib.error.HTTPError as error:
            error.close()
            return ServingError(f"it answers {error.code} {error.reason}")
        except OSError as error:
            return ServingError(str(getattr(error, "reason", error)))
        except ValueError:
            said = None
        if not isinstance(said, dict) or "states" not in said or len(said.get("between", ())) < query.count("between="):
            return ServingError("what it says is of another release")
        return said
