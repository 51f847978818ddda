"""The one Airflow plugin: what Gopherwood adds to the Airflow UI.

A link to the repository's own pages, when the environment says where they are (`gopherwood up` does). It opens as a
page of its own and not in a frame: it is the public face, not a view of Airflow's.
"""

import os
from typing import Any

from airflow.plugins_manager import AirflowPlugin

SERVING_URL = os.environ.get("GOPHERWOOD_SERVING_URL", "")


class GopherwoodPlugin(AirflowPlugin):
    """The entry in the navigation bar."""

    name = "gopherwood"
    external_views: list[Any] = [{"name": "Modules", "href": SERVING_URL, "destination": "nav"}] if SERVING_URL else []
