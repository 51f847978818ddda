"""Where the report of a task is: a button "Report" on the task's page in Airflow's UI.

A task says which report is its own: `TaskPod(report="quality/")` is a path below serving's pages, and a template;
with `report=True` its command says it, whose result (`--xcom`) has a key `report` with such a path or a URL. What a
failed task left is shown too: it is then that people look for it.
"""

import json
import os
from typing import Any

from airflow.sdk import BaseOperatorLink

KEY = "report"
"""Of the result of a command: the path of its report."""


def public_url() -> str:
    """Return where people find serving's pages, without a slash at the end; "" when nobody has said so."""
    inside = os.environ.get("GOPHERWOOD_SERVING_URL", "")
    return (os.environ.get("GOPHERWOOD_SERVING_PUBLIC_URL", "") or inside).rstrip("/")


class ReportLink(BaseOperatorLink):
    """The button. Airflow asks for its address in the task's own process, once the task has ended."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address of the report of a task; "" for none, which makes no button."""
        del ti_key
        path, base = getattr(operator, "report", ""), public_url()
        if not isinstance(path, str) or not path:
            return ""
        if path.startswith(("https://", "http://")):
            return path
        return f"{base}/{path.lstrip('/')}" if base and "://" not in path else ""


def links(report: str | bool) -> tuple[BaseOperatorLink, ...]:
    """Return the buttons of a task; one without a report has none, and Airflow keeps nothing for it."""
    return (ReportLink(),) if report else ()


def named_in(text: str) -> str:
    """Return the path of the report that a command's result names; "" when it names none, or is none."""
    try:
        result = json.loads(text)
    except ValueError:  # a command that died over writing it
        return ""
    path = result.get(KEY) if isinstance(result, dict) else None
    return path if isinstance(path, str) else ""
