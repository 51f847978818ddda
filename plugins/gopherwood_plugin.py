"""The one Airflow plugin: what Gopherwood adds to the Airflow UI.

The view "Modules" and a tab on each DAG (`gopherwood_airflow.views`), which ask the serving app at
`GOPHERWOOD_SERVING_URL`; `GOPHERWOOD_SERVING_PUBLIC_URL` is where people find it, if that is another address. Every
process of Airflow loads this file, a task's too: so what only the API server needs is made when that asks for it.
"""

import os
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from gopherwood_airflow.reports import public_url

PREFIX = "/gopherwood"
ROOT = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
"""The path below which Airflow's UI is, empty for an address of its own."""


VIEWS = [
    {
        "name": "Modules",
        "href": f"{ROOT}{PREFIX}/modules",
        "destination": "nav",
        "url_route": "modules",
        "nav_top_level": True,
    },
    {
        "name": "Gopherwood",
        "href": f"{ROOT}{PREFIX}/dag/{{DAG_ID}}",
        "destination": "dag",
        "url_route": "gopherwood",
    },
]


class GopherwoodPlugin(AirflowPlugin):
    """The views and their app."""

    name = "gopherwood"
    external_views: list[Any] = VIEWS

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]  # Airflow reads it from the instance
        """The app behind the views."""
        from gopherwood_airflow.views.app import create_app
        from gopherwood_airflow.views.asking import Serving

        serving = Serving(os.environ.get("GOPHERWOOD_SERVING_URL", ""))
        return [{"app": create_app(ROOT, serving, public_url()), "url_prefix": PREFIX, "name": "Gopherwood"}]
